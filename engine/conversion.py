"""Frequency conversion and units transforms of series, as FRED names them: what is asked, and which dates it takes.

First points of one period become one (`Rollup`), then the series of periods is transformed. A value whose predecessor
is not there, or is null, is null: nothing is filled in, and no gap is stepped over. The predecessor is the value of the
period before; for daily series, and those whose frequency is not known, the point before.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import Enum

from catalog.model import Table, Type
from engine.errors import QueryError
from engine.periods import months_later, next_start, start_of


class Frequency(Enum):
    """From high to low, by FRED's letters."""

    D = "d"
    W = "w"
    BW = "bw"
    M = "m"
    Q = "q"
    SA = "sa"
    A = "a"

    @property
    def a_year(self) -> int:
        """Observations a year, as FRED counts them: days without weekends."""
        return _A_YEAR[self]

    @property
    def months(self) -> int:
        """Months a period has; 0 where periods are of days."""
        return _MONTHS.get(self, 0)

    @property
    def period(self) -> str:
        """Its name in `engine.periods`; empty where periods have no start in the calendar."""
        return _PERIODS.get(self, "")

    def is_higher(self, other: Frequency) -> bool:
        order = list(Frequency)
        return order.index(self) < order.index(other)


_A_YEAR = dict(zip(Frequency, (260, 52, 26, 12, 4, 2, 1), strict=True))
_MONTHS = {Frequency.M: 1, Frequency.Q: 3, Frequency.SA: 6, Frequency.A: 12}
_PERIODS = {
    Frequency.W: "week",
    Frequency.M: "month",
    Frequency.Q: "quarter",
    Frequency.SA: "half",
    Frequency.A: "year",
}
# What series say of themselves. Those that say nothing, or that they are irregular, have no frequency here.
STATED: dict[str, Frequency] = {
    "daily": Frequency.D,
    "weekly": Frequency.W,
    "biweekly": Frequency.BW,
    "monthly": Frequency.M,
    "quarterly": Frequency.Q,
    "semiannual": Frequency.SA,
    "annual": Frequency.A,
}


class Rollup(Enum):
    """What becomes of the points of one period. Where it is known how many the period has, and one is not there, is
    null or is there twice, the result is null (EOP looks at the last alone); of the others null points are passed
    over."""

    AVG = "avg"
    SUM = "sum"
    EOP = "eop"  # end of period: its last value


class Transform(Enum):
    """With x the value, y the one before, z the one a year before, n observations a year."""

    LIN = "lin"  # x
    CHG = "chg"  # x - y
    CH1 = "ch1"  # x - z
    PCH = "pch"  # (x / y - 1) * 100
    PC1 = "pc1"  # (x / z - 1) * 100
    PCA = "pca"  # ((x / y) ^ n - 1) * 100
    CCH = "cch"  # (ln x - ln y) * 100
    CCA = "cca"  # (ln x - ln y) * 100 * n
    LOG = "log"  # ln x


_BY_YEAR = (Transform.CH1, Transform.PC1)
_BY_COUNT = (*_BY_YEAR, Transform.PCA, Transform.CCA)
_ALONE = (Transform.LIN, Transform.LOG)


@dataclass(frozen=True, slots=True)
class Line:
    """The columns that make series of a table's rows: whose they are, their date, and the one that holds numbers."""

    parent: str
    axis: str
    measure: str


def line_of(table: Table) -> Line | None:
    """None where a table holds no series."""
    axis, parents = table.axis, [name for name in table.key if name != table.axis]
    measures = [column.name for column in table.visible if column.type is Type.DECIMAL]
    if table.revision is None or axis is None or not len(parents) == len(measures) == 1:
        return None
    return Line(parents[0], axis, measures[0])


@dataclass(frozen=True, slots=True)
class Conversion:
    """What is made of series that are all of the frequency `native`, None where it is not known.

    Without a `frequency` it stays as it is. `start` and `end` are inclusive; of periods those are shown that have a day
    between them, each made of all its points.
    """

    native: Frequency | None
    frequency: Frequency | None = None
    rollup: Rollup = Rollup.AVG
    transform: Transform = Transform.LIN
    start: dt.date | None = None
    end: dt.date | None = None

    @property
    def target(self) -> Frequency | None:
        """The frequency of the result."""
        return self.frequency or self.native

    @property
    def rolls_up(self) -> bool:
        return self.frequency is not None and self.frequency is not self.native

    @property
    def parts(self) -> int | None:
        """How many values a period is made of, where that is known."""
        if self.native is None or self.frequency is None or not self.native.months or not self.frequency.months:
            return None
        return self.frequency.months // self.native.months

    @property
    def lag(self) -> int:
        """How many periods before is the value that another is compared with; 0 for none."""
        if self.transform in _ALONE:
            return 0
        return self.target.a_year if self.transform in _BY_YEAR and self.target else 1

    @property
    def is_exact(self) -> bool:
        """Whether the result is worked out in decimals."""
        added = not self.rolls_up or self.rollup is not Rollup.AVG
        return added and self.transform in (Transform.LIN, Transform.CHG, Transform.CH1)

    @property
    def shown_from(self) -> dt.date | None:
        """The first date that a result may have."""
        return self._period_start(self.start) if self.rolls_up else self.start

    @property
    def read_from(self) -> dt.date | None:
        """The first date of a point that the first result depends on; None where that may be any."""
        first = self._period_start(self.shown_from)
        if first is None or not self.lag:
            return first
        if self.target is None or self.target is Frequency.D:
            return None
        if self.target.months:
            return months_later(first, -self.lag * self.target.months)
        days = self.lag * (7 if self.target is Frequency.W else 14)
        return first - dt.timedelta(days) if (first - dt.date.min).days >= days else dt.date.min

    @property
    def read_to(self) -> dt.date | None:
        """The last date of a point that the last result depends on."""
        if self.end is None or not self.rolls_up or self.target is None or not self.target.period:
            return self.end
        behind = next_start(self.target.period, start_of(self.target.period, self.end))
        return dt.date.max if behind is None else behind - dt.timedelta(days=1)

    def _period_start(self, day: dt.date | None) -> dt.date | None:
        if day is None or self.target is None or not self.target.period:
            return day
        return start_of(self.target.period, day)


def check_conversion(conversion: Conversion) -> None:
    """Raises QueryError where the frequency is higher than the native one, or not known and needed."""
    native, wanted = conversion.native, conversion.frequency
    if native is not None and wanted is not None and wanted.is_higher(native):
        raise QueryError(
            f"A series of frequency {native.value} has no values of frequency {wanted.value}.",
            f"Ask for {native.value}, or for a lower frequency.",
        )
    if conversion.target is None and conversion.transform in _BY_COUNT:
        raise QueryError(
            f"{conversion.transform.value} needs to know how many values a year has.",
            "Name a frequency to convert to, or say of the series how often it has a point.",
        )
