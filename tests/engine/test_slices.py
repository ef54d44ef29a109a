"""A question that is answered slice by slice has the rows, and their order, that it has in one statement."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.identity import series_id
from catalog.model import Type
from engine import slices
from engine.lower import Statement
from engine.query import Compare, Field, Literal, Op, Order, Page, Query, View, all_of, is_in
from tests.support.warehouse import Warehouse, warehouse

SERIES = 60
MONTHS = 8
IDS = sorted(series_id("S", f"E{number}") for number in range(SERIES))

Key = tuple[str, dt.date]


def day(month: int) -> dt.date:
    return dt.date(2020, month, 1)


def rows(seed: int = 7) -> list[tuple[str, dt.date, dt.date, int]]:
    """(name, date, revision date, value), some with two revisions."""
    chance = random.Random(seed)
    return [
        (f"E{number}", day(month), dt.date(2021, version, 1), chance.randrange(1_000))
        for number in range(SERIES)
        for month in range(1, MONTHS + 1)
        for version in range(1, chance.randint(2, 3))
    ]


@pytest.fixture(scope="module")
def latest() -> dict[Key, Decimal]:
    """By the plainest way: a later revision takes the place of an earlier one."""
    return {(series_id("S", name), date): Decimal(value) for name, date, _, value in sorted(rows(), key=lambda r: r[2])}


@pytest.fixture(scope="module", params=[1, 2])
def lake(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """Base files, and over some of the partitions deltas."""
    with warehouse(tmp_path_factory.mktemp("slices") / "lake", partition_width=request.param) as lake:
        for revision, compacts in ((1, True), (2, False)):
            points = [
                {"external_id": name, "date": str(date), "revision_date": str(published), "value": value}
                for name, date, published, value in rows()
                if published.month == revision and (compacts or series_id("S", name) < "8")
            ]
            late = [
                {"external_id": name, "date": str(date), "revision_date": str(published), "value": value}
                for name, date, published, value in rows()
                if published.month == 2 and compacts and series_id("S", name) >= "8"
            ]
            assert lake.write({"source": {"name": "S"}, "data_points": points + late}).failed == 0
            if compacts:
                lake.compact()
        yield lake


@pytest.fixture
def opened(lake: Warehouse, monkeypatch: pytest.MonkeyPatch) -> list[Statement]:
    """The statements that are opened."""
    return lake.opened(monkeypatch)


def keys(found: list[dict[str, Any]]) -> list[Key]:
    return [(row["series_id"], row["date"]) for row in found]


def values(found: list[dict[str, Any]]) -> list[tuple[str, dt.date, Decimal]]:
    return [(row["series_id"], row["date"], row["value"]) for row in found]


@pytest.mark.parametrize("descending", [False, True])
def test_all_rows_in_order(
    lake: Warehouse,
    latest: dict[Key, Decimal],
    opened: list[Statement],
    monkeypatch: pytest.MonkeyPatch,
    *,
    descending: bool,
) -> None:
    monkeypatch.setattr(slices, "SLICE_ROWS", 30)
    order = (Order(Field("series_id"), descending),)
    expected = sorted(latest, key=lambda key: key[1])
    expected.sort(key=lambda key: key[0], reverse=descending)
    found = lake.rows(Query("data_points", order=order))
    assert values(found) == [(*key, latest[key]) for key in expected]
    assert len(opened) > 16


def test_a_page_reads_no_more_slices_than_it_needs(
    lake: Warehouse, latest: dict[Key, Decimal], opened: list[Statement], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "SLICE_ROWS", 30)
    for limit in (0, 1, 8, 9, 70):
        opened.clear()
        found = lake.rows(Query("data_points", page=Page(limit=limit)))
        assert keys(found) == sorted(latest)[:limit]
        assert len(opened) <= (2 + limit // 4 if limit else 1), "some ranges are empty"


def test_where_it_would_not_help_there_is_one_statement(lake: Warehouse, opened: list[Statement]) -> None:
    lake.rows(Query("data_points"))
    assert len(opened) == 1, "so few rows are not cut"


@pytest.mark.parametrize(
    "query",
    [
        Query("data_points", order=(Order(Field("date")),)),
        Query("data_points", page=Page(limit=5, offset=3)),
        Query("data_points").counted(),
        Query("data_points", where=is_in(Field("series_id"), [Literal(id_, Type.UUID) for id_ in IDS[:50]])),
        Query("series"),
    ],
)
def test_what_cannot_be_cut_or_reads_little(
    lake: Warehouse, opened: list[Statement], monkeypatch: pytest.MonkeyPatch, query: Query
) -> None:
    whole = lake.rows(query)
    monkeypatch.setattr(slices, "SLICE_ROWS", 30)
    opened.clear()
    assert lake.rows(query) == whole
    assert len(opened) == 1


_BOUNDS = st.sampled_from([*IDS[::7], "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"])
_OPS = st.sampled_from([Op.LT, Op.LE, Op.GT, Op.GE, Op.NE, Op.EQ])
_TERMS = st.one_of(
    st.builds(lambda op, id_: Compare(op, Field("series_id"), Literal(id_, Type.UUID)), _OPS, _BOUNDS),
    st.builds(lambda op, m: Compare(op, Field("date"), Literal(day(m), Type.DATE)), _OPS, st.integers(1, MONTHS)),
    st.builds(lambda op, v: Compare(op, Field("value"), Literal(Decimal(v), Type.DECIMAL)), _OPS, st.just(500)),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    where=st.lists(_TERMS, max_size=3).map(lambda terms: all_of(*terms)),
    view=st.sampled_from(View),
    as_of=st.sampled_from([None, dt.date(2021, 1, 15)]),
    limit=st.none() | st.integers(0, 40),
    descending=st.booleans(),
    rows_a_slice=st.integers(20, 200),
)
def test_cut_or_not_it_is_the_same(
    lake: Warehouse, where: Any, view: View, as_of: Any, limit: int | None, *, descending: bool, rows_a_slice: int
) -> None:
    """Page after page, too."""
    order = (Order(Field("series_id"), descending),)
    query = Query("data_points", where=where, view=view, as_of=as_of, order=order, page=Page(limit=limit))
    whole = lake.rows(query)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slices, "SLICE_ROWS", rows_a_slice)
        assert lake.rows(query) == whole
        with lake.engine.answer(query, keyset=True) as result:
            batches = list(result.batches())
            if not batches:
                return
            middle = batches[0].num_rows // 2
            after = result.after(batches[0], middle)
        rest = Query("data_points", where=where, view=view, as_of=as_of, order=order, page=Page(after=after))
        found = lake.rows(rest)
    assert found[: len(whole) - middle - 1] == whole[middle + 1 :]
