"""What the footers of files say of their row groups: the zone maps by which DuckDB skips them.

For `explain` alone: to answer a question no footer is opened before DuckDB does it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq

from catalog.domains import Domain
from catalog.entries import FileEntry
from catalog.iceberg import reading


@dataclass(frozen=True, slots=True)
class RowGroups:
    """Of files: how many row groups they have, how many may hold a wanted row, and of these the rows, and the bytes of
    the columns asked for, as they are packed."""

    considered: int
    read: int
    rows: int
    size_bytes: int


def row_groups(files: Iterable[FileEntry], domains: Mapping[str, Domain], columns: Collection[str]) -> RowGroups:
    """Reads the footer of every file. Raises StorageDamaged, StorageFailed."""
    considered = read = rows = size_bytes = 0
    for file in files:
        with reading(file.path):
            footer = pq.read_metadata(file.path)
            considered += footer.num_row_groups
            for group in map(_chunks, (footer.row_group(at) for at in range(footer.num_row_groups))):
                if all(_may_match(group[name], domain) for name, domain in domains.items() if name in group):
                    read += 1
                    rows += next(iter(group.values())).num_values
                    size_bytes += sum(group[name].total_compressed_size for name in columns if name in group)
    return RowGroups(considered, read, rows, size_bytes)


def _chunks(group: Any) -> dict[str, Any]:
    """The column chunks of a row group by name."""
    chunks = [group.column(at) for at in range(group.num_columns)]
    return {chunk.path_in_schema: chunk for chunk in chunks}


def _may_match(chunk: Any, domain: Domain) -> bool:
    statistics = chunk.statistics
    if statistics is None:
        return True
    bounds = (statistics.min, statistics.max) if statistics.has_min_max else None
    has_nulls = not statistics.has_null_count or statistics.null_count > 0
    return domain.may_hold_one_of(bounds, has_nulls=has_nulls)
