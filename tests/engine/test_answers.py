"""Random questions: the engine's answer, with and without each pass and with and without pruning, equals Python's."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.identity import series_id
from catalog.model import DATA_POINTS, SERIES, Table, Type
from catalog.scan import prune
from engine.errors import InvalidPage, QueryError, WrongType
from engine.functions import OWN_FUNCTIONS
from engine.literals import LONG_MAX, literal, typed_compare, typed_in
from engine.lower import lower
from engine.planner import PASSES, plan
from engine.query import NULL, Call, Expr, Field, Literal, Op, Order, Page, Query, View, all_of, any_of, negate
from tests.support.evaluate import evaluate, sorted_rows
from tests.support.oracle import Oracle, Point
from tests.support.warehouse import Warehouse, warehouse

SOURCE = "TEST"
NAMES = [f"S{n}" for n in range(12)]
DAYS = [dt.date(2023, month, 1) for month in (1, 2, 3, 12)] + [dt.date(2024, 1, 1)]
REVISIONS = [dt.date(2024, 1, day) for day in (2, 5, 9)]
GREATEST = Decimal("99999999999999999999.999999999999999999")
LEAST = Decimal("-99999999999999999999.999999999999999999")
VALUES = [None, Decimal("-1.5"), Decimal(0), Decimal("0.000000000000000001"), Decimal("2.5"), GREATEST, LEAST]
TITLES = ["Alpha", "alpha beta", "100% of _it_", 'O\'Brien \\ "q"', "Ünïcode ☃", " padded ", ""]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """A lake of several commits: every series in several files, with revisions, corrections and withdrawn points."""
    with warehouse(tmp_path_factory.mktemp("answers")) as lake:
        series = [
            {"external_id": name, "title": TITLES[n % len(TITLES)] or None, "units": None if n % 3 else "index"}
            for n, name in enumerate(NAMES)
        ]
        lake.write({"source": {"name": SOURCE}, "series": series})
        for turn, batch in enumerate(_batches()):
            lake.write({"data_points": [point.document(SOURCE) for point in batch]})
            if turn % 2:
                lake.write({"source": {"name": SOURCE}, "series": [{"external_id": "S0", "units": f"turn {turn}"}]})
            if turn == 1:
                lake.compact()
        yield lake


def _batches() -> list[list[Point]]:
    everything = [
        Point(name, day, VALUES[(7 * n + 3 * d + 5 * r) % len(VALUES)], revision)
        for n, name in enumerate(NAMES)
        for d, day in enumerate(DAYS)
        for r, revision in enumerate(REVISIONS)
        if (n + d + r) % 4
    ]
    corrections = [Point(p.series, p.date, Decimal(7), p.revision_date) for p in everything[::9]]
    return [everything[0::3], everything[1::3], everything[2::3], corrections]


@pytest.fixture(scope="module")
def truth(lake: Warehouse) -> dict[tuple[str, View, dt.date | None], list[dict[str, Any]]]:
    """The rows of every table in every view, from the dictionary oracle (points) and the plain table (series)."""
    oracle = Oracle()
    for batch in _batches():
        oracle.post(batch, dt.date(2024, 6, 15))
    names = ("series_id", "date", "revision_date", "value", "is_original_release")
    rows: dict[tuple[str, View, dt.date | None], list[dict[str, Any]]] = {}
    for day in (None, *REVISIONS, dt.date(2020, 1, 1)):
        for view, listed in ((View.EVERY, oracle.every), (View.LATEST, oracle.latest), (View.FIRST, oracle.first)):
            rows["data_points", view, day] = [
                dict(zip(names, (series_id(SOURCE, row[0]), *row[1:]), strict=True)) for row in listed(day)
            ]
            rows["series", view, day] = lake.rows(Query("series"))
    return rows


def _constants(type_: Type) -> st.SearchStrategy[Literal]:
    match type_:
        case Type.UUID:
            known = st.sampled_from([series_id(SOURCE, name) for name in [*NAMES, "absent"]])
        case Type.STRING:
            known = st.sampled_from([*TITLES, *NAMES, "a", "%", "_", "'", "index"])
        case Type.DATE:
            known = st.sampled_from([*DAYS, *REVISIONS, dt.date(1, 1, 1), dt.date(9999, 12, 31)])
        case Type.DECIMAL:
            known = st.sampled_from([value for value in VALUES if value is not None] + [Decimal("1E+19")])
        case Type.BOOLEAN:
            known = st.booleans()
        case Type.LONG:
            known = st.one_of(st.integers(-3, 2025), st.sampled_from([2022, 2023, 2024]))
        case Type.TIMESTAMP:
            known = st.sampled_from(
                [dt.datetime(2024, 6, 15, 12, tzinfo=dt.UTC), dt.datetime(2020, 1, 1, tzinfo=dt.UTC)]
            )
    return st.one_of(known.map(literal), st.just(NULL))


def _values(table: Table) -> st.SearchStrategy[tuple[Expr, Type]]:
    """Columns, and functions of columns, with their types."""
    columns = [(Field(column.name), column.type) for column in table.visible if "_at" not in column.name]
    calls: list[tuple[Expr, Type]] = []
    for field, type_ in columns:
        if type_ is Type.STRING:
            calls += [(Call(name, (field,)), Type.STRING) for name in ("tolower", "toupper", "trim")]
            calls += [(Call("length", (field,)), Type.LONG), (Call("indexof", (field, literal("a"))), Type.LONG)]
            calls += [(Call("substring", (field, literal(n))), Type.STRING) for n in (1, -9, LONG_MAX, -LONG_MAX)]
            parts = [(0, 2), (1, 2), (-2, 2), (-9, 2), (1, -1), (0, LONG_MAX), (LONG_MAX, 2)]
            calls += [(Call("substring", (field, literal(n), literal(k))), Type.STRING) for n, k in parts]
            calls += [(Call("concat", (field, literal("x"))), Type.STRING)]
        if type_ is Type.DATE:
            calls += [(Call(name, (field,)), Type.LONG) for name in ("year", "year", "month", "day")]
            calls += [(Call(name, (field,)), Type.DATE) for name in ("date", *OWN_FUNCTIONS)]
        if type_ is Type.DECIMAL:
            calls += [(Call(name, (field,)), Type.DECIMAL) for name in ("round", "floor", "ceiling")]
    return st.sampled_from([*columns, *columns, *calls])


def conditions(table: Table) -> st.SearchStrategy[Expr]:
    def compared(value: tuple[Expr, Type]) -> st.SearchStrategy[Expr]:
        expr, type_ = value
        constants = _constants(type_)
        return st.one_of(
            st.builds(lambda op, c: typed_compare(op, expr, c, table), st.sampled_from(list(Op)), constants),
            st.builds(lambda op, c: typed_compare(op, c, expr, table), st.sampled_from(list(Op)), constants),
            st.builds(lambda items: typed_in(expr, items, table), st.lists(constants, max_size=4)),
            st.builds(
                lambda n: typed_in(expr, [literal(series_id("many", f"{i}")) for i in range(n)], table), st.just(80)
            )
            if type_ is Type.UUID
            else st.nothing(),
            st.just(typed_in(expr, [*map(literal, range(80)), literal(Decimal("1.5")), NULL], table))
            if type_ in (Type.LONG, Type.DECIMAL)
            else st.nothing(),
        )

    texts = [Field(column.name) for column in table.visible if column.type is Type.STRING]
    called = st.builds(
        lambda name, field, part: Call(name, (field, literal(part))),
        st.sampled_from(["contains", "startswith", "endswith"]),
        st.sampled_from(texts),
        st.sampled_from(["a", "%", "_", "'", "Al", "☃", ""]),
    )
    flags = [Field(column.name) for column in table.visible if column.type is Type.BOOLEAN]
    leaves = (
        [_values(table).flatmap(compared)] + ([called] if texts else []) + ([st.sampled_from(flags)] if flags else [])
    )
    return st.recursive(
        st.one_of(*leaves),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3).map(lambda args: all_of(*args)),
            st.lists(inner, max_size=3).map(lambda args: any_of(*args)),
            inner.map(negate),
        ),
        max_leaves=6,
    )


@st.composite
def queries(draw: st.DrawFn) -> Query:
    table = draw(st.sampled_from([DATA_POINTS, DATA_POINTS, SERIES]))
    orders = st.builds(Order, _values(table).map(lambda value: value[0]), st.booleans())
    return Query(
        table.name,
        where=draw(conditions(table)),
        order=tuple(draw(st.lists(orders, max_size=2))),
        page=Page(draw(st.one_of(st.none(), st.integers(0, 9))), draw(st.integers(0, 3))),
        view=draw(st.sampled_from(list(View))),
        as_of=draw(st.sampled_from([None, *REVISIONS, dt.date(2020, 1, 1)])),
    )


def expected(query: Query, truth: Any) -> list[dict[str, Any]]:
    table = DATA_POINTS if query.table == "data_points" else SERIES
    rows = [row for row in truth[query.table, query.view, query.as_of] if evaluate(query.where, row) is True]
    ties = table.row_key if query.view is View.EVERY else table.key
    rows = sorted_rows(rows, [*query.order, *(Order(Field(name)) for name in ties)])
    return rows[query.page.offset :][: query.page.limit]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=queries())
def test_an_answer_equals_the_oracle_however_it_is_planned(lake: Warehouse, truth: Any, query: Query) -> None:
    want = expected(query, truth)
    names = list(want[0]) if want else []
    for passes, prunes in ((PASSES, True), ((), True), (PASSES, False), (PASSES[:3], True), (PASSES[2:], True)):
        with lake.other_engine(passes, prunes=prunes).answer(query) as result:
            rows = result.table().to_pylist()
        assert [{name: row[name] for name in names} for row in rows] == want
    with lake.engine.answer(query.counted()) as result:
        (count,) = result.table().to_pylist()
    assert count["count"] == len(expected(query.counted(), truth))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=queries(), size=st.integers(1, 7))
def test_pages_join_to_the_whole_answer(lake: Warehouse, query: Query, size: int) -> None:
    """Keyset pages, each begun behind the last row of the one before, have no gap and no row twice."""
    whole = Query(query.table, where=query.where, order=query.order, view=query.view, as_of=query.as_of)
    joined: list[dict[str, Any]] = []
    after = None
    while True:
        page = Query(whole.table, (), whole.where, whole.order, Page(size, 0, after), whole.view, whole.as_of)
        with lake.engine.answer(page, keyset=True) as result:
            batches = list(result.batches())
            rows = [row for batch in batches for row in batch.to_pylist()]
            joined += [{name: row[name] for name, _ in result.columns} for row in rows]
            if len(rows) < size:
                break
            last = batches[-1]
            after = result.after(last, last.num_rows - 1)
    assert joined == lake.rows(whole)


def test_pruning_reads_few_files(lake: Warehouse) -> None:
    one = typed_compare(Op.EQ, Field("series_id"), literal(series_id(SOURCE, "S1")), DATA_POINTS)
    with lake.engine.answer(Query("data_points", where=one)) as result:
        assert 0 < result.files_read < result.files_considered / 2
    before = typed_compare(Op.LT, Field("date"), literal(dt.date(1900, 1, 1)), DATA_POINTS)
    with lake.engine.answer(Query("data_points", where=before)) as result:
        assert result.files_read == 0
        assert result.table().num_rows == 0
    with lake.engine.answer(Query("data_points", as_of=dt.date(2000, 1, 1))) as result:
        assert result.files_read == 0


@pytest.mark.parametrize("count", [2, 63, 64, 65, 5_000])
def test_long_lists_and_chains(lake: Warehouse, count: int) -> None:
    ids = [series_id("many", f"{n}") for n in range(count)] + [series_id(SOURCE, "S1")]
    field = Field("series_id")
    chain = any_of(*(typed_compare(Op.EQ, field, literal(id_), DATA_POINTS) for id_ in ids))
    listed = typed_in(field, [literal(id_) for id_ in ids], DATA_POINTS)
    one = typed_compare(Op.EQ, field, literal(ids[-1]), DATA_POINTS)
    rows = [lake.rows(Query("data_points", where=where)) for where in (chain, listed, one)]
    assert rows[0] == rows[1] == rows[2] != []
    excluded = lake.rows(Query("data_points", where=negate(listed)))
    assert len(excluded) + len(rows[0]) == len(lake.rows(Query("data_points")))


def test_a_call_in_a_call_is_written_once(lake: Warehouse) -> None:
    """An argument that is written out twice makes a text that doubles at each level."""
    nested: Expr = Field("title")
    for _ in range(10):
        nested = Call("substring", (Field("title"), Call("length", (nested,)), literal(3)))
    within = typed_in(nested, [literal("q"), NULL], SERIES)
    for _ in range(10):
        within = typed_in(within, [literal(True), NULL], SERIES)
    planned = plan(Query("series", where=within), lake.engine.tables)
    assert len(lower(planned, prune(lake.engine.snapshots.current(), planned.scan)).sql) < 6_000
    assert lake.rows(Query("series", where=within)) == []


def test_a_question_too_deep_to_write_out_is_refused(lake: Warehouse) -> None:
    nested: Expr = Field("title")
    for _ in range(300):
        nested = Call("trim", (nested,))
    with pytest.raises(QueryError, match="nested too deeply"):
        lake.rows(Query("series", where=Call("contains", (nested, literal("a")))))


@pytest.mark.parametrize("page", [Page(-1), Page(LONG_MAX + 1), Page(1, -1), Page(1, LONG_MAX + 1)])
def test_a_page_that_no_answer_has_is_refused(lake: Warehouse, page: Page) -> None:
    with pytest.raises(InvalidPage):
        lake.rows(Query("series", page=page))


@pytest.mark.parametrize("constant", [NULL, literal(1), literal("a"), literal(True)])
def test_nothing_can_be_sorted_by_a_constant(lake: Warehouse, constant: Literal) -> None:
    with pytest.raises(WrongType):
        lake.rows(Query("series", order=(Order(constant),)))
