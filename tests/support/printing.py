"""Queries as short texts: what the case tables compare. An expression is printed as OData with every parenthesis."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import assert_never

from api.json_rows import plain_decimal, rfc3339
from catalog.model import Type
from engine.query import And, Call, Compare, Expr, Field, In, Literal, Not, Or, Query, View


def printed(query: Query) -> str:
    """Every part of a query that is not the default, one a line."""
    lines = [f"table {query.table}"]
    lines += [f"columns {', '.join(query.columns)}"] if query.columns else []
    lines += [f"where {text_of(query.where)}"] if query.where != Literal(True, Type.BOOLEAN) else []
    orders = [f"{text_of(order.by)}{' desc' if order.descending else ''}" for order in query.order]
    lines += [f"order {', '.join(orders)}"] if orders else []
    lines += [f"limit {query.page.limit}"] if query.page.limit is not None else []
    lines += [f"offset {query.page.offset}"] if query.page.offset else []
    lines += [f"view {query.view.value}"] if query.view is not View.LATEST else []
    lines += [f"as of {query.as_of}"] if query.as_of else []
    lines += [f"snapshot {query.snapshot}"] if query.snapshot else []
    lines += ["count"] if query.count_only else []
    return "\n".join(lines)


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
        case _:
            assert_never(expr)


def literal_text(constant: Literal) -> str:
    match constant.value:
        case None:
            return "null"
        case bool():
            return "true" if constant.value else "false"
        case Decimal():
            return f"{plain_decimal(constant.value)}m"
        case dt.datetime():
            return rfc3339(constant.value)
        case str() if constant.type is Type.STRING:
            return "'" + constant.value.replace("'", "''") + "'"
        case other:
            return str(other)


def _side(expr: Expr) -> str:
    return text_of(expr) if isinstance(expr, (Literal, Field, Call)) else f"({text_of(expr)})"
