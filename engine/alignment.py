"""Several series side by side: one row a date, one column a series."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import Enum

from catalog.model import Column, Table, Type
from engine.conversion import Line
from engine.errors import QueryError


class Fill(Enum):
    """What stands where a series has no value on a date."""

    NULL = "null"
    PREVIOUS = "previous"  # the last value before it that there is, however old; null where there is none


@dataclass(frozen=True, slots=True)
class Alignment:
    """The series whose columns the answer has, in this order, and its dates.

    The dates are those on which any of them has a point, or, with `on`, that one of them. `start` and `end` are
    inclusive; a value from before them may be filled in.
    """

    series: tuple[str, ...]
    fill: Fill = Fill.NULL
    on: str | None = None
    start: dt.date | None = None
    end: dt.date | None = None

    @property
    def read_from(self) -> dt.date | None:
        """The first date of a point that the answer depends on; None where that may be any."""
        return self.start if self.fill is Fill.NULL else None


def column_of(place: int) -> str:
    """The name of the column of a series."""
    return f"series_{place}"


def aligned_table(alignment: Alignment, table: Table, line: Line) -> Table:
    """The answer: the date, then the values of each series. Raises QueryError for a list that makes no columns."""
    if not alignment.series or len(set(alignment.series)) < len(alignment.series):
        raise QueryError("No series is named, or one of them twice.", "Name each series once.")
    if alignment.on is not None and alignment.on not in alignment.series:
        raise QueryError(f"The dates are to be those of {alignment.on!s:.40}, which is not asked for.", "Name it, too.")
    values = [
        Column(place, column_of(place), Type.DECIMAL, f"The values of {id_}.")
        for place, id_ in enumerate(alignment.series)
    ]
    axis = Column(0, line.axis, Type.DATE, "The date.", False)
    return Table(f"aligned {table.name}", "", (axis, *values), (line.axis,), (line.axis,))
