"""One immutable view of all tables: which files hold them, and between which bounds their values lie.

A request pins one `LakeSnapshot` and reads from it to its end. The index behind it is held in memory and read
incrementally: a new commit costs its new manifests, never a plan over all of them.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import pyarrow.compute as pc
import pyarrow.parquet as pq
from cachetools import LRUCache
from pyiceberg.manifest import ManifestContent, ManifestFile, read_manifest_list
from pyiceberg.table.metadata import TableMetadata

from catalog.entries import FileEntry, by_root, file_entry
from catalog.errors import SnapshotExpired, StorageDamaged, UnknownSnapshot
from catalog.iceberg import Lake, reading
from catalog.ledger import Kept, Ledger, kept_of
from catalog.members import Members
from catalog.model import Table, Tables
from catalog.shapes import Generation, generation
from catalog.travel import EXPIRED_HINT, Instant, TagName, Token, parsed, state_at
from catalog.watch import Stamp

SNAPSHOTS_HELD_MAX = 16
MANIFESTS_HELD_MAX = 4096
HIDDEN_COLUMN = "hidden_through"
SEQUENCE_MAX = 2**63 - 1


@dataclass(frozen=True)
class TableSnapshot:
    """The files of one table at one of its snapshots. `id` is 0 before the first commit; `spec_id` is the partition
    spec that new files go by."""

    table: Table
    id: int
    sequence: int
    schema_id: int
    files: tuple[FileEntry, ...]
    delete_files: int
    spec_id: int = 0
    generation: Generation = Generation.PRESENT

    @cached_property
    def by_partition(self) -> Mapping[str | None, tuple[FileEntry, ...]]:
        """Where files of several widths lie in each other, by the widest: a key is in files of one group alone."""
        return by_root(self.files)

    @cached_property
    def widths(self) -> frozenset[int]:
        """How long the values are that name partitions."""
        return frozenset(len(file.partition) for file in self.files if file.partition is not None)


@dataclass(frozen=True)
class LakeSnapshot:
    """All tables at one token. `hidden` maps the id of a series that was deleted once to the commit sequence of
    data_points up to which its points are gone: any, as long as it is deleted. `members` knows more of the files."""

    tables: Mapping[str, TableSnapshot]
    hidden: Mapping[str, int]
    members: Members = field(default_factory=Members, compare=False)

    @cached_property
    def token(self) -> str:
        """The snapshot ids in the model's order, in hexadecimal."""
        return token_of({name: table.id for name, table in self.tables.items()})


class _Newest(NamedTuple):
    """A state, and what the catalog's stamp was before it was read."""

    stamp: Stamp
    state: LakeSnapshot


class _Hidden(NamedTuple):
    """The points of a series that a row of it hides; the row with the greatest `sequence` counts."""

    sequence: int
    through: int


@dataclass(frozen=True, slots=True)
class _Metadata:
    """The newest metadata of a table, where it is, and its snapshots by id."""

    location: str
    metadata: TableMetadata
    snapshots: Mapping[int, Kept]

    @property
    def current(self) -> int:
        """The id of the newest snapshot, 0 before the first commit."""
        return self.metadata.current_snapshot_id or 0


def token_of(ids: Mapping[str, int]) -> str:
    return "-".join(f"{id_:x}" for id_ in ids.values())


class Snapshots:
    """Where snapshots come from. Safe to share between threads."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._ledger = Ledger(lake)
        self._lock = threading.Lock()
        self._metadata: dict[str, _Metadata] = {}
        self._newest: _Newest | None = None
        self._refreshed: Stamp = None
        self._held: LRUCache[str, LakeSnapshot] = LRUCache(SNAPSHOTS_HELD_MAX)
        self._manifests: LRUCache[str, tuple[FileEntry, ...]] = LRUCache(MANIFESTS_HELD_MAX)
        self._hidden: LRUCache[str, Mapping[str, _Hidden]] = LRUCache(MANIFESTS_HELD_MAX)

    @property
    def model(self) -> Tables:
        return self._lake.model

    def stamp(self) -> Stamp:
        """Equal stamps: no name of a state means another one than before."""
        return self._lake.watch.stamp()

    def known(self, stamp: Stamp) -> LakeSnapshot | None:
        """The newest state at a stamp, where it is in memory. Does not block."""
        newest = self._newest
        return newest.state if newest is not None and newest.stamp == stamp else None

    def current(self) -> LakeSnapshot:
        """The newest state, every commit that returned before this call included."""
        known = self.known(self.stamp())
        if known is not None:
            return known
        with self._lock:
            self._refresh()
            ids = {table.name: self._metadata[table.name].current for table in self.model.tables}
            self._newest = _Newest(self._refreshed, self._read(ids))
            return self._newest.state

    def at(self, name: str) -> LakeSnapshot:
        """The state that a token, a tag or an instant names. Raises UnknownSnapshot, SnapshotExpired."""
        with self._lock:
            self._refresh()
            return self._read(self._named(name))

    def _refresh(self) -> None:
        """Make the newest metadata known. Old metadata goes while others commit, so a miss is looked at again."""
        stamp = self.stamp()
        if stamp == self._refreshed:
            return
        locations = self._lake.metadata_locations()
        try:
            self._learn(locations)
        except StorageDamaged:
            again = self._lake.metadata_locations()
            if again == locations:
                raise
            self._learn(again)
        self._refreshed = stamp

    def _learn(self, locations: Mapping[str, str]) -> None:
        fresh = dict(self._metadata)
        for table in self.model.tables:
            location = locations[table.name]
            if table.name not in fresh or fresh[table.name].location != location:
                fresh[table.name] = self._metadata_at(location)
        self._metadata = fresh

    def _metadata_at(self, location: str) -> _Metadata:
        metadata = self._lake.read_metadata(location)
        return _Metadata(location, metadata, {kept.id: kept for kept in map(kept_of, metadata.snapshots)})

    def _named(self, name: str) -> Mapping[str, int]:
        names = [table.name for table in self.model.tables]
        match parsed(name, len(names)):
            case Token(ids):
                return dict(zip(names, ids, strict=True))
            case Instant() as instant:
                return state_at({table.name: self._history(table) for table in self.model.tables}, instant)
            case TagName(tag):
                ready = {each.name: each.token for each in self._ledger.tags() if each.is_ready}
                if tag not in ready:
                    raise UnknownSnapshot(f"There is no tag {tag!r:.80}.")
                return self._named(ready[tag])

    def _history(self, table: Table) -> tuple[Kept, ...]:
        """The snapshots on record, retired ones included, in the order of their commits."""
        kept = {each.id: each for each in self._ledger.retired(table)}
        kept.update(self._metadata[table.name].snapshots)
        return tuple(sorted(kept.values(), key=lambda each: each.sequence))

    def _read(self, ids: Mapping[str, int]) -> LakeSnapshot:
        """A state whose snapshots are all on record: what is held in memory may have expired."""
        kept = {table.name: self._kept(table, ids[table.name]) for table in self.model.tables}
        token = token_of(ids)
        if self._newest is not None and self._newest.state.token == token:
            return self._newest.state
        held = self._held.get(token)
        if held is None:
            tables = {table.name: self._table(table, kept[table.name]) for table in self.model.tables}
            held = self._held[token] = LakeSnapshot(tables, self._hidden_series(tables), self._lake.members)
        return held

    def _kept(self, table: Table, snapshot_id: int) -> Kept | None:
        if snapshot_id == 0:
            return None
        kept = self._metadata[table.name].snapshots.get(snapshot_id) or self._ledger.find_retired(table, snapshot_id)
        if kept is None:
            raise SnapshotExpired("The snapshot has expired, or never was.", EXPIRED_HINT)
        return kept

    def _table(self, table: Table, kept: Kept | None) -> TableSnapshot:
        metadata = self._metadata[table.name].metadata
        schema_id = metadata.current_schema_id if kept is None or kept.schema_id is None else kept.schema_id
        known = generation(table, metadata.schemas, schema_id)
        if kept is None:
            return TableSnapshot(table, 0, 0, schema_id, (), 0, metadata.default_spec_id, known)
        with reading(kept.manifest_list):
            manifests = list(read_manifest_list(self._lake.io.new_input(kept.manifest_list)))
        data = [manifest for manifest in manifests if manifest.content is ManifestContent.DATA]
        return TableSnapshot(
            table,
            kept.id,
            kept.sequence,
            schema_id,
            tuple(file for manifest in data for file in self._files(table, manifest)),
            len(manifests) - len(data),
            metadata.default_spec_id,
            known,
        )

    def _files(self, table: Table, manifest: ManifestFile) -> tuple[FileEntry, ...]:
        known = self._manifests.get(manifest.manifest_path)
        if known is None:
            with reading(manifest.manifest_path):
                entries = manifest.fetch_manifest_entry(self._lake.io, discard_deleted=True)
                known = tuple(file_entry(table, entry) for entry in entries)
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
