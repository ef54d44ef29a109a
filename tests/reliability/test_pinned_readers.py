"""A reader that holds a state while it is merged, expired and collected: all of its rows, or told that it has expired.

Files through every period are in tests/catalog/test_expiry.py, tags in test_tags.py, both doors in
tests/cli/test_retention.py."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.errors import SnapshotExpired
from engine import running
from engine.query import Query, View
from tests.support.keeping import DAY, HOUR, Keeper, make_tag
from tests.support.warehouse import Warehouse, warehouse

DAYS = 28
REVISIONS = 200
ROWS = DAYS * REVISIONS
EVERY = Query("data_points", ("series_id", "date", "revision_date", "value"), view=View.EVERY)


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Warehouse]:
    with warehouse(tmp_path / "lake") as opened:
        for number in range(4):
            post(opened, number)
        yield opened


def post(lake: Warehouse, number: int) -> str:
    points = [
        {
            "external_id": f"A{number}",
            "date": f"2020-01-{day:02d}",
            "value": number,
            "revision_date": f"{2000 + revision // 12}-{revision % 12 + 1:02d}-01",
        }
        for day in range(1, DAYS + 1)
        for revision in range(REVISIONS)
    ]
    return lake.write({"source": {"name": "S"}, "data_points": points}).snapshot


def churn(lake: Warehouse, keeper: Keeper, number: int) -> None:
    """What a busy hour does: appends, merges, and passes of expiry that trash and delete what they may."""
    post(lake, number)
    lake.delta_merge()
    post(lake, number)
    lake.compact()
    for _ in range(3):
        keeper.after(HOUR / 4, sweep=True)


def test_a_long_scan_gets_all_of_its_rows(lake: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first batch is read before everything it reads from is merged away and its snapshot is gone."""
    monkeypatch.setattr(running, "BATCH_ROWS", 1_000)
    keeper = Keeper(lake.services.lake, kept=1, seconds=0)
    token = lake.engine.current()
    with lake.engine.answer(EVERY.pinned(token)) as result:
        batches = result.batches()
        rows = next(batches).num_rows
        assert rows < 4 * ROWS
        churn(lake, keeper, 9)
        with pytest.raises(SnapshotExpired):
            lake.engine.answer(EVERY.pinned(token))
        assert rows + sum(batch.num_rows for batch in batches) == 4 * ROWS


def test_readers_of_a_token_are_right_until_they_are_told(lake: Warehouse) -> None:
    """Over and over while the lake turns under them: the same rows, then expired, and never anything else."""
    token, tag = lake.engine.current(), make_tag(lake.services.lake, "kept").name
    told: list[object] = []
    stop = threading.Event()

    def read(name: str) -> None:
        while not stop.is_set():
            try:
                told.append((name, lake.table(EVERY.pinned(name)).num_rows))
            except SnapshotExpired:
                told.append((name, "expired"))
            except Exception as error:  # noqa: BLE001 - whatever it was, the test fails by it
                told.append((name, error))

    readers = [threading.Thread(target=read, args=(name,)) for name in (token, tag)]
    keeper = Keeper(lake.services.lake, kept=1, seconds=HOUR)
    for reader in readers:
        reader.start()
    for number in range(2):
        churn(lake, keeper, number)
    for _ in range(4):
        keeper.after(DAY, sweep=True)
    stop.set()
    for reader in readers:
        reader.join()
    # The tag keeps the snapshots of the token alive, so neither may expire.
    assert set(told) == {(token, 4 * ROWS), (tag, 4 * ROWS)}
