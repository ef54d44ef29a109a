"""Random expressions, printed as OData, parse back to the equal expression."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.model import SERIES, Column, Type
from engine.literals import coerce, literal, typed_compare, typed_in
from engine.printing import text_of
from engine.query import FALSE, NULL, TRUE, Call, Expr, Field, Literal, Op, all_of, any_of, negate
from tests.odata.test_filters import compiled

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)
DECIMALS = st.decimals(min_value=-(10**19), max_value=10**19, places=18, allow_nan=False, allow_infinity=False)
SMALL = st.decimals(-1000, 1000, places=2).map(literal)
VALUES: dict[Type, st.SearchStrategy[Literal]] = {
    Type.STRING: TEXTS.map(literal),
    Type.UUID: st.uuids().map(lambda value: Literal(str(uuid.UUID(str(value))), Type.UUID)),
    Type.DATE: st.dates().map(literal),
    Type.TIMESTAMP: st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30)).map(literal),
    Type.BOOLEAN: st.booleans().map(literal),
    Type.DECIMAL: DECIMALS.map(lambda value: literal(Decimal(value))),
    Type.LONG: st.integers(-(2**63) + 1, 2**63 - 1).map(literal),
}
COLUMNS = [column for column in SERIES.visible if column.type in VALUES]


@st.composite
def comparisons(draw: st.DrawFn) -> Expr:
    column: Column = draw(st.sampled_from(COLUMNS))
    values = VALUES[column.type] | st.just(NULL)
    if draw(st.booleans()):
        return typed_in(Field(column.name), draw(st.lists(values, max_size=4)), SERIES)
    return typed_compare(draw(st.sampled_from(Op)), Field(column.name), draw(values), SERIES)


@st.composite
def calls(draw: st.DrawFn) -> Expr:
    text = st.sampled_from([Field(c.name) for c in COLUMNS if c.type is Type.STRING]) | VALUES[Type.STRING]
    inner: Expr = draw(text)
    for name in draw(st.lists(st.sampled_from(["tolower", "toupper", "trim"]), max_size=3)):
        inner = Call(name, (inner,))
    whole = Call("length", (inner,)) if draw(st.booleans()) else Call("year", (Field("created_at"),))
    return draw(
        st.sampled_from(
            [
                Call("contains", (inner, draw(text))),
                typed_compare(Op.LT, whole, draw(VALUES[Type.LONG] | SMALL), SERIES),
                typed_compare(Op.GE, Call("date", (Field("updated_at"),)), draw(VALUES[Type.DATE]), SERIES),
            ]
        )
    )


EXPRESSIONS = st.recursive(
    comparisons() | calls() | st.sampled_from([TRUE, FALSE]),
    lambda inner: (
        st.lists(inner, min_size=2, max_size=4).map(lambda args: all_of(*args))
        | st.lists(inner, min_size=2, max_size=4).map(lambda args: any_of(*args))
        | inner.map(negate)
    ),
    max_leaves=12,
)


@settings(max_examples=250, deadline=None)
@given(EXPRESSIONS)
def test_printed_expressions_parse_back(expr: Expr) -> None:
    assert compiled(text_of(expr), "Series") == expr


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_any_text_survives(text: str) -> None:
    assert compiled(text_of(typed_compare(Op.EQ, Field("title"), literal(text), SERIES)), "Series") == typed_compare(
        Op.EQ, Field("title"), coerce(literal(text), Type.STRING), SERIES
    )
