"""The SQL catalog of pyiceberg, with metadata parsed once a file, and commits of several tables at once.

A commit loads the table three times, and each reader once more; of a table with many snapshots that is tens of
milliseconds each, during which no other thread runs. A metadata file never changes, and nobody changes what was parsed
of it, so all may share that. The `Table` around it, which is what loses commits when it is shared, is new each time.

A commit is valid once its metadata file stands in the place of the one before it. Several may be put there in one
transaction of the database.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from cachetools import LRUCache
from pyiceberg.catalog import Catalog
from pyiceberg.catalog.sql import IcebergTables, SqlCatalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.io import load_file_io
from pyiceberg.serializers import FromInputFile
from pyiceberg.table import CommitTableResponse, Table
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.update import AddSnapshotUpdate, TableRequirement, TableUpdate
from sqlalchemy import Connection, update
from typing_extensions import override

METADATA_HELD_MAX = 16


@dataclass(frozen=True, slots=True)
class Swap:
    """What makes a written commit valid: of a table, one metadata file in the place of another. `id` and `timestamp_ms`
    are of the snapshot that is then the newest."""

    namespace: str
    table: str
    before: str
    after: str
    id: int
    timestamp_ms: int


class JointTable(Table):
    """A Table of which a commit is handed to `then` once it is written: who makes it valid, or raises. Its snapshot is
    dated `timestamp_ms`, where that is given."""

    def __init__(self, table: Table, then: Callable[[Swap], None], timestamp_ms: int | None) -> None:
        super().__init__(table.name(), table.metadata, table.metadata_location, table.io, table.catalog)
        self.then = then
        self.timestamp_ms = timestamp_ms


class ParsedOnceCatalog(SqlCatalog):
    """Safe to share between threads."""

    def __init__(self, name: str, **properties: str) -> None:
        self._parsed: LRUCache[str, TableMetadata] = LRUCache(METADATA_HELD_MAX)
        self._parsed_lock = threading.Lock()
        super().__init__(name, **properties)

    def metadata_at(self, location: str) -> TableMetadata:
        """What a metadata file says, or said when it was read or written first. Raises as `read` does."""
        with self._parsed_lock:
            known = self._parsed.get(location)
        return self._know(location, self.read(location)) if known is None else known

    def _know(self, location: str, metadata: TableMetadata) -> TableMetadata:
        with self._parsed_lock:
            return self._parsed.setdefault(location, metadata)

    def read(self, location: str) -> TableMetadata:
        """What a metadata file says. Raises what reading and parsing it raise."""
        return FromInputFile.table_metadata(load_file_io(self.properties, location).new_input(location))

    @override
    def commit_table(
        self, table: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> CommitTableResponse:
        """As SqlCatalog does it, but a JointTable says itself when its commit becomes valid, and one that is certain
        not to leaves no metadata file behind. Raises CommitFailedException."""
        joint = table if isinstance(table, JointTable) else None
        if joint is not None and joint.timestamp_ms is not None:
            updates = tuple(_dated(each, joint.timestamp_ms) for each in updates)
        current = self.load_table(table.name())
        staged = self._update_and_stage_table(current, table.name(), requirements, updates)
        if staged.metadata == current.metadata:
            return _now(current.metadata, current.metadata_location)
        self._write_metadata(staged.metadata, staged.io, staged.metadata_location)
        newest = staged.metadata.current_snapshot()
        swap = Swap(
            namespace=Catalog.namespace_to_string(table.name()[:-1]),
            table=table.name()[-1],
            before=current.metadata_location,
            after=staged.metadata_location,
            id=newest.snapshot_id if newest else 0,
            timestamp_ms=newest.timestamp_ms if newest else 0,
        )
        try:
            if joint is None:
                self.swap((swap,), lambda _: None)
            else:
                joint.then(swap)
        except CommitFailedException:
            with suppress(OSError):
                staged.io.delete(staged.metadata_location)
            raise
        return _now(self._know(staged.metadata_location, staged.metadata), staged.metadata_location)

    def swap(self, swaps: Sequence[Swap], beside: Callable[[Connection], None]) -> None:
        """Make commits valid, all or none, in one transaction with what `beside` writes.

        Raises CommitFailedException where another commit of one of the tables was faster, and what `beside` raises.
        """
        with self.engine.begin() as connection:
            for each in swaps:
                statement = (
                    update(IcebergTables)
                    .where(
                        IcebergTables.catalog_name == self.name,
                        IcebergTables.table_namespace == each.namespace,
                        IcebergTables.table_name == each.table,
                        IcebergTables.metadata_location == each.before,
                    )
                    .values(metadata_location=each.after, previous_metadata_location=each.before)
                )
                if connection.execute(statement).rowcount < 1:
                    raise CommitFailedException(f"Another commit of {each.table} was faster.")
            beside(connection)

    @override
    def _convert_orm_to_iceberg(self, orm_table: IcebergTables) -> Table:
        location = orm_table.metadata_location or ""
        metadata = self.metadata_at(location)
        return Table(
            (orm_table.table_namespace, orm_table.table_name),
            metadata,
            location,
            load_file_io(self.properties | metadata.properties, location),
            self,
        )


def _now(metadata: TableMetadata, location: str) -> CommitTableResponse:
    return CommitTableResponse.model_validate({"metadata": metadata, "metadata-location": location})


def _dated(change: TableUpdate, timestamp_ms: int) -> TableUpdate:
    if not isinstance(change, AddSnapshotUpdate):
        return change
    snapshot = change.snapshot.model_copy(update={"timestamp_ms": timestamp_ms})
    return change.model_copy(update={"snapshot": snapshot})
