"""One commit of several tables: nobody sees one of them without the others, and a crash leaves all of it or nothing.

The files of all tables are staged, then their metadata is written, each table's commit within that of the one before;
the innermost makes all of them valid in one transaction of the catalog's database, together with what else belongs to
them there.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypeAlias

import pyarrow as pa
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table as IcebergTable
from sqlalchemy import Connection

from catalog.data_files import COMMIT_ID, FileTransaction, WrittenFile, data_files, landed
from catalog.iceberg import Lake, translated
from catalog.ledger import AFTER
from catalog.model import Table
from catalog.snapshot import LakeSnapshot, token_of
from catalog.sql_catalog import JointTable, Swap
from catalog.staging import check_staged, discard, stage

# Writes what belongs to a commit into its transaction; it is told the token of the state after the commit, and raises
# CommitFailedException where that cannot be.
Beside: TypeAlias = Callable[[Connection, str], None]


class Conflict(Exception):
    """Another process has moved a table's head: nothing was stored, and all is to be decided anew."""


@dataclass(frozen=True, slots=True)
class _Staged:
    """Files for one commit, and the Table that was loaded for it: it pins the head that the commit goes upon."""

    table: Table
    target: IcebergTable
    files: tuple[WrittenFile, ...]


def append_rows(
    lake: Lake, snapshot: LakeSnapshot, rows: Mapping[str, pa.Table], writers: Executor, beside: Beside
) -> str:
    """Append to each table that has rows, upon a snapshot that must be the newest; the token of the state after that.

    Also where there are no rows at all, what is to be written `beside` is. Raises Conflict, CommitUnknown where it may
    have been stored, and the errors of storage where it was not.
    """
    staged = _stage_all(lake, snapshot, rows, writers)
    ids = {name: table.id for name, table in snapshot.tables.items()}
    commit_id = str(uuid.uuid4())
    try:
        with translated():
            _commit(lake, staged, ids, commit_id, (), beside)
    except CommitFailedException as error:
        _discard(lake, staged)
        raise Conflict from error
    except Exception:
        # Whatever it was, the commit may have landed; of its tables each or none has.
        if not staged or landed(lake, staged[0].table, commit_id) is None:
            _discard(lake, staged)
            raise
    return token_of(ids)


def _stage_all(
    lake: Lake, snapshot: LakeSnapshot, rows: Mapping[str, pa.Table], writers: Executor
) -> tuple[_Staged, ...]:
    """None are left behind where this raises."""
    staged: list[_Staged] = []
    try:
        for table in lake.model.tables:
            fresh = rows.get(table.name)
            if fresh is not None and fresh.num_rows:
                target = _head(lake, table, snapshot.tables[table.name].id)
                staged.append(_Staged(table, target, stage(table, fresh, target, writers, lake.members)))
    except BaseException:
        _discard(lake, staged)
        raise
    return tuple(staged)


def _head(lake: Lake, table: Table, expected: int) -> IcebergTable:
    target = lake.load(table)
    if (target.metadata.current_snapshot_id or 0) != expected:
        raise Conflict
    return target


def _discard(lake: Lake, staged: Sequence[_Staged]) -> None:
    for each in staged:
        discard(lake.io, (file.location for file in each.files))


def _commit(
    lake: Lake,
    staged: Sequence[_Staged],
    ids: dict[str, int],
    commit_id: str,
    written: tuple[Swap, ...],
    beside: Beside,
) -> None:
    """Commit the first of some tables, and within it the others; `ids` become those of the state after that.

    All snapshots have one date: an instant is before all of them or after.
    """
    if not staged:
        lake.swap(written, lambda connection: beside(connection, token_of(ids)))
        return
    first, others = staged[0], staged[1:]
    properties = {AFTER: token_of(ids), COMMIT_ID: commit_id}

    def then(swap: Swap) -> None:
        ids[first.table.name] = swap.id
        _commit(lake, others, ids, commit_id, (*written, swap), beside)

    _append_files(JointTable(first.target, then, written[0].timestamp_ms if written else None), first.files, properties)


def _append_files(target: IcebergTable, files: tuple[WrittenFile, ...], properties: dict[str, str]) -> None:
    """One commit of staged files, on a Table that was loaded for it and is dropped after it."""
    with FileTransaction(target) as transaction:
        with transaction.update_snapshot(snapshot_properties=properties).merge_append() as append:
            for data_file in data_files(transaction.table_metadata, files):
                append.append_data_file(data_file)
        check_staged(target.io, files)
