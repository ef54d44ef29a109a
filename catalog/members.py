"""Which series the fresh files hold that this process wrote, so that a reader of few series opens only those that have
one of them.

The bounds of a delta say little: one post about many series spans a whole partition. Nothing is read to know more:
files of other processes are opened as their bounds say.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence

from cachetools import LRUCache

from catalog.entries import FileEntry

# Of more series than these most files hold one.
WANTED_MAX = 64
# Texts of 36 characters take about a hundred bytes each.
VALUES_HELD_MAX = 250_000


class Members:
    """What the newest of the files hold. Safe to share between threads."""

    def __init__(self) -> None:
        self._held: LRUCache[str, frozenset[str]] = LRUCache(VALUES_HELD_MAX, getsizeof=lambda values: 1 + len(values))
        self._lock = threading.Lock()

    def learn(self, files: Mapping[str, frozenset[str]]) -> None:
        """The values of the partition column in files; whether a snapshot will ever hold them does not matter."""
        with self._lock:
            for path, values in files.items():
                if len(values) < VALUES_HELD_MAX:
                    self._held[path] = values

    def holding(self, files: Iterable[FileEntry], wanted: Sequence[str]) -> Iterator[FileEntry]:
        """The files that may have a row of one of the wanted series."""
        for file in files:
            with self._lock:
                values = self._held.get(file.path) if len(wanted) <= WANTED_MAX else None
            if values is None or not values.isdisjoint(wanted):
                yield file
