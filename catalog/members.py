"""Which series the fresh files hold, so that a reader of one series opens only those that have it.

The bounds of a delta say little: one post about many series spans a whole partition. What a file holds never changes,
so it is read once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from cachetools import LRUCache

from catalog.entries import FileEntry
from catalog.iceberg import reading
from catalog.model import BASE_LEVEL

# Of more rows than these the bounds must do: reading them would take longer than it saves.
ROWS_MAX = 200_000
# Of more series than these most files hold one.
WANTED_MAX = 16
# The first reader after many commits does not pay for all that come after it.
READ_AT_ONCE_MAX = 8
VALUES_HELD_MAX = 250_000


class Members:
    """The values of one column in each of the files that were asked for last. Safe to share between threads."""

    def __init__(self) -> None:
        self._held: LRUCache[tuple[str, str], frozenset[str]] = LRUCache(
            VALUES_HELD_MAX, getsizeof=lambda held: 1 + len(held)
        )
        self._lock = threading.Lock()

    def holding(self, files: Iterable[FileEntry], column: str, wanted: Sequence[str]) -> Iterator[FileEntry]:
        """The files that may have a row whose column, of texts that are never null, has one of the wanted values.

        Raises StorageDamaged where a file cannot be read.
        """
        unread = READ_AT_ONCE_MAX if len(wanted) <= WANTED_MAX else 0
        for file in files:
            values = self._known(file, column)
            if values is None and unread and file.level < BASE_LEVEL and file.rows <= ROWS_MAX:
                unread -= 1
                values = self._read(file, column)
            if values is None or not values.isdisjoint(wanted):
                yield file

    def _known(self, file: FileEntry, column: str) -> frozenset[str] | None:
        with self._lock:
            return self._held.get((file.path, column))

    def _read(self, file: FileEntry, column: str) -> frozenset[str]:
        values = _values(file.path, column)
        with self._lock:
            self._held[file.path, column] = values
        return values


def _values(path: str, column: str) -> frozenset[str]:
    with reading(path):
        found = pq.read_table(path, columns=[column], read_dictionary=[column], use_threads=False, partitioning=None)
        texts: pa.ChunkedArray = found.column(column)
        return frozenset(text for chunk in texts.chunks for text in pc.unique(chunk).to_pylist())
