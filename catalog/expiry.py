"""Expiry: one pass over the lake that drops old snapshots, and the files that nothing needs any more.

What a commit costs grows with the snapshots that the metadata lists, so a table lists its newest ones alone, however
many commits a second there are. A snapshot that leaves the list is *retired*: its row in the ledger still answers
tokens and instants, until it has been there for the retention. It left the list after it was superseded, and tokens
name the newest state; so a token resolves for the retention at least, counted from when it was last handed out. Then
it has *expired*. The newest snapshot of a table, and those of tags, are never dropped.

The files that only dropped snapshots reach are queued in the transaction that retires them, before the metadata drops
them. A crash between the two leaves too much in the queue, which the next pass sees; never too little.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table import Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.table.update import (
    RemoveSnapshotsUpdate,
    TableRequirement,
    UpdatesAndRequirements,
    UpdateTableMetadata,
    ValidatableTableRequirement,
)
from typing_extensions import override

from catalog.alter import Change, alter
from catalog.garbage import Garbage, Periods
from catalog.iceberg import Lake
from catalog.ledger import LOCK_FILE, Ledger, Witness, kept_of, witnessed
from catalog.locks import owned
from catalog.model import Table
from catalog.reach import Reach
from catalog.tags import snapshot_ids, undo_unready


@dataclass(frozen=True, slots=True)
class Retention:
    """How long what is kept. `snapshots_kept_min` counts the newest of each table; `seconds` is how long the others
    stay readable after those."""

    snapshots_kept_min: int
    seconds: float
    periods: Periods


@dataclass(frozen=True, slots=True)
class Pass:
    """What a pass did, or would do. Snapshots: `retired` left their table's metadata, `expired` can no longer be read.
    Files: `queued` as only those needed them, `orphans` queued as nothing ever did, `trashed`, `deleted` for good,
    `restored` as they are needed after all."""

    retired: int
    expired: int
    queued: int
    orphans: int
    trashed: int
    deleted: int
    restored: int


class Expiry:
    """For one thread. A pass costs little where nothing is due; the sweep for orphans lists every file."""

    def __init__(self, lake: Lake, retention: Retention, *, witness: Witness = witnessed) -> None:
        self._lake = lake
        self._retention = retention
        self._ledger = Ledger(lake, witness)
        self._reach = Reach(lake)
        self._garbage = Garbage(lake, self._ledger, self._reach, retention.periods)

    def run(self, *, sweep: bool) -> Pass | None:
        """One pass; None where another process, or thread, is at it. Raises the errors of storage.

        With `sweep` also for orphans. Being two at it after all would be harmless: each step holds by itself.
        """
        with owned(self._lake.data_dir / LOCK_FILE, wait=False) as alone:
            return self._run(sweep=sweep) if alone else None

    def preview(self) -> Pass:
        """What the next pass would do if it were now; nothing is changed."""
        age = self._ledger.age()
        due = [self._due(self._lake.load(table), table) for table in self._lake.model.tables]
        return Pass(
            retired=sum(len(dropped) for dropped, _ in due),
            expired=self._ledger.retired_until(age - self._retention.seconds),
            queued=sum(len(files) for _, files in due),
            orphans=len(self._garbage.orphans()),
            trashed=len(self._garbage.due_for_trash(age)),
            deleted=len(self._garbage.due_for_deletion(age)),
            restored=len(self._ledger.garbage_among(self._reach.everything())),
        )

    def _run(self, *, sweep: bool) -> Pass:
        age = self._ledger.tick()
        undo_unready(self._lake, self._ledger)
        collected = self._garbage.collect(age)
        retired = [self._retire(table, age) for table in self._lake.model.tables]
        expired = self._ledger.forget(age - self._retention.seconds)
        orphans = self._garbage.orphans() if sweep else ()
        self._ledger.queue(orphans, age)
        return Pass(
            retired=sum(snapshots for snapshots, _ in retired),
            expired=expired,
            queued=sum(files for _, files in retired),
            orphans=len(orphans),
            trashed=collected.trashed,
            deleted=collected.deleted,
            restored=collected.restored,
        )

    def _retire(self, table: Table, age: float) -> tuple[int, int]:
        """How many snapshots were dropped, and how many files were queued."""
        dropped, files = self._due(self._lake.load(table), table)
        if dropped:
            self._ledger.retire(table, map(kept_of, dropped), files, age)
            alter(self._lake, table, _dropping(frozenset(snapshot.snapshot_id for snapshot in dropped)))
        return len(dropped), len(files)

    def _due(self, target: IcebergTable, table: Table) -> tuple[tuple[Snapshot, ...], frozenset[str]]:
        """The snapshots to drop, and the files that none but they reach."""
        newest = sorted(target.metadata.snapshots, key=lambda each: each.sequence_number or 0, reverse=True)
        protected = self._protected(target, table)
        rest = newest[self._retention.snapshots_kept_min :]
        dropped = tuple(snapshot for snapshot in rest if snapshot.snapshot_id not in protected)
        if not dropped:
            return (), frozenset()
        leaving = {each.manifest_list for each in dropped}
        staying = {each.manifest_list for each in newest} - leaving
        files = self._reach.of(leaving) - self._reach.of(staying)
        return dropped, frozenset(files)

    def _protected(self, target: IcebergTable, table: Table) -> set[int]:
        """The snapshots of branches and of tags: of Iceberg's own and of ours, should another engine drop one."""
        position = self._lake.model.tables.index(table)
        tagged = {snapshot_ids(tag)[position] for tag in self._ledger.tags()}
        return tagged | {ref.snapshot_id for ref in target.metadata.refs.values()}


class _Unreferenced(ValidatableTableRequirement):
    """Holds where snapshots are on record and no branch or tag is at one of them, at the very commit."""

    type: str = "finlake-assert-unreferenced"
    snapshot_ids: frozenset[int]

    @override
    def validate(self, base_metadata: TableMetadata | None) -> None:
        listed = {snapshot.snapshot_id for snapshot in base_metadata.snapshots} if base_metadata else set[int]()
        named = {ref.snapshot_id for ref in base_metadata.refs.values()} if base_metadata else set[int]()
        if not self.snapshot_ids <= listed - named:
            raise CommitFailedException("A snapshot to drop is gone, or has a name by now.")


class _Drop(UpdateTableMetadata["_Drop"]):
    def __init__(self, transaction: Transaction, snapshot_ids: frozenset[int]) -> None:
        super().__init__(transaction)
        self._snapshot_ids = snapshot_ids

    @override
    def _commit(self) -> UpdatesAndRequirements:
        # pyiceberg's list of requirements is closed, but a catalog on a database asks each to validate itself.
        unreferenced = cast("TableRequirement", _Unreferenced(snapshot_ids=self._snapshot_ids))
        dropped = RemoveSnapshotsUpdate.model_validate({"snapshot-ids": sorted(self._snapshot_ids)})
        return (dropped,), (unreferenced,)


def _dropping(snapshot_ids: frozenset[int]) -> Change:
    def change(target: IcebergTable) -> None:
        named = {ref.snapshot_id for ref in target.metadata.refs.values()}
        left = frozenset(snapshot.snapshot_id for snapshot in target.metadata.snapshots) & snapshot_ids - named
        if left:
            with target.transaction() as transaction:
                _Drop(transaction, left).commit()

    return change
