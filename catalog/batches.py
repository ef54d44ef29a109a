"""What became of each batch: its receipt under its id, in the catalog's database, so that a restart does not forget it.

A receipt is recorded after its commit and before anybody is told. What a crash leaves between the two is completed from
the snapshots: a batch that was sent under an idempotency key also stands in the summary of the snapshot that completes
it. Receipts are kept for a while and up to a number, both of which the caller names.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import Column, DateTime, Integer, MetaData, String, Table, Text, delete, func, select
from sqlalchemy.dialects.sqlite import insert

from catalog.iceberg import Lake
from catalog.snapshot import Snapshots

SUMMARY = "finlake.batches"
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
    is the door's own text, `brief` the same without what may grow; `snapshot` the token of a state that holds it."""

    id: str
    fingerprint: str
    receipt: str
    brief: str
    snapshot: str = ""


def summary_of(records: Iterable[BatchRecord]) -> dict[str, str]:
    """The snapshot property that names the batches with a key; none where there is no such batch."""
    keyed = [(record.id, record.fingerprint, record.brief) for record in records if record.fingerprint]
    return {SUMMARY: msgspec.json.encode(keyed).decode()} if keyed else {}


class BatchLog:
    """The records. Safe to share between threads, but for `find`, which is the committer's; every call blocks and
    raises the errors of storage. `clock` gives the present instant in UTC."""

    def __init__(self, lake: Lake, snapshots: Snapshots, clock: Callable[[], dt.datetime]) -> None:
        self._lake = lake
        self._snapshots = snapshots
        self._clock = clock
        self._told: dict[int, Mapping[str, BatchRecord]] = {}
        lake.make_missing(_METADATA)

    def get(self, id_: str) -> BatchRecord | None:
        """The record on file under an id."""
        return self._on_file([id_]).get(id_)

    def find(self, ids: Sequence[str]) -> Mapping[str, BatchRecord]:
        """The records of batches sent under a key: on file, else as the snapshots tell of them."""
        found = self._on_file(ids) if ids else {}
        missing = [id_ for id_ in ids if id_ not in found]
        if missing:
            self._told = {key: self._told.get(key) or _told(text) for key, text in self._summaries().items()}
            found |= {id_: told[id_] for told in self._told.values() for id_ in missing if id_ in told}
        return found

    def record(self, records: Sequence[BatchRecord], snapshot: str) -> None:
        """Put records on file with the token of a state that holds them; what is on file already stays as it is."""
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
        with self._lake.transaction() as connection:
            connection.execute(insert(_BATCHES).on_conflict_do_nothing(), rows)

    def complete(self) -> None:
        """Put on file what the snapshots tell, before they are dropped."""
        snapshot = self._snapshots.current()
        told = [record for text in self._summaries().values() for record in _told(text).values()]
        self.record(told, snapshot.token)

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
                    found[id_] = BatchRecord(id_, fingerprint, receipt, receipt, snapshot)
        return found

    def _summaries(self) -> Mapping[int, str]:
        """The property of the live snapshots that have it, by snapshot id."""
        return self._snapshots.summaries(SUMMARY)


def _told(text: str) -> Mapping[str, BatchRecord]:
    entries = msgspec.json.decode(text, type=list[tuple[str, str, str]])
    return {id_: BatchRecord(id_, fingerprint, brief, brief) for id_, fingerprint, brief in entries}
