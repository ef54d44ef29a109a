"""Tags: a name for the newest state of all tables, which keeps its snapshots from expiring.

A tag is a row of the ledger, and in every table that is not empty an Iceberg tag of the same name, for other engines.
The row is written first and says `not ready`; it becomes ready when all tables have the tag. So a crash in between
leaves a tag that nobody can read, and whoever comes next with the lock undoes it.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager

from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.refs import MAIN_BRANCH, SnapshotRefType

from catalog.alter import Change, alter
from catalog.errors import AlreadyExists, InvalidTag, UnknownSnapshot
from catalog.iceberg import Lake
from catalog.ledger import LOCK_FILE, Ledger, Tag
from catalog.locks import owned
from catalog.snapshot import Snapshots
from catalog.travel import is_tag_name


class Tags:
    """Works on the lake, beside services that read and write it. `characters_max` and `tags_max` bound it."""

    def __init__(self, lake: Lake, *, characters_max: int, tags_max: int) -> None:
        self._lake = lake
        self._ledger = Ledger(lake)
        self._characters_max = characters_max
        self._tags_max = tags_max

    def all(self) -> tuple[Tag, ...]:
        """Those that can be read, by name."""
        return tuple(tag for tag in self._ledger.tags() if tag.is_ready)

    def make(self, name: str) -> Tag:
        """Name the newest state; waits while snapshots are dropped. Raises InvalidTag, AlreadyExists."""
        self._check(name)
        with self._owned():
            self._check_free(name)
            tag = Tag(name, Snapshots(self._lake).current().token, int(time.time() * 1000), is_ready=False)
            self._ledger.begin_tag(tag)
            for table, id_ in zip(self._lake.model.tables, snapshot_ids(tag), strict=True):
                if id_:
                    alter(self._lake, table, _tagging(name, id_))
            self._ledger.set_ready(name, ready=True)
        return tag

    def delete(self, name: str) -> None:
        """Raises UnknownSnapshot. What the tag kept expires as other snapshots do."""
        with self._owned():
            if name not in {tag.name for tag in self.all()}:
                raise UnknownSnapshot(f"There is no tag {name!r:.80}.")
            self._ledger.set_ready(name, ready=False)
            undo_unready(self._lake, self._ledger)

    @contextmanager
    def _owned(self) -> Generator[None]:
        with owned(self._lake.data_dir / LOCK_FILE, wait=True):
            undo_unready(self._lake, self._ledger)
            yield

    def _check(self, name: str) -> None:
        if len(name) > self._characters_max:
            raise InvalidTag(f"The name is longer than {self._characters_max} characters.")
        if not is_tag_name(name) or name == MAIN_BRANCH:
            raise InvalidTag(f"{name!r:.80} cannot name a tag.")

    def _check_free(self, name: str) -> None:
        tags = self.all()
        taken = any(name in self._lake.load(table).metadata.refs for table in self._lake.model.tables)
        if taken or name in {tag.name for tag in tags}:
            raise AlreadyExists(f"There is a tag {name} already.", "Choose another name, or delete it first.")
        if len(tags) >= self._tags_max:
            raise InvalidTag(f"There are {len(tags)} tags already.", "Delete one first.")


def snapshot_ids(tag: Tag) -> tuple[int, ...]:
    """In the model's order, 0 for a table that was empty."""
    return tuple(int(part, 16) for part in tag.token.split("-"))


def undo_unready(lake: Lake, ledger: Ledger) -> None:
    """Take back the tags that a crash left half made or half deleted. Only for whoever has the lock."""
    for tag in ledger.tags():
        if not tag.is_ready:
            for table in lake.model.tables:
                alter(lake, table, _untagging(tag.name))
            ledger.end_tag(tag.name)


def _tagging(name: str, snapshot_id: int) -> Change:
    def change(target: IcebergTable) -> None:
        if name not in target.metadata.refs:
            target.manage_snapshots().create_tag(snapshot_id, name).commit()

    return change


def _untagging(name: str) -> Change:
    def change(target: IcebergTable) -> None:
        ref = target.metadata.refs.get(name)
        if ref is not None and ref.snapshot_ref_type is SnapshotRefType.TAG:
            target.manage_snapshots().remove_tag(name).commit()

    return change
