"""What the planner makes of random conditions on random rows, nulls among them: the same rows, and no value left out.

The oracle is `tests.support.evaluate`, row by row in Python; DuckDB is asked as well.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.domains import Domain
from catalog.model import Column, Table, Tables, Type
from catalog.schemas import ARROW_TYPES
from engine.literals import literal, typed_compare, typed_in
from engine.lower.expressions import Parameters, condition
from engine.planner import plan
from engine.planner.prune_files import prune_files
from engine.planner.push_negations import push_negations
from engine.planner.unwrap_functions import RANGES_MAX, unwrap_functions
from engine.query import NULL, Call, Compare, Expr, Field, Op, Query, all_of, any_of, negate
from tests.support.evaluate import evaluate

REWRITES = (unwrap_functions, push_negations)
TABLE = Table(
    name="rows",
    description="Every type that is pruned by, with nulls and without.",
    columns=(
        Column(1, "number", Type.LONG, "", False),
        Column(2, "day", Type.DATE, ""),
        Column(3, "firm", Type.DATE, "", False),
        Column(4, "moment", Type.TIMESTAMP, ""),
        Column(5, "word", Type.STRING, ""),
        Column(6, "amount", Type.LONG, ""),
        Column(7, "flag", Type.BOOLEAN, ""),
    ),
    key=("number",),
    sort=("number",),
)
TABLES = Tables((TABLE,), ())
DAYS = [dt.date(y, m, d) for y in (1, 1969, 2020, 2021, 9999) for m, d in ((1, 1), (2, 28), (12, 31))]
MOMENTS = [
    dt.datetime(day.year, day.month, day.day, *time, tzinfo=dt.UTC)
    for day in DAYS
    for time in ((0, 0), (23, 59, 59, 999999))
    if day.year in {1969, 2020, 2021}
]
WORDS = ["", "a", "ab", "a\ud7ff", "a\ue000", "b", "\U0010ffff", "\U0010ffff\U0010ffffz", "a\U0010ffff", "Z"]
VALUES: dict[str, list[Any]] = {
    "day": DAYS,
    "firm": DAYS,
    "moment": MOMENTS,
    "word": WORDS,
    "amount": [-1, 0, 1, 2],
    "flag": [True, False],
}

ROWS = st.lists(
    st.fixed_dictionaries(
        {name: st.sampled_from(values if name == "firm" else [None, *values]) for name, values in VALUES.items()}
    ),
    min_size=1,
    max_size=12,
)


def _leaf(draw: st.DrawFn, expr: Expr, values: list[Any]) -> Expr:
    constants = st.one_of(st.sampled_from(values).map(literal), st.just(NULL))
    if draw(st.booleans()):
        return typed_compare(draw(st.sampled_from(list(Op))), expr, draw(constants), TABLE)
    return typed_in(expr, draw(st.lists(constants, max_size=3)), TABLE)


@st.composite
def leaves(draw: st.DrawFn) -> Expr:
    name = draw(st.sampled_from(list(VALUES)))
    field, kind = Field(name), draw(st.integers(0, 3))
    if name == "word" and kind:
        called = draw(st.sampled_from(["startswith", "startswith", "contains"]))
        return Call(called, (field, literal(draw(st.sampled_from(WORDS)))))
    if name in {"day", "firm", "moment"} and kind == 1:
        return _leaf(draw, Call("year", (field,)), [-5, 0, 1, 1969, 2020, 2021, 9999, 10_000])
    if name in {"day", "firm", "moment"} and kind == 2:
        return _leaf(draw, Call("date", (field,)), DAYS)
    if name == "flag" and kind:
        return field
    return _leaf(draw, field, VALUES[name])


CONDITIONS = st.recursive(
    leaves(),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda args: all_of(*args)),
        st.lists(inner, max_size=3).map(lambda args: any_of(*args)),
        inner.map(negate),
    ),
    max_leaves=8,
)


def rewritten(where: Expr) -> Expr:
    return plan(Query("rows", where=where), TABLES, REWRITES).where


def domains_of(where: Expr) -> Mapping[str, Domain]:
    bound = plan(Query("rows", where=where), TABLES, REWRITES)
    return prune_files(replace(bound, stored_where=bound.where)).scan.domains


def is_in(domain: Domain, value: Any) -> bool:
    return domain.nulls if value is None else domain.meets(value, value)


@settings(max_examples=1_000, deadline=None)
@given(where=CONDITIONS, rows=ROWS)
def test_a_rewritten_condition_is_true_of_the_same_rows(where: Expr, rows: list[dict[str, Any]]) -> None:
    after = rewritten(where)
    assert [evaluate(where, row) is True for row in rows] == [evaluate(after, row) is True for row in rows]


@settings(max_examples=1_000, deadline=None)
@given(where=CONDITIONS, rows=ROWS)
def test_no_row_that_is_wanted_is_outside_of_the_domains(where: Expr, rows: list[dict[str, Any]]) -> None:
    domains = domains_of(where)
    rows = [row | {"number": number} for number, row in enumerate(rows)]
    wanted = [row for row in rows if evaluate(where, row) is True]
    for name, domain in domains.items():
        assert all(is_in(domain, row[name]) for row in wanted), (name, domain)
        values = sorted(row[name] for row in rows if row[name] is not None)
        bounds = (values[0], values[-1]) if values else None
        has_nulls = len(values) < len(rows)
        assert domain.may_hold_one_of(bounds, has_nulls=has_nulls) or not wanted, (name, domain)


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


@settings(max_examples=200, deadline=None)
@given(where=CONDITIONS, rows=ROWS)
def test_the_database_finds_the_same_rows(
    database: duckdb.DuckDBPyConnection, where: Expr, rows: list[dict[str, Any]]
) -> None:
    schema = pa.schema([(column.name, ARROW_TYPES[column.type]) for column in TABLE.columns])
    numbered = [row | {"number": number} for number, row in enumerate(rows)]
    database.register("given", pa.Table.from_pylist(numbered, schema))
    database.execute("CREATE OR REPLACE TABLE rows AS FROM given")
    wanted = [row["number"] for row in numbered if evaluate(where, row) is True]
    for expr in (where, rewritten(where)):
        parameters = Parameters()
        sql = f"SELECT number FROM rows WHERE {condition(expr, parameters).sql('duckdb')} ORDER BY number"
        found = database.execute(sql, parameters.values).fetchall()
        assert [number for (number,) in found] == wanted


FIRST, LAST = dt.date(2020, 1, 1), dt.date(2020, 12, 31)
MIDNIGHT = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
NEXT_YEAR = dt.datetime(2021, 1, 1, tzinfo=dt.UTC)


def compared(op: Op, expr: Expr, value: Any) -> Expr:
    return typed_compare(op, expr, literal(value), TABLE)


DAY, FIRM, MOMENT, WORD, AMOUNT = (Field(name) for name in ("day", "firm", "moment", "word", "amount"))


@pytest.mark.parametrize(
    ("where", "name", "domain"),
    [
        (compared(Op.EQ, Call("year", (DAY,)), 2020), "day", Domain(FIRST, LAST)),
        (
            typed_in(Call("year", (DAY,)), [literal(2020), literal(2019)], TABLE),
            "day",
            Domain(dt.date(2019, 1, 1), LAST),
        ),
        (compared(Op.GT, Call("year", (DAY,)), 2019), "day", Domain(low=FIRST)),
        (negate(compared(Op.GE, Call("year", (DAY,)), 2021)), "day", Domain(high=LAST, nulls=True)),
        (negate(compared(Op.GE, Call("year", (FIRM,)), 2021)), "firm", Domain(high=LAST)),
        (compared(Op.EQ, Call("date", (DAY,)), FIRST), "day", Domain(FIRST, FIRST)),
        (
            compared(Op.EQ, Call("year", (MOMENT,)), 2020),
            "moment",
            Domain(MIDNIGHT, NEXT_YEAR, without=frozenset({NEXT_YEAR})),
        ),
        (
            compared(Op.LE, Call("date", (MOMENT,)), LAST),
            "moment",
            Domain(high=NEXT_YEAR, without=frozenset({NEXT_YEAR})),
        ),
        (Call("startswith", (WORD, literal("ab"))), "word", Domain("ab", "ac", without=frozenset({"ac"}))),
        (
            Call("startswith", (WORD, literal("a\ud7ff"))),
            "word",
            Domain("a\ud7ff", "a\ue000", without=frozenset({"a\ue000"})),
        ),
        (
            Call("startswith", (WORD, literal("a\U0010ffff"))),
            "word",
            Domain("a\U0010ffff", "b", without=frozenset({"b"})),
        ),
        (Call("startswith", (WORD, literal("\U0010ffff"))), "word", Domain(low="\U0010ffff")),
        (compared(Op.NE, AMOUNT, 1), "amount", Domain(without=frozenset({1}), nulls=True)),
        (negate(compared(Op.EQ, AMOUNT, 1)), "amount", Domain(without=frozenset({1}), nulls=True)),
        (
            negate(typed_in(AMOUNT, [literal(1), NULL, literal(2)], TABLE)),
            "amount",
            Domain(without=frozenset({1, 2})),
        ),
        (Compare(Op.EQ, AMOUNT, NULL), "amount", Domain(values=(), nulls=True)),
        (
            negate(any_of(compared(Op.LT, AMOUNT, 1), compared(Op.GT, AMOUNT, 2))),
            "amount",
            Domain(1, 2, nulls=True),
        ),
        (compared(Op.LT, DAY, dt.date.min), "day", Domain(values=())),
    ],
)
def test_a_condition_has_its_domain(where: Expr, name: str, domain: Domain) -> None:
    assert domains_of(where) == {name: domain}


def test_many_ranges_are_left_to_the_function() -> None:
    few, many = ([literal(2000 + n) for n in range(count)] for count in (RANGES_MAX, RANGES_MAX + 1))
    year = Call("year", (DAY,))
    assert domains_of(typed_in(year, few, TABLE)) == {"day": Domain(dt.date(2000, 1, 1), dt.date(2015, 12, 31))}
    where = typed_in(year, many, TABLE)
    assert rewritten(where) == where


@pytest.mark.parametrize("value", [0, 9999, 10_000, 2**62])
def test_a_year_without_an_end_is_left_to_the_function(value: int) -> None:
    where = compared(Op.LE, Call("year", (DAY,)), value)
    assert rewritten(where) == where


def test_a_file_of_one_value_is_left_out_where_others_are_wanted() -> None:
    domain = domains_of(compared(Op.NE, AMOUNT, 1))["amount"]
    assert not domain.may_hold_one_of((1, 1), has_nulls=False)
    assert domain.may_hold_one_of((1, 1), has_nulls=True)
    assert domain.may_hold_one_of((1, 2), has_nulls=False)
    assert domain.may_hold_one_of(None, has_nulls=False)


def test_domains_join_and_meet() -> None:
    assert Domain(without=frozenset({1})).covering(Domain(without=frozenset({2}))) == Domain()
    assert Domain(without=frozenset({1, 3})).covering(Domain(values=(1,))) == Domain(without=frozenset({3}))
    assert Domain(low=5, nulls=True).covering(Domain(values=())) == Domain(low=5, nulls=True)
    assert Domain(low=5, nulls=True).narrowed(Domain(values=(4, 5, 6), nulls=True)) == Domain(values=(5, 6), nulls=True)
    assert Domain(without=frozenset({5})).narrowed(Domain(values=(4, 5))) == Domain(values=(4,))
