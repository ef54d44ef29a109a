"""One immutable view of all tables: which files hold them, and between which bounds their values lie.

A request pins one `LakeSnapshot` and reads from it to its end. The index behind it is held in memory and read
incrementally: a new commit costs its new manifests, never a plan over all of them.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import pyarrow.compute as pc
import pyarrow.parquet as pq
from cachetools import LRUCache
from pyiceberg.conversions import from_bytes
from pyiceberg.manifest import DataFile, DataFileContent, ManifestContent, ManifestEntry, ManifestFile
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.utils.datetime import days_to_date

from catalog.errors import StorageDamaged, UnknownSnapshot
from catalog.iceberg import Lake, reading
from catalog.model import Column, Table, Tables, Type
from catalog.schemas import ICEBERG_TYPES

SNAPSHOTS_HELD_MAX = 16
MANIFESTS_HELD_MAX = 4096
HIDDEN_COLUMN = "hidden_through"
SEQUENCE_MAX = 2**63 - 1
_ID_PATTERN = re.compile(r"0|[1-9a-f][0-9a-f]{0,15}")


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A data file. `bounds` holds (least, greatest) of the columns whose statistics the manifest keeps and that have
    a value at all; `sequence` is the data sequence number of its commit; `level` is that of its rows."""

    path: str
    partition: str | None
    sequence: int
    rows: int
    size_bytes: int
    level: int
    bounds: Mapping[str, tuple[Any, Any]]


@dataclass(frozen=True)
class TableSnapshot:
    """The files of one table at one of its snapshots. `id` is 0 before the first commit."""

    table: Table
    id: int
    sequence: int
    schema_id: int
    files: tuple[FileEntry, ...]
    delete_files: int

    @cached_property
    def by_partition(self) -> Mapping[str | None, tuple[FileEntry, ...]]:
        groups: dict[str | None, list[FileEntry]] = {}
        for file in self.files:
            groups.setdefault(file.partition, []).append(file)
        return {partition: tuple(files) for partition, files in groups.items()}


@dataclass(frozen=True)
class LakeSnapshot:
    """All tables at one token. `hidden` maps the id of a series that was deleted once to the commit sequence of
    data_points up to which its points are gone: any, as long as it is deleted."""

    tables: Mapping[str, TableSnapshot]
    hidden: Mapping[str, int]

    @cached_property
    def token(self) -> str:
        """The snapshot ids in the model's order, in hexadecimal."""
        return token_of({name: table.id for name, table in self.tables.items()})


class _Hidden(NamedTuple):
    """The points of a series that a row of it hides; the row with the greatest `sequence` counts."""

    sequence: int
    through: int


def token_of(ids: Mapping[str, int]) -> str:
    return "-".join(f"{id_:x}" for id_ in ids.values())


class Snapshots:
    """Where snapshots come from. Safe to share between threads."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._lock = threading.Lock()
        self._locations: Mapping[str, str] = {}
        self._metadata: dict[str, tuple[str, TableMetadata]] = {}
        self._current: LakeSnapshot | None = None
        self._held: LRUCache[str, LakeSnapshot] = LRUCache(SNAPSHOTS_HELD_MAX)
        self._manifests: LRUCache[str, tuple[FileEntry, ...]] = LRUCache(MANIFESTS_HELD_MAX)
        self._hidden: LRUCache[str, Mapping[str, _Hidden]] = LRUCache(MANIFESTS_HELD_MAX)

    @property
    def model(self) -> Tables:
        return self._lake.model

    def current(self) -> LakeSnapshot:
        """The newest state, every commit that returned before this call included."""
        with self._lock:
            locations = self._lake.metadata_locations()
            if self._current is None or locations != self._locations:
                self._current = self._build({t.name: self._newest_id(locations, t) for t in self.model.tables})
                self._locations = locations
            return self._current

    def summaries(self, name: str) -> Mapping[int, str]:
        """A property of the snapshots on record, by snapshot id, as the newest state that was read knows them."""
        with self._lock:
            return {
                snapshot.snapshot_id: snapshot.summary.additional_properties[name]
                for _, metadata in self._metadata.values()
                for snapshot in metadata.snapshots
                if snapshot.summary is not None and name in snapshot.summary.additional_properties
            }

    def at(self, token: str) -> LakeSnapshot:
        """The state a token names. Raises UnknownSnapshot."""
        with self._lock:
            if self._current is not None and self._current.token == token:
                return self._current
            if (held := self._held.get(token)) is not None:
                return held
            ids = self._parsed(token)
            locations = self._lake.metadata_locations()
            for table in self.model.tables:
                self._newest_id(locations, table)
            return self._build(ids)

    def _parsed(self, token: str) -> Mapping[str, int]:
        """Only in the one form that `token_of` writes."""
        parts = token.split("-")
        if len(parts) == len(self.model.tables) and all(_ID_PATTERN.fullmatch(part) for part in parts):
            return {table.name: int(part, 16) for table, part in zip(self.model.tables, parts, strict=True)}
        raise UnknownSnapshot(f"{token!r:.80} is not a snapshot token.")

    def _newest_id(self, locations: Mapping[str, str], table: Table) -> int:
        """Also makes the table's newest metadata known."""
        location = locations[table.name]
        known = self._metadata.get(table.name)
        if known is None or known[0] != location:
            known = self._metadata[table.name] = (location, self._lake.read_metadata(location))
        return known[1].current_snapshot_id or 0

    def _build(self, ids: Mapping[str, int]) -> LakeSnapshot:
        tables = {table.name: self._table(table, ids[table.name]) for table in self.model.tables}
        snapshot = LakeSnapshot(tables, self._hidden_series(tables))
        self._held[snapshot.token] = snapshot
        return snapshot

    def _table(self, table: Table, snapshot_id: int) -> TableSnapshot:
        metadata = self._metadata[table.name][1]
        if snapshot_id == 0:
            return TableSnapshot(table, 0, 0, metadata.current_schema_id, (), 0)
        snapshot = metadata.snapshot_by_id(snapshot_id)
        if snapshot is None:
            raise UnknownSnapshot("The snapshot is not on record: it never was, or it has expired.")
        with reading(snapshot.manifest_list):
            manifests = snapshot.manifests(self._lake.io)
        data = [manifest for manifest in manifests if manifest.content is ManifestContent.DATA]
        return TableSnapshot(
            table,
            snapshot_id,
            snapshot.sequence_number or 0,
            metadata.current_schema_id if snapshot.schema_id is None else snapshot.schema_id,
            tuple(file for manifest in data for file in self._files(table, manifest)),
            len(manifests) - len(data),
        )

    def _files(self, table: Table, manifest: ManifestFile) -> tuple[FileEntry, ...]:
        known = self._manifests.get(manifest.manifest_path)
        if known is None:
            with reading(manifest.manifest_path):
                entries = manifest.fetch_manifest_entry(self._lake.io, discard_deleted=True)
                known = tuple(_file_entry(table, entry) for entry in entries)
            self._manifests[manifest.manifest_path] = known
        return known

    def _hidden_series(self, tables: Mapping[str, TableSnapshot]) -> Mapping[str, int]:
        """By the newest row of each series: all its rows since the first deletion hold the column."""
        newest: dict[str, _Hidden] = {}
        for snapshot in tables.values():
            for file in snapshot.files:
                if HIDDEN_COLUMN in file.bounds:
                    for key, hidden in self._hidden_in(file).items():
                        newest[key] = max(hidden, newest.get(key, hidden))
        return {key: hidden.through for key, hidden in newest.items()}

    def _hidden_in(self, file: FileEntry) -> Mapping[str, _Hidden]:
        if file.path not in self._hidden:
            with reading(file.path):
                rows = pq.read_table(file.path, columns=["id", HIDDEN_COLUMN, "is_deleted", "seq"])
            self._hidden[file.path] = {
                row["id"]: _Hidden(
                    file.sequence if row["seq"] is None else row["seq"],
                    SEQUENCE_MAX if row["is_deleted"] else row[HIDDEN_COLUMN],
                )
                for row in rows.filter(pc.is_valid(rows.column(HIDDEN_COLUMN))).to_pylist()
            }
        return self._hidden[file.path]


def _file_entry(table: Table, entry: ManifestEntry) -> FileEntry:
    data_file = entry.data_file
    if data_file.content is not DataFileContent.DATA or entry.sequence_number is None:
        raise StorageDamaged("A data manifest holds an entry that is no data file.")
    partition = data_file.partition[0] if len(data_file.partition) else None
    bounds = dict(_bounds(table, data_file))
    return FileEntry(
        path=data_file.file_path.removeprefix("file://"),
        partition=partition,
        sequence=entry.sequence_number,
        rows=data_file.record_count,
        size_bytes=data_file.file_size_in_bytes,
        level=bounds["level"][0],
        bounds=bounds,
    )


def _bounds(table: Table, data_file: DataFile) -> Iterator[tuple[str, tuple[Any, Any]]]:
    lower, upper = data_file.lower_bounds or {}, data_file.upper_bounds or {}
    for column in table.columns:
        if column.field_id in lower and column.field_id in upper:
            yield column.name, (_bound(column, lower[column.field_id]), _bound(column, upper[column.field_id]))


def _bound(column: Column, stored: bytes) -> Any:
    value: Any = from_bytes(ICEBERG_TYPES[column.type], stored)
    return days_to_date(value) if column.type is Type.DATE else value
