"""Texts in an analyst's SQL that grow: none may become longer than the limit, however often it is doubled.

DuckDB looks at an interrupt between vectors, so a text that a few common table expressions double again and again ran
past any limit of time. Each function that makes a text longer than its arguments is therefore worked out only where the
longest text that it could make is short enough. The arguments stand once in what is written, as the items of a list
that a lambda takes: written twice, nested calls would make a SQL that doubles at each level.
"""

from __future__ import annotations

from functools import reduce

from sqlglot import exp

from engine.lower.trees import call
from engine.sql_faults import TEXT_TOO_LONG

_PARTS = "parts"
_GROWING = (exp.DPipe, exp.Concat, exp.ConcatWs, exp.Replace, exp.RegexpReplace, exp.GroupConcat)
# What belongs to an aggregate, and stands around it.
_AROUND = (exp.Window, exp.Filter, exp.WithinGroup, exp.IgnoreNulls, exp.RespectNulls)


def bound_texts(tree: exp.Query, bytes_max: int) -> None:
    """Changes the tree. Columns without a name get their text as one, as the database would have given them."""
    growing = [node for node in tree.find_all(*_GROWING) if not _is_chained(node)]
    for node in growing:
        _name_column(node)
    for node in reversed(growing):  # those inside of others first
        if not all(isinstance(part, exp.Literal) for part in _parts(node)):
            _guard(node, bytes_max)


def _is_chained(node: exp.Expr) -> bool:
    return isinstance(node, exp.DPipe) and isinstance(node.parent, exp.DPipe) and node.arg_key == "this"


def _name_column(node: exp.Expr) -> None:
    while node.parent is not None and not isinstance(node.parent, exp.Query):
        node = node.parent
    if isinstance(node.parent, exp.Select) and node.arg_key == "expressions" and not isinstance(node, exp.Alias):
        name = exp.to_identifier(node.sql("duckdb", comments=False), quoted=True)
        place = node.replace(exp.Placeholder())
        place.replace(exp.Alias(this=node, alias=name))


def _parts(node: exp.Expr) -> list[exp.Expr]:
    """The arguments whose lengths count."""
    match node:
        case exp.DPipe():
            return [*(_parts(node.this) if isinstance(node.this, exp.DPipe) else [node.this]), node.expression]
        case exp.Concat() | exp.ConcatWs():
            return node.expressions
        case exp.Replace():
            return [node.this, node.expression, node.args.get("replacement") or exp.Literal.string("")]
        case exp.RegexpReplace():
            return [node.this, node.args.get("replacement") or exp.Literal.string("")]
        case _:
            return [node]


def _guard(node: exp.Expr, bytes_max: int) -> None:
    place = node
    while isinstance(node, exp.GroupConcat) and isinstance(place.parent, _AROUND) and place.arg_key == "this":
        place = place.parent
    marker = exp.Placeholder()
    place.replace(marker)
    parts = [place] if isinstance(node, exp.GroupConcat) else _parts(node)
    items = [_part(number) for number in range(1, len(parts) + 1)]
    too_long = _longest(node, [_length(item) for item in items]) > bytes_max
    refused = call("error", exp.Literal.string(f"{TEXT_TOO_LONG} {bytes_max}"))
    body = exp.case().when(too_long, refused, copy=False).else_(_written(node, items), copy=False)
    texts = exp.Array(expressions=[exp.cast(part, "varchar", copy=False) for part in parts])
    whole = exp.Lambda(this=body, expressions=[exp.to_identifier(_PARTS)])
    each = call("list_transform", exp.Array(expressions=[texts]), whole)
    marker.replace(call("list_extract", each, exp.Literal.number(1)))


def _longest(node: exp.Expr, lengths: list[exp.Expr]) -> exp.Expr:
    """How long the text can become at most, in bytes."""
    match node:
        case exp.ConcatWs():
            return _sum([exp.Paren(this=lengths[0] * len(lengths)), *lengths[1:]])
        case exp.Replace():
            found, wanted, put = lengths
            often = exp.IntDiv(this=found, expression=exp.Greatest(this=wanted, expressions=[exp.Literal.number(1)]))
            return _sum([found.copy(), exp.Paren(this=exp.Mul(this=often, expression=put))])
        case exp.RegexpReplace():
            # A match may be put in again for every two characters of the replacement.
            found, put = lengths
            return exp.Mul(this=exp.Paren(this=found + 1), expression=exp.Paren(this=put * 2 + 1))
        case _:
            return _sum(lengths)


def _written(node: exp.Expr, items: list[exp.Expr]) -> exp.Expr:
    """The function itself, of the items of the list."""
    match node:
        case exp.DPipe():
            return reduce(_joined, items)
        case exp.Concat() | exp.ConcatWs():
            node.set("expressions", items)
        case exp.Replace():
            for name, item in zip(("this", "expression", "replacement"), items, strict=True):
                node.set(name, item)
        case exp.RegexpReplace():
            for name, item in zip(("this", "replacement"), items, strict=True):
                node.set(name, item)
        case _:
            return items[0]
    return node


def _part(number: int) -> exp.Expr:
    return call("list_extract", exp.column(_PARTS), exp.Literal.number(number))


def _length(text: exp.Expr) -> exp.Expr:
    return exp.func("coalesce", call("strlen", text.copy()), exp.Literal.number(0))


def _sum(terms: list[exp.Expr]) -> exp.Expr:
    return reduce(_added, terms)


def _added(left: exp.Expr, right: exp.Expr) -> exp.Expr:
    return exp.Add(this=left, expression=right)


def _joined(left: exp.Expr, right: exp.Expr) -> exp.Expr:
    return exp.DPipe(this=left, expression=right, safe=True)
