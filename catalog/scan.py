"""Which files may hold matching rows: partition values first, then the bounds of the columns.

Pruning only drops a file that is *proven* empty of matches. A file whose bounds are unknown stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import pyarrow.parquet as pq

from catalog.domains import Domain
from catalog.entries import FileEntry, roots
from catalog.errors import StorageDamaged
from catalog.iceberg import reading
from catalog.model import BASE_LEVEL, Column
from catalog.shapes import Generation
from catalog.snapshot import LakeSnapshot, TableSnapshot


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
    model says. `is_known` is false where the model cannot tell what they hold.
    """

    table: str
    files: tuple[FileEntry, ...]
    considered: int
    delete_files: int
    schema_id: int
    hidden: tuple[tuple[str, int], ...] = ()
    columns: tuple[Column, ...] = ()
    is_known: bool = True
    pruned: Pruned = Pruned()

    @cached_property
    def rows(self) -> int:
        """Of all files together."""
        return sum(file.rows for file in self.files)

    @cached_property
    def size_bytes(self) -> int:
        """Of all files together."""
        return sum(file.size_bytes for file in self.files)

    def within(self, domains: Mapping[str, Domain]) -> ScanFiles:
        """Those of the files that may hold a row whose columns have values of their domains."""
        return replace(self, files=tuple(file for file in self.files if _may_match(file, domains)))

    @cached_property
    def settled(self) -> tuple[FileEntry, ...]:
        """The base files of partitions of which only base files are wanted: no two of their rows share a key.

        A delta file that was pruned away holds no row that matters here, so it does not unsettle its partition.
        """
        return tuple(file for file in self.files if self._roots[file.partition] not in self._unsettled)

    @cached_property
    def mixed(self) -> tuple[FileEntry, ...]:
        """The other files: rows of one key may stand in several of them."""
        return tuple(file for file in self.files if self._roots[file.partition] in self._unsettled)

    @cached_property
    def _unsettled(self) -> frozenset[str | None]:
        return frozenset(self._roots[file.partition] for file in self.files if file.level < BASE_LEVEL)

    @cached_property
    def _roots(self) -> Mapping[str | None, str | None]:
        return roots(file.partition for file in self.files)


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
