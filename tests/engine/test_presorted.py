"""Rows that base files hold in the order asked for are not sorted, and come in that order all the same."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from catalog import maintenance
from catalog.identity import series_id
from catalog.model import Type
from catalog.scan import prune
from engine.lower import in_order
from engine.planner import plan
from engine.query import Call, Field, Literal, Op, Order, Page, Query, View, all_of, compare, is_in
from tests.support.oracle import Oracle, Point
from tests.support.warehouse import Warehouse, warehouse

SOURCE = "TEST"
NAMES = [f"S{n}" for n in range(40)]
DAYS = [dt.date(year, month, 1) for year in range(2018, 2025) for month in (1, 5, 9)]
REVISIONS = (dt.date(2024, 5, 2), dt.date(2024, 6, 3))
POINTS = [
    Point(name, day, Decimal(1000 * n + 10 * d + r), revision)
    for n, name in enumerate(NAMES)
    for d, day in enumerate(DAYS)
    for r, revision in enumerate(REVISIONS)
    if (n + d + r) % 5
]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """Base files alone, many of them: of old and of recent dates, and not more than 200 rows each."""
    with pytest.MonkeyPatch.context() as patch, warehouse(tmp_path_factory.mktemp("presorted")) as lake:
        patch.setattr(maintenance, "BASE_FILE_ROWS_MAX", 200)
        lake.write({"source": {"name": SOURCE}, "series": [{"external_id": name} for name in NAMES]})
        lake.write({"data_points": [point.document(SOURCE) for point in reversed(POINTS)]})
        lake.compact()
        yield lake


@pytest.fixture(scope="module")
def truth() -> Oracle:
    oracle = Oracle()
    oracle.post(POINTS, dt.date(2024, 6, 15))
    return oracle


def one(name: str) -> Query:
    return Query("data_points", where=compare(Op.EQ, Field("series_id"), wanted(name)))


def wanted(name: str) -> Literal:
    return Literal(series_id(SOURCE, name), Type.UUID)


def is_presorted(lake: Warehouse, query: Query) -> bool:
    planned = plan(query, lake.engine.tables)
    return in_order(planned, prune(lake.engine.snapshots.current(), planned.scan)) is not None


DATE, REVISION, SERIES = Field("date"), Field("revision_date"), Field("series_id")


@pytest.mark.parametrize(
    ("order", "view", "expected"),
    [
        ((), View.LATEST, True),
        ((), View.EVERY, True),
        ((Order(DATE),), View.FIRST, True),
        ((Order(SERIES, descending=True), Order(DATE)), View.LATEST, False),
        ((Order(DATE, descending=True),), View.LATEST, False),
        ((Order(REVISION),), View.LATEST, False),
        ((Order(REVISION),), View.EVERY, False),
        ((Order(Call("year", (DATE,))),), View.LATEST, False),
        ((Order(Field("value")),), View.LATEST, False),
    ],
)
def test_the_order_decides(lake: Warehouse, order: tuple[Order, ...], view: View, *, expected: bool) -> None:
    query = Query("data_points", where=one("S3").where, order=order, view=view)
    assert is_presorted(lake, query) is expected


@pytest.mark.parametrize("view", [View.LATEST, View.FIRST])
@pytest.mark.parametrize("as_of", [None, dt.date(2024, 5, 20)])
@pytest.mark.parametrize("limit", [None, 1, 7])
def test_one_series_comes_in_its_order(
    lake: Warehouse, truth: Oracle, view: View, as_of: dt.date | None, limit: int | None
) -> None:
    listed = {View.LATEST: truth.latest, View.FIRST: truth.first}[view](as_of)
    for name in NAMES:
        query = Query("data_points", ("date", "value"), one(name).where, view=view, as_of=as_of, page=Page(limit))
        assert is_presorted(lake, query)
        expected = [(row[1], row[3]) for row in listed if row[0] == name]
        assert [tuple(row.values()) for row in lake.rows(query)] == sorted(expected)[:limit]


def test_all_series_come_in_their_order(lake: Warehouse, truth: Oracle) -> None:
    """Files of old and of recent dates hold the same series, so they must be sorted."""
    assert not is_presorted(lake, Query("data_points"))
    rows = lake.rows(Query("data_points", ("series_id", "date")))
    assert [tuple(row.values()) for row in rows] == sorted(
        (series_id(SOURCE, row[0]), row[1]) for row in truth.latest(None)
    )


def test_several_series_within_one_file_come_in_their_order(lake: Warehouse, truth: Oracle) -> None:
    limit = dt.date(2020, 1, 1)
    old = compare(Op.LT, DATE, Literal(limit, Type.DATE))
    presorted = 0
    for pair in pairwise(NAMES):
        query = Query("data_points", ("series_id", "date"), all_of(is_in(SERIES, map(wanted, pair)), old))
        presorted += is_presorted(lake, query)
        expected = sorted((series_id(SOURCE, row[0]), row[1]) for row in truth.latest(None) if row[0] in pair)
        found = [tuple(row.values()) for row in lake.rows(query)]
        assert found == [row for row in expected if row[1] < limit]
    assert presorted


def test_deltas_are_sorted(tmp_path: Path) -> None:
    with warehouse(tmp_path / "lake") as lake:
        lake.write({"source": {"name": SOURCE}, "series": [{"external_id": name} for name in NAMES[:2]]})
        for day in reversed(DAYS):
            lake.write({"data_points": [Point("S1", day, Decimal(1), REVISIONS[0]).document(SOURCE)]})
        assert not is_presorted(lake, one("S1"))
        assert [row["date"] for row in lake.rows(one("S1"))] == DAYS
        lake.compact()
        assert is_presorted(lake, one("S1"))
