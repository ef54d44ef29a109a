"""`finlake verify`: the walk over catalog, manifests, files and rows, and its report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from api.config import Settings
from api.keeping import retention_of
from api.limits import Limits
from catalog.entries import FileEntry
from catalog.errors import CatalogError
from catalog.garbage import Garbage
from catalog.iceberg import Lake
from catalog.ledger import GARBAGE, Ledger
from catalog.model import Table
from catalog.reach import Reach
from catalog.verify import Fault, Inventory, Walk, file_faults
from engine import audit
from engine.errors import EngineError
from engine.execute import Database, DatabaseSettings

FAULTS_SHOWN_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Report:
    """What was looked at, and what is wrong. `orphans` is None where the manifests do not tell."""

    snapshots: int
    files: int
    rows: int
    queued: int
    trashed: int
    orphans: int | None
    faults: tuple[Fault, ...]


def verify(
    lake: Lake, settings: Settings, limits: Limits, console: Console, complaints: Console, *, every: bool
) -> int:
    """The exit status: 0 where all is as it was committed."""
    database = Database(
        DatabaseSettings(lake.data_dir, settings.engine_threads, settings.engine_memory, limits.query_time_ms_max)
    )
    ledger = Ledger(lake)
    garbage = Garbage(lake, ledger, Reach(lake), retention_of(settings, limits).periods)
    try:
        with _progress(complaints) as progress:
            bar = progress.add_task("files", total=None)
            report = inspected(
                lake,
                database,
                ledger,
                garbage,
                lambda done, of: progress.update(bar, completed=done, total=of),
                every=every,
            )
    finally:
        database.close()
    _show(report, console)
    return 1 if report.faults else 0


def inspected(
    lake: Lake,
    database: Database,
    ledger: Ledger,
    garbage: Garbage,
    progress: Callable[[int, int], None],
    *,
    every: bool,
) -> Report:
    """The report. `progress` is told how many files are done, of how many."""
    walk = Walk(lake, every=every)
    inventories = walk.inventories()
    total = sum(len(each.files) for each in inventories)
    faults: list[Fault] = []
    for done, (table, file) in enumerate(((each.table, file) for each in inventories for file in each.files), 1):
        faults += _file(database, table, file)
        progress(done, total)
    damaged = {fault.file for fault in faults}
    faults += [fault for each in inventories for fault in _bases(database, each, damaged)]
    return Report(
        snapshots=sum(each.snapshots for each in inventories),
        files=total,
        rows=sum(file.rows for each in inventories for file in each.files),
        queued=len(ledger.garbage(GARBAGE.c.trashed_age.is_(None))),
        trashed=len(ledger.garbage(GARBAGE.c.trashed_age.is_not(None))),
        orphans=_orphans(garbage),
        faults=(*walk.faults, *faults),
    )


def _orphans(garbage: Garbage) -> int | None:
    try:
        return len(garbage.orphans())
    except CatalogError:
        return None


def _file(database: Database, table: Table, file: FileEntry) -> list[Fault]:
    """Rows are looked at only in a file that is whole."""
    faults = file_faults(table, file)
    if faults:
        return faults
    return list(_told(table, Path(file.path).name, lambda: audit.file_faults(database, table, file)))


def _bases(database: Database, inventory: Inventory, damaged: set[str]) -> Iterator[Fault]:
    table = inventory.table
    for base in inventory.bases:
        if not damaged & {Path(file.path).name for file in base}:
            name = f"the base of partition {base[0].partition}" if table.partition else "the base"
            yield from _told(table, name, lambda base=base: audit.base_faults(database, table, base))


def _told(table: Table, name: str, look: Callable[[], Sequence[str]]) -> Iterator[Fault]:
    try:
        for says in look():
            yield Fault(table.name, name, says)
    except (CatalogError, EngineError) as error:
        yield Fault(table.name, name, error.message)


def _show(report: Report, console: Console) -> None:
    console.print(f"{report.snapshots:,} snapshots of tables: {report.files:,} files, {report.rows:,} rows.")
    strays = "orphans could not be counted" if report.orphans is None else f"{report.orphans:,} orphans"
    console.print(f"{report.queued:,} files wait for their end, {report.trashed:,} are in the trash; {strays}.")
    if not report.faults:
        console.print("No faults.")
        return
    for fault in report.faults[:FAULTS_SHOWN_MAX]:
        console.print(f"{fault.table} {fault.file}: {fault.says}")
    console.print(f"Faults: {len(report.faults):,}.")


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console)
