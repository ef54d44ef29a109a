"""The committer: one thread that turns waiting batches into one commit, and only then answers for them.

What is decided about a batch (what is new, what is unchanged) is a decision about the state it is committed on. So
`prepare` runs on a snapshot, and the commit goes through only where that snapshot is still the head; where another
process was faster, all is prepared again on the new head. All tables are committed together, and the record of the
batches with them (`catalog.joint`). A crash loses the queue, which is right: nobody was told that it is stored.
"""

from __future__ import annotations

import atexit
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

import pyarrow as pa
from sqlalchemy import Connection

from catalog.batches import BatchLog, BatchRecord
from catalog.errors import CatalogError, CommitFailed, Overloaded, ShuttingDown
from catalog.iceberg import Lake
from catalog.joint import Conflict, append_rows
from catalog.snapshot import LakeSnapshot, Snapshots

ATTEMPTS_MAX = 30
WAIT_SECONDS_MIN = 0.01
WAIT_SECONDS_MAX = 0.5
RETRY_AFTER_SECONDS = 1
EXIT_SECONDS_MAX = 5.0
# Whoever posts without a pause comes back a moment after the answer. To wait so long for them, in lengths of the last
# commit, makes one commit of two: for 64 crawlers.
WINDOW_SHARE = 0.5
WINDOW_SECONDS_MAX = 0.15

B = TypeVar("B")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Prepared(Generic[R]):
    """What batches come to on one snapshot: the rows to append by table, one outcome a batch, and what to put on
    record of those that were not on record before. `landed` is called once all of it is committed upon that snapshot.
    """

    rows: Mapping[str, pa.Table]
    outcomes: Sequence[R]
    records: Sequence[BatchRecord] = ()
    landed: Callable[[], object] = lambda: None


@dataclass(frozen=True, slots=True)
class Committed(Generic[R]):
    """The outcome of a batch that is stored, and the token of a snapshot that holds it."""

    outcome: R
    token: str


Prepare = Callable[[LakeSnapshot, Sequence[B]], Prepared[R]]


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[B, R]):
    batch: B
    size_bytes: int
    future: Future[Committed[R]]


@dataclass(frozen=True, slots=True)
class _Window:
    """A commit waits for company until `ends`, an instant of the monotonic clock, but not for more than `batches`."""

    batches: int = 0
    ends: float = 0.0

    @classmethod
    def after(cls, batches: int, seconds: float) -> _Window:
        """The one behind a commit that took so long, during and after which so many batches were there: as long as
        others wait, more will come. One batch alone tells of nobody else."""
        if batches < 2:
            return cls()
        return cls(batches, time.monotonic() + min(seconds * WINDOW_SHARE, WINDOW_SECONDS_MAX))

    @property
    def seconds_left(self) -> float:
        return max(0.0, self.ends - time.monotonic())


class Committer(Generic[B, R]):
    """Owns the committing thread. A process that ends without `close` waits `EXIT_SECONDS_MAX` for it, not for ever.

    `pending_bytes_max` bounds what waits for it. A batch for which `alone` holds shares its commit with no other.
    """

    def __init__(
        self,
        lake: Lake,
        snapshots: Snapshots,
        prepare: Prepare[B, R],
        batches: BatchLog,
        *,
        alone: Callable[[B], bool],
        pending_bytes_max: int,
        writer_threads: int,
    ) -> None:
        self._lake = lake
        self._snapshots = snapshots
        self._prepare = prepare
        self._batches = batches
        self._alone = alone
        self._pending_bytes_max = pending_bytes_max
        self._pending_bytes = 0
        self._waiting: deque[_Waiting[B, R]] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._window = _Window()
        self._writers = ThreadPoolExecutor(writer_threads, thread_name_prefix="finlake-writer")
        # A daemon that is cut off inside DuckDB aborts the process, so the process waits for it a little as it ends.
        self._thread = threading.Thread(target=self._run, name="finlake-committer", daemon=True)
        self._thread.start()
        atexit.register(self._stop, EXIT_SECONDS_MAX)

    @property
    def pending_bytes(self) -> int:
        return self._pending_bytes

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def submit(self, batch: B, size_bytes: int) -> Future[Committed[R]]:
        """Queue a batch. The future's result means committed and fsynced; its error is a CatalogError or what `prepare`
        raised. Where the error is no CommitUnknown, nothing of the batch is stored.

        Raises Overloaded, ShuttingDown.
        """
        with self._changed:
            if self._closing:
                raise ShuttingDown("The service is stopping.")
            if self._pending_bytes and self._pending_bytes + size_bytes > self._pending_bytes_max:
                raise Overloaded(
                    "Too much is waiting to be stored.", limit="pending_bytes_max", value=self._pending_bytes_max
                )
            waiting = _Waiting(batch, size_bytes, Future[Committed[R]]())
            # From here on the batch will be settled, also for a caller that has gone: nobody may cancel it.
            waiting.future.set_running_or_notify_cancel()
            self._waiting.append(waiting)
            self._pending_bytes += size_bytes
            self._changed.notify()
        return waiting.future

    def close(self) -> None:
        """Finish what is queued, then stop. Later batches are refused."""
        self._stop()
        self._writers.shutdown()
        atexit.unregister(self._stop)

    def _stop(self, seconds_max: float | None = None) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(seconds_max)

    def _run(self) -> None:
        while group := self._next_group():
            began = time.monotonic()
            self._settle(group)
            with self._changed:
                self._pending_bytes -= sum(waiting.size_bytes for waiting in group)
                self._window = _Window.after(len(group) + len(self._waiting), time.monotonic() - began)

    def _next_group(self) -> list[_Waiting[B, R]]:
        """What waits when the window has closed, up to a batch that must be alone; nothing once closed and empty."""
        group: list[_Waiting[B, R]] = []
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            window = self._window
            self._changed.wait_for(lambda: len(self._waiting) >= window.batches or self._closing, window.seconds_left)
            while self._waiting and not (group and self._alone(self._waiting[0].batch)):
                group.append(self._waiting.popleft())
                if self._alone(group[-1].batch):
                    break
        return group

    def _settle(self, group: list[_Waiting[B, R]]) -> None:
        try:
            token, outcomes = self._commit([waiting.batch for waiting in group])
        except CatalogError as error:
            for waiting in group:
                waiting.future.set_exception(error)
        except Exception as error:  # noqa: BLE001 - one bad batch may not take the others, or the thread, with it
            if len(group) == 1:
                group[0].future.set_exception(error)
            else:
                for waiting in group:
                    self._settle([waiting])
        else:
            for waiting, outcome in zip(group, outcomes, strict=True):
                waiting.future.set_result(Committed(outcome, token))

    def _commit(self, batches: Sequence[B]) -> tuple[str, Sequence[R]]:
        for attempt in range(ATTEMPTS_MAX):
            try:
                with self._lake.turns.mine():
                    return self._attempt(batches)
            except Conflict:
                longest = min(WAIT_SECONDS_MIN * 2**attempt, WAIT_SECONDS_MAX)
                time.sleep(random.uniform(longest / 2, longest))  # noqa: S311 - spreads rivals, guards nothing
        raise CommitFailed(f"Other writers were faster {ATTEMPTS_MAX} times.")

    def _attempt(self, batches: Sequence[B]) -> tuple[str, Sequence[R]]:
        """Raises Conflict."""
        snapshot = self._snapshots.current()
        prepared = self._prepare(snapshot, batches)

        def record(connection: Connection, token: str) -> None:
            self._batches.record(connection, prepared.records, token)

        token = append_rows(self._lake, snapshot, prepared.rows, self._writers, record)
        prepared.landed()
        return token, prepared.outcomes
