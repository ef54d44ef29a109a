"""Whether the catalog's database has changed: microseconds, where asking it for its tables takes hundreds of them.

SQLite counts the commits that other connections have made to a database, those of other processes included. A
connection that never writes therefore sees every commit there is.
"""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

Stamp = object


class CatalogWatch:
    """Safe to share between threads; never waits for a writer."""

    def __init__(self, database: Path) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(database, timeout=0, check_same_thread=False, isolation_level=None)

    def stamp(self) -> Stamp:
        """Equal stamps: nothing was committed in between. Where that cannot be told, it is equal to no other."""
        try:
            with self._lock:
                return self._connection.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.Error:
            return object()

    def close(self) -> None:
        with self._lock:
            self._connection.close()
