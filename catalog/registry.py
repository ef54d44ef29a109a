"""The newest row of every key of a small table, held in memory for the writer.

Files are read once, when a snapshot first shows them. A row replaces another of its key where its effective sequence
is greater, so the order in which files are met does not matter.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalog.entries import FileEntry
from catalog.iceberg import reading
from catalog.model import Table
from catalog.schemas import as_present
from catalog.snapshot import TableSnapshot

Row: TypeAlias = dict[str, Any]


class Registry:
    """Current rows by key, deleted ones included. For one thread: the committer's."""

    def __init__(self, table: Table) -> None:
        (self._key,) = table.key
        self._table = table
        self._rows: dict[str, tuple[int, Row]] = {}
        self._read: set[str] = set()
        self._sequence = -1

    def at(self, snapshot: TableSnapshot) -> Registry:
        """This registry, brought up to a snapshot that is not older than the ones before it."""
        for file in snapshot.files:
            if file.path not in self._read:
                self._take(file)
        self._read = {file.path for file in snapshot.files}
        self._sequence = snapshot.sequence
        return self

    def get(self, key: str) -> Row | None:
        found = self._rows.get(key)
        return found[1] if found else None

    def _take(self, file: FileEntry) -> None:
        """What a file knows beyond the last snapshot: a merge brings rows again that were there before."""
        with reading(file.path):
            rows = as_present(pq.read_table(file.path), self._table)
        fresh = pc.greater(pc.fill_null(rows.column("seq"), file.sequence), self._sequence)
        for row in rows.filter(fresh).to_pylist():
            sequence = file.sequence if row["seq"] is None else row["seq"]
            known = self._rows.get(row[self._key])
            if known is None or sequence > known[0]:
                self._rows[row[self._key]] = (sequence, row)
