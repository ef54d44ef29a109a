"""Which files may hold matching rows: partition values first, then the bounds of the columns.

Pruning only drops a file that is *proven* empty of matches. A file whose bounds are unknown stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from catalog.domains import Domain
from catalog.entries import FileEntry, by_root, touched
from catalog.errors import StorageDamaged
from catalog.iceberg import reading
from catalog.model import BASE_LEVEL, DELETED, Column
from catalog.shapes import Generation
from catalog.snapshot import LakeSnapshot, TableSnapshot

_NONE_IS = (False, False)


@dataclass(frozen=True, slots=True)
class ScanRequest:
    """Which rows of a table a plan wants: each column in `domains` must have a value of its domain."""

    table: str
    domains: Mapping[str, Domain] = field(default_factory=dict[str, Domain])


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many files a scan leaves unread: for their partition, the bounds of their columns, the series they hold."""

    partition: int = 0
    bounds: int = 0
    members: int = 0


@dataclass(frozen=True)
class ScanFiles:
    """The files that may hold matching rows, in commit order. It is not promised that they do hold one.

    `hidden` are the deleted lives that a reader of these files must leave out: (series id, commit sequence). `columns`
    are the table's where files may be of earlier schemas and must be read by field id; none where all are as the
    model says. `is_known` is false where the model cannot tell what they hold. `key` are those of its key.
    """

    table: str
    files: tuple[FileEntry, ...]
    considered: int
    delete_files: int
    schema_id: int
    hidden: tuple[tuple[str, int], ...] = ()
    columns: tuple[Column, ...] = ()
    is_known: bool = True
    key: tuple[str, ...] = ()
    pruned: Pruned = Pruned()

    @cached_property
    def rows(self) -> int:
        """Of all files together."""
        return sum(file.rows for file in self.files)

    @cached_property
    def size_bytes(self) -> int:
        """Of all files together."""
        return sum(file.size_bytes for file in self.files)

    @cached_property
    def may_hold_deleted(self) -> bool:
        """Whether rows are to be looked at for being deleted: in most lakes no file holds any that is."""
        return not all(file.bounds.get(DELETED) == _NONE_IS and DELETED in file.without_null for file in self.files)

    def within(self, domains: Mapping[str, Domain]) -> ScanFiles:
        """Those of the files that may hold a row whose columns have values of their domains."""
        return replace(self, files=tuple(file for file in self.files if _may_match(file, domains)))

    @cached_property
    def deltas(self) -> tuple[FileEntry, ...]:
        """The files in which one key may stand several times, or that hold newer rows of keys of base files."""
        return tuple(file for file in self.files if file.level < BASE_LEVEL)

    @cached_property
    def settled(self) -> tuple[FileEntry, ...]:
        """The base files of which no delta can hold a key: no two of their rows are of one key at one time.

        A delta file that was pruned away holds no row that matters here, so it does not unsettle any other.
        """
        return tuple(file for file in self._bases if file.path not in self._touched)

    @cached_property
    def touched(self) -> tuple[FileEntry, ...]:
        """The other base files: rows of deltas may stand in the place of some of theirs."""
        return tuple(file for file in self._bases if file.path in self._touched)

    @cached_property
    def mixed(self) -> tuple[FileEntry, ...]:
        """The deltas and the base files that they touch."""
        return tuple(file for file in self.files if file.level < BASE_LEVEL or file.path in self._touched)

    @cached_property
    def mixed_rows(self) -> int:
        return sum(file.rows for file in self.mixed)

    def span(self, column: str) -> tuple[Any, Any] | None:
        """Between which ends the values of a column lie in all deltas, if that is known."""
        bounds = [file.bounds.get(column) for file in self.deltas]
        known = [each for each in bounds if each is not None]
        if not known or len(known) < len(bounds):
            return None
        return min(least for least, _ in known), max(greatest for _, greatest in known)

    @cached_property
    def _bases(self) -> tuple[FileEntry, ...]:
        return tuple(file for file in self.files if file.level >= BASE_LEVEL) if self.deltas else self.files

    @cached_property
    def _touched(self) -> frozenset[str]:
        if not self.deltas:
            return frozenset()
        groups = by_root(self.files).values()
        return frozenset(base.path for group in groups for base in touched(group, self.key))


def prune(snapshot: LakeSnapshot, request: ScanRequest) -> ScanFiles:
    """The files of a snapshot that may hold a row the request wants."""
    table = snapshot.tables[request.table]
    candidates = _candidates(table, request.domains)
    kept = [file for file in candidates if _may_match(file, request.domains)]
    found = list(_with_members(snapshot, table, kept, request.domains))
    pruned = Pruned(len(table.files) - len(candidates), len(candidates) - len(kept), len(kept) - len(found))
    return replace(_scan_files(snapshot, table, found, request.domains), pruned=pruned)


def every_file(snapshot: LakeSnapshot, table: str) -> ScanFiles:
    """All files of a table: what `prune` must give the same answers as."""
    return _scan_files(snapshot, snapshot.tables[table], snapshot.tables[table].files, {})


def check_files(files: Iterable[FileEntry]) -> None:
    """Why a scan may have failed: raises StorageDamaged where a file is missing or not as long as it was committed.

    It is not promised that the pages of a file are intact: no more than its footer is read.
    """
    for file in files:
        with reading(file.path):
            intact = Path(file.path).stat().st_size == file.size_bytes
            intact = intact and pq.read_metadata(file.path).num_rows == file.rows
        if not intact:
            raise StorageDamaged("A stored file is not what was committed.", file=Path(file.path).name)


def _scan_files(
    snapshot: LakeSnapshot, table: TableSnapshot, files: Iterable[FileEntry], domains: Mapping[str, Domain]
) -> ScanFiles:
    partition = table.table.partition
    hidden: tuple[tuple[str, int], ...] = ()
    if partition is not None and snapshot.hidden:
        wanted = domains.get(partition, Domain())
        hidden = tuple((key, sequence) for key, sequence in snapshot.hidden.items() if wanted.meets(key, key))
    ordered = tuple(sorted(files, key=lambda file: (file.sequence, file.path)))
    return scan_files(table, ordered, hidden)


def scan_files(table: TableSnapshot, ordered: tuple[FileEntry, ...], hidden: tuple[tuple[str, int], ...]) -> ScanFiles:
    """Files of a table in commit order, with what a reader of them must know of the table."""
    return ScanFiles(
        table.table.name,
        ordered,
        len(table.files),
        table.delete_files,
        table.schema_id,
        hidden,
        columns=() if table.generation is Generation.PRESENT else table.table.columns,
        is_known=table.generation is not Generation.UNKNOWN,
        key=table.table.key,
    )


def _candidates(table: TableSnapshot, domains: Mapping[str, Domain]) -> Sequence[FileEntry]:
    """The files of the partitions that a set of wanted partition values leads to; all files where there is no set."""
    domain = domains.get(table.table.partition or "")
    if domain is None or domain.listed is None:
        return table.files
    wanted = {value[:width] for width in table.widths for value in domain.listed}
    groups = [files for name, files in table.by_partition.items() if name is None or name in wanted]
    return [file for files in groups for file in files if file.partition is None or file.partition in wanted]


def _with_members(
    snapshot: LakeSnapshot, table: TableSnapshot, files: Iterable[FileEntry], domains: Mapping[str, Domain]
) -> Iterable[FileEntry]:
    """Of files those that have one of the wanted values of the partition column, as far as that is known."""
    column = table.table.partition
    values = domains[column].listed if column is not None and column in domains else None
    return files if column is None or values is None else snapshot.members.holding(files, values)


def _may_match(file: FileEntry, domains: Mapping[str, Domain]) -> bool:
    for column, domain in domains.items():
        # Most files have nulls where nulls are wanted: they are let through without a look at their bounds.
        if domain.nulls and column not in file.without_null:
            continue
        if not domain.may_hold_one_of(file.bounds.get(column), has_nulls=False):
            return False
    return True
