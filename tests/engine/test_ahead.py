"""Reading ahead changes no answer, no failure and no bound: only who waits for whom."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest

from engine import ahead
from engine.ahead import ALONE, Ahead
from engine.errors import ExecutionFailed
from engine.interrupts import Interrupts, current_interrupts

SECONDS_MAX = 20.0


class Numbered:
    """Batches of a hundred numbers each; `before` is told which one is to be made next."""

    def __init__(self, count: int, before: Callable[[int], object] = lambda _: None) -> None:
        self.schema = pa.schema([("number", pa.int64())])
        self.execute_ms = 0.0
        self.made = 0
        self.closed = 0
        self.threads: set[str] = set()
        self._count = count
        self._before = before

    def batches(self) -> Iterator[pa.RecordBatch]:
        for number in range(self._count):
            self._before(number)
            self.threads.add(threading.current_thread().name)
            self.made += 1
            self.execute_ms += 1
            yield pa.record_batch([pa.array(range(100 * number, 100 * number + 100))], self.schema)

    def close(self) -> None:
        self.closed += 1


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


@pytest.mark.parametrize("count", [0, 1, ALONE, ALONE + 1, 50])
def test_all_batches_come_in_their_order(count: int) -> None:
    behind = Numbered(count)
    rows = [value for batch in Ahead(behind).batches() for value in batch.column(0).to_pylist()]
    assert rows == list(range(100 * count))
    assert behind.closed
    # A small answer is worth no thread.
    assert ("ahead" in behind.threads) == (count > ALONE)


def test_no_more_is_held_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    behind = Numbered(50)
    monkeypatch.setattr(ahead, "AHEAD_BYTES_MAX", 10 * 800)
    batches = Ahead(behind).batches()
    for _ in range(ALONE + 1):
        next(batches)
    # One is taken, ten wait, and one has no room.
    until(lambda: behind.made == ALONE + 12)
    time.sleep(0.1)
    assert behind.made == ALONE + 12
    assert sum(1 for _ in batches) == 50 - ALONE - 1


def test_a_batch_that_is_larger_than_all_may_be_comes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "AHEAD_BYTES_MAX", 1)
    assert sum(batch.num_rows for batch in Ahead(Numbered(20)).batches()) == 2_000


def test_a_failure_comes_behind_what_was_read_before_it() -> None:
    def fail(number: int) -> None:
        if number == ALONE + 3:
            raise ExecutionFailed("no more")

    batches = Ahead(Numbered(50, fail)).batches()
    assert sum(next(batches).num_rows for _ in range(ALONE + 3)) == (ALONE + 3) * 100
    with pytest.raises(ExecutionFailed, match="no more"):
        next(batches)


def test_whoever_wants_no_more_ends_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "AHEAD_BYTES_MAX", 800)
    behind = Numbered(1_000_000)
    running = Ahead(behind)
    batches = running.batches()
    for _ in range(ALONE + 1):
        next(batches)
    running.close()
    made = behind.made
    assert made < 10
    assert behind.closed
    assert not [thread for thread in threading.enumerate() if thread.name == "ahead"]


def test_what_is_opened_ahead_belongs_to_the_request() -> None:
    seen: list[Interrupts] = []
    interrupts = Interrupts()
    with interrupts.within():
        list(Ahead(Numbered(ALONE + 2, lambda _: seen.append(current_interrupts()))).batches())
    assert seen == [interrupts] * (ALONE + 2)
