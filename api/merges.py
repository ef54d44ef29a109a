"""Which merges run, with what: the pass of the background thread, and what `finlake compact` shares with it."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterable, Iterator

import structlog

from api.config import Settings
from api.debts import DebtWatch
from api.limits import Limits
from catalog.debt import MergeRules, MergeTask, tasks_due
from catalog.errors import CatalogError
from catalog.iceberg import Lake
from catalog.maintenance import Merged, bundles, merge, recent_from
from engine.errors import EngineError
from engine.execute import Database, DatabaseSettings
from engine.merge import merging_of

log = structlog.get_logger("finlake.merges")

# Each part of a merge is followed by a rest of this many times its length, so that no core is taken for long. The rest
# grows shorter as the debt grows, and there is none from this share of the debt on at which posts are refused.
REST_SHARE = 1.0
RESTLESS_SHARE = 0.1


class Stopping(Exception):
    """The process is closing: what was written for the merge is removed."""


def rest_share(files: int, files_max: int) -> float:
    """How long a merge rests after a part, in lengths of that part; by the files of the partition that has most and by
    how many of them make posts wait."""
    return REST_SHARE * max(0.0, 1 - files / (files_max * RESTLESS_SHARE))


def merge_rules(settings: Settings) -> MergeRules:
    return MergeRules(
        settings.delta_files_max, settings.base_merge_seconds, settings.delta_rows_max, settings.base_merge_share
    )


def merge_database(lake: Lake, limits: Limits, threads: int, memory: str) -> Database:
    """A database for merges alone, so that readers keep the memory of theirs."""
    return Database(DatabaseSettings(lake.data_dir, threads, memory, limits.query_time_ms_max))


class Merges:
    """The pass that pays debts off. `count` is told of each bundle that is merged: partitions, rows, seconds. `clock`
    gives the present instant in UTC, `monotonic` seconds that nobody sets.

    One thread calls it, and looks through the `watch`.
    """

    def __init__(
        self,
        lake: Lake,
        watch: DebtWatch,
        settings: Settings,
        limits: Limits,
        count: Callable[[int, int, float], object],
        clock: Callable[[], dt.datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lake = lake
        self._watch = watch
        self._settings = settings
        self._limits = limits
        self._count = count
        self._clock = clock
        self._monotonic = monotonic
        self._rules = merge_rules(settings)
        self._failed: frozenset[tuple[str, str | None]] = frozenset()
        self._database: Database | None = None
        self._stopping = threading.Event()
        self._part_began = 0.0

    def __call__(self) -> bool:
        """Run what is due, the greatest debt first; whether anything was merged, so that more may be due at once.

        Where some merges fail, the others run nevertheless, and the last error is raised in the end.
        """
        tasks = tasks_due(self._watch.snapshots.current(), self._watch.look(), self._rules, self._failed)
        if not tasks or self._stopping.is_set():
            return False
        database = merge_database(self._lake, self._limits, 1, self._settings.maintenance_memory)
        self._database = database
        try:
            found = [self._run(bundle, database) for bundle in self._bundles(tasks)]
        finally:
            self._database = None
            database.close()
        self._watch.look()
        if errors := [each for each in found if isinstance(each, Exception)]:
            raise errors[-1]
        return any(found)

    def stop(self) -> None:
        """Break off the merge that runs, from another thread; its output is removed."""
        self._stopping.set()
        if (database := self._database) is not None:
            database.interrupt()

    def _bundles(self, tasks: Iterable[MergeTask]) -> Iterator[tuple[MergeTask, ...]]:
        """What failed the last time comes last, each alone, so that it holds nothing else up."""
        again = [task for task in tasks if (task.table.name, task.partition) in self._failed]
        yield from bundles(task for task in tasks if task not in again)
        yield from ((task,) for task in again)

    def _run(self, bundle: tuple[MergeTask, ...], database: Database) -> int | Exception:
        """How many partitions of a bundle were merged, or the error of one that could not be."""
        places = frozenset((task.table.name, task.partition) for task in bundle)
        recent = recent_from(self._clock().date(), self._settings.history_cut_days)
        began = self._part_began = self._monotonic()
        try:
            merged = merge(self._lake, bundle, merging_of(database), recent, self._between)
        except Stopping:
            return 0
        except (CatalogError, EngineError) as error:
            if self._stopping.is_set():
                return 0
            self._failed |= places
            return error
        self._failed -= places
        return self._tell(merged, self._monotonic() - began)

    def _between(self) -> None:
        """Look again at what came meanwhile, and rest. Raises Stopping."""
        self._watch.look()
        spent = self._monotonic() - self._part_began
        if self._stopping.wait(spent * self._rest_share()):
            raise Stopping
        self._part_began = self._monotonic()

    def _rest_share(self) -> float:
        return rest_share(self._watch.figures.partition_files_max, self._limits.debt_files_max)

    def _tell(self, merged: tuple[Merged, ...], seconds: float) -> int:
        done = [each for each in merged if not each.outdated]
        rows = sum(each.rows_before for each in done)
        self._count(len(done), rows, seconds)
        log.info("merged", partitions=len(done), outdated=len(merged) - len(done), rows=rows, seconds=round(seconds, 3))
        return len(done)
