"""The engine: from a Query to a Result, in five lines; from an analyst's SQL to a Selected, in as many."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain

from catalog.model import Tables
from catalog.scan import ScanFiles, ScanRequest, every_file, prune
from catalog.snapshot import LakeSnapshot, Snapshots
from engine.ahead import Ahead
from engine.bounds import ScanBounds
from engine.execute import Database, Result
from engine.explain import Explanation, LookedUp, explained
from engine.lower import Statement, Templates, in_order, lower, lower_selection, read_selection
from engine.planner import PASSES, Pass, Stage, plan, stages
from engine.planner.model import Plan
from engine.query import Query, Related
from engine.related import Keys, keys_plan, narrowed, without_related
from engine.running import Batches
from engine.slices import Chained, is_small, slices
from engine.sql import SqlQuestion

RELATED_KEYS_MAX = 1_000
DEFAULT_BOUNDS = ScanBounds()


@dataclass(frozen=True, slots=True)
class Selected:
    """The answer to an analyst's SQL: batches of columns that the SQL names, as they are produced.

    It is read once, or closed.
    """

    snapshot: str
    running: Batches
    laps: Mapping[str, float]

    @property
    def timings(self) -> Mapping[str, float]:
        """Milliseconds by step; `execute` grows while batches are read."""
        return {**self.laps, "execute": self.running.execute_ms}


class Engine:
    """Answers queries. Safe to share between threads; every call blocks.

    `points` runs what reads few rows: it has one thread and keeps the order of files. What analysts ask runs in
    `sql_database`. Of related rows at most `related_keys_max` keys are looked up to prune by. `passes` and `prunes`
    exist for the tests, which ask each query with and without them.
    """

    def __init__(
        self,
        snapshots: Snapshots,
        database: Database,
        points: Database,
        sql_database: Database,
        *,
        bounds: ScanBounds = DEFAULT_BOUNDS,
        related_keys_max: int = RELATED_KEYS_MAX,
        passes: tuple[Pass, ...] = PASSES,
        prunes: bool = True,
    ) -> None:
        self.snapshots = snapshots
        self._database = database
        self._points = points
        self._sql_database = sql_database
        self._bounds = bounds
        self._related_keys_max = related_keys_max
        self._passes = passes
        self._prunes = prunes
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
        if planned.related:
            planned, _ = self._narrowed(planned, snapshot)
            clock.lap("related")
        files = self._files(snapshot, planned.scan)
        clock.lap("prune")
        related = self._related(planned, snapshot)
        self._bounds.check((files, *related.values()))
        statements, database = self._statements(planned, files, related, keyset=keyset)
        first = next(statements)
        clock.lap("lower")
        running = Ahead(Chained(chain((first,), statements), database.open, planned.page.limit))
        return Result(planned, snapshot.token, files, running, clock.laps)

    def _statements(
        self, planned: Plan, files: ScanFiles, related: Mapping[Related, ScanFiles], *, keyset: bool
    ) -> tuple[Iterator[Statement], Database]:
        """Those that give the rows of a plan, one behind the other and made as they are taken; and who runs them."""
        if _is_small(files, related):
            statement, database = self._whole(planned, files, related, keyset=keyset)
            return iter((statement,)), database
        parts = slices(planned, files)
        return (self._lowered(*part, related, keyset=keyset) for part in parts), self._database

    def _whole(
        self, planned: Plan, files: ScanFiles, related: Mapping[Related, ScanFiles], *, keyset: bool = False
    ) -> tuple[Statement, Database]:
        """One statement for all rows of a plan, and who runs it."""
        if not _is_small(files, related):
            return self._lowered(planned, files, related, keyset=keyset), self._database
        # What a join does to the order of rows is its own affair.
        ordered = None if related else in_order(planned, files)
        presorted = ordered is not None
        return self._lowered(planned, ordered or files, related, keyset=keyset, presorted=presorted), self._points

    def _lowered(
        self,
        planned: Plan,
        files: ScanFiles,
        related: Mapping[Related, ScanFiles],
        *,
        keyset: bool,
        presorted: bool = False,
    ) -> Statement:
        return lower(planned, files, keyset=keyset, presorted=presorted, templates=self._templates, related=related)

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
        plans = [without_related(self._narrowed(planned, state)[0]) for planned in plans]
        scans = [(planned, self._files(state, planned.scan)) for planned in plans]
        clock.lap("prune")
        self._bounds.check(files for _, files in scans)
        statement = lower_selection(selection, scans)
        clock.lap("lower")
        return Selected(state.token, Ahead(self._sql_database.open(statement)), clock.laps)

    def explain(self, query: Query, *, footers_max: int) -> Explanation:
        """How `answer` would answer a query, which is not executed: but for looking up the keys of related rows, at
        most so many footers of files are read.

        Raises QueryError, NotSupported, ScanRefused; of the catalog UnknownSnapshot, SnapshotExpired and the errors of
        storage.
        """
        taken = stages(query, self.tables, self._passes)
        snapshot = self._snapshot(query)
        planned, keys = self._narrowed(taken[-1].plan, snapshot)
        taken = (*taken, Stage("look_up_related", planned))
        files = self._files(snapshot, planned.scan)
        looked_up = tuple(
            LookedUp(node, self._files(snapshot, rows.scan), len(keys[node]) if node in keys else None)
            for node, rows in taken[0].plan.related
        )
        statement, _ = self._whole(planned, files, self._related(planned, snapshot))
        return explained(taken, snapshot.token, files, statement, footers_max, looked_up)

    def _narrowed(self, planned: Plan, snapshot: LakeSnapshot) -> tuple[Plan, Mapping[Related, Keys]]:
        """The plan with the keys of related rows that it is worth to prune by."""
        if not self._prunes:
            return planned, {}
        return narrowed(planned, self._passes, lambda _, rows: self._keys(rows, snapshot))

    def _keys(self, rows: Plan, snapshot: LakeSnapshot) -> Keys | None:
        most = self._related_keys_max
        files, related = self._files(snapshot, rows.scan), self._related(rows, snapshot)
        self._bounds.check((files, *related.values()))
        statement, database = self._whole(keys_plan(rows, most), files, related)
        keys = tuple(key for batch in database.open(statement).batches() for key in batch.column(0).to_pylist())
        return keys if len(keys) <= most else None

    def _related(self, planned: Plan, snapshot: LakeSnapshot) -> dict[Related, ScanFiles]:
        """The files of all related rows, those of related rows among them."""
        found: dict[Related, ScanFiles] = {}
        for node, rows in planned.related:
            found[node] = self._files(snapshot, rows.scan)
            found |= self._related(rows, snapshot)
        return found

    def _snapshot(self, query: Query) -> LakeSnapshot:
        return self.snapshots.current() if query.snapshot is None else self.snapshots.at(query.snapshot)


def _is_small(files: ScanFiles, related: Mapping[Related, ScanFiles]) -> bool:
    return is_small(sum(each.rows for each in (files, *related.values())))


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
