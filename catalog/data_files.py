"""Written files -> entries of a commit, the transaction that such a commit is, and whether it landed.

pyiceberg would open each file again for its footer, and copy the table's whole metadata each time it looks at it:
dozens of times a commit. Here the footer is the one that the writer has just written, and the metadata is copied once
a change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import (
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table import Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.update import TableUpdate
from typing_extensions import override

from catalog.errors import CatalogError, CommitUnknown
from catalog.iceberg import Lake
from catalog.model import Table

COMMIT_ID = "finlake.commit-id"


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A durable Parquet file that no snapshot holds yet. `members` are the values of its partition column, if any."""

    location: str
    footer: pq.FileMetaData
    size_bytes: int
    members: frozenset[str]

    @property
    def path(self) -> str:
        return self.location.removeprefix("file://")


def data_files(metadata: TableMetadata, files: Iterable[WrittenFile]) -> Iterator[DataFile]:
    """The entries of files that were written by the table's current schema and partition spec."""
    schema, spec = metadata.schema(), metadata.spec()
    plan, mapping = compute_statistics_plan(schema, metadata.properties), parquet_path_to_id_mapping(schema)
    for file in files:
        statistics = data_file_statistics_from_parquet_metadata(file.footer, plan, mapping)
        yield DataFile.from_args(
            content=DataFileContent.DATA,
            file_path=file.location,
            file_format=FileFormat.PARQUET,
            partition=statistics.partition(spec, schema),
            file_size_in_bytes=file.size_bytes,
            sort_order_id=None,
            spec_id=metadata.default_spec_id,
            equality_ids=None,
            key_metadata=None,
            **statistics.to_serialized_dict(),
        )


class FileTransaction(Transaction):
    """A transaction of one commit, in one thread. Nobody changes the metadata that it shows."""

    def __init__(self, table: IcebergTable) -> None:
        super().__init__(table)
        self._seen: tuple[TableMetadata, tuple[TableUpdate, ...], TableMetadata] | None = None

    @property
    @override
    def table_metadata(self) -> TableMetadata:
        base, updates = self._table.metadata, self._updates
        if not updates:
            return base
        if self._seen is None or self._seen[0] is not base or self._seen[1] is not updates:
            self._seen = (base, updates, super().table_metadata)
        return self._seen[2]


def landed(lake: Lake, table: Table, commit_id: str) -> int | None:
    """The snapshot that a commit made, None where it made none. Raises CommitUnknown where that cannot be found out."""
    try:
        fresh = lake.load(table)
    except CatalogError as unreachable:
        raise CommitUnknown("The connection to the catalog was lost during a commit.") from unreachable
    for snapshot in fresh.metadata.snapshots:
        if snapshot.summary is not None and snapshot.summary.additional_properties.get(COMMIT_ID) == commit_id:
            return snapshot.snapshot_id
    return None
