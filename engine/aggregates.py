"""What a grouping answers: a table of its own, whose columns are the keys and the aggregates.

So conditions on groups, and their order, are checked and written as those on rows are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from catalog.model import Column, Table, Type
from engine.errors import QueryError, WrongType
from engine.functions import type_of
from engine.query import Aggregate, Call, Expr, Field, Grouping, Key, Statistic

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_NUMBERS = frozenset({Type.DECIMAL, Type.LONG})
_ORDERED = frozenset(Type) - {Type.BOOLEAN, Type.DOUBLE}
# What each statistic can be asked of, and what comes of it: None for the type of the values themselves.
_TYPES: dict[Statistic, tuple[frozenset[Type], Type | None]] = {
    Statistic.COUNT: (frozenset(Type), Type.LONG),
    Statistic.COUNT_DISTINCT: (frozenset(Type), Type.LONG),
    Statistic.SUM: (_NUMBERS, None),
    Statistic.AVG: (_NUMBERS, Type.DOUBLE),
    Statistic.MIN: (_ORDERED, None),
    Statistic.MAX: (_ORDERED, None),
    Statistic.STDDEV: (_NUMBERS, Type.DOUBLE),
    Statistic.QUANTILE: (_NUMBERS, Type.DOUBLE),
    Statistic.FIRST: (frozenset(Type), None),
    Statistic.LAST: (frozenset(Type), None),
}
BY_DATE = (Statistic.FIRST, Statistic.LAST)


def answer_table(grouping: Grouping, table: Table) -> Table:
    """The answer of a grouping of a table's rows, keyed by its keys.

    Raises QueryError for names that cannot stand beside each other, WrongType, UnknownColumn, UnknownFunction.
    """
    _check_names([part.name for part in (*grouping.keys, *grouping.aggregates)])
    typed = [(key.name, _key_type(key, table)) for key in grouping.keys]
    typed += [(aggregate.name, aggregate_type(aggregate, table)) for aggregate in grouping.aggregates]
    columns = tuple(Column(number, name, type_, "") for number, (name, type_) in enumerate(typed, 1))
    names = tuple(key.name for key in grouping.keys)
    return Table(f"groups of {table.name}", "", columns, names, names)


def aggregate_type(aggregate: Aggregate, table: Table) -> Type:
    """The type of an aggregate over a table's rows. Raises WrongType, UnknownColumn, UnknownFunction."""
    statistic = aggregate.statistic
    if (aggregate.at is not None) != (statistic is Statistic.QUANTILE):
        raise WrongType(f"{statistic.value} and a part of the values do not go together.", "Name a part of quantile.")
    if aggregate.at is not None and not 0 <= aggregate.at <= 1:
        raise WrongType(f"There is no quantile at {aggregate.at!s:.40}.", "Give a part between 0 and 1.")
    if aggregate.of is None:
        if statistic is not Statistic.COUNT:
            raise WrongType(f"{statistic.value} is asked of nothing.", "Name a column.")
        return Type.LONG
    found = _value_type(aggregate.of, table)
    accepted, result = _TYPES[statistic]
    if found not in accepted:
        wanted = " or ".join(sorted(each.value for each in accepted))
        raise WrongType(f"{statistic.value} is asked of a {found.value}.", f"Ask it of a {wanted}.")
    if statistic in BY_DATE and table.axis is None:
        raise WrongType(f"{table.name} has no dates: none is {statistic.value}.", "Ask for min or max.")
    return result or found


def _key_type(key: Key, table: Table) -> Type:
    return _value_type(key.by, table)


def _value_type(expr: Expr, table: Table) -> Type:
    """The type of a column or of a function of columns. Raises WrongType for anything else."""
    if not isinstance(expr, Field | Call):
        raise WrongType("Rows are grouped, and aggregates asked, by values.", "Name a column or a function of one.")
    found = type_of(expr, table)
    if found is None:
        raise WrongType("A value has no type.", "Name a column or a function of one.")
    return found


def _check_names(names: Iterable[str]) -> None:
    """Names become columns of the answer: plain ones, which differ by more than case."""
    taken: set[str] = set()
    for name in names:
        if not _NAME.fullmatch(name):
            raise QueryError(f"{name[:80]!r} is no name of a column.", "Use letters, digits and underscores.")
        if name.lower() in taken:
            raise QueryError(f"The name {name!r} is given twice.", "Give each column of the answer its own name.")
        taken.add(name.lower())
    if not taken:
        raise QueryError("Nothing is asked of the groups.", "Name keys or aggregates.")
