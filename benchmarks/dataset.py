"""20,000 monthly series of 500 months in two vintages, the same rows on every machine: a rounded random walk each, then
small revisions.

Each series, and each vintage of it, has random numbers of its own: a row does not depend on the block it is made in.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from catalog.identity import series_id

SOURCE = "BENCHMARK"
FIRST_YEAR, FIRST_MONTH = 1985, 2  # so that the last of 500 months is 2026-09
SCALE = 4  # digits after the point that the finest series have
RELEASE_DAYS, VINTAGE_DAYS = 45, 30  # from a month's first day to its first vintage; from one vintage to the next

SCHEMA = pa.schema(
    [
        ("external_id", pa.dictionary(pa.int32(), pa.string())),
        ("date", pa.date32()),
        ("value", pa.decimal128(18, SCALE)),
        ("revision_date", pa.date32()),
    ]
)


@dataclass(frozen=True)
class Dataset:
    """What the rows follow from. Vintages beyond `vintages` can be made too: news for a lake that holds the others."""

    series: int = 20_000
    months: int = 500
    vintages: int = 2
    seed: int = 20_000_000

    @property
    def rows(self) -> int:
        return self.series * self.months * self.vintages

    @property
    def name(self) -> str:
        return f"{self.series}x{self.months}x{self.vintages}-{self.seed}"

    def blocks(self, series_each: int) -> Iterator[pa.Table]:
        """All rows, by blocks of whole series."""
        for start in range(0, self.series, series_each):
            yield self.table(range(start, min(start + series_each, self.series)))

    def table(self, series: range, months: range | None = None, vintages: range | None = None) -> pa.Table:
        """The rows of some series, months and vintages in SCHEMA, sorted by all three."""
        months = months or range(self.months)
        vintages = vintages or range(self.vintages)
        wanted = self._wanted(series, months)
        latest = self._walk(series)
        columns: list[pa.Array] = []
        for vintage in range(vintages.stop):
            if vintage:
                latest = pc.add(latest, self._revision(series, vintage))
            if vintage in vintages:
                columns.append(latest.take(wanted))
        values = _interleaved(columns)
        return pa.table([self._ids(series, months, vintages), *self._dates(series, months, vintages, values)], SCHEMA)

    def _wanted(self, series: range, months: range) -> pa.Array:
        """Positions of the wanted months in an array of all months of all series."""
        return pa.array([at * self.months + month for at in range(len(series)) for month in months], pa.int64())

    def _walk(self, series: range) -> pa.Array:
        """First vintages in units of the last digit of SCALE, all months of one series after another."""
        steps = self._random(series, 0, amplitude=8_000)
        total = pc.cumulative_sum(steps)
        before = [0, *(total[at * self.months - 1].as_py() for at in range(1, len(series)))]
        starts = [random.Random(f"{self.seed}/{each}").randrange(500_000, 5_000_000) for each in series]
        offsets = [start - earlier for start, earlier in zip(starts, before, strict=True)]
        return self._rounded(series, pc.add(total, _repeated(offsets, self.months)))

    def _revision(self, series: range, vintage: int) -> pa.Array:
        change = self._rounded(series, self._random(series, vintage, amplitude=1_000))
        return pc.if_else(pc.equal(change, 0), 10**SCALE // 100, change)

    def _random(self, series: range, vintage: int, amplitude: int) -> pa.Array:
        """Whole numbers up to `amplitude` either way, one for each month of each series."""
        content = b"".join(random.Random(f"{self.seed}/{each}/{vintage}").randbytes(2 * self.months) for each in series)
        numbers = pa.Array.from_buffers(pa.int16(), len(content) // 2, [None, pa.py_buffer(content)])
        return pc.divide(pc.multiply(numbers.cast(pa.int64()), amplitude), 2**15)

    def _rounded(self, series: range, numbers: pa.Array) -> pa.Array:
        """To two, three or four digits after the point, by series."""
        units = _repeated([10 ** (each % 3) for each in series], self.months)
        return pc.multiply(pc.divide(numbers, units), units)

    def _ids(self, series: range, months: range, vintages: range) -> pa.Array:
        places = _repeated(range(len(series)), len(months) * len(vintages)).cast(pa.int32())
        return pa.DictionaryArray.from_arrays(places, [self.external_id(each) for each in series])

    def _dates(self, series: range, months: range, vintages: range, values: pa.Array) -> Iterator[pa.Array]:
        """Date, value and revision date of each row."""
        days = [(_month(month) - dt.date(1970, 1, 1)).days for month in months]
        dates = pa.array([day for day in days for _ in vintages] * len(series), pa.int32())
        ages = pa.array([RELEASE_DAYS + VINTAGE_DAYS * v for v in vintages] * (len(series) * len(months)), pa.int32())
        delays = _repeated([each % 10 for each in series], len(months) * len(vintages)).cast(pa.int32())
        yield dates.cast(pa.date32())
        unit = pa.scalar(10**-SCALE).cast(pa.decimal128(SCALE + 1, SCALE))
        yield pc.multiply(values.cast(pa.decimal128(19)), unit).cast(SCHEMA.field("value").type)
        yield pc.add(dates, pc.add(ages, delays)).cast(pa.date32())

    def external_id(self, series: int) -> str:
        return f"S{series:06d}"

    def series_id(self, series: int) -> str:
        return series_id(SOURCE, self.external_id(series))

    def last_month(self) -> dt.date:
        return _month(self.months - 1)


def _month(number: int) -> dt.date:
    years, month = divmod(FIRST_MONTH - 1 + number, 12)
    return dt.date(FIRST_YEAR + years, month + 1, 1)


def _repeated(values: Sequence[int], times: int) -> pa.Array:
    """Each value `times` times."""
    ends = pa.array(range(times, times * len(values) + 1, times), pa.int32())
    return pc.run_end_decode(pa.RunEndEncodedArray.from_arrays(ends, pa.array(values, pa.int64())))


def _interleaved(columns: Sequence[pa.Array]) -> pa.Array:
    """The first of each, the second of each, and so on."""
    rows = len(columns[0])
    places = pa.arange(0, rows * len(columns))
    row = pc.divide(places, len(columns))
    column = pc.subtract(places, pc.multiply(row, len(columns)))
    return pa.concat_arrays(columns).take(pc.add(pc.multiply(column, rows), row))
