"""Aggregates: the engine's groups, however they are planned, equal those that Python makes of the oracle's rows."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.identity import series_id
from catalog.model import DATA_POINTS, Table, Type
from engine.aggregates import answer_table
from engine.functions import OWN_FUNCTIONS
from engine.literals import literal, typed_compare, typed_in
from engine.planner import PASSES
from engine.query import (
    TRUE,
    Aggregate,
    Call,
    Expr,
    Field,
    Grouping,
    Key,
    Op,
    Order,
    Page,
    Query,
    Statistic,
    View,
    all_of,
    any_of,
    grouped,
    negate,
)
from tests.support.evaluate import evaluate, sorted_rows
from tests.support.grouped import groups, same
from tests.support.oracle import Oracle, Point
from tests.support.warehouse import Warehouse, warehouse

SOURCE = "TEST"
NAMES = ["S0", "S1", "S2", "S3"]
TODAY = dt.date(2024, 6, 15)
REVISIONS = [dt.date(2024, 1, 2), dt.date(2024, 1, 9)]
VALUES = [None, "-1.5", "0", "0.000000000000000001", "2.5", "2.5", "1234567.000000000000000001", "-99999.25", "7"]
VALUE, DATE, SERIES = Field("value"), Field("date"), Field("series_id")
COUNT = Aggregate("n", Statistic.COUNT)
HYPOTHESIS = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _batches() -> list[list[Point]]:
    made = random.Random(7)
    days = [dt.date(2022, 12, 26) + dt.timedelta(days=9 * n) for n in range(40)]
    points = [
        Point(name, day, None if (value := made.choice(VALUES)) is None else Decimal(value), revision)
        for name in NAMES
        for day in days
        for revision in REVISIONS
        if made.random() < 0.7
    ]
    made.shuffle(points)
    return [points[0::3], points[1::3], points[2::3], [replace(p, value=Decimal(7)) for p in points[::11]]]


@pytest.fixture(scope="module", params=["deltas", "base files", "both"])
def lake(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Warehouse]:
    with warehouse(tmp_path_factory.mktemp("groups"), TODAY) as lake:
        for turn, batch in enumerate(_batches()):
            lake.write({"data_points": [point.document(SOURCE) for point in batch]})
            if turn == 1 and request.param == "both":
                lake.compact()
        if request.param == "base files":
            lake.compact()
        yield lake


@pytest.fixture(scope="module")
def truth() -> Callable[[Query], list[dict[str, Any]]]:
    oracle = Oracle()
    for batch in _batches():
        oracle.post(batch, TODAY)
    views = {View.EVERY: oracle.every, View.LATEST: oracle.latest, View.FIRST: oracle.first}
    names = ("series_id", "date", "revision_date", "value", "is_original_release")

    def rows(query: Query) -> list[dict[str, Any]]:
        found = views[query.view](query.as_of)
        return [dict(zip(names, (series_id(SOURCE, row[0]), *row[1:]), strict=True)) for row in found]

    return rows


PERIODS = [DATE, *(Call(name, (DATE,)) for name in OWN_FUNCTIONS), Call("year", (DATE,)), Call("month", (DATE,))]
KEYS: list[Expr] = [SERIES, SERIES, *PERIODS, *PERIODS, Field("is_original_release"), VALUE]
SUBJECTS: dict[Statistic, list[Expr]] = {each: [VALUE, VALUE, Call("day", (DATE,))] for each in Statistic} | {
    Statistic.MIN: [VALUE, DATE, SERIES, Field("revision_date")],
    Statistic.COUNT_DISTINCT: [VALUE, DATE, SERIES, Field("is_original_release")],
    Statistic.FIRST: [VALUE, DATE, SERIES, Field("is_original_release")],
}


@st.composite
def groupings(draw: st.DrawFn) -> Grouping:
    keys = [Key(f"k{number}", by) for number, by in enumerate(draw(st.lists(st.sampled_from(KEYS), max_size=3)))]
    aggregates = [COUNT]
    for number, statistic in enumerate(draw(st.lists(st.sampled_from(list(Statistic)), max_size=4))):
        at = draw(st.sampled_from(["0", "0.1", "0.5", "0.75", "1"])) if statistic is Statistic.QUANTILE else None
        of = draw(st.sampled_from(SUBJECTS[statistic]))
        aggregates.append(Aggregate(f"a{number}", statistic, of, None if at is None else Decimal(at)))
    return grouped(keys, aggregates)


CONSTANTS: dict[Type, list[Any]] = {
    Type.DATE: [dt.date(2023, 1, 2), dt.date(2023, 4, 1), dt.date(2023, 1, 1), dt.date(2023, 5, 5)],
    Type.UUID: [series_id(SOURCE, name) for name in NAMES],
    Type.LONG: [0, 1, 3, 2022, 2023],
    Type.DECIMAL: [Decimal("2.5"), Decimal(0)],
    Type.BOOLEAN: [True],
}


def _conditions(table: Table) -> st.SearchStrategy[Expr]:
    """Conditions on columns whose values have no rounded digits."""
    names = [column.name for column in table.visible if column.type in CONSTANTS]

    def compared(name: str) -> st.SearchStrategy[Expr]:
        constants = st.sampled_from([*CONSTANTS[table.by_name[name].type], None]).map(literal)
        ops = st.sampled_from(list(Op))
        return st.one_of(
            st.builds(lambda op, constant: typed_compare(op, Field(name), constant, table), ops, constants),
            st.builds(lambda items: typed_in(Field(name), items, table), st.lists(constants, max_size=3)),
        )

    return st.recursive(
        st.sampled_from(names).flatmap(compared),
        lambda inner: st.one_of(
            st.lists(inner, max_size=2).map(lambda args: all_of(*args)),
            st.lists(inner, max_size=2).map(lambda args: any_of(*args)),
            inner.map(negate),
        ),
        max_leaves=4,
    )


@st.composite
def queries(draw: st.DrawFn) -> Query:
    grouping = draw(groupings())
    answered = answer_table(grouping, DATA_POINTS)
    exact = [Field(column.name) for column in answered.visible if column.type is not Type.DOUBLE]
    order = st.builds(Order, st.sampled_from(exact), st.booleans())
    return Query(
        "data_points",
        where=draw(st.just(TRUE) | _conditions(DATA_POINTS)),
        order=tuple(draw(st.lists(order, max_size=2))),
        page=Page(draw(st.none() | st.integers(0, 9)), draw(st.integers(0, 2))),
        view=draw(st.sampled_from(list(View))),
        as_of=draw(st.sampled_from([None, *REVISIONS])),
        grouping=grouping,
        having=draw(st.just(TRUE) | _conditions(answered)),
    )


def expected(query: Query, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    assert query.grouping is not None
    kept = [row for row in rows if evaluate(query.where, row) is True]
    found = groups(query.grouping, kept, ("date", "series_id", "revision_date"))
    held = [row for row in found if evaluate(query.having, row) is True]
    keys = [Order(Field(key.name)) for key in query.grouping.keys]
    return sorted_rows(held, [*query.order, *keys])[query.page.offset :][: query.page.limit]


@settings(HYPOTHESIS, max_examples=50)
@given(query=queries())
def test_groups_equal_the_oracle_however_they_are_planned(lake: Warehouse, truth: Any, query: Query) -> None:
    want = expected(query, truth(query))
    for passes, prunes in ((PASSES, True), ((), True), (PASSES, False), (PASSES[:1], True), (PASSES[1:], True)):
        with lake.other_engine(passes, prunes=prunes).answer(query) as result:
            rows = result.table().to_pylist()
        assert len(rows) == len(want)
        assert all(same(row, wanted) for row, wanted in zip(rows, want, strict=True)), (rows, want)
    (count,) = lake.rows(query.counted())
    assert count["count"] == len(expected(replace(query, page=Page()), truth(query)))


@settings(HYPOTHESIS, max_examples=20)
@given(query=queries(), size=st.integers(1, 7))
def test_pages_of_groups_join_to_the_whole_answer(lake: Warehouse, query: Query, size: int) -> None:
    whole = replace(query, page=Page())
    joined: list[dict[str, Any]] = []
    after = None
    while True:
        with lake.engine.answer(replace(whole, page=Page(size, 0, after)), keyset=True) as result:
            batches = [batch for batch in result.batches() if batch.num_rows]
            rows = [row for batch in batches for row in batch.to_pylist()]
            joined += [{name: row[name] for name, _ in result.columns} for row in rows]
            if len(rows) < size:
                break
            after = result.after(batches[-1], batches[-1].num_rows - 1)
            if not query.grouping or not query.grouping.keys:
                break
    assert all(same(row, other) for row, other in zip(joined, lake.rows(whole), strict=True))
