"""What a query makes of the rows of its table: nothing, groups, converted series, or series side by side.

Each says what table it answers, which rows it takes beyond the query's own condition, and which of its own it shows.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from catalog.model import Table, Type
from engine.aggregates import answer_table
from engine.alignment import Alignment, aligned_table
from engine.conversion import Conversion, Line, check_conversion, line_of
from engine.errors import QueryError
from engine.planner.model import fields_of
from engine.query import TRUE, Compare, Expr, Field, Literal, Op, Query, View, all_of, is_in


@dataclass(frozen=True, slots=True)
class Derived:
    """`answered` is the table of the answer; `taken` is a condition on the rows, `shown` one on the answer."""

    answered: Table
    taken: Expr = TRUE
    shown: Expr = TRUE


def derive(query: Query, table: Table) -> Derived | None:
    """None where the answer are rows of the table. Raises QueryError."""
    made = (query.grouping, query.conversion, query.alignment)
    if sum(each is not None for each in made) > 1:
        raise QueryError("Groups, conversions and alignments do not go together.", "Ask for one of them.")
    if query.grouping is not None:
        return Derived(answer_table(query.grouping, table))
    if query.conversion is not None:
        return _converted(query.conversion, query, _line(table, query), table)
    if query.alignment is not None:
        return _aligned(query.alignment, _line(table, query), table)
    return None


def _line(table: Table, query: Query) -> Line:
    line = line_of(table)
    if line is None:
        raise QueryError(f"{table.name} holds no series.", "Ask for points.")
    if query.view is View.EVERY:
        raise QueryError("Every revision of a point is not one series.", "Ask for the latest, or as of a day.")
    allowed = {line.parent} if query.conversion is not None else set[str]()
    if others := fields_of(query.where) - allowed:
        raise QueryError(f"Points chosen by {min(others)} make no whole series.", "Choose series and dates alone.")
    return line


def _converted(conversion: Conversion, query: Query, line: Line, table: Table) -> Derived:
    check_conversion(conversion)
    if query.view is not View.LATEST:
        raise QueryError("Values of several vintages are not converted together.", "Ask as of a day.")
    taken = _between(line, conversion.read_from, conversion.read_to)
    return Derived(table, all_of(*taken), all_of(*_between(line, conversion.shown_from, conversion.end)))


def _aligned(alignment: Alignment, line: Line, table: Table) -> Derived:
    answered = aligned_table(alignment, table, line)
    series = is_in(Field(line.parent), (Literal(id_, table.by_name[line.parent].type) for id_ in alignment.series))
    taken = all_of(series, *_between(line, alignment.read_from, alignment.end))
    return Derived(answered, taken, all_of(*_between(line, alignment.start, None)))


def _between(line: Line, first: dt.date | None, last: dt.date | None) -> Iterable[Expr]:
    for op, day in ((Op.GE, first), (Op.LE, last)):
        if day is not None:
            yield Compare(op, Field(line.axis), Literal(day, Type.DATE))
