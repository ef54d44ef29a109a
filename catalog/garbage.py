"""Files that nothing needs any more: queue, then trash, then gone.

1. Expiry queues the files that only dropped snapshots reach; the sweep queues what no snapshot ever reached.
2. Once no retired snapshot can reach a queued file, its grace begins; after it the file is moved to the trash, a folder
   on the same volume. That takes two passes at least.
3. After another while it is deleted.

At every pass the newest metadata has the last word: what it reaches leaves the queue, and comes back from the trash.
So a commit that stood still for a day, and landed with files that were swept, is mended at the next pass. All times
are ages of the ledger, which wall clocks do not move. A crash leaves files where the next pass looks for them.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from catalog.files import fsync_directory, make_durable_directory
from catalog.iceberg import Lake, translated
from catalog.ledger import GARBAGE, Ledger
from catalog.reach import Reach, stored_files

TRASH = "trash"
FILES_A_STEP_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Periods:
    """Seconds. `grace` must be longer than any read; `orphan` is how old a file nobody knows of must be, by its time
    of change, before it is queued."""

    grace: float
    trash: float
    orphan: float


@dataclass(frozen=True, slots=True)
class Collected:
    """Numbers of files: moved to the trash, deleted for good, found to be needed after all."""

    trashed: int
    deleted: int
    restored: int


class Garbage:
    def __init__(self, lake: Lake, ledger: Ledger, reach: Reach, periods: Periods) -> None:
        self._lake = lake
        self._ledger = ledger
        self._reach = reach
        self._periods = periods

    def collect(self, age: float) -> Collected:
        """One pass. Raises the errors of storage; a file is then where the next pass finds it."""
        if not self._ledger.garbage(GARBAGE.c.path.is_not(None)):
            return Collected(0, 0, 0)
        restored = self._restore(self._ledger.garbage_among(self._reach.everything()))
        self._ledger.unneeded(age)
        deleted = self._delete(self.due_for_deletion(age))
        trashed = self._trash(self.due_for_trash(age), age)
        return Collected(trashed, deleted, restored)

    def due_for_trash(self, age: float) -> tuple[str, ...]:
        waited = GARBAGE.c.unneeded_age <= age - self._periods.grace
        before = GARBAGE.c.unneeded_age < age  # a pass that finds a file unneeded leaves it to the next one
        return self._ledger.garbage(GARBAGE.c.trashed_age.is_(None) & waited & before)

    def due_for_deletion(self, age: float) -> tuple[str, ...]:
        return self._ledger.garbage(GARBAGE.c.trashed_age <= age - self._periods.trash)

    def orphans(self) -> tuple[str, ...]:
        """Old files in the tables' folders that no metadata leads to and that are not queued."""
        # Listed first: what is committed after the listing is reached by the metadata that is read after it.
        listed = {self._lake.relative(str(path)) for path in self._old_files()}
        strange = listed - self._reach.everything()
        return tuple(sorted(strange - set(self._ledger.garbage_among(strange))))

    def _old_files(self) -> Iterator[Path]:
        latest = time.time() - self._periods.orphan
        for table in self._lake.model.tables:
            yield from (path for path in stored_files(self._lake, table) if _changed_at(path) <= latest)

    def _restore(self, paths: Collection[str]) -> int:
        for step in _steps(paths):
            self._move([(self._trashed(path), self._stored(path)) for path in step])
            self._ledger.unqueue(step)
        return len(paths)

    def _trash(self, paths: Collection[str], age: float) -> int:
        for step in _steps(paths):
            self._move([(self._stored(path), self._trashed(path)) for path in step])
            self._ledger.set_trashed(step, age)
        return len(paths)

    def _delete(self, paths: Collection[str]) -> int:
        for step in _steps(paths):
            with translated():
                for path in step:
                    self._trashed(path).unlink(missing_ok=True)
                _fsync_all(self._trashed(path).parent for path in step)
            self._ledger.unqueue(step)
        return len(paths)

    def _move(self, pairs: list[tuple[Path, Path]]) -> None:
        """Durably. A file that is not there was moved by a pass that broke off, or by another owner of the lock."""
        with translated():
            for source, target in pairs:
                make_durable_directory(target.parent)
                try:
                    source.rename(target)
                except FileNotFoundError:
                    continue
            _fsync_all(folder for pair in pairs for folder in (pair[0].parent, pair[1].parent))

    def _stored(self, path: str) -> Path:
        return self._lake.data_dir / path

    def _trashed(self, path: str) -> Path:
        return self._lake.data_dir / TRASH / path


def _fsync_all(folders: Iterable[Path]) -> None:
    for folder in {folder for folder in folders if folder.exists()}:
        fsync_directory(folder)


def _changed_at(path: Path) -> float:
    """Of a file that has just gone, now."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()


def _steps(paths: Collection[str]) -> Iterator[list[str]]:
    ordered = sorted(paths)
    return (ordered[start : start + FILES_A_STEP_MAX] for start in range(0, len(ordered), FILES_A_STEP_MAX))
