"""Verify, the part that needs no engine: catalog, manifests, and the files as files.

What is wrong is collected, never raised, so that one damaged file does not hide another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
from pyiceberg.manifest import ManifestContent, ManifestFile, read_manifest_list

from catalog.entries import FileEntry, by_root, file_entry
from catalog.errors import CatalogError
from catalog.iceberg import Lake, reading
from catalog.ledger import Kept, Ledger, kept_of
from catalog.model import BASE_LEVEL, Table


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is not as it was committed. `file` is a name without its folder, or what else is concerned."""

    table: str
    file: str
    says: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """What snapshots of a table hold: their files, each once, and the sets of base files that one of them shows
    together in a partition."""

    table: Table
    snapshots: int
    files: tuple[FileEntry, ...]
    bases: tuple[tuple[FileEntry, ...], ...]


class Walk:
    """Walks from the catalog to the data files. What is wrong on the way is in `faults`."""

    def __init__(self, lake: Lake, *, every: bool) -> None:
        """With `every` all snapshots that can be read, those of tags and retired ones included; else the newest."""
        self.faults: list[Fault] = []
        self._lake = lake
        self._ledger = Ledger(lake)
        self._every = every
        self._manifests: dict[str, tuple[FileEntry, ...]] = {}

    def inventories(self) -> tuple[Inventory, ...]:
        """One a table whose metadata can be read."""
        return tuple(found for table in self._lake.model.tables if (found := self._inventory(table)) is not None)

    def _inventory(self, table: Table) -> Inventory | None:
        try:
            snapshots = self._snapshots(table)
        except CatalogError as error:
            self._fault(table, "metadata", error.message)
            return None
        shown = [tuple(self._files(table, kept)) for kept in snapshots]
        files = {file.path: file for each in shown for file in each}
        bases = {tuple(file.path for file in base): base for each in shown for base in _bases(each)}
        return Inventory(
            table,
            len(snapshots),
            tuple(files[path] for path in sorted(files)),
            tuple(bases[paths] for paths in sorted(bases)),
        )

    def _snapshots(self, table: Table) -> Sequence[Kept]:
        metadata = self._lake.metadata_on_disk(table)
        if not self._every:
            current = metadata.current_snapshot()
            return [kept_of(current)] if current else []
        kept = {each.id: each for each in self._ledger.retired(table)}
        kept.update({snapshot.snapshot_id: kept_of(snapshot) for snapshot in metadata.snapshots})
        return list(kept.values())

    def _files(self, table: Table, kept: Kept) -> Iterator[FileEntry]:
        try:
            with reading(kept.manifest_list):
                manifests = tuple(read_manifest_list(self._lake.io.new_input(kept.manifest_list)))
        except CatalogError as error:
            self._fault(table, kept.manifest_list, error.message)
            return
        for manifest in manifests:
            if manifest.content is not ManifestContent.DATA:
                self._fault(table, manifest.manifest_path, "It lists delete files, which finlake never writes.")
            elif manifest.manifest_path not in self._manifests:
                self._manifests[manifest.manifest_path] = self._entries(table, manifest)
            yield from self._manifests.get(manifest.manifest_path, ())

    def _entries(self, table: Table, manifest: ManifestFile) -> tuple[FileEntry, ...]:
        path = manifest.manifest_path
        try:
            with reading(path):
                if Path(path.removeprefix("file://")).stat().st_size != manifest.manifest_length:
                    self._fault(table, path, "It is not as long as recorded.")
                entries = manifest.fetch_manifest_entry(self._lake.io, discard_deleted=True)
                return tuple(file_entry(table, entry) for entry in entries)
        except CatalogError as error:
            self._fault(table, path, error.message)
            return ()

    def _fault(self, table: Table, location: str, says: str) -> None:
        self.faults.append(Fault(table.name, location.rsplit("/", 1)[-1], says))


def file_faults(table: Table, file: FileEntry) -> list[Fault]:
    """What is wrong with a data file as a file; every page of it is read, and compared with its checksum."""
    try:
        with reading(file.path):
            size, rows = Path(file.path).stat().st_size, _rows_read(file.path)
    except CatalogError as error:
        return [Fault(table.name, Path(file.path).name, error.message)]
    found = {"bytes": (size, file.size_bytes), "rows": (rows, file.rows)}
    return [
        Fault(table.name, Path(file.path).name, f"It has {actual:,} {unit}; {recorded:,} are recorded.")
        for unit, (actual, recorded) in found.items()
        if actual != recorded
    ]


def _rows_read(path: str) -> int:
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        return sum(batch.num_rows for batch in file.iter_batches())


def _bases(files: Sequence[FileEntry]) -> Iterator[tuple[FileEntry, ...]]:
    base = sorted((file for file in files if file.level == BASE_LEVEL), key=lambda file: file.path)
    yield from by_root(base).values()
