"""Our parser against another one, `odata_query.grammar`, where that one is right: the same shape of tree."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odata_query import ast
from odata_query.grammar import ODataLexer, ODataParser

from api.limits import Limits
from api.odata import syntax
from api.odata.parser import parse_expression

OPERATORS = {
    ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge",
    ast.And: "and", ast.Or: "or",
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Mod: "mod", ast.Not: "not", ast.USub: "-",
}  # fmt: skip


def theirs(node: object) -> object:
    match node:
        case ast.BoolOp() | ast.BinOp():
            return _joined(OPERATORS[type(node.op)], [theirs(node.left), theirs(node.right)])
        case ast.Compare(comparator=ast.In()):
            return ["in", theirs(node.left), *(theirs(item) for item in node.right.val)]
        case ast.Compare():
            return [OPERATORS[type(node.comparator)], theirs(node.left), theirs(node.right)]
        case ast.UnaryOp():
            return [OPERATORS[type(node.op)], theirs(node.operand)]
        case ast.Call():
            return [f"{node.func.name}()", *(theirs(arg) for arg in node.args)]
        case ast.Attribute():
            return f"{theirs(node.owner)}/{node.attr}"
        case ast.Identifier():
            return node.name
        case ast.Null():
            return "null"
        case ast.String():
            return "'" + node.val.replace("'", "''") + "'"
        case _:
            return str(node.val)


def ours(node: syntax.Node) -> object:
    match node:
        case syntax.Constant():
            return node.text
        case syntax.Path(segments=(syntax.Segment(name=name, arguments=tuple() as arguments),)):
            return [f"{name}()", *(ours(argument.value) for argument in arguments)]
        case syntax.Path():
            return "/".join(segment.name for segment in node.segments)
        case syntax.Junction():
            return _joined(node.operator, [ours(term) for term in node.terms])
        case syntax.Binary():
            return _joined(node.operator, [ours(node.left), ours(node.right)])
        case syntax.Unary():
            return [node.operator, ours(node.operand)]
        case syntax.Membership(right=syntax.Sequence(items=items)):
            return ["in", ours(node.left), *(ours(item) for item in items)]
        case _:
            raise AssertionError(node)


def _joined(operator: str, sides: list[object]) -> object:
    """Chains of `and` and of `or` are one node for us and left-deep for them: flat for both."""
    if operator not in {"and", "or"}:
        return [operator, *sides]
    flat: list[object] = []
    for side in sides:
        flat += side[1:] if isinstance(side, list) and side[0] == operator else [side]
    return [operator, *flat]


def same(text: str) -> None:
    assert ours(parse_expression(text, Limits())) == theirs(ODataParser().parse(ODataLexer().tokenize(text)))


@pytest.mark.parametrize(
    "text",
    [
        "a eq 1 and not contains(b,'x') or c in (1,2)",
        "not a eq 1",
        "not (a eq 1)",
        "a add 1 mul 2 sub 3 gt 4",
        "(a add 1) mul 2 eq 6",
        "a sub (b sub c) eq 0",
        "a sub b sub c eq 0",
        "a eq b eq c",
        "a lt 1 eq true",
        "(a or b) and c",
        "a or b and c",
        "a or b or (c or d)",
        "Series/title eq 'it''s'",
        "-a gt 2",
        "year(date) eq 2020 and length(concat(a,b)) ge 3",
        "a eq 2020-01-01 and b eq true and c eq null and d eq 1.5",
        "e eq 01234567-89ab-cdef-0123-456789abcdef",
        "a ge 2020-01-01T00:00:00Z and a lt 2020-02-01T00:00:00+01:00",
        "substring(a,1,2) in ('x','y') and not startswith(a,'z')",
    ],
)
def test_same_tree(text: str) -> None:
    same(text)


NUMBERS = st.recursive(
    st.sampled_from(["a", "b", "1", "2.5"]),
    lambda inner: (
        st.tuples(inner, st.sampled_from(["add", "sub", "mul", "div", "mod"]), inner).map(" ".join)
        | inner.map("({})".format)
    ),
    max_leaves=6,
)
COMPARISONS = st.tuples(NUMBERS, st.sampled_from(["eq", "ne", "lt", "le", "gt", "ge"]), NUMBERS).map(" ".join)
CONDITIONS = st.recursive(
    COMPARISONS | st.sampled_from(["flag", "contains(t,'x')", "t in ('x','y')"]),
    lambda inner: (
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(" ".join)
        | inner.map("({})".format)
        | inner.map("not ({})".format)
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(CONDITIONS)
def test_random_conditions_have_the_same_tree(text: str) -> None:
    same(text)
