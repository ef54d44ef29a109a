"""Statement -> Result."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import duckdb
import pyarrow as pa

from catalog.model import Type
from catalog.scan import ScanFiles
from catalog.scratch import scratch
from engine.deadlines import Deadlines
from engine.failures import failure_of
from engine.functions import type_of
from engine.literals import coerce, literal
from engine.lower import SORT_PREFIX, Statement
from engine.planner.model import Plan
from engine.query import NULL, Literal
from engine.running import DATABASE_ERRORS, Batches, Running

# Every batch of a merge waits several times for the interpreter, milliseconds each beside a busy service: with batches
# an eighth as large that was half of the merge's time.
STREAMED_ROWS = 524_288
TEMPORARY = "tmp"
# Out of reach: the disk decides. DuckDB by itself measures what is free when it first spills, and keeps to that.
TEMPORARY_MAX = "1000TiB"
# A join with up to so many values tells the scan of Parquet to look for them alone: row groups without any are skipped,
# and so are the other columns of rows without. The look-up of 100 series among 20,000 takes a fifth of the time then.
JOINED_VALUES_MAX = 1_000
ENGINE = f"duckdb {duckdb.__version__}"


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """`memory` as DuckDB writes it. Queries may open files below `data_dir` and nothing else.

    With `keeps_order`, rows that nothing sorts come in the order of the files and of the rows in them.
    """

    data_dir: Path
    threads: int
    memory: str
    query_time_ms_max: int
    keeps_order: bool = False


class Database:
    """An in-memory DuckDB that runs the statements of all requests, one cursor each. Safe to share between threads."""

    def __init__(self, settings: DatabaseSettings) -> None:
        """Raises StorageFull, StorageFailed."""
        _NoPandas.where_it_is_absent()
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
            f"SET GLOBAL preserve_insertion_order = {settings.keeps_order}",
            f"SET GLOBAL dynamic_or_filter_threshold = {JOINED_VALUES_MAX}",
            f"SET allowed_directories = ['{_quoted(settings.data_dir.resolve())}']",
            "SET enable_external_access = false",
            "SET lock_configuration = true",
        ):
            self._connection.execute(statement)

    def open(self, statement: Statement, spent_ms: float = 0.0) -> Running:
        """Start a statement; of its time so much is spent already.

        Raises QueryTimeout, ExecutionFailed, StorageFull, StorageDamaged.
        """
        return Running(self._connection.cursor(), statement, self._deadlines, self._time_ms_max, spent_ms)

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
            raise failure_of(error, statement.files) from error
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
            raise failure_of(error, statement.files) from error
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


class _NoPandas:
    """Says at once that there is no pandas, for which DuckDB looks twice for each parameter of each statement.

    Along the whole path of modules that was a fifth of what a read of one series took. A None in the place of the
    module would be faster yet, but pyarrow takes it for the module.
    """

    @classmethod
    def where_it_is_absent(cls) -> None:
        known = "pandas" in sys.modules or any(isinstance(finder, cls) for finder in sys.meta_path)
        if not known and find_spec("pandas") is None:
            sys.meta_path.insert(0, cls())

    def find_spec(self, name: str, _path: Sequence[str] | None, _target: ModuleType | None = None, /) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("pandas is not installed", name=name)


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


class Result:
    """The answer: Arrow batches as they are produced, with the snapshot they came from. It can be read once.

    It is not promised that it fits in memory. Close it, or read it to its end.
    """

    def __init__(
        self, plan: Plan, snapshot: str, files: ScanFiles, running: Batches, timings: Mapping[str, float]
    ) -> None:
        self.columns: tuple[tuple[str, Type], ...] = tuple((output.name, output.type) for output in plan.output)
        self.snapshot = snapshot
        self.files_considered = files.considered
        self.files_read = len(files.files)
        self._sort_types = [type_of(term.by, plan.answered) for term in plan.order]
        self._running = running
        self._timings = timings

    @property
    def timings(self) -> Mapping[str, float]:
        """Milliseconds by step; `execute` grows while batches are read."""
        return {**self._timings, "execute": self._running.execute_ms}

    @property
    def schema(self) -> pa.Schema:
        """That of the batches: the columns, and behind them the sort values where they were asked for."""
        return self._running.schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, in order. Raises as `Database.open` does, also after some batches."""
        return self._running.batches()

    def table(self) -> pa.Table:
        """All rows in memory: the visible columns alone."""
        batches = list(self.batches())
        names = [name for name, _ in self.columns]
        return pa.Table.from_batches(batches, self.schema).select(names)

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
