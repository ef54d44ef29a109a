"""Expressions evaluated row by row in Python: the oracle of filters and orders. None is null."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from engine.query import And, Call, Compare, Expr, Field, In, Literal, Not, Op, Or, Order

Row = Mapping[str, Any]

_OPERATORS: dict[Op, Callable[[Any, Any], bool]] = {
    Op.LT: lambda a, b: a < b,
    Op.LE: lambda a, b: a <= b,
    Op.GT: lambda a, b: a > b,
    Op.GE: lambda a, b: a >= b,
}


def evaluate(expr: Expr, row: Row) -> Any:
    match expr:
        case Literal():
            return expr.value
        case Field():
            return row[expr.name]
        case Call():
            args = [evaluate(arg, row) for arg in expr.args]
            return None if None in args else _FUNCTIONS[expr.name](*args)
        case Compare(Op.EQ, left, right):
            return evaluate(left, row) == evaluate(right, row)
        case Compare(Op.NE, left, right):
            return evaluate(left, row) != evaluate(right, row)
        case Compare(op, left, right):
            a, b = evaluate(left, row), evaluate(right, row)
            return a is not None and b is not None and _OPERATORS[op](a, b)
        case In(arg, items):
            return evaluate(arg, row) in [item.value for item in items]
        case Not(arg):
            value = evaluate(arg, row)
            return None if value is None else not value
        case And(args):
            values = [evaluate(arg, row) for arg in args]
            return False if False in values else None if None in values else True
        case Or(args):
            values = [evaluate(arg, row) for arg in args]
            return True if True in values else None if None in values else False


def sorted_rows(rows: list[Row], order: list[Order]) -> list[Row]:
    """Rows in an order, null lowest."""
    for term in reversed(order):
        rows = sorted(rows, key=lambda row: _key(evaluate(term.by, row)), reverse=term.descending)
    return rows


def _key(value: Any) -> tuple[bool, Any]:
    return (False, 0) if value is None else (True, value.encode() if isinstance(value, str) else value)


def _whole(number: Decimal) -> Decimal | None:
    """A rounded number, or None where the stored type has no room for it."""
    return number if abs(number) < 10**20 else None


def _date(day: dt.date) -> dt.date:
    return day.date() if isinstance(day, dt.datetime) else day


def _substring(text: str, start: int, length: int | None = None) -> str:
    first = start if start >= 0 else max(len(text) + start, 0)
    return text[first:] if length is None else text[first : first + max(length, 0)]


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "contains": lambda text, part: part in text,
    "startswith": lambda text, part: text.startswith(part),
    "endswith": lambda text, part: text.endswith(part),
    "length": len,
    "indexof": lambda text, part: text.find(part),
    "substring": _substring,
    "tolower": str.lower,
    "toupper": str.upper,
    "trim": lambda text: text.strip(" \t\n\r\v\f"),
    "concat": lambda left, right: left + right,
    "year": lambda day: day.year,
    "month": lambda day: day.month,
    "day": lambda day: day.day,
    "hour": lambda instant: instant.hour,
    "minute": lambda instant: instant.minute,
    "second": lambda instant: instant.second,
    "date": _date,
    "startofweek": lambda day: next(d for n in range(7) if (d := _date(day) - dt.timedelta(n)).isoweekday() == 1),
    "startofmonth": lambda day: dt.date(day.year, day.month, 1),
    "startofquarter": lambda day: dt.date(day.year, (1, 1, 1, 4, 4, 4, 7, 7, 7, 10, 10, 10)[day.month - 1], 1),
    "startofyear": lambda day: dt.date(day.year, 1, 1),
    "round": lambda number: _whole(Decimal(number).to_integral_value(ROUND_HALF_UP)),
    "floor": lambda number: _whole(Decimal(math.floor(number))),
    "ceiling": lambda number: _whole(Decimal(math.ceil(number))),
}
