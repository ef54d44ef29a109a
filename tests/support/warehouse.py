"""A lake in a folder of its own, with everything but HTTP: what most tests stand on."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from api.app import Services, open_services
from api.config import Settings
from api.debts import DebtWatch
from api.ingest.batch import Batch
from api.ingest.media import BodyKind
from api.ingest.outcome import Outcome
from api.ingest.service import IngestService, Terms
from api.limits import Limits
from api.merges import Merges
from api.problems import Problem
from api.writing import Mode, Receipt
from catalog.commit import Committed
from catalog.debt import MergeTask, merge_task
from catalog.maintenance import Merged, bundles, merge, recent_from
from catalog.model import BASE_LEVEL, DELTA_LEVEL
from engine.execute import Database
from engine.lower import Statement
from engine.merge import merging_of
from engine.pipeline import Engine
from engine.planner import Pass
from engine.query import Query
from engine.running import Running

# Told of merges: partitions, rows, seconds.
Count = Callable[[int, int, float], object]


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self, day: dt.date) -> None:
        self.now = dt.datetime(day.year, day.month, day.day, 12, tzinfo=dt.UTC)

    def __call__(self) -> dt.datetime:
        return self.now

    def set(self, day: dt.date) -> None:
        self.now = dt.datetime(day.year, day.month, day.day, 12, tzinfo=dt.UTC)


class Warehouse:
    """An open lake, its writer and its engine."""

    def __init__(self, services: Services, settings: Settings, limits: Limits, clock: Clock) -> None:
        self.services = services
        self.settings = settings
        self.limits = limits
        self.clock = clock
        self.writer = IngestService(services.committer, services.batches, limits)

    @property
    def engine(self) -> Engine:
        return self.services.engine

    def write(self, document: Mapping[str, Any], mode: Mode = "partial") -> Receipt:
        return asyncio.run(self.writer.write(document, mode))

    def batch(self, document: Mapping[str, Any], key: str = "") -> Batch:
        return self.batch_of(msgspec.json.encode(document), BodyKind(), Terms(key=key))

    def batch_of(self, body: bytes, kind: BodyKind, terms: Terms) -> Batch:
        return self.writer._decoded(body, kind, terms)

    def commit_together(self, batches: Sequence[Batch]) -> list[Receipt | Problem]:
        """Several batches in one commit, in their order, but for those that must be alone in theirs."""
        committer = self.services.committer
        with committer._changed:  # the committing thread sees none of them before all are queued
            waiting = [(batch, committer.submit(batch, 1)) for batch in batches]
        return [self._answer(batch, future.result(60)) for batch, future in waiting]

    def _answer(self, batch: Batch, committed: Committed[Outcome]) -> Receipt | Problem:
        try:
            return self.writer._receipt(batch, committed)
        except Problem as problem:
            return problem

    def write_together(self, documents: Sequence[Mapping[str, Any]]) -> list[Receipt]:
        """Several documents in one commit, all of which land."""
        answers = self.commit_together([self.batch(document) for document in documents])
        return [answer for answer in answers if isinstance(answer, Receipt)]

    def delete_points(self, series_id: str, first: dt.date, last: dt.date) -> Receipt:
        return asyncio.run(self.writer.delete_points(series_id, (first, last), ""))

    def delete_series(self, series_id: str) -> Receipt:
        return asyncio.run(self.writer.delete_series(series_id))

    def rows(self, query: Query) -> list[dict[str, Any]]:
        return self.table(query).to_pylist()

    def table(self, query: Query) -> pa.Table:
        with self.engine.answer(query) as result:
            return result.table()

    def merges(
        self, count: Count = lambda *_: None, monotonic: Callable[[], float] = time.monotonic
    ) -> tuple[Merges, DebtWatch]:
        """The pass that merges what is due, and the watch that it looks through."""
        watch = DebtWatch(self.engine.snapshots, monotonic=monotonic)
        lake = self.services.lake
        return Merges(lake, watch, self.settings, self.limits, count, self.clock, monotonic), watch

    def compact(self) -> list[Merged]:
        """Base merges of every partition of every table that holds deltas."""
        return self._merge(BASE_LEVEL)

    def delta_merge(self) -> list[Merged]:
        """Delta merges of every partition of every table that holds fresh files."""
        return self._merge(DELTA_LEVEL)

    def tasks(self, level: int) -> list[MergeTask]:
        """A merge to a level of each partition that holds files below it."""
        snapshot = self.engine.snapshots.current()
        return [
            merge_task(snapshot, table, partition, level)
            for table in snapshot.tables.values()
            for partition, files in table.by_partition.items()
            if any(file.level < level for file in files)
        ]

    def _merge(self, level: int) -> list[Merged]:
        merging = merging_of(self.services.database)
        recent = recent_from(self.clock.now.date(), self.settings.history_cut_days)
        lake = self.services.lake
        return [each for bundle in bundles(self.tasks(level)) for each in merge(lake, bundle, merging, recent)]

    def other_engine(self, passes: tuple[Pass, ...], *, prunes: bool) -> Engine:
        """An engine over the same lake that leaves passes out or prunes no file."""
        return Engine(self.engine.snapshots, *self.databases, passes=passes, prunes=prunes)

    @property
    def databases(self) -> tuple[Database, Database, Database]:
        """Those of the engine."""
        return (self.services.database, self.services.points, self.services.sql_database)

    def opened(self, monkeypatch: pytest.MonkeyPatch) -> list[Statement]:
        """The statements that the engine starts from now on."""
        given: list[Statement] = []
        for database in self.databases:
            original = database.open

            def listed(statement: Statement, spent_ms: float = 0.0, original: Any = original) -> Running:
                given.append(statement)
                return original(statement, spent_ms)

            monkeypatch.setattr(database, "open", listed)
        return given


@contextmanager
def warehouse(
    folder: Path, day: dt.date = dt.date(2024, 6, 15), limits: Limits | None = None, **fields: Any
) -> Iterator[Warehouse]:
    """`fields` are settings. Maintenance is off where they do not say otherwise."""
    settings = Settings.model_validate({"data_dir": folder, "maintenance": False} | fields)
    clock = Clock(day)
    limits = limits or Limits()
    services = open_services(settings, limits, clock)
    try:
        yield Warehouse(services, settings, limits, clock)
    finally:
        services.close()
