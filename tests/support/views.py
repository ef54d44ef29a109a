"""What a lake shows of its points, beside what the oracle says."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from catalog.identity import series_id
from engine.lower import ways
from engine.lower.ways import Way
from engine.query import Query, View
from tests.support.oracle import Oracle, Point
from tests.support.warehouse import Warehouse

SOURCE = "TEST"
COLUMNS = ("series_id", "date", "revision_date", "value", "is_original_release")


def prefer(patch: pytest.MonkeyPatch, way: Way) -> None:
    """Have deltas be read in one way wherever that can be, however few rows there are."""
    most = 2**63 if way is Way.WINDOW else -1
    patch.setattr(ways, "WINDOW_KEYS_MAX", most)
    patch.setattr(ways, "WINDOW_ROWS_MAX", most)


def document(points: Iterable[Point]) -> dict[str, Any]:
    return {"data_points": [point.document(SOURCE) for point in points]}


def seen(lake: Warehouse, view: View, as_of: dt.date | None = None, snapshot: str = "") -> list[tuple[Any, ...]]:
    query = Query("data_points", COLUMNS, view=view, as_of=as_of)
    rows = lake.rows(query.pinned(snapshot) if snapshot else query)
    return sorted(tuple(row[name] for name in COLUMNS) for row in rows)


def by_id(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return sorted((series_id(SOURCE, row[0]), *row[1:]) for row in rows)


def assert_equal(lake: Warehouse, oracle: Oracle, *days: dt.date | None, snapshot: str = "") -> None:
    for day in (None, *days):
        views: dict[View, Callable[[dt.date | None], list[tuple[Any, ...]]]] = {
            View.EVERY: oracle.every,
            View.LATEST: oracle.latest,
            View.FIRST: oracle.first,
        }
        for view, expected in views.items():
            assert seen(lake, view, day, snapshot) == by_id(expected(day)), (view, day)
