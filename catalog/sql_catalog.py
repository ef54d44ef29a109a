"""The SQL catalog of pyiceberg, with metadata parsed once a file.

A commit loads the table three times, and each reader once more; of a table with many snapshots that is tens of
milliseconds each, during which no other thread runs. A metadata file never changes, and nobody changes what was parsed
of it, so all may share that. The `Table` around it, which is what loses commits when it is shared, is new each time.
"""

from __future__ import annotations

import threading
from typing import Any

from cachetools import LRUCache, cachedmethod
from pyiceberg.catalog.sql import IcebergTables, SqlCatalog
from pyiceberg.io import load_file_io
from pyiceberg.serializers import FromInputFile
from pyiceberg.table import Table
from pyiceberg.table.metadata import TableMetadata
from typing_extensions import override

METADATA_HELD_MAX = 16


class ParsedOnceCatalog(SqlCatalog):
    """Safe to share between threads."""

    def __init__(self, name: str, **properties: str) -> None:
        self._parsed: LRUCache[Any, TableMetadata] = LRUCache(METADATA_HELD_MAX)
        self._parsed_lock = threading.Lock()
        super().__init__(name, **properties)

    @cachedmethod(lambda self: self._parsed, lock=lambda self: self._parsed_lock)
    def metadata_at(self, location: str) -> TableMetadata:
        """What a metadata file says, or said when it was read first. Raises as `read` does."""
        return self.read(location)

    def read(self, location: str) -> TableMetadata:
        """What a metadata file says. Raises what reading and parsing it raise."""
        return FromInputFile.table_metadata(load_file_io(self.properties, location).new_input(location))

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
