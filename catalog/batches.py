"""What became of each batch: its receipt under its id, in the catalog's database, so that a restart does not forget it.

A receipt is recorded in the transaction that makes its commit valid, so that there is neither without the other.
Receipts are kept for a while and up to a number, both of which the caller names.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pyiceberg.exceptions import CommitFailedException
from sqlalchemy import (
    Column,
    Connection,
    DateTime,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
)
from sqlalchemy.exc import IntegrityError

from catalog.iceberg import Lake

IDS_A_QUERY_MAX = 500

_METADATA = MetaData()
_BATCHES = Table(
    "finlake_batches",
    _METADATA,
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("fingerprint", String(64), nullable=False),
    Column("receipt", Text, nullable=False),
    Column("snapshot", String(200), nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
)


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """A batch that was dealt with. `fingerprint` is a digest of what was sent, empty where no key was given; `receipt`
    is the door's own text; `snapshot` the token of a state that holds it."""

    id: str
    fingerprint: str
    receipt: str
    snapshot: str = ""


class BatchLog:
    """The records. Safe to share between threads; every call blocks and raises the errors of storage. `clock` gives
    the present instant in UTC."""

    def __init__(self, lake: Lake, clock: Callable[[], dt.datetime]) -> None:
        self._lake = lake
        self._clock = clock
        lake.make_missing(_METADATA)

    def get(self, id_: str) -> BatchRecord | None:
        """The record on file under an id."""
        return self._on_file([id_]).get(id_)

    def find(self, ids: Sequence[str]) -> Mapping[str, BatchRecord]:
        """The records on file under some ids."""
        return self._on_file(ids) if ids else {}

    def record(self, connection: Connection, records: Sequence[BatchRecord], snapshot: str) -> None:
        """Put records on file within a transaction, with the token of the state that it makes, which holds them.

        Raises CommitFailedException where there is a record of one of the batches already.
        """
        if not records:
            return
        now = self._clock()
        rows = [
            {
                "id": record.id,
                "fingerprint": record.fingerprint,
                "receipt": record.receipt,
                "snapshot": snapshot,
                "recorded_at": now,
            }
            for record in records
        ]
        try:
            connection.execute(insert(_BATCHES), rows)
        except IntegrityError as error:
            raise CommitFailedException("A batch was dealt with by somebody else meanwhile.") from error

    def forget(self, before: dt.datetime, kept_max: int) -> int:
        """Drop the records from before an instant, and the oldest beyond a number; how many went."""
        with self._lake.transaction() as connection:
            newest = connection.execute(select(func.max(_BATCHES.c.position))).scalar() or 0
            old = (_BATCHES.c.recorded_at < before) | (_BATCHES.c.position <= newest - kept_max)
            return connection.execute(delete(_BATCHES).where(old)).rowcount

    def _on_file(self, ids: Sequence[str]) -> dict[str, BatchRecord]:
        found: dict[str, BatchRecord] = {}
        columns = (_BATCHES.c.id, _BATCHES.c.fingerprint, _BATCHES.c.receipt, _BATCHES.c.snapshot)
        with self._lake.transaction() as connection:
            for start in range(0, len(ids), IDS_A_QUERY_MAX):
                wanted = _BATCHES.c.id.in_(ids[start : start + IDS_A_QUERY_MAX])
                for id_, fingerprint, receipt, snapshot in connection.execute(select(*columns).where(wanted)):
                    found[id_] = BatchRecord(id_, fingerprint, receipt, snapshot)
        return found
