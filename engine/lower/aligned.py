"""Several series side by side: the steps of a statement between their rows and one row a date.

`wide` has a column for each series, `filled` the last value where the date has none, `aligned` the dates to show.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from engine.alignment import Alignment, Fill, column_of
from engine.conversion import Line
from engine.lower.expressions import Parameters
from engine.lower.groups import kept_rows
from engine.lower.templates import Bound
from engine.lower.trees import call, column, named, select_of
from engine.planner.model import Plan

POINTS, WIDE, FILLED, ALIGNED = "points", "wide", "filled", "aligned"
_SHOWN = "is shown"


def alignment_steps(
    plan: Plan, alignment: Alignment, line: Line, parameters: Parameters, rows: str
) -> dict[str, exp.Query]:
    """The steps from the rows of the step of that name to one row a date."""
    read = select_of(*map(column, (line.parent, line.axis, line.measure))).from_(exp.to_table(rows), copy=False)
    names = [column_of(place) for place in range(len(alignment.series))]
    fill = _carried if alignment.fill is Fill.PREVIOUS else _as_it_is
    filled = select_of(column(line.axis), *(fill(name, line) for name in names), column(_SHOWN))
    shown = select_of(column(line.axis), *map(column, names)).from_(exp.to_table(FILLED), copy=False)
    return {
        POINTS: kept_rows(read, plan, parameters),
        WIDE: _wide(alignment, line, parameters),
        FILLED: filled.from_(exp.to_table(WIDE), copy=False),
        ALIGNED: shown.where(column(_SHOWN), copy=False),
    }


def _wide(alignment: Alignment, line: Line, parameters: Parameters) -> exp.Select:
    columns = [
        named(_only(parameters.add(_series(place)), line), column_of(place)) for place in range(len(alignment.series))
    ]
    shown = exp.true() if alignment.on is None else call("bool_or", _is(parameters.add(_on), line))
    select = select_of(column(line.axis), *columns, named(shown, _SHOWN)).from_(exp.to_table(POINTS), copy=False)
    return select.group_by(column(line.axis), copy=False)


def _series(place: int) -> Callable[[Bound], str | None]:
    return lambda bound: bound.plan.alignment.series[place] if bound.plan.alignment else None


def _on(bound: Bound) -> str | None:
    return bound.plan.alignment.on if bound.plan.alignment else None


def _only(series: exp.Expr, line: Line) -> exp.Expr:
    """The value of one series: a date has one at most."""
    return call("max", exp.case().when(_is(series, line), column(line.measure)))


def _is(series: exp.Expr, line: Line) -> exp.Expr:
    return exp.EQ(this=column(line.parent), expression=series)


def _as_it_is(name: str, _: Line) -> exp.Expr:
    return column(name)


def _carried(name: str, line: Line) -> exp.Expr:
    last = exp.IgnoreNulls(this=exp.LastValue(this=column(name)))
    order = exp.Order(expressions=[exp.Ordered(this=column(line.axis))])
    spec = exp.WindowSpec(kind="ROWS", start="UNBOUNDED", start_side="PRECEDING", end="CURRENT ROW")
    return named(exp.Window(this=last, order=order, spec=spec), name)
