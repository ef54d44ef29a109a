"""Whole vintages of which only the changes are stored: as of each, every one reads as it was posted, in whatever order
they came."""

from __future__ import annotations

import asyncio
import datetime as dt
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from api.ingest.media import BodyKind
from api.ingest.service import Terms
from api.writing import Receipt
from catalog.identity import series_id
from engine.query import Query, View
from tests.support.oracle import Point
from tests.support.warehouse import Warehouse, warehouse

SOURCE = "TEST"
D1, D2 = dt.date(2024, 1, 1), dt.date(2024, 2, 1)
JAN, FEB, MAR, APR = (dt.date(2024, month, 28) for month in (1, 2, 3, 4))


def post(lake: Warehouse, *points: Point, changes_only: bool = True) -> Receipt:
    body = msgspec.json.encode({"data_points": [point.document(SOURCE) for point in points]})
    return asyncio.run(lake.writer.write_body(body, BodyKind(), Terms("atomic", changes_only)))


def point(date: dt.date, value: int | None, revision: dt.date | None) -> Point:
    return Point("A", date, None if value is None else Decimal(value), revision)


def read(lake: Warehouse, day: dt.date, series: str = "A") -> dict[dt.date, Any]:
    rows = lake.rows(Query("data_points", ("series_id", "date", "value"), as_of=day))
    return {row["date"]: row["value"] for row in rows if row["series_id"] == series_id(SOURCE, series)}


def stored(lake: Warehouse) -> list[tuple[dt.date, Any]]:
    rows = lake.rows(Query("data_points", ("revision_date", "value"), view=View.EVERY))
    return sorted((row["revision_date"], row["value"]) for row in rows)


def test_what_repeats_is_not_stored(tmp_path: Path) -> None:
    with warehouse(tmp_path) as lake:
        assert post(lake, point(D1, 10, JAN)).verdicts.inserted == 1
        repeat = post(lake, point(D1, 10, FEB), point(D1, 10, MAR), point(D1, 11, APR))
        assert (repeat.verdicts.unchanged, repeat.verdicts.revised) == (2, 1)
        assert stored(lake) == [(JAN, 10), (APR, 11)]
        assert post(lake, point(D1, 11, JAN)).verdicts.corrected == 1


def test_a_late_vintage_closes_before_the_next_one_seen(tmp_path: Path) -> None:
    with warehouse(tmp_path) as lake:
        post(lake, point(D1, 10, JAN), point(D2, 5, JAN))
        post(lake, point(D1, 10, MAR), point(D2, 5, MAR))
        post(lake, point(D1, 11, FEB), point(D2, 5, FEB))
        assert stored(lake) == [(JAN, 5), (JAN, 10), (FEB, 11), (MAR, 10)]
        assert [read(lake, day)[D1] for day in (JAN, FEB, MAR, APR)] == [10, 11, 10, 10]


def test_late_vintages_that_repeat_one_another_close_too(tmp_path: Path) -> None:
    with warehouse(tmp_path) as lake:
        post(lake, point(D1, 10, JAN))
        post(lake, point(D1, 10, APR))
        post(lake, point(D1, 11, FEB), point(D1, 11, MAR))
        assert stored(lake) == [(JAN, 10), (FEB, 11), (APR, 10)]


def test_a_vintage_that_is_told_anew_says_what_it_says_now(tmp_path: Path) -> None:
    with warehouse(tmp_path) as lake:
        for day in (JAN, MAR, APR):
            post(lake, point(D1, 10, day))
        post(lake, point(D1, 11, FEB), point(D1, 11, MAR))
        assert stored(lake) == [(JAN, 10), (FEB, 11), (APR, 10)]


def test_batches_that_share_a_commit_close_one_after_another(tmp_path: Path) -> None:
    late = [{"data_points": [point(D1, *row).document(SOURCE)]} for row in ((11, FEB), (10, MAR), (11, FEB))]
    with warehouse(tmp_path) as lake:
        post(lake, point(D1, 10, JAN))
        post(lake, point(D1, 10, APR))
        receipts = lake.write_together(late)
        assert stored(lake) == [(JAN, 10), (FEB, 11), (MAR, 10), (APR, 10)]
        assert len({receipt.snapshot for receipt in receipts}) == 1
        assert [receipt.verdicts.revised for receipt in receipts] == [1, 1, 0]


def test_a_late_row_without_the_rule_closes_too(tmp_path: Path) -> None:
    with warehouse(tmp_path) as lake:
        post(lake, point(D1, 10, JAN))
        post(lake, point(D1, 10, MAR))
        post(lake, point(D1, 11, FEB), changes_only=False)
        assert [read(lake, day)[D1] for day in (JAN, FEB, MAR)] == [10, 11, 10]


def test_a_correction_does_not_change_what_later_vintages_said(tmp_path: Path) -> None:
    with warehouse(tmp_path) as lake:
        post(lake, point(D1, 10, JAN))
        post(lake, point(D1, 10, MAR))
        post(lake, point(D1, 12, JAN))
        assert [read(lake, day)[D1] for day in (JAN, FEB, MAR)] == [12, 12, 10]


def test_a_deleted_life_is_forgotten(tmp_path: Path) -> None:
    with warehouse(tmp_path) as lake:
        post(lake, point(D1, 10, JAN))
        post(lake, point(D1, 10, MAR))
        lake.delete_series(series_id(SOURCE, "A"))
        post(lake, point(D1, 10, JAN))
        post(lake, point(D1, 11, FEB))
        assert stored(lake) == [(JAN, 10), (FEB, 11)]
        post(lake, point(D1, 11, APR))
        post(lake, point(D1, 12, MAR))
        assert stored(lake) == [(JAN, 10), (FEB, 11), (MAR, 12), (APR, 11)]


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[dt.date, dict[int, int | None]]]:
    """Vintages with growing sets of dates, shuffled."""
    vintages: list[tuple[dt.date, dict[int, int | None]]] = []
    size = 0
    for number in range(draw(st.integers(2, 6))):
        size += draw(st.integers(0 if number else 1, 2))
        values = {date: draw(st.sampled_from([None, 1, 1, 1, 2, 3])) for date in range(size)}
        vintages.append((JAN + dt.timedelta(days=30 * number), values))
    return draw(st.permutations(vintages))


@settings(max_examples=12, deadline=None)
@given(history=histories(), split=st.booleans())
def test_every_vintage_reads_as_it_was_posted(
    history: list[tuple[dt.date, dict[int, int | None]]], *, split: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder, warehouse(Path(folder)) as lake:
        for day, values in history:
            points = [point(D1 + dt.timedelta(days=date), value, day) for date, value in values.items()]
            for part in [points[::2], points[1::2]] if split else [points]:
                if part:
                    post(lake, *part)
        for day, values in history:
            expected = {D1 + dt.timedelta(days=date): value for date, value in values.items()}
            assert read(lake, day) == expected, day
