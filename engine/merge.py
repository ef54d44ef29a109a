"""Base merges: the surviving rows of some files, with what lets a reader do without a window.

Of the rows of one (series, date, revision date) the one with the greatest effective sequence survives, with the
earliest `created_at`. Each row then learns by which revision it is superseded, and which revision was the first.
Rows of deleted lives are left out; tombstones stay, as they go on superseding what is before them.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from catalog.maintenance import Merging
from catalog.model import BASE_LEVEL
from catalog.scan import ScanFiles
from engine.execute import Database
from engine.lower import Statement
from engine.stored import ALIVE, alive_parameters

_MERGED = """
WITH alive AS ({alive}),
kept AS (
    SELECT * REPLACE (min(created_at) OVER (PARTITION BY series_id, date, revision_date) AS created_at)
    FROM alive
    QUALIFY row_number() OVER (PARTITION BY series_id, date, revision_date ORDER BY seq DESC) = 1
)
SELECT * REPLACE (
    lead(revision_date) OVER (PARTITION BY series_id, date ORDER BY revision_date) AS superseded_on,
    min(revision_date) OVER (PARTITION BY series_id, date) AS first_revision,
    {level} AS level
)
FROM kept
"""

_KEYS_BEFORE = "SELECT DISTINCT series_id, date, revision_date FROM ({alive})"
_KEYS_AFTER = "SELECT series_id, date, revision_date FROM read_parquet($files, hive_partitioning = false)"
_CHECKSUM = "SELECT count(*) AS keys, bit_xor(hash(series_id, date, revision_date)) AS checksum FROM ({rows})"


@dataclass(frozen=True, slots=True)
class KeyChecksum:
    """What the keys of some rows come to: how many there are, and the exclusive or of their hashes."""

    keys: int
    checksum: int | None


def merge(database: Database, files: ScanFiles) -> pa.Table:
    """The base rows that replace the rows of `files`, in no order. They must be all files that share a key."""
    return database.transform(_statement(_MERGED.format(alive=ALIVE, level=BASE_LEVEL), files), {})


def keys_before(database: Database, files: ScanFiles) -> KeyChecksum:
    """Of the distinct keys alive in the inputs of a merge."""
    sql = _CHECKSUM.format(rows=_KEYS_BEFORE.format(alive=ALIVE))
    return _checksum(database.transform(_statement(sql, files), {}))


def keys_after(database: Database, paths: tuple[str, ...]) -> KeyChecksum:
    """Of all rows of written files: a key that stands there twice is counted twice."""
    if not paths:
        return KeyChecksum(0, None)  # everything was of deleted lives
    statement = Statement(_CHECKSUM.format(rows=_KEYS_AFTER), {"files": list(paths)}, ())
    return _checksum(database.transform(statement, {}))


def merging_of(database: Database) -> Merging:
    """What `catalog.maintenance` needs of the engine."""

    def agrees(files: ScanFiles, paths: tuple[str, ...]) -> bool:
        return keys_before(database, files) == keys_after(database, paths)

    return Merging(lambda files: merge(database, files), agrees)


def _checksum(table: pa.Table) -> KeyChecksum:
    (row,) = table.to_pylist()
    return KeyChecksum(row["keys"], row["checksum"])


def _statement(sql: str, files: ScanFiles) -> Statement:
    return Statement(sql, alive_parameters(files), files.files)
