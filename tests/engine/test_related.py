"""Conditions on related rows: how many statements they take, and which files they leave to read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest

from catalog.identity import series_id
from catalog.model import MODEL, SERIES
from engine.errors import QueryError, UnknownColumn, WrongType
from engine.literals import literal, typed_compare
from engine.lower import Statement
from engine.pipeline import Engine
from engine.query import FALSE, Expr, Field, Op, Order, Page, Query, Related, View, all_of, any_of, negate
from tests.support.oracle import Point
from tests.support.warehouse import Warehouse, warehouse

SOURCE = "TEST"
NAMES = [f"S{n:02d}" for n in range(40)]
FREQUENCIES = {name: "daily" if name in NAMES[:3] else "monthly" for name in NAMES}
DAYS = [dt.date(2023, month, 1) for month in range(1, 5)]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """Forty series in base files by partition, and a delta of some of them."""
    with warehouse(tmp_path_factory.mktemp("related")) as lake:
        series = [{"external_id": name, "title": f"Title {name}", "frequency": FREQUENCIES[name]} for name in NAMES]
        lake.write({"source": {"name": SOURCE}, "series": series})
        for revision, names in ((dt.date(2024, 1, 1), NAMES), (dt.date(2024, 2, 1), NAMES[::7])):
            points = [Point(name, day, None if name == "S07" else 1, revision) for name in names for day in DAYS]
            lake.write({"data_points": [point.document(SOURCE) for point in points]})
            if names is NAMES:
                lake.compact()
        yield lake


@pytest.fixture
def statements(lake: Warehouse, monkeypatch: pytest.MonkeyPatch) -> list[Statement]:
    """Those that the database is given."""
    return lake.opened(monkeypatch)


def of_series(where: Expr, column: str = "series_id") -> Expr:
    return Related(column, Query("series", ("id",), where))


def series_where(column: str, op: Op, value: Any) -> Expr:
    return typed_compare(op, Field(column), literal(value), SERIES)


DAILY = of_series(series_where("frequency", Op.EQ, "daily"))
MONTHLY = of_series(series_where("frequency", Op.EQ, "monthly"))
ONE = of_series(series_where("title", Op.EQ, "Title S05"))


def partitions(names: list[str]) -> set[str]:
    return {series_id(SOURCE, name)[0] for name in names}


def test_few_keys_leave_their_files_alone(lake: Warehouse, statements: list[Statement]) -> None:
    for where, names in ((DAILY, NAMES[:3]), (ONE, ["S05"]), (MONTHLY, NAMES[3:])):
        statements.clear()
        with lake.engine.answer(Query("data_points", where=where)) as result:
            rows = result.table().to_pylist()
        assert {row["series_id"] for row in rows} == {series_id(SOURCE, name) for name in names}
        assert len(statements) == 2
        assert {file.partition for file in statements[1].files} == partitions(names)
        told = lake.engine.explain(Query("data_points", where=where), footers_max=9)
        assert told.files.read == len(statements[1].files) == result.files_read
        assert (told.files.pruned.partition > 0) is (len(names) < 9)
        assert [(each.table, each.keys, each.files.read) for each in told.related] == [("series", len(names), 1)]
        assert told.passes[-1].name == "look_up_related"


def test_keys_of_no_series_read_nothing(lake: Warehouse, statements: list[Statement]) -> None:
    with lake.engine.answer(Query("data_points", where=of_series(FALSE))) as result:
        assert (result.table().num_rows, result.files_read) == (0, 0)


def test_of_many_keys_the_statement_joins_the_rows(lake: Warehouse, statements: list[Statement]) -> None:
    few = Engine(lake.engine.snapshots, *lake.databases, related_keys_max=3)
    every = len(lake.engine.snapshots.current().tables["data_points"].files)
    for where, keys in ((DAILY, 3), (MONTHLY, None)):
        with few.answer(Query("data_points", where=where)) as result:
            assert result.table().num_rows == len(DAYS) * (3 if keys else 37)
            assert (result.files_read == every) is (keys is None)
        told = few.explain(Query("data_points", where=where), footers_max=9)
        assert told.related[0].keys == keys
        assert ("related_0" in told.sql) is (keys is None)


@pytest.mark.parametrize(
    ("query", "most"),
    [
        (Query("data_points", where=all_of(MONTHLY, ONE)), 3),
        (Query("data_points", where=any_of(DAILY, ONE)), 1),
        (Query("data_points", where=negate(DAILY)), 1),
        (Query("series", where=Related("source_id", Query("sources", ("id",)))), 1),
        (Query("series", where=Related("id", Query("data_points", ("series_id",)))), 1),
        (Query("data_points", where=of_series(Related("id", Query("data_points", ("series_id",))))), 2),
        (Query("data_points", where=DAILY, count_only=True), 2),
    ],
)
def test_statements_do_not_grow_with_rows(
    lake: Warehouse, statements: list[Statement], query: Query, most: int
) -> None:
    assert lake.table(query).num_rows
    assert len(statements) == most


def test_a_file_that_only_the_join_reads_is_named_by_the_statement(
    lake: Warehouse, statements: list[Statement]
) -> None:
    """Of a failed scan all files are looked at, those of related rows among them."""
    lake.rows(Query("series", where=Related("source_id", Query("sources", ("id",)))))
    paths = {file.path for table in ("series", "sources") for file in _files(lake, table)}
    assert {file.path for file in statements[0].files} == paths


def _files(lake: Warehouse, table: str) -> Any:
    return lake.engine.snapshots.current().tables[table].files


@pytest.mark.parametrize(
    ("node", "error"),
    [
        (Related("series_id", Query("sources", ("id",))), QueryError),
        (Related("series_id", Query("series", ("source_id",))), QueryError),
        (Related("date", Query("series", ("id",))), QueryError),
        (Related("series_id", Query("series", ("id",), page=Page(1))), QueryError),
        (Related("series_id", Query("series", ("id",), order=(Order(Field("title")),))), QueryError),
        (Related("series_id", Query("series", ("id",), snapshot="0-0-0-0")), QueryError),
        (Related("series_id", Query("series", ("id",), Field("hidden_through"))), UnknownColumn),
        (Related("series_id", Query("series", ("id",), Field("title"))), WrongType),
    ],
)
def test_what_is_no_relation_is_refused(lake: Warehouse, node: Related, error: type[QueryError]) -> None:
    for where in (node, negate(node), any_of(node, FALSE)):
        with pytest.raises(error):
            lake.rows(Query("data_points", where=where))


def test_no_row_is_sorted_by_others(lake: Warehouse) -> None:
    with pytest.raises(WrongType):
        lake.rows(Query("data_points", order=(Order(DAILY),)))


def test_the_view_of_related_rows_is_their_own(lake: Warehouse) -> None:
    for view, expected in ((View.EVERY, 40), (View.LATEST, 40), (View.FIRST, 40)):
        rows = Query("data_points", ("series_id",), view=view, as_of=dt.date(2024, 1, 15))
        assert lake.table(Query("series", where=Related("id", rows))).num_rows == expected
    late = Query(
        "data_points",
        ("series_id",),
        typed_compare(Op.EQ, Field("revision_date"), literal(dt.date(2024, 2, 1)), MODEL.by_name["data_points"]),
    )
    assert lake.table(Query("series", where=Related("id", late))).num_rows == len(NAMES[::7])
