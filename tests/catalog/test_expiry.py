"""Expiry: metadata stays short, tokens stay good for the retention, and no file that a reader may need goes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog import expiry
from catalog.alter import alter
from catalog.errors import SnapshotExpired, StorageFailed
from catalog.iceberg import Lake
from catalog.ledger import LOCK_FILE
from catalog.locks import owned
from catalog.model import DATA_POINTS, MODEL, SERIES
from catalog.snapshot import Snapshots
from engine.query import Query, View
from tests.support.committing import open_committer
from tests.support.keeping import DAY, HOUR, Keeper, stored, trashed
from tests.support.warehouse import Warehouse, warehouse

EVERY = Query("data_points", view=View.EVERY)


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Warehouse]:
    with warehouse(tmp_path) as opened:
        yield opened


def post(lake: Warehouse, value: int, series: str = "A") -> str:
    """One revision a value; the token of the state after it."""
    point = {"source": "S", "external_id": series, "date": "2020-01-01", "value": value, "revision_date": "2020-02-01"}
    return lake.write({"data_points": [point]}).snapshot


def value(lake: Warehouse, token: str | None = None) -> Any:
    query = Query("data_points") if token is None else Query("data_points").pinned(token)
    return [int(row["value"]) for row in lake.rows(query)]


def listed(lake: Warehouse) -> list[int]:
    return [len(lake.services.lake.load(table).metadata.snapshots) for table in MODEL.tables]


def test_metadata_lists_the_newest_alone_and_older_tokens_still_answer(lake: Warehouse) -> None:
    tokens = [post(lake, number) for number in range(6)]
    done = Keeper(lake.services.lake).after(0)
    assert (done.retired, done.expired) == (4, 0)
    assert listed(lake) == [1, 1, 2, 0]
    assert [value(lake, token) for token in tokens] == [[number] for number in range(6)]
    with warehouse(lake.settings.data_dir) as other:
        assert [value(other, token) for token in tokens] == [[number] for number in range(6)]


def test_a_token_expires_after_the_retention_whatever_caches_hold(lake: Warehouse) -> None:
    keeper = Keeper(lake.services.lake)
    tokens = [post(lake, number) for number in range(4)]
    assert value(lake, tokens[0]) == [0]
    keeper.after(0)
    assert keeper.after(HOUR - 1).expired == 0
    assert value(lake, tokens[0]) == [0]
    assert keeper.after(1).expired == 2
    for token in tokens[:2]:
        with pytest.raises(SnapshotExpired) as told:
            lake.engine.snapshots.at(token)
        assert told.value.code == "snapshot_expired"
    assert [value(lake, token) for token in tokens[2:]] == [[2], [3]]


def test_a_snapshot_that_new_tokens_name_stays_however_old_it_is(lake: Warehouse) -> None:
    """The series table changes rarely: its one old snapshot is in every token."""
    keeper = Keeper(lake.services.lake)
    for number in range(5):
        token = post(lake, number)
        keeper.after(10 * HOUR)
    assert value(lake, token) == [4]
    assert listed(lake) == [1, 1, 2, 0]


def test_files_go_after_retention_grace_and_trash(lake: Warehouse) -> None:
    keeper = Keeper(lake.services.lake)
    for number in range(4):
        post(lake, number)
    lake.compact()
    before = stored(lake.services.lake)
    first = keeper.after(0)
    assert first.queued
    assert stored(lake.services.lake) >= {path for path in before if path.endswith((".parquet", ".avro"))}
    assert (keeper.after(HOUR).expired, keeper.after(0).trashed) == (3, 0)
    assert keeper.after(HOUR - 1).trashed == 0
    assert keeper.after(1).trashed == first.queued
    assert len(trashed(lake.services.lake)) == first.queued
    assert keeper.after(DAY - 1).deleted == 0
    assert keeper.after(1).deleted == first.queued
    assert trashed(lake.services.lake) == set()
    assert value(lake) == [3]


def test_a_reader_pinned_through_everything_finds_its_files(lake: Warehouse) -> None:
    """Begun before the token expired, it ends within the grace: compaction, expiry and garbage go on meanwhile."""
    keeper = Keeper(lake.services.lake)
    token = post(lake, 0)
    for number in range(1, 5):
        post(lake, number)
    keeper.after(0)
    keeper.after(HOUR - 1)
    files = lake.engine.snapshots.at(token).tables["data_points"].files
    lake.compact()
    post(lake, 5)
    for _ in range(8):
        keeper.after(HOUR / 4 - 1, sweep=True)
        assert all(Path(file.path).exists() for file in files)
    with pytest.raises(SnapshotExpired):
        lake.engine.snapshots.at(token)
    keeper.after(HOUR)
    assert not any(Path(file.path).exists() for file in files), "the wait must end, else this test shows nothing"


def test_a_forward_jump_of_the_wall_clock_deletes_and_expires_nothing(
    lake: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = Keeper(lake.services.lake)
    tokens = [post(lake, number) for number in range(5)]
    keeper.after(0)
    before, real = stored(lake.services.lake), time.time
    for days in (1, 30, -30):
        monkeypatch.setattr(time, "time", lambda days=days: real() + days * DAY)
        keeper.after(60, sweep=True)
        keeper.after(60, sweep=True)
    assert stored(lake.services.lake) == before
    assert [value(lake, token) for token in tokens] == [[number] for number in range(5)]


def test_a_restart_of_the_machine_counts_for_nothing(lake: Warehouse) -> None:
    keeper = Keeper(lake.services.lake)
    tokens = [post(lake, number) for number in range(4)]
    keeper.after(0)
    for _ in range(50):
        keeper.machine.restart()
        assert keeper.after(HOUR / 2).expired == 0
    assert value(lake, tokens[0]) == [0]
    assert keeper.after(HOUR).expired == 2


def test_commits_under_load_leave_a_bounded_list(lake: Warehouse) -> None:
    keeper = Keeper(lake.services.lake, kept=5)
    most = 0
    for number in range(40):
        post(lake, number)
        if number % 4 == 3:
            keeper.after(1)
        most = max(most, listed(lake)[2])
    assert most <= 5 + 4


def test_only_one_is_at_it(lake: Warehouse) -> None:
    keeper = Keeper(lake.services.lake)
    for number in range(4):
        post(lake, number)
    with owned(lake.services.lake.data_dir / LOCK_FILE, wait=False) as alone:
        assert alone
        assert keeper.expiry.run(sweep=True) is None
    assert keeper.after(0).retired == 2


def test_two_at_it_after_all_do_no_harm(lake: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock is stolen: the other one's pass runs between our plan and our commit."""
    tokens = [post(lake, number) for number in range(6)]
    rival = Keeper(lake.services.lake, kept=1)
    mine = Keeper(lake.services.lake, rival.machine)
    real, met = expiry.alter, threading.Event()

    def interrupted(*args: Any) -> None:
        if not met.is_set():
            met.set()
            rival.expiry._run(sweep=True)  # pyright: ignore[reportPrivateUsage]
        real(*args)

    monkeypatch.setattr(expiry, "alter", interrupted)
    assert mine.after(0).retired == 4
    assert listed(lake) == [1, 1, 1, 0]
    assert [value(lake, token) for token in tokens] == [[number] for number in range(6)]


def test_a_tag_made_between_plan_and_commit_keeps_its_snapshot(
    lake: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        post(lake, number)
    oldest = lake.services.lake.load(DATA_POINTS).metadata.snapshots[0].snapshot_id
    real, calls = expiry._Drop._commit, []  # pyright: ignore[reportPrivateUsage]

    def tagged(self: Any) -> Any:
        if not calls:
            calls.append(1)
            lake.services.lake.load(DATA_POINTS).manage_snapshots().create_tag(oldest, "foreign").commit()
        return real(self)

    monkeypatch.setattr(expiry._Drop, "_commit", tagged)  # pyright: ignore[reportPrivateUsage]
    Keeper(lake.services.lake).after(0)
    metadata = lake.services.lake.load(DATA_POINTS).metadata
    assert metadata.snapshot_by_id(oldest) is not None
    assert len(metadata.snapshots) == 3


@pytest.mark.parametrize("landed", [True, False])
def test_an_unknown_outcome_is_looked_up(lake: Warehouse, monkeypatch: pytest.MonkeyPatch, *, landed: bool) -> None:
    tokens = [post(lake, number) for number in range(4)]
    real, calls = expiry._dropping, []  # pyright: ignore[reportPrivateUsage]

    def dropping(ids: frozenset[int]) -> Any:
        def change(target: Any) -> None:
            calls.append(1)
            if landed or len(calls) > 1:
                real(ids)(target)
            if len(calls) == 1:
                raise OSError("the reply was lost")

        return change

    monkeypatch.setattr(expiry, "_dropping", dropping)
    Keeper(lake.services.lake).after(0)
    assert (len(calls), listed(lake)) == (2, [1, 1, 2, 0])
    assert value(lake, tokens[0]) == [0]


def test_a_failure_that_lasts_is_told(lake: Warehouse) -> None:
    def change(_: Any) -> None:
        raise OSError("the disk is gone")

    with pytest.raises(StorageFailed):
        alter(lake.services.lake, SERIES, change)


def test_expiry_beside_writers_loses_no_acknowledged_row(tmp_path: Path) -> None:
    opened = Lake(tmp_path, MODEL)
    committers = [open_committer(opened) for _ in range(2)]
    keeper = Keeper(opened, kept=1, seconds=0, grace=0, trash=0, orphan=0)
    stop = threading.Event()
    passes: list[int] = []

    def keep() -> None:
        while not stop.is_set():
            passes.append(keeper.after(1).retired)

    thread = threading.Thread(target=keep)
    thread.start()
    for k in range(15):
        for future in [committer.submit(f"{n}-{k}", 1) for n, committer in enumerate(committers)]:
            future.result(60)
    stop.set()
    thread.join()
    for committer in committers:
        committer.close()
    held = Snapshots(opened).current().tables["data_points"].files
    assert sum(file.rows for file in held) == 30
    assert all(Path(file.path).exists() for file in held)
    assert sum(passes) > 0
    opened.close()
