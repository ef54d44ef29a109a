"""Merges: the surviving rows of some files, in the order of the table, for `catalog.maintenance` to write.

Of the rows of one key, the revision included, the one with the greatest effective sequence survives, with the earliest
`created_at` where revisions are kept. Rows of deleted lives are left out; tombstones stay, as they go on superseding
what is before them. In a base merge each row then learns by which revision it is superseded, and which revision was the
first; in a delta merge nobody knows that yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from catalog.debt import MergeTask
from catalog.maintenance import Merging
from catalog.model import Table
from engine.execute import Database
from engine.lower import Statement
from engine.stored import alive, alive_parameters, effective, effective_parameters
from engine.survivors import survivors

_SORTED = "SELECT * FROM ({alive}) ORDER BY {row_key}, seq"

_BEFORE = "SELECT DISTINCT hash({row_key}) AS hashed FROM ({alive})"
_AFTER = "SELECT hash({row_key}) AS hashed FROM read_parquet($files, hive_partitioning = false)"
_CHECKSUM = "SELECT count(*) AS keys, bit_xor(hashed) AS checksum FROM ({rows})"


@dataclass(frozen=True, slots=True)
class KeyChecksum:
    """What the keys of some rows come to: how many there are, and the exclusive or of their hashes."""

    keys: int
    checksum: int | None


def merged(database: Database, task: MergeTask) -> Iterator[pa.Table]:
    """The rows that replace those of a task's files, as the table sorts them."""
    sql = _SORTED.format(alive=_alive(task), row_key=_names(task.table.row_key))
    with closing(database.stream(_statement(sql, task))) as batches:
        yield from survivors(batches, task.table, task.level)


def keys_before(database: Database, task: MergeTask) -> KeyChecksum:
    """Of the distinct keys alive in the inputs of a merge."""
    rows = _BEFORE.format(alive=_alive(task), row_key=_names(task.table.row_key))
    return _checksum(database.transform(_statement(_CHECKSUM.format(rows=rows), task), {}))


def keys_after(database: Database, table: Table, paths: tuple[str, ...]) -> KeyChecksum:
    """Of all rows of written files: a key that stands there twice is counted twice."""
    if not paths:
        return KeyChecksum(0, None)  # everything was of deleted lives
    sql = _CHECKSUM.format(rows=_AFTER.format(row_key=_names(table.row_key)))
    return _checksum(database.transform(Statement(sql, {"files": list(paths)}, ()), {}))


def merging_of(database: Database) -> Merging:
    """What `catalog.maintenance` needs of the engine."""

    def agrees(task: MergeTask, paths: tuple[str, ...]) -> bool:
        return keys_before(database, task) == keys_after(database, task.table, paths)

    return Merging(lambda task: merged(database, task), agrees)


def _alive(task: MergeTask) -> str:
    return (alive if task.table.partition else effective)(task.inputs)


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(names)


def _checksum(table: pa.Table) -> KeyChecksum:
    (row,) = table.to_pylist()
    return KeyChecksum(row["keys"], row["checksum"])


def _statement(sql: str, task: MergeTask) -> Statement:
    parameters: dict[str, Any] = (alive_parameters if task.table.partition else effective_parameters)(task.inputs)
    return Statement(sql, parameters, task.inputs.files)
