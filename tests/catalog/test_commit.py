"""The committer: nothing acknowledged is lost, whoever else commits."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.exceptions import CommitFailedException

from catalog import joint
from catalog.commit import EXIT_SECONDS_MAX, Prepared
from catalog.data_files import COMMIT_ID, WrittenFile, data_files
from catalog.errors import Overloaded, ShuttingDown, StorageFailed
from catalog.iceberg import Lake
from catalog.members import Members
from catalog.model import DATA_POINTS, MODEL
from catalog.snapshot import LakeSnapshot, Snapshots
from catalog.staging import stage
from tests.support.committing import append_names, ids, open_committer, points, stored_ids
from tests.support.left_open import LEFT
from tests.support.tree import ROOT


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    lake = Lake(tmp_path, MODEL)
    yield lake
    lake.close()


def test_a_shared_table_loses_a_commit_and_ours_does_not(lake: Lake) -> None:
    """The trap that the committer is built around: a refresh while a snapshot producer is open drops the commit that
    landed in between, although its writer was told that it is stored. If pyiceberg mends this, the first half fails,
    and the rule of a fresh table a commit may be thought over."""
    shared = lake.load(DATA_POINTS)
    with ThreadPoolExecutor(1) as executor:
        first = stage(DATA_POINTS, points("first"), shared, executor, Members())
        acknowledged = stage(DATA_POINTS, points("acknowledged"), shared, executor, Members())
    transaction = shared.transaction()
    append = transaction.update_snapshot().fast_append()
    append.append_data_file(*data_files(shared.metadata, first))
    joint._append_files(lake.load(DATA_POINTS), acknowledged, {COMMIT_ID: "other"})  # pyright: ignore[reportPrivateUsage]
    assert stored_ids(Snapshots(lake)) == ids("acknowledged")
    shared.refresh()
    append.commit()
    transaction.commit_transaction()
    assert stored_ids(Snapshots(lake)) == ids("first"), "the acknowledged row is lost"

    committers = [open_committer(lake) for _ in range(2)]
    futures = [committer.submit(f"{n}-{k}", 1) for k in range(5) for n, committer in enumerate(committers)]
    for future in futures:
        future.result()
    for committer in committers:
        committer.close()
    assert stored_ids(Snapshots(lake)) == ids("first", *(f"{n}-{k}" for k in range(5) for n in range(2)))


def test_whoever_posts_without_a_pause_shares_commits(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of four waits for its answer before it posts again; the window is long enough for all of them."""
    monkeypatch.setattr("catalog.commit.WINDOW_SHARE", 1_000.0)
    monkeypatch.setattr("catalog.commit.WINDOW_SECONDS_MAX", 5.0)
    groups: list[int] = []
    started = threading.Barrier(4)

    def prepare(snapshot: LakeSnapshot, batches: Sequence[str]) -> Prepared[str]:
        groups.append(len(batches))
        return append_names(snapshot, batches)

    committer = open_committer(lake, prepare)

    def post(name: str) -> None:
        started.wait(10)
        for number in range(4):
            committer.submit(f"{name}-{number}", 1).result(60)

    with ThreadPoolExecutor(4) as crawlers:
        list(crawlers.map(post, "abcd"))
    committer.close()
    assert sum(groups) == 16
    # The first may have found fewer waiting, and what was left over comes at the end.
    assert groups.count(4) >= 2


def test_nobody_else_is_waited_for_by_one_alone(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.commit.WINDOW_SHARE", 1_000_000.0)
    monkeypatch.setattr("catalog.commit.WINDOW_SECONDS_MAX", 1_000_000.0)
    committer = open_committer(lake)
    for name in "abc":
        assert committer.submit(name, 1).result(60).token
    committer.close()
    assert stored_ids(Snapshots(lake)) == ids(*"abc")


def test_waiting_batches_share_one_commit(lake: Lake) -> None:
    gate, entered = threading.Event(), threading.Event()
    groups: list[list[str]] = []

    def prepare(snapshot: LakeSnapshot, batches: Sequence[str]) -> Prepared[str]:
        groups.append(list(batches))
        entered.set()
        gate.wait(10)
        return append_names(snapshot, batches)

    committer = open_committer(lake, prepare)
    futures = [committer.submit("a", 1)]
    entered.wait(10)
    futures += [committer.submit(name, 1) for name in "bcd"]
    gate.set()
    tokens = [future.result(10).token for future in futures]
    committer.close()
    assert groups == [["a"], ["b", "c", "d"]]
    assert len(set(tokens)) == 2
    assert stored_ids(Snapshots(lake)) == ids(*"abcd")


def test_a_batch_that_must_be_alone_is(lake: Lake) -> None:
    gate, entered = threading.Event(), threading.Event()
    groups: list[list[str]] = []

    def prepare(snapshot: LakeSnapshot, batches: Sequence[str]) -> Prepared[str]:
        groups.append(list(batches))
        entered.set()
        gate.wait(10)
        return append_names(snapshot, batches)

    committer = open_committer(lake, prepare, alone=lambda batch: batch == "alone")
    futures = [committer.submit("first", 1)]
    entered.wait(10)
    futures += [committer.submit(name, 1) for name in ("a", "b", "alone", "c", "d")]
    gate.set()
    for future in futures:
        future.result(10)
    committer.close()
    assert groups == [["first"], ["a", "b"], ["alone"], ["c", "d"]]


def test_a_lost_race_prepares_again_on_the_new_head(lake: Lake) -> None:
    heads: list[str] = []

    def prepare(snapshot: LakeSnapshot, batches: Sequence[str]) -> Prepared[str]:
        heads.append(snapshot.token)
        if len(heads) == 1:
            # Of another process: those of one take turns.
            rival = open_committer(Lake(lake.data_dir, MODEL))
            rival.submit("rival", 1).result(10)
            rival.close()
        return append_names(snapshot, batches)

    committer = open_committer(lake, prepare)
    token = committer.submit("mine", 1).result(10).token
    committer.close()
    assert len(heads) == 2
    assert heads[0] != heads[1]
    assert stored_ids(Snapshots(lake)) == ids("mine", "rival")
    assert token == Snapshots(lake).current().token


def test_a_race_lost_inside_the_commit_leaves_no_file_behind(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    real = joint._append_files  # pyright: ignore[reportPrivateUsage]
    calls: list[dict[str, str]] = []

    def append(target: Any, files: tuple[WrittenFile, ...], properties: dict[str, str]) -> None:
        calls.append(properties)
        if len(calls) == 1:
            raise CommitFailedException("the head moved")
        real(target, files, properties)

    monkeypatch.setattr(joint, "_append_files", append)
    committer = open_committer(lake)
    committer.submit("a", 1).result(10)
    committer.close()
    assert len(calls) == 2
    assert stored_ids(Snapshots(lake)) == ids("a")
    assert len(list(lake.data_dir.rglob("*.parquet"))) == 1


def test_an_unknown_outcome_is_looked_up(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    real = joint._append_files  # pyright: ignore[reportPrivateUsage]

    def append(target: Any, files: tuple[WrittenFile, ...], properties: dict[str, str]) -> None:
        real(target, files, properties)
        raise OSError("the reply was lost")

    monkeypatch.setattr(joint, "_append_files", append)
    committer = open_committer(lake)
    token = committer.submit("a", 1).result(10).token
    committer.close()
    assert token == Snapshots(lake).current().token
    assert stored_ids(Snapshots(lake)) == ids("a")


def test_a_failure_before_the_commit_is_told_and_leaves_nothing(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def append(*_: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(joint, "_append_files", append)
    committer = open_committer(lake)
    with pytest.raises(StorageFailed):
        committer.submit("a", 1).result(10)
    committer.close()
    assert stored_ids(Snapshots(lake)) == []
    assert not list(lake.data_dir.rglob("*.parquet"))


def test_one_bad_batch_does_not_take_the_others_with_it(lake: Lake) -> None:
    gate, entered = threading.Event(), threading.Event()

    def prepare(snapshot: LakeSnapshot, batches: Sequence[str]) -> Prepared[str]:
        entered.set()
        gate.wait(10)
        return append_names(snapshot, batches)

    committer = open_committer(lake, prepare)
    futures = [committer.submit("first", 1)]
    entered.wait(10)
    futures += [committer.submit(name, 1) for name in ("a", "bad", "b")]
    gate.set()
    outcomes = [future.exception(10) for future in futures]
    committer.close()
    assert [type(outcome) for outcome in outcomes] == [type(None), type(None), ValueError, type(None)]
    assert stored_ids(Snapshots(lake)) == ids("first", "a", "b")


def test_pending_bytes_are_bounded_and_a_lone_giant_passes(lake: Lake) -> None:
    gate, entered = threading.Event(), threading.Event()

    def prepare(snapshot: LakeSnapshot, batches: Sequence[str]) -> Prepared[str]:
        entered.set()
        gate.wait(10)
        return append_names(snapshot, batches)

    committer = open_committer(lake, prepare)
    giant = committer.submit("giant", 5_000)
    entered.wait(10)
    with pytest.raises(Overloaded) as refusal:
        committer.submit("more", 1)
    assert refusal.value.details == {"limit": "pending_bytes_max", "value": 1_000}
    gate.set()
    giant.result(10)
    committer.submit("more", 1).result(10)
    committer.close()
    assert committer.pending_bytes == 0


def test_closing_finishes_what_is_queued_and_refuses_the_rest(lake: Lake) -> None:
    committer = open_committer(lake)
    futures = [committer.submit(f"{n}", 1) for n in range(10)]
    committer.close()
    assert all(future.done() and not future.exception() for future in futures)
    assert stored_ids(Snapshots(lake)) == ids(*(f"{n}" for n in range(10)))
    with pytest.raises(ShuttingDown):
        committer.submit("late", 1)


def test_a_waiter_that_has_gone_cannot_cancel_its_batch(lake: Lake) -> None:
    committer = open_committer(lake)
    future = committer.submit("a", 1)
    assert not future.cancel()
    committer.close()
    assert stored_ids(Snapshots(lake)) == ids("a")


@pytest.mark.parametrize("how", LEFT)
def test_a_process_that_ends_without_closing_does_end(tmp_path: Path, how: str) -> None:
    command = [sys.executable, "-m", "tests.support.left_open", str(tmp_path), how]
    limit = EXIT_SECONDS_MAX + 25
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=limit, check=False)
    assert (done.returncode, done.stderr) == (3, "")
    if how != "maintenance":
        lake = Lake(tmp_path, MODEL)
        assert set(stored_ids(Snapshots(lake))) >= set(ids("acknowledged"))
        lake.close()
