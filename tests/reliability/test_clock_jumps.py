"""The wall clock jumps by a day, either way: what came later wins, receipts stay good, no state goes too early.

Expiry under jumps is in tests/catalog/test_expiry.py, instants in test_travel.py beside it."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.query import Query, View
from tests.support.keeping import DAY, Keeper
from tests.support.posting import faults
from tests.support.warehouse import Warehouse, warehouse

NOON = dt.date(2024, 6, 15)
JUMPS = ((1, -1, 0), (-1, 1, 0), (-1, -1, 2), (30, -60, 1))


def jump(lake: Warehouse, patch: pytest.MonkeyPatch, days: float) -> None:
    """Both clocks that are read: that of the service, and that of Iceberg's snapshots."""
    real = time.time_ns()
    lake.clock.set(NOON + dt.timedelta(days=days))
    patch.setattr(time, "time", lambda: real / 1e9 + days * DAY)
    patch.setattr(time, "time_ns", lambda: real + int(days * DAY * 1e9))


def post(lake: Warehouse, value: int, **fields: Any) -> str:
    point = {"source": "S", "external_id": "A", "date": "2020-01-01", "value": value, **fields}
    return lake.write({"data_points": [point]}).snapshot


def latest(lake: Warehouse, token: str | None = None) -> list[int]:
    query = Query("data_points", ("value",))
    return [int(row["value"]) for row in lake.rows(query if token is None else query.pinned(token))]


@pytest.mark.parametrize("jumps", JUMPS)
def test_the_later_commit_wins_and_tokens_show_what_they_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jumps: Sequence[float]
) -> None:
    tokens: list[str] = []
    with warehouse(tmp_path / "lake", NOON) as lake:
        keeper = Keeper(lake.services.lake)
        for value, days in enumerate(jumps):
            with monkeypatch.context() as patch:
                jump(lake, patch, days)
                tokens.append(post(lake, value, revision_date="2024-02-01"))
                assert latest(lake) == [value]
                keeper.after(60, sweep=True)
        lake.compact()
        assert latest(lake) == [len(jumps) - 1]
        assert [latest(lake, token) for token in tokens] == [[value] for value in range(len(jumps))]
        assert faults(lake) == ()
    with warehouse(tmp_path / "lake", NOON) as lake:
        assert latest(lake) == [len(jumps) - 1]


@pytest.mark.parametrize("days", [1, -1])
def test_what_a_source_shows_today_is_dated_by_the_clock_of_that_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    """A point without revision date is of the day that the clock tells, right or wrong, and is kept under it."""
    with warehouse(tmp_path / "lake", NOON) as lake:
        post(lake, 1)
        with monkeypatch.context() as patch:
            jump(lake, patch, days)
            post(lake, 2)
        rows = lake.rows(Query("data_points", ("revision_date", "value"), view=View.EVERY))
        shown = {row["revision_date"]: int(row["value"]) for row in rows}
        assert shown == {NOON: 1, NOON + dt.timedelta(days=days): 2}


def test_a_key_is_good_on_both_sides_of_a_jump(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with warehouse(tmp_path / "lake", NOON) as lake:
        batch = lake.batch(
            {"data_points": [{"source": "S", "external_id": "A", "date": "2020-01-01", "value": 1}]}, "k"
        )
        (first,) = lake.commit_together([batch])
        for days in (1, -1):
            with monkeypatch.context() as patch:
                jump(lake, patch, days)
                assert lake.commit_together([batch]) == [first]
