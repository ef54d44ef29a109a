"""The data files of a snapshot: which they are, between which bounds their values lie, and which may share a key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pyiceberg.conversions import from_bytes
from pyiceberg.manifest import DataFile, DataFileContent, ManifestEntry
from pyiceberg.types import IntegerType
from pyiceberg.utils.datetime import days_to_date

from catalog.errors import StorageDamaged
from catalog.model import BASE_LEVEL, Column, Table, Type
from catalog.schemas import ICEBERG_TYPES

INTEGER_BYTES = 4


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A data file. `bounds` holds (least, greatest) of the columns whose statistics the manifest keeps and that have
    a value at all; `sequence` is the data sequence number of its commit; `level` is that of its rows; `spec_id` says
    by which of the table's partition specs its partition is named; `without_null` are columns that are known to hold no
    null."""

    path: str
    partition: str | None
    sequence: int
    rows: int
    size_bytes: int
    level: int
    bounds: Mapping[str, tuple[Any, Any]]
    spec_id: int = 0
    without_null: tuple[str, ...] = ()


def file_entry(table: Table, entry: ManifestEntry) -> FileEntry:
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
        spec_id=data_file.spec_id,
        without_null=_without_null(table, data_file),
    )


def roots(partitions: Iterable[str | None]) -> Mapping[str | None, str | None]:
    """Each partition with the shortest of them that it begins with: partitions of one root may share a key.

    Files of one width have roots of their own; after the width has changed, `ab` lies inside of `a`.
    """
    found: dict[str | None, str | None] = {None: None}
    root: str | None = None
    for partition in sorted({partition for partition in partitions if partition is not None}):
        if root is None or not partition.startswith(root):
            root = partition
        found[partition] = root
    return found


def by_root(files: Iterable[FileEntry]) -> Mapping[str | None, tuple[FileEntry, ...]]:
    """Files in groups of those that may share a key, by the root of their partitions."""
    listed = tuple(files)
    root = roots(file.partition for file in listed)
    groups: dict[str | None, list[FileEntry]] = {}
    for file in listed:
        groups.setdefault(root[file.partition], []).append(file)
    return {partition: tuple(group) for partition, group in groups.items()}


def touched(files: Iterable[FileEntry], key: tuple[str, ...]) -> list[FileEntry]:
    """The base files among some that share a partition of which one of the deltas there may hold a key."""
    listed = tuple(files)
    deltas = [file for file in listed if file.level < BASE_LEVEL]
    bases = (file for file in listed if file.level == BASE_LEVEL)
    return [base for base in bases if any(may_share_a_key(base, delta, key) for delta in deltas)]


def may_share_a_key(one: FileEntry, other: FileEntry, key: tuple[str, ...]) -> bool:
    """Whether a key can stand in both files. Ends that are not known, or that were cut off, only make it more likely:
    the least value of a cut text is before the text, the greatest behind it."""
    for name in key:
        mine, others = one.bounds.get(name), other.bounds.get(name)
        if mine is not None and others is not None and (mine[1] < others[0] or others[1] < mine[0]):
            return False
    return True


def _bounds(table: Table, data_file: DataFile) -> Iterator[tuple[str, tuple[Any, Any]]]:
    lower, upper = data_file.lower_bounds or {}, data_file.upper_bounds or {}
    for column in table.columns:
        if column.field_id in lower and column.field_id in upper:
            yield column.name, (_bound(column, lower[column.field_id]), _bound(column, upper[column.field_id]))


def _without_null(table: Table, data_file: DataFile) -> tuple[str, ...]:
    counts = data_file.null_value_counts or {}
    return tuple(column.name for column in table.columns if counts.get(column.field_id) == 0)


def _bound(column: Column, stored: bytes) -> Any:
    # What was an integer when the file was written stays four bytes long in the manifest.
    narrow = column.type is Type.LONG and len(stored) == INTEGER_BYTES
    value: Any = from_bytes(IntegerType() if narrow else ICEBERG_TYPES[column.type], stored)
    return days_to_date(value) if column.type is Type.DATE else value
