"""The engine: from a Query to a Result, in five lines; from an analyst's SQL to a Selected, in as many."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain

from catalog.model import Tables
from catalog.scan import ScanFiles, ScanRequest, every_file, prune
from catalog.snapshot import LakeSnapshot, Snapshots
from engine.execute import Database, Result
from engine.explain import Explanation, explained
from engine.lower import Statement, Templates, in_order, lower, lower_selection, read_selection
from engine.planner import PASSES, Pass, plan, stages
from engine.planner.model import Plan
from engine.query import Query
from engine.running import Running
from engine.slices import Chained, slices
from engine.sql import SqlQuestion

# Rows of the files of a statement for which one thread is enough: several cost more than they gain.
POINT_ROWS_MAX = 500_000


@dataclass(frozen=True, slots=True)
class Selected:
    """The answer to an analyst's SQL: batches of columns that the SQL names, as they are produced.

    It is read once, or closed.
    """

    snapshot: str
    running: Running
    laps: Mapping[str, float]

    @property
    def timings(self) -> Mapping[str, float]:
        """Milliseconds by step; `execute` grows while batches are read."""
        return {**self.laps, "execute": self.running.execute_ms}


class Engine:
    """Answers queries. Safe to share between threads; every call blocks.

    `points` runs what reads few rows: it has one thread and keeps the order of files. `passes` and `prunes` exist for
    the tests, which ask each query with and without them.
    """

    def __init__(
        self,
        snapshots: Snapshots,
        database: Database,
        points: Database,
        *,
        passes: tuple[Pass, ...] = PASSES,
        prunes: bool = True,
    ) -> None:
        self.snapshots = snapshots
        self._database = database
        self._points = points
        self._passes = passes
        self._templates = Templates()
        self._files = prune if prunes else _all_files

    @property
    def tables(self) -> Tables:
        return self.snapshots.model

    def current(self) -> str:
        """The token of the newest snapshot."""
        return self.snapshots.current().token

    def answer(self, query: Query, *, keyset: bool = False) -> Result:
        """The rows of a query, at the snapshot it names or the newest.

        With `keyset`, `Result.after` can tell where a page ended.
        Raises QueryError, NotSupported, QueryTimeout, ExecutionFailed, ScanRefused; of the catalog UnknownSnapshot,
        SnapshotExpired and the errors of storage.
        """
        clock = _Clock()
        planned = plan(query, self.tables, self._passes)
        clock.lap("plan")
        snapshot = self._snapshot(query)
        files = self._files(snapshot, planned.scan)
        clock.lap("prune")
        statements, database = self._statements(planned, files, keyset=keyset)
        first = next(statements)
        clock.lap("lower")
        running = Chained(chain((first,), statements), database.open, planned.page.limit)
        return Result(planned, snapshot.token, files, running, clock.laps)

    def _statements(
        self, planned: Plan, files: ScanFiles, *, keyset: bool = False
    ) -> tuple[Iterator[Statement], Database]:
        """Those that give the rows of a plan, one behind the other and made as they are taken; and who runs them."""
        if files.rows <= POINT_ROWS_MAX:
            return iter((self._whole(planned, files, keyset=keyset),)), self._points
        return (self._lowered(*each, keyset=keyset) for each in slices(planned, files)), self._database

    def _whole(self, planned: Plan, files: ScanFiles, *, keyset: bool = False) -> Statement:
        """One statement for all rows of a plan."""
        ordered = in_order(planned, files) if files.rows <= POINT_ROWS_MAX else None
        return self._lowered(planned, ordered or files, keyset=keyset, presorted=ordered is not None)

    def _lowered(self, planned: Plan, files: ScanFiles, *, keyset: bool, presorted: bool = False) -> Statement:
        return lower(planned, files, keyset=keyset, presorted=presorted, templates=self._templates)

    def select(self, question: SqlQuestion, snapshot: str) -> Selected:
        """The rows of an analyst's SQL; all its tables are read at one snapshot.

        Raises InvalidSql, SqlNotAllowed, SqlTooLarge, and what `answer` raises.
        """
        clock = _Clock()
        selection = read_selection(question, self.tables)
        clock.lap("parse")
        # The order of a table's rows means nothing to the SQL around it.
        plans = [replace(plan(query, self.tables, self._passes), order=()) for query in selection.queries]
        clock.lap("plan")
        state = self.snapshots.at(snapshot)
        scans = [(planned, self._files(state, planned.scan)) for planned in plans]
        clock.lap("prune")
        statement = lower_selection(selection, scans)
        clock.lap("lower")
        return Selected(state.token, self._database.open(statement), clock.laps)

    def explain(self, query: Query, *, footers_max: int) -> Explanation:
        """How `answer` would answer a query. Nothing is executed: at most so many footers of files are read.

        Raises QueryError, NotSupported, ScanRefused; of the catalog UnknownSnapshot, SnapshotExpired and the errors of
        storage.
        """
        taken = stages(query, self.tables, self._passes)
        snapshot = self._snapshot(query)
        files = self._files(snapshot, taken[-1].plan.scan)
        statement = self._whole(taken[-1].plan, files)
        return explained(taken, snapshot.token, files, statement, footers_max)

    def _snapshot(self, query: Query) -> LakeSnapshot:
        return self.snapshots.current() if query.snapshot is None else self.snapshots.at(query.snapshot)


class _Clock:
    """Milliseconds between calls of `lap`."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name] = (now - self._last) * 1000
        self._last = now


def _all_files(snapshot: LakeSnapshot, request: ScanRequest) -> ScanFiles:
    return every_file(snapshot, request.table)
