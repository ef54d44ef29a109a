"""Expressions as short texts for people: OData with every parenthesis. What `explain` and the case tables show."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import assert_never

from catalog.model import Type
from engine.query import Aggregate, And, Call, Compare, Expr, Field, Grouping, In, Literal, Not, Or, Related


def text_of(expr: Expr) -> str:
    match expr:
        case Literal():
            return literal_text(expr)
        case Field():
            return expr.name
        case Call():
            return f"{expr.name}({','.join(text_of(arg) for arg in expr.args)})"
        case Compare():
            return f"{_side(expr.left)} {expr.op.value} {_side(expr.right)}"
        case And():
            return " and ".join(f"({text_of(arg)})" for arg in expr.args)
        case Or():
            return " or ".join(f"({text_of(arg)})" for arg in expr.args)
        case Not():
            return f"not ({text_of(expr.arg)})"
        case In():
            return f"{_side(expr.arg)} in ({','.join(literal_text(item) for item in expr.items)})"
        case Related(column, rows):
            return f"{column} in ({rows.table}/{','.join(rows.columns)} where {text_of(rows.where)})"
        case _:
            assert_never(expr)


def grouping_text(grouping: Grouping) -> str:
    """The aggregates, then the keys: `avg(value) as mean by startofyear(date) as year`."""
    keys = ", ".join(_as(text_of(key.by), key.name) for key in grouping.keys)
    aggregates = ", ".join(_as(_aggregate_text(each), each.name) for each in grouping.aggregates)
    return " by ".join(part for part in (aggregates or "groups", keys) if part)


def _as(text: str, name: str) -> str:
    return text if text == name else f"{text} as {name}"


def _aggregate_text(aggregate: Aggregate) -> str:
    at = "" if aggregate.at is None else f",{aggregate.at:f}"
    return f"{aggregate.statistic.value}({'' if aggregate.of is None else text_of(aggregate.of)}{at})"


def literal_text(constant: Literal) -> str:
    match constant.value:
        case None:
            return "null"
        case bool():
            return "true" if constant.value else "false"
        case Decimal():
            return f"{constant.value:f}m"
        case dt.datetime():
            return f"{constant.value.astimezone(dt.timezone.utc).replace(tzinfo=None).isoformat()}Z"
        case str() if constant.type is Type.STRING:
            return "'" + constant.value.replace("'", "''") + "'"
        case other:
            return str(other)


def _side(expr: Expr) -> str:
    return text_of(expr) if isinstance(expr, (Literal, Field, Call)) else f"({text_of(expr)})"
