"""Statement -> Result. The only importer of duckdb on the query path."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import duckdb
import pyarrow as pa

from catalog.entries import FileEntry
from catalog.errors import StorageFull
from catalog.model import Type
from catalog.scan import ScanFiles, check_files
from catalog.scratch import scratch
from engine.deadlines import Deadlines
from engine.errors import EngineError, ExecutionFailed, MemoryExceeded, QueryTimeout
from engine.functions import type_of
from engine.literals import coerce, literal
from engine.lower import SORT_PREFIX, Statement
from engine.planner.model import Plan
from engine.query import NULL, Literal
from engine.sql_faults import fault_of

BATCH_ROWS = 20_000
# Every batch of a merge waits several times for the interpreter, milliseconds each beside a busy service: with batches
# an eighth as large that was half of the merge's time.
STREAMED_ROWS = 524_288
TEMPORARY = "tmp"
# Out of reach: the disk decides. DuckDB by itself measures what is free when it first spills, and keeps to that.
TEMPORARY_MAX = "1000TiB"
# A failure while batches are read comes through Arrow, which keeps the text of DuckDB's error but not its class.
# Where a damaged file puts bytes into it that are no text, the error itself cannot be read.
DATABASE_ERRORS = (duckdb.Error, pa.ArrowException, OSError, UnicodeDecodeError)
# A join with up to so many values tells the scan of Parquet to look for them alone: row groups without any are skipped,
# and so are the other columns of rows without. The look-up of 100 series among 20,000 takes a fifth of the time then.
JOINED_VALUES_MAX = 1_000
OUT_OF_MEMORY = "Out of Memory Error"
IO_ERROR = "IO Error"
NO_SPACE = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))
ENGINE = f"duckdb {duckdb.__version__}"


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """`memory` as DuckDB writes it. Queries may open files below `data_dir` and nothing else."""

    data_dir: Path
    threads: int
    memory: str
    query_time_ms_max: int


class Database:
    """An in-memory DuckDB that runs the statements of all requests, one cursor each. Safe to share between threads."""

    def __init__(self, settings: DatabaseSettings) -> None:
        """Raises StorageFull, StorageFailed."""
        self._time_ms_max = settings.query_time_ms_max
        self._streaming: duckdb.DuckDBPyConnection | None = None
        self._deadlines = Deadlines()
        self._scratch = ExitStack()
        temporary = self._scratch.enter_context(scratch(settings.data_dir.resolve() / TEMPORARY))
        self._connection = duckdb.connect(":memory:")
        # Global where a setting can be local: cursors do not take over what this connection alone is told.
        for statement in (
            "SET GLOBAL TimeZone = 'UTC'",
            f"SET threads = {settings.threads}",
            f"SET memory_limit = '{settings.memory}'",
            f"SET temp_directory = '{_quoted(temporary)}'",
            f"SET max_temp_directory_size = '{TEMPORARY_MAX}'",
            "SET GLOBAL parquet_metadata_cache = true",
            "SET GLOBAL preserve_insertion_order = false",
            f"SET GLOBAL dynamic_or_filter_threshold = {JOINED_VALUES_MAX}",
            f"SET allowed_directories = ['{_quoted(settings.data_dir.resolve())}']",
            "SET enable_external_access = false",
            "SET lock_configuration = true",
        ):
            self._connection.execute(statement)

    def open(self, statement: Statement) -> Running:
        """Start a statement. Raises QueryTimeout, ExecutionFailed, StorageFull, StorageDamaged."""
        return Running(self._connection.cursor(), statement, self._deadlines, self._time_ms_max)

    def transform(self, statement: Statement, inputs: Mapping[str, pa.Table]) -> pa.Table:
        """Run a statement over tables in memory and files, without a time limit: the writer's way to DuckDB.

        `inputs` are tables by the name the statement knows them under. Raises ExecutionFailed, StorageFull,
        StorageDamaged.
        """
        cursor = self._connection.cursor()
        try:
            for name, table in inputs.items():
                cursor.register(name, table)
            return cursor.execute(statement.sql, dict(statement.parameters)).to_arrow_table()
        except DATABASE_ERRORS as error:
            raise _failure(error, statement.files) from error
        finally:
            cursor.close()

    def stream(self, statement: Statement) -> Generator[pa.RecordBatch]:
        """The rows of a statement as they come, without a time limit. Raises as `transform` does.

        Whoever does not read it to its end closes it.
        """
        cursor = self._connection.cursor()
        self._streaming = cursor
        try:
            yield from cursor.execute(statement.sql, dict(statement.parameters)).to_arrow_reader(STREAMED_ROWS)
        except DATABASE_ERRORS as error:
            raise _failure(error, statement.files) from error
        finally:
            self._streaming = None
            cursor.close()

    def interrupt(self) -> None:
        """Break off what `stream` runs, from another thread: it raises ExecutionFailed."""
        if (cursor := self._streaming) is not None:
            with suppress(duckdb.Error):
                cursor.interrupt()

    def close(self) -> None:
        self._deadlines.close()
        self._connection.close()
        self._scratch.close()


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


class Running:
    """A statement under way: its batches, until they end, it is closed, or its time is over."""

    def __init__(
        self, cursor: duckdb.DuckDBPyConnection, statement: Statement, deadlines: Deadlines, time_ms_max: int
    ) -> None:
        self._cursor = cursor
        self.execute_ms = 0.0
        self._statement = statement
        self._is_expired = False
        self._time_ms_max = time_ms_max
        self._deadline = deadlines.within(time_ms_max / 1000, self._expire)
        try:
            with self._watched():
                running = cursor.execute(statement.sql, dict(statement.parameters))
                self._reader: pa.RecordBatchReader = running.to_arrow_reader(BATCH_ROWS)
        except BaseException:
            self.close()
            raise

    @property
    def schema(self) -> pa.Schema:
        return self._reader.schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        try:
            while (batch := self._next()) is not None:
                yield batch
        finally:
            self.close()

    def _next(self) -> pa.RecordBatch | None:
        with self._watched():
            try:
                return self._reader.read_next_batch()
            except StopIteration:
                return None

    def close(self) -> None:
        self._deadline.cancel()
        with suppress(duckdb.Error):
            self._cursor.close()

    def _expire(self) -> None:
        self._is_expired = True
        with suppress(duckdb.Error):
            self._cursor.interrupt()

    @contextmanager
    def _watched(self) -> Generator[None]:
        """Adds to `execute_ms`, and makes database errors ours."""
        started = time.perf_counter()
        try:
            yield
        except DATABASE_ERRORS as error:
            if self._is_expired:
                limit = self._time_ms_max
                raise QueryTimeout(
                    f"The query took longer than {limit} ms.", limit="query_time_ms_max", value=limit
                ) from error
            names = self._statement.callers_names
            if names is not None and (fault := fault_of(str(error), names)) is not None:
                raise fault from error
            raise _failure(error, self._statement.files) from error
        finally:
            self.execute_ms += (time.perf_counter() - started) * 1000


def _failure(error: Exception, files: tuple[FileEntry, ...]) -> EngineError:
    """What a database error means. Its text tells of files and SQL, so it goes no further than the log.

    Raises StorageFull where it could not spill, StorageDamaged where a file is at fault.
    """
    if IO_ERROR in str(error) and any(text in str(error) for text in NO_SPACE):
        raise StorageFull("There is no space for the temporary files of the database.") from error
    if OUT_OF_MEMORY in str(error):
        hint = "Narrow the question: name a series or a range of dates."
        return MemoryExceeded("The database needs more memory than it may use.", hint)
    check_files(files)
    return ExecutionFailed("The database failed to run the query.", cause=type(error).__name__)


class Result:
    """The answer: Arrow batches as they are produced, with the snapshot they came from. It can be read once.

    It is not promised that it fits in memory. Close it, or read it to its end.
    """

    def __init__(
        self, plan: Plan, snapshot: str, files: ScanFiles, running: Running, timings: Mapping[str, float]
    ) -> None:
        self.columns: tuple[tuple[str, Type], ...] = tuple((output.name, output.type) for output in plan.output)
        self.snapshot = snapshot
        self.files_considered = files.considered
        self.files_read = len(files.files)
        self._sort_types = [type_of(term.by, plan.table) for term in plan.order]
        self._running = running
        self._timings = timings

    @property
    def timings(self) -> Mapping[str, float]:
        """Milliseconds by step; `execute` grows while batches are read."""
        return {**self._timings, "execute": self._running.execute_ms}

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, in order. Raises as `Database.open` does, also after some batches."""
        return self._running.batches()

    def table(self) -> pa.Table:
        """All rows in memory: the visible columns alone."""
        batches = list(self.batches())
        names = [name for name, _ in self.columns]
        schema = self._running.schema
        return pa.Table.from_batches(batches, schema).select(names)

    def after(self, batch: pa.RecordBatch, row: int) -> tuple[Literal, ...]:
        """The sort values of one row of a batch, as `Page.after` wants them. Needs `keyset=True` when asked."""
        return tuple(
            _sort_value(batch.column(f"{SORT_PREFIX}{position}")[row].as_py(), type_)
            for position, type_ in enumerate(self._sort_types)
        )

    def close(self) -> None:
        self._running.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _sort_value(stored: Any, type_: Type | None) -> Literal:
    return NULL if stored is None or type_ is None else coerce(literal(stored), type_)
