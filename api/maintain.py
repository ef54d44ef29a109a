"""Maintenance of a lake, as a program of its own: `finlake compact` runs it, so that the supervisor stays small.

It works on the data folder, whether a service serves it or not: commits of both are serialised by the catalog.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from api import logging
from api.config import Settings
from api.limits import Limits
from api.merges import merge_database
from api.upkeep import LOCK_FILE
from catalog.debt import MergeTask, base_tasks
from catalog.errors import CatalogError
from catalog.iceberg import Lake
from catalog.locks import owned
from catalog.maintenance import Merged, bundles, merge, recent_from
from catalog.model import MODEL
from catalog.snapshot import Snapshots
from engine.errors import EngineError
from engine.merge import merging_of

console = Console(highlight=False, markup=False, soft_wrap=True)
complaints = Console(highlight=False, markup=False, soft_wrap=True, stderr=True)


def compact(settings: Settings, limits: Limits) -> Iterator[Merged]:
    """Base merges of every partition that holds deltas, some to a commit.

    The background merges of a service stand by meanwhile.
    """
    lake = Lake(settings.data_dir, MODEL)
    database = merge_database(lake, limits, settings.engine_threads, settings.maintenance_memory)
    recent = recent_from(dt.datetime.now(dt.UTC).date(), settings.history_cut_days)
    try:
        with owned(lake.data_dir / LOCK_FILE, wait=True), _progress() as progress:
            tasks = _tasks(lake)
            bar = progress.add_task("partitions", total=len(tasks))
            for bundle in bundles(tasks):
                yield from merge(lake, bundle, merging_of(database), recent, lambda: progress.advance(bar))
    finally:
        database.close()
        lake.close()


def _tasks(lake: Lake) -> list[MergeTask]:
    snapshot = Snapshots(lake).current()
    return [task for table in MODEL.tables for task in base_tasks(snapshot, table)]


def _progress() -> Progress:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=complaints)


def _report(done: list[Merged]) -> None:
    merged = [each for each in done if not each.outdated]
    before, after = sum(each.files_before for each in merged), sum(each.files_after for each in merged)
    rows = sum(each.rows_before for each in merged), sum(each.rows_after for each in merged)
    console.print(
        f"{len(merged)} partitions merged: {before:,} files into {after:,}, {rows[0]:,} rows into {rows[1]:,}."
    )
    if len(merged) < len(done):
        console.print(f"{len(done) - len(merged)} partitions were left alone: another merge was faster.")


def main() -> int:
    """The exit status."""
    settings, limits = Settings(), Limits()
    logging.configure(settings)
    try:
        _report(list(compact(settings, limits)))
    except (CatalogError, EngineError) as error:
        complaints.print(f"{error.code}: {error.message} {error.hint}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
