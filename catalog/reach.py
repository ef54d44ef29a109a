"""Which files the snapshots on record need: what must never be deleted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from cachetools import LRUCache
from pyiceberg.manifest import ManifestFile, read_manifest_list
from pyiceberg.table import Table as IcebergTable

from catalog.iceberg import NAMESPACE, Lake, reading
from catalog.model import Table

LISTS_HELD_MAX = 4096
MANIFESTS_HELD_MAX = 16_384


class Reach:
    """What it has read of manifests it keeps, as they never change. For one thread; paths are below the data folder."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._lists: LRUCache[str, tuple[ManifestFile, ...]] = LRUCache(LISTS_HELD_MAX)
        self._manifests: LRUCache[str, tuple[str, ...]] = LRUCache(MANIFESTS_HELD_MAX)

    def everything(self) -> frozenset[str]:
        """All that the newest metadata of every table leads to, that of its tags included.

        Raises StorageDamaged where some of it cannot be read: nothing may be deleted then.
        """
        return frozenset(path for table in self._lake.model.tables for path in self._of_table(self._lake.load(table)))

    def of(self, manifest_lists: Iterable[str]) -> set[str]:
        """The manifest lists, the manifests and the data files of snapshots."""
        lists = set(manifest_lists)
        manifests = {manifest.manifest_path: manifest for each in lists for manifest in self._list(each)}
        files = {file for manifest in manifests.values() for file in self._files(manifest)}
        return {self._lake.relative(location) for location in (*lists, *manifests, *files)}

    def _of_table(self, table: IcebergTable) -> Iterator[str]:
        metadata = table.metadata
        yield from self.of(snapshot.manifest_list for snapshot in metadata.snapshots)
        yield self._lake.relative(table.metadata_location)
        for entry in metadata.metadata_log:
            yield self._lake.relative(entry.metadata_file)
        for statistics in (*metadata.statistics, *metadata.partition_statistics):
            yield self._lake.relative(statistics.statistics_path)

    def _list(self, location: str) -> tuple[ManifestFile, ...]:
        known = self._lists.get(location)
        if known is None:
            with reading(location):
                known = tuple(read_manifest_list(self._lake.io.new_input(location)))
            self._lists[location] = known
        return known

    def _files(self, manifest: ManifestFile) -> tuple[str, ...]:
        known = self._manifests.get(manifest.manifest_path)
        if known is None:
            with reading(manifest.manifest_path):
                entries = manifest.fetch_manifest_entry(self._lake.io, discard_deleted=True)
            known = tuple(entry.data_file.file_path for entry in entries)
            self._manifests[manifest.manifest_path] = known
        return known


def stored_files(lake: Lake, table: Table) -> Iterator[Path]:
    """Every file in a table's folder, whether anything needs it or not."""
    folder = lake.data_dir / "warehouse" / NAMESPACE / table.name
    return (path for path in folder.rglob("*") if path.is_file())
