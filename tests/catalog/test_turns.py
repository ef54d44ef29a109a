"""Turns of threads: one at a time, in the order they came, and no standstill."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from catalog.commit import Prepared
from catalog.maintenance import merge
from catalog.model import DELTA_LEVEL
from catalog.snapshot import LakeSnapshot, Snapshots
from catalog.turns import Turns
from engine.merge import merging_of
from tests.support.committing import ids, open_committer, points, stored_ids
from tests.support.warehouse import warehouse


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_turns_come_in_order_and_one_at_a_time(tmp_path: Path) -> None:
    turns, told, inside = Turns(tmp_path), list[int](), threading.Semaphore(1)

    def take(number: int) -> None:
        with turns.mine():
            assert inside.acquire(blocking=False)
            told.append(number)
            time.sleep(0.002)
            inside.release()

    threads = [threading.Thread(target=take, args=(number,)) for number in range(12)]
    with turns.mine():
        for number, thread in enumerate(threads):
            thread.start()
            until(lambda wanted=number + 2: len(turns._line) == wanted)  # pyright: ignore[reportPrivateUsage]
    for thread in threads:
        thread.join()
    assert told == list(range(12))


def test_a_failure_gives_the_turn_on(tmp_path: Path) -> None:
    turns = Turns(tmp_path)
    with pytest.raises(ValueError, match="mine"), turns.mine():
        raise ValueError("mine")
    with turns.mine():
        pass


def test_nobody_waits_for_ever_for_one_that_stands_still(tmp_path: Path) -> None:
    turns = Turns(tmp_path, thread_seconds_max=0.05, process_seconds_max=0.05)
    with turns.mine():
        other = threading.Thread(target=lambda: turns.mine().__enter__())
        other.start()
        other.join(10)
        assert not other.is_alive()


def test_processes_take_turns_too(tmp_path: Path) -> None:
    """The lock is of an open file, so that two of one process stand for two processes."""
    inside, told = threading.Semaphore(1), list[int]()

    def take(number: int) -> None:
        turns = Turns(tmp_path)
        for _ in range(10):
            with turns.mine():
                assert inside.acquire(blocking=False)
                time.sleep(0.002)
                inside.release()
            told.append(number)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(told) == sorted([0, 1, 2] * 10)


def test_a_process_without_a_pause_between_its_turns_leaves_some_to_others(tmp_path: Path) -> None:
    """Without a place for the next one, the other one finds the lock free by luck alone, or loses its patience."""
    greedy, other, taken, stopping = Turns(tmp_path), Turns(tmp_path), list[int](), threading.Event()

    def take() -> None:
        while not stopping.is_set():
            with greedy.mine():
                taken.append(1)
                time.sleep(0.01)

    thread = threading.Thread(target=take)
    thread.start()
    until(lambda: bool(taken))
    before = len(taken)
    for _ in range(5):
        with other.mine():
            pass
    between = len(taken) - before
    stopping.set()
    thread.join(30)
    assert between <= 5 * 3


def test_a_process_that_stands_still_is_waited_for_once(tmp_path: Path) -> None:
    still, other = Turns(tmp_path), Turns(tmp_path, process_seconds_max=0.2)

    def seconds() -> float:
        began = time.monotonic()
        with other.mine():
            return time.monotonic() - began

    with still.mine():
        assert [seconds() >= 0.2 for _ in range(3)] == [True, False, False]
    seconds()
    with still.mine():
        assert seconds() >= 0.2, "it has come to life since, so it is waited for again"


def test_a_merge_comes_through_between_commits_without_a_pause(tmp_path: Path) -> None:
    """Every append prepares slowly on the head; a merge of the same process neither fails nor fails one."""
    prepared: list[str] = []

    def slow(_: LakeSnapshot, batches: Sequence[str]) -> Prepared[str]:
        prepared.extend(batches)
        time.sleep(0.05)
        return Prepared({"data_points": points(*batches)}, list(batches))

    with warehouse(tmp_path, delta_files_max=1) as lake:
        inner = lake.services.lake
        committer = open_committer(inner, slow)
        try:
            for number in range(3):
                committer.submit(f"{number}", 1).result(30)
            stopping = threading.Event()

            def post() -> None:
                number = 3
                while not stopping.is_set():
                    committer.submit(f"{number}", 1).result(30)
                    number += 1

            poster = threading.Thread(target=post)
            poster.start()
            merging = merging_of(lake.services.database)
            for _ in range(3):
                for task in lake.tasks(DELTA_LEVEL):
                    merge(inner, (task,), merging)
            stopping.set()
            poster.join(30)
        finally:
            committer.close()
        assert len(prepared) > 6
        assert len(prepared) == len(set(prepared)), "one that lost a race was prepared again"
        assert stored_ids(Snapshots(inner)) == ids(*prepared)
        assert any(file.level == DELTA_LEVEL for file in Snapshots(inner).current().tables["data_points"].files)
