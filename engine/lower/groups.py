"""Groups of rows: the steps of a statement between the rows that it reads and the groups that it answers.

`points` gives each row the parts of its keys and the values asked of, `groups` puts together what the answer shows. A
key that is the start of a period is grouped by numbers, its year and its month, which takes half the time of dates.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import assert_never

from sqlglot import exp

from catalog.model import DECIMAL_PRECISION, DECIMAL_SCALE, DELETED, Type
from catalog.schemas import SQL_TYPES
from engine.failures import OVERFLOW
from engine.lower.expressions import Parameters, condition, value
from engine.lower.trees import call, column, named, select_of
from engine.planner.model import Plan
from engine.query import TRUE, Aggregate, Call, Expr, Grouping, Key, Statistic

POINTS, GROUPS = "points", "groups"
_SUM_MAX = f"{'9' * (DECIMAL_PRECISION - DECIMAL_SCALE)}.{'9' * DECIMAL_SCALE}"


def kept_rows(select: exp.Select, plan: Plan, parameters: Parameters) -> exp.Select:
    """Without deleted rows, and with the conditions that hold for rows once revisions are chosen."""
    if parameters.bound.files.may_hold_deleted:
        select = select.where(exp.Not(this=column(DELETED)), copy=False)
    if plan.where != TRUE:
        select = select.where(condition(plan.where, parameters), copy=False)
    return select


def group_steps(plan: Plan, grouping: Grouping, parameters: Parameters, rows: str) -> dict[str, exp.Query]:
    """The steps from the rows of the step of that name to the groups, with the columns of the answer."""
    parts = [_Parts(key, number) for number, key in enumerate(grouping.keys)]
    inputs: dict[Expr, str] = {}
    for aggregate in grouping.aggregates:
        if aggregate.of is not None:
            inputs.setdefault(aggregate.of, f"value {len(inputs)}")
    shown = [named(each.whole(), each.key.name) for each in parts]
    types = {each.name: each.type for each in plan.answered.columns}
    for aggregate in grouping.aggregates:
        of = None if aggregate.of is None else inputs[aggregate.of]
        shown.append(named(_aggregated(aggregate, of, types[aggregate.name], plan.sequence), aggregate.name))
    read = [part for each in parts for part in each.read(parameters)]
    read += [named(value(expr, parameters), name) for expr, name in inputs.items()]
    read += [column(name) for name in plan.sequence]
    points = select_of(*(read or [exp.Literal.number(1)])).from_(exp.to_table(rows), copy=False)
    groups = select_of(*shown).from_(exp.to_table(POINTS), copy=False)
    if parts:
        groups = groups.group_by(*(column(name) for each in parts for name in each.names), copy=False)
    return {POINTS: kept_rows(points, plan, parameters), GROUPS: groups}


class _Parts:
    """A key as it is grouped by: one column, or the year and the month of the start of a period."""

    def __init__(self, key: Key, number: int) -> None:
        self.key = key
        self._functions: tuple[str, ...] = ()
        self._month: Callable[[exp.Expr], exp.Expr] = _same
        if isinstance(key.by, Call) and key.by.name in _PERIODS:
            self._functions, self._month = _PERIODS[key.by.name]
        self.names = [f"key {number}{function}" for function in self._functions] or [f"key {number}"]

    def read(self, parameters: Parameters) -> list[exp.Expr]:
        if not isinstance(self.key.by, Call) or not self._functions:
            return [named(value(self.key.by, parameters), self.names[0])]
        (day,) = self.key.by.args
        numbers = zip(self._functions, self.names, strict=True)
        return [named(call(function, value(day, parameters)), name) for function, name in numbers]

    def whole(self) -> exp.Expr:
        first, *others = (column(name) for name in self.names)
        if not self._functions:
            return first
        month = self._month(others[0]) if others else exp.Literal.number(1)
        return call("make_date", first, month, exp.Literal.number(1))


def _same(month: exp.Expr) -> exp.Expr:
    return month


def _first_month(quarter: exp.Expr) -> exp.Expr:
    return exp.Sub(this=exp.Mul(this=quarter, expression=exp.Literal.number(3)), expression=exp.Literal.number(2))


_PERIODS: dict[str, tuple[tuple[str, ...], Callable[[exp.Expr], exp.Expr]]] = {
    "startofyear": (("year",), _same),
    "startofquarter": (("year", "quarter"), _first_month),
    "startofmonth": (("year", "month"), _same),
}


def _aggregated(aggregate: Aggregate, of: str | None, type_: Type, sequence: tuple[str, ...]) -> exp.Expr:
    if of is None:
        return exp.Count(this=exp.Star())
    match aggregate.statistic:
        case Statistic.COUNT | Statistic.AVG | Statistic.MIN | Statistic.MAX:
            return call(aggregate.statistic.value, column(of))
        case Statistic.COUNT_DISTINCT:
            return exp.Count(this=exp.Distinct(expressions=[column(of)]))
        case Statistic.SUM:
            return exact_sum(column(of), type_)
        case Statistic.STDDEV:
            return call("stddev_samp", column(of))
        case Statistic.QUANTILE:
            at = exp.Literal.number(format(aggregate.at or Decimal(0), "f"))
            # Of decimals, then a double: the cast of each value would take ten times as long as all the rest.
            return exp.cast(call("quantile_cont", column(of), at), SQL_TYPES[Type.DOUBLE])
        case Statistic.FIRST:
            return call("arg_min", column(of), _place(sequence))
        case Statistic.LAST:
            return call("arg_max", column(of), _place(sequence))
        case _:
            assert_never(aggregate.statistic)


def exact_sum(of: exp.Expr, type_: Type) -> exp.Expr:
    """Exact. DuckDB adds up to 1.7e38 in the last place, beyond what the type holds: what is too much fails."""
    total = call("sum", of)
    if type_ is Type.LONG:
        return exp.cast(total, SQL_TYPES[type_])
    most = exp.cast(exp.Literal.string(_SUM_MAX), SQL_TYPES[type_])
    fault = call("error", exp.Literal.string(OVERFLOW))
    return exp.case().when(exp.GT(this=call("abs", total), expression=most), fault).else_(total.copy())


def _place(sequence: tuple[str, ...]) -> exp.Expr:
    """Where a row stands among those of its group."""
    columns = [column(name) for name in sequence]
    return columns[0] if len(columns) == 1 else call("row", *columns)
