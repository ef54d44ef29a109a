"""Folders for what is on disk only while somebody works: what a database spills.

DuckDB gives its temporary files the same names everywhere. Two databases in one folder overwrite each other's rows, and
then answer wrongly or take the process down; so each has a folder of its own, of which a lock tells that it is in use.
"""

from __future__ import annotations

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from catalog.locks import owned, storage_error

LOCK_SUFFIX = ".lock"


@contextmanager
def scratch(parent: Path) -> Generator[Path]:
    """A path below `parent` that nobody else uses while inside, on one host; there is nothing there yet.

    What killed processes have left is removed first. Raises StorageFull, StorageFailed.
    """
    try:
        if not parent.is_dir():
            parent.mkdir(exist_ok=True)
    except OSError as error:
        raise storage_error(error) from error
    _remove_abandoned(parent)
    for number in count():
        with owned(parent / f"{number}{LOCK_SUFFIX}", wait=False) as mine:
            if mine:
                folder = parent / str(number)
                shutil.rmtree(folder, ignore_errors=True)  # a power cut may have taken the lock alone
                yield folder
                return


def _remove_abandoned(parent: Path) -> None:
    for lock in parent.glob(f"*{LOCK_SUFFIX}"):
        with owned(lock, wait=False) as mine:
            if mine:
                shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
