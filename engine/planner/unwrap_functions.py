"""Turn `year(column)`, `date(column)` and `startof..(column)` beside a constant into ranges of the column itself.

By a range of a column files and row groups are left out; of a function of it nothing is known before it is worked out.
The ranges say exactly the same, of nulls as well, so they may stand anywhere in a condition.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from catalog.model import Table, Type
from engine.functions import OWN_FUNCTIONS
from engine.periods import next_start, start_of
from engine.planner.model import Plan
from engine.query import NULL, And, Call, Compare, Expr, Field, In, Literal, Not, Op, Or, all_of, any_of, negate

# Of more ranges than these, the function is worked out faster than they are tested.
RANGES_MAX = 16
DAY = dt.timedelta(days=1)


def unwrap_functions(plan: Plan) -> Plan:
    return replace(plan, where=_unwrapped(plan.where, plan.table))


def _unwrapped(expr: Expr, table: Table) -> Expr:
    match expr:
        case And(args):
            return all_of(*(_unwrapped(arg, table) for arg in args))
        case Or(args):
            return any_of(*(_unwrapped(arg, table) for arg in args))
        case Not(arg):
            return negate(_unwrapped(arg, table))
        case Compare(op, Call(name, (Field() as field,)), Literal() as constant):
            return _compared(op, name, field, constant, table) or expr
        case In(Call(name, (Field() as field,)), items) if len(items) <= RANGES_MAX:
            ranges = [_compared(Op.EQ, name, field, item, table) for item in items]
            known = [each for each in ranges if each is not None]
            return any_of(*known) if len(known) == len(ranges) else expr
        case _:
            return expr


def _compared(op: Op, name: str, field: Field, constant: Literal, table: Table) -> Expr | None:
    """What a comparison of a function says of the column; None where that cannot be said."""
    if name not in ("year", "date", *OWN_FUNCTIONS):
        return None
    if constant == NULL:
        return Compare(op, field, NULL) if op in (Op.EQ, Op.NE) else None
    span = _span(name, constant, table.by_name[field.name].type)
    return None if span is None else _ranges(op, field, *span)


def _span(name: str, constant: Literal, type_: Type) -> tuple[Literal, Literal] | None:
    """The first value of the column that the function maps to a constant, and the first behind those it does."""
    match name, constant.value:
        case "year", int(year) if constant.type is Type.LONG and dt.MINYEAR <= year < dt.MAXYEAR:
            first, behind = dt.date(year, 1, 1), dt.date(year + 1, 1, 1)
        case "date", dt.date() as day if constant.type is Type.DATE and day < dt.date.max:
            first, behind = day, day + DAY
        case _, dt.date() as day if constant.type is Type.DATE and name in OWN_FUNCTIONS:
            return _period(name.removeprefix("startof"), day, type_)
        case _:
            return None
    return _start(first, type_), _start(behind, type_)


def _period(period: str, day: dt.date, type_: Type) -> tuple[Literal, Literal] | None:
    """The period that starts on a day; None where none does, or where nothing is behind it."""
    behind = next_start(period, day)
    if start_of(period, day) != day or behind is None:
        return None
    return _start(day, type_), _start(behind, type_)


def _start(day: dt.date, type_: Type) -> Literal:
    """The first value of a day in a column of days or of instants."""
    if type_ is Type.DATE:
        return Literal(day, Type.DATE)
    return Literal(dt.datetime(day.year, day.month, day.day, tzinfo=dt.timezone.utc), Type.TIMESTAMP)


def _ranges(op: Op, field: Field, first: Literal, behind: Literal) -> Expr:
    match op:
        case Op.EQ:
            return all_of(Compare(Op.GE, field, first), Compare(Op.LT, field, behind))
        case Op.NE:
            before, after = Compare(Op.LT, field, first), Compare(Op.GE, field, behind)
            return any_of(before, after, Compare(Op.EQ, field, NULL))
        case Op.LT | Op.GE:
            return Compare(op, field, first)
        case Op.LE:
            return Compare(Op.LT, field, behind)
        case Op.GT:
            return Compare(Op.GE, field, behind)
