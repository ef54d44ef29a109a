"""Batches that are read while those before them are written: on two cores a large answer takes half the time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Iterator
from contextvars import copy_context

import pyarrow as pa

from engine.running import Batches

# So many batches are read by whoever asks for them: for no more than these a thread is not worth it.
ALONE = 4
# A slice that is sorted gives nothing for a tenth of a second, then all of its rows: that is what is to be bridged.
AHEAD_BYTES_MAX = 6 * 2**20


class Ahead:
    """The batches of another, of which at most `AHEAD_BYTES_MAX`, or one batch, wait to be taken."""

    def __init__(self, behind: Batches) -> None:
        self._behind = behind
        self._reading: _Reading | None = None

    @property
    def schema(self) -> pa.Schema:
        return self._behind.schema

    @property
    def execute_ms(self) -> float:
        return self._behind.execute_ms

    def batches(self) -> Iterator[pa.RecordBatch]:
        made = self._behind.batches()
        try:
            for _ in range(ALONE):
                if (batch := next(made, None)) is None:
                    return
                yield batch
            self._reading = _Reading(made)
            yield from self._reading.taken()
        finally:
            self.close()

    def close(self) -> None:
        """Waits for the batch that is being read."""
        if self._reading is not None:
            self._reading.end()
        self._behind.close()


class _Reading:
    """A thread that reads batches for another one."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[pa.RecordBatch] = deque()
        self._waiting_bytes = 0
        self._is_over = False
        self._error: BaseException | None = None
        # What is opened in there belongs to the request of this thread.
        self._thread = threading.Thread(
            target=copy_context().run, args=(self._read, batches), name="ahead", daemon=True
        )
        self._thread.start()

    def taken(self) -> Generator[pa.RecordBatch]:
        """The batches in their order. Raises what reading them raised, behind the last that was read."""
        while (batch := self._next()) is not None:
            yield batch
        if self._error is not None:
            raise self._error

    def _next(self) -> pa.RecordBatch | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_over)
            if not self._waiting:
                return None
            batch = self._waiting.popleft()
            self._waiting_bytes -= batch.nbytes
            self._changed.notify_all()
            return batch

    def end(self) -> None:
        """Read no more. Waits for the batch that is being read."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        self._thread.join()

    def _read(self, batches: Iterator[pa.RecordBatch]) -> None:
        try:
            for batch in batches:
                if not self._put(batch):
                    return
        except BaseException as error:  # noqa: BLE001 - raised where the batches are taken
            self._error = error
        finally:
            with self._changed:
                self._is_over = True
                self._changed.notify_all()

    def _put(self, batch: pa.RecordBatch) -> bool:
        """Whether it is wanted: it is kept as soon as there is room."""
        with self._changed:
            room = AHEAD_BYTES_MAX - batch.nbytes
            self._changed.wait_for(lambda: self._is_over or not self._waiting or self._waiting_bytes <= room)
            if self._is_over:
                return False
            self._waiting.append(batch)
            self._waiting_bytes += batch.nbytes
            self._changed.notify_all()
            return True
