"""Databases that need more memory than they have, so that they spill to disk."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa

from engine.execute import Database, DatabaseSettings
from engine.lower import Statement

ROWS = 1_500_000
SPILLING = Statement(
    f"SELECT a, c FROM (SELECT range AS a, md5(range::VARCHAR) AS c FROM range({ROWS})) ORDER BY hash(a)", {}
)


def small_database(folder: Path) -> Database:
    return Database(DatabaseSettings(folder, threads=1, memory="60MB", query_time_ms_max=60_000))


def sort_at_once(folder: Path, databases: int) -> None:
    """Several databases of one folder, each in its thread: all rows must come, each once and whole."""
    opened = [small_database(folder) for _ in range(databases)]
    with ThreadPoolExecutor(databases) as pool:
        for table in pool.map(lambda database: database.transform(SPILLING, {}), opened):
            check_whole(table)
    for database in opened:
        database.close()


def check_whole(table: pa.Table) -> None:
    numbers = table.column("a").to_pylist()
    assert sorted(numbers) == list(range(ROWS))
    hashes = (hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest() for number in numbers)
    assert all(shown == wanted for shown, wanted in zip(table.column("c").to_pylist(), hashes, strict=True))
