"""A statement that runs: its batches as the database makes them, within its time, as long as anybody wants them."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

import duckdb
import pyarrow as pa

from engine.deadlines import Deadlines
from engine.errors import ExecutionFailed, QueryTimeout
from engine.failures import failure_of
from engine.interrupts import current_interrupts
from engine.lower import Statement
from engine.sql_faults import fault_of

BATCH_ROWS = 10_000
# A failure while batches are read comes through Arrow, which keeps the text of DuckDB's error but not its class.
# Where a damaged file puts bytes into it that are no text, the error itself cannot be read.
DATABASE_ERRORS = (duckdb.Error, pa.ArrowException, OSError, UnicodeDecodeError)
# A time limit that comes up while nobody works is looked at again no sooner.
LOOK_MS_MIN = 50
# Time that a row is worth. It takes a tenth of it where nothing has to be worked out.
ROW_MS = 0.01


class Batches(Protocol):
    """The rows of a statement, or of several as if they were one, as they are produced. Read once, or closed."""

    @property
    def schema(self) -> pa.Schema: ...

    @property
    def execute_ms(self) -> float:
        """Time that the database has worked so far."""
        ...

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Raises as `Database.open` does, also after some batches."""
        ...

    def close(self) -> None: ...


class Running:
    """A statement under way: its batches, until they end, it is closed, its time is over, or its request is given up.

    Its time is what the database works for it, and each row that it hands over gives it a little more: what bounds a
    question need not bound a large answer. Who reads the batches may take as long as he likes.
    """

    def __init__(
        self,
        cursor: duckdb.DuckDBPyConnection,
        statement: Statement,
        deadlines: Deadlines,
        time_ms_max: int,
        spent_ms: float,
    ) -> None:
        self._cursor = cursor
        self.execute_ms = 0.0
        self._spent_ms = spent_ms
        self._earned_ms = 0.0
        self._statement = statement
        self._is_expired = False
        self._is_closed = False
        self._working_since: float | None = None
        self._time_ms_max = time_ms_max
        self._deadlines = deadlines
        self._deadline = deadlines.within((time_ms_max - spent_ms) / 1000, self._expire)
        self._interrupts = current_interrupts()
        self._reader: pa.RecordBatchReader | None = None
        try:
            self._interrupts.add(self._break_off)
            with self._watched():
                running = cursor.execute(statement.sql, dict(statement.parameters))
                self._reader = running.to_arrow_reader(BATCH_ROWS)
            self.schema: pa.Schema = self._reader.schema
        except BaseException:
            self.close()
            raise

    @property
    def spent_ms(self) -> float:
        """Of its time."""
        return max(self._spent_ms + self.execute_ms - self._earned_ms, 0.0)

    def batches(self) -> Iterator[pa.RecordBatch]:
        try:
            while (batch := self._next()) is not None:
                self._earned_ms += batch.num_rows * ROW_MS
                yield batch
        finally:
            self.close()

    def _next(self) -> pa.RecordBatch | None:
        if (reader := self._reader) is None:
            raise ExecutionFailed("The statement was closed.")
        with self._watched():
            try:
                return reader.read_next_batch()
            except StopIteration:
                return None

    def close(self) -> None:
        self._is_closed = True
        self._deadline.cancel()
        self._interrupts.remove(self._break_off)
        # It holds what the database has sorted; where an error was raised, this object may live on until garbage goes.
        self._reader = None
        with suppress(duckdb.Error):
            self._cursor.close()

    def _break_off(self) -> None:
        """Again and again until it is closed: DuckDB forgets an interrupt that comes just before it begins."""
        with suppress(duckdb.Error):
            self._cursor.interrupt()
        if not self._is_closed:
            self._deadlines.within(LOOK_MS_MIN / 1000, self._break_off)

    def _expire(self) -> None:
        """Its time is over, or is not yet: while the reader was busy elsewhere it stood still."""
        since = self._working_since
        worked = self.spent_ms + (0 if since is None else (time.perf_counter() - since) * 1000)
        if worked >= self._time_ms_max:
            self._is_expired = True
            self._break_off()
        elif not self._is_closed:
            left = max(self._time_ms_max - worked, LOOK_MS_MIN)
            self._deadline = self._deadlines.within(left / 1000, self._expire)

    @contextmanager
    def _watched(self) -> Generator[None]:
        """Adds to `execute_ms`, and makes database errors ours."""
        started = self._working_since = time.perf_counter()
        try:
            yield
        except DATABASE_ERRORS as error:
            if self._is_expired:
                limit = self._time_ms_max
                raise QueryTimeout(
                    f"The query took longer than {limit} ms.", limit="query_time_ms_max", value=limit
                ) from error
            if self._interrupts.is_fired:
                # Nobody waits for the reason: to look for one would open all files of the statement.
                raise ExecutionFailed("The request was given up.") from error
            names = self._statement.callers_names
            if names is not None and (fault := fault_of(str(error), names)) is not None:
                raise fault from error
            raise failure_of(error, self._statement.files) from error
        finally:
            self._working_since = None
            self.execute_ms += (time.perf_counter() - started) * 1000
