"""Maintenance of a lake, as a program of its own: `finlake compact` runs it, so that the supervisor stays small.

It works on the data folder, whether a service serves it or not: commits of both are serialised by the catalog.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from api import logging
from api.config import Settings
from api.limits import Limits
from catalog.errors import CatalogError
from catalog.iceberg import Lake
from catalog.maintenance import Merged, Outdated, base_merge, partitions_due
from catalog.model import DATA_POINTS, MODEL
from catalog.snapshot import Snapshots
from engine.errors import EngineError
from engine.execute import Database, DatabaseSettings
from engine.merge import merging_of

console = Console(highlight=False, markup=False, soft_wrap=True)
complaints = Console(highlight=False, markup=False, soft_wrap=True, stderr=True)


def compact(settings: Settings, limits: Limits) -> Iterator[Merged | None]:
    """Base merges of every partition that holds deltas, one after another; None where another merge was faster."""
    lake = Lake(settings.data_dir, MODEL)
    snapshots = Snapshots(lake)
    database = Database(
        DatabaseSettings(lake.data_dir, settings.engine_threads, settings.engine_memory, limits.query_time_ms_max)
    )
    due = partitions_due(snapshots.current(), DATA_POINTS)
    merging = merging_of(database)
    try:
        with ThreadPoolExecutor(settings.writer_threads) as executor, _progress() as progress:
            for partition in progress.track(due, description="partitions"):
                try:
                    yield base_merge(lake, snapshots, DATA_POINTS, partition, merging, executor)
                except Outdated:
                    yield None
    finally:
        database.close()
        lake.close()


def _progress() -> Progress:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=complaints)


def _report(done: list[Merged | None]) -> None:
    merged = [each for each in done if each is not None]
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
