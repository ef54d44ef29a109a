"""Several writers at once: batches that share a commit, and two services on one lake, one amid the other's commit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from api.limits import Limits
from api.problems import Problem
from catalog.identity import series_id
from engine.query import Query, View
from tests.support.oracle import Oracle, Point
from tests.support.warehouse import Warehouse, warehouse

SOURCE = "TEST"
D1, D2 = dt.date(2024, 1, 1), dt.date(2024, 2, 1)
R1, R2 = dt.date(2024, 3, 1), dt.date(2024, 4, 1)
TODAY = dt.date(2024, 6, 15)
A = series_id(SOURCE, "A")


def document(*points: Point) -> dict[str, Any]:
    return {"data_points": [point.document(SOURCE) for point in points]}


def shown(value: int | None) -> Point:
    return Point("A", D1, None if value is None else Decimal(value))


def stated(value: int | None, revision: dt.date) -> Point:
    return Point("A", D1, None if value is None else Decimal(value), revision)


def post_together(lake: Warehouse, batches: list[list[Point]]) -> None:
    receipts = lake.write_together([document(*batch) for batch in batches])
    assert len({receipt.snapshot for receipt in receipts}) == 1


@pytest.mark.parametrize(
    "batches",
    [
        [[shown(2)], [stated(1, TODAY)]],
        [[stated(1, TODAY)], [shown(2)]],
        [[stated(1, TODAY)], [shown(2)], [stated(3, TODAY)]],
        [[shown(2)], [stated(5, TODAY)], [shown(2)]],
        [[shown(2)], [shown(5)]],
        [[shown(2)], [stated(2, R2)]],
        [[stated(2, R2)], [shown(2)]],
        [[shown(None)], [stated(5, TODAY)]],
        [[stated(None, TODAY)], [shown(5)]],
        [[shown(2), stated(3, TODAY)], [stated(4, TODAY), shown(6)]],
    ],
)
def test_batches_of_one_commit_are_taken_in_their_order(tmp_path: Path, batches: list[list[Point]]) -> None:
    oracle = Oracle()
    with warehouse(tmp_path, TODAY) as lake:
        lake.write(document(stated(5, R1)))
        post_together(lake, batches)
        for batch in [[stated(5, R1)], *batches]:
            oracle.post(batch, TODAY)
        for day in (None, R1, TODAY):
            rows = lake.rows(Query("data_points", ("value",), as_of=day))
            assert [row["value"] for row in rows] == [row[3] for row in oracle.latest(day)], day


def test_bodies_under_way_are_bounded_together(tmp_path: Path) -> None:
    with warehouse(tmp_path, limits=Limits(pending_bytes_max=1_000)) as lake:
        with lake.writer.receiving() as giant:
            for _ in range(5):
                giant(900)
            with lake.writer.receiving() as other, pytest.raises(Problem) as refusal:
                other(1)
        assert (refusal.value.code, refusal.value.headers) == ("overloaded", {"Retry-After": "1"})
        with lake.writer.receiving() as one, lake.writer.receiving() as two:
            one(500)
            two(500)


def meanwhile(lake: Warehouse, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """`act` once the next batch is prepared and before it is committed."""
    prepare = lake.services.committer._prepare

    def prepared(*args: Any) -> Any:
        monkeypatch.setattr(lake.services.committer, "_prepare", prepare)
        result = prepare(*args)
        act()
        return result

    monkeypatch.setattr(lake.services.committer, "_prepare", prepared)


@pytest.mark.parametrize("poster_first", [True, False])
def test_a_point_posted_while_its_series_is_deleted_is_gone_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, poster_first: bool
) -> None:
    with warehouse(tmp_path) as poster, warehouse(tmp_path) as deleter:
        before = poster.write(document(Point("A", D1, Decimal(1), R1))).snapshot
        if poster_first:
            meanwhile(deleter, monkeypatch, lambda: poster.write(document(Point("A", D2, Decimal(2), R1))))
            deleter.delete_series(A)
        else:
            meanwhile(poster, monkeypatch, lambda: deleter.delete_series(A))
            poster.write(document(Point("A", D2, Decimal(2), R1)))
        deleted = deleter.engine.current()
        for lake in (poster, deleter):
            assert lake.rows(Query("series")) == []
            assert [lake.rows(Query("data_points", view=view)) for view in View] == [[], [], []]
        deleter.write(document(Point("A", D1, Decimal(3), R2)))
        for lake in (poster, deleter):
            for view in View:
                assert [row["value"] for row in lake.rows(Query("data_points", view=view))] == [3]
            assert lake.rows(Query("data_points").pinned(deleted)) == []
            assert [row["value"] for row in lake.rows(Query("data_points").pinned(before))] == [1]


def test_every_life_of_a_series_hides_those_before_it(tmp_path: Path) -> None:
    tokens: list[str] = []
    with warehouse(tmp_path) as one, warehouse(tmp_path) as other:
        for life in range(4):
            writer, deleter = (one, other) if life % 2 else (other, one)
            points = [Point("A", day, Decimal(life), R1) for day in (D1, D2)]
            tokens += [writer.write(document(point)).snapshot for point in points]
            deleter.delete_series(A)
            deleter.write(document(Point("B", D1, Decimal(life), R1)))
        for lake in (one, other):
            assert {row["series_id"] for row in lake.rows(Query("data_points"))} == {series_id(SOURCE, "B")}
            for position, token in enumerate(tokens):
                rows = [row for row in lake.rows(Query("data_points").pinned(token)) if row["series_id"] == A]
                assert [row["value"] for row in rows] == [Decimal(position // 2)] * (position % 2 + 1)
