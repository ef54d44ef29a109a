"""Locks that processes of one host hold while they do something, and what an error of the file system means.

A lock is of an open file, so that a crash lets the next one in.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from catalog.errors import CatalogError, StorageFailed, StorageFull

EXCLUSIVE_SECONDS_MAX = 60.0
POLL_SECONDS = 0.01


@contextmanager
def exclusive(directory: Path) -> Generator[None]:
    """Waits until no other process or thread is inside, on one host. A crash lets the next one in.

    Raises StorageFull, StorageFailed, the latter also where one inside stands still.
    """
    deadline = time.monotonic() + EXCLUSIVE_SECONDS_MAX
    with _opened(directory, os.O_RDONLY | os.O_DIRECTORY) as descriptor:
        while not _locked(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB):
            if time.monotonic() >= deadline:
                raise StorageFailed(
                    f"Another process has been opening the data folder for {EXCLUSIVE_SECONDS_MAX:.0f} s.",
                    "See whether it hangs; once it has ended, start again.",
                )
            time.sleep(POLL_SECONDS)
        yield


@contextmanager
def owned(path: Path, *, wait: bool) -> Generator[bool]:
    """Whether this is the one owner of a file while inside; without `wait` it is not where another one is.

    A crash lets the next one in. Raises StorageFull, StorageFailed.
    """
    # Read-only, so that the lock of another user will do: a command may be run as root beside the service.
    with _opened(path, os.O_RDONLY | os.O_CREAT) as descriptor:
        yield _locked(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_owned(path: Path) -> bool:
    """Whether anybody owns a file. Whoever looks keeps no other one that looks from the truth."""
    with _opened(path, os.O_RDONLY | os.O_CREAT) as descriptor:
        return not _locked(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)


@contextmanager
def _opened(path: Path, flags: int) -> Generator[int]:
    try:
        descriptor = os.open(path, flags, 0o644)
    except OSError as error:
        raise storage_error(error) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _locked(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how)
    except BlockingIOError:
        return False
    except OSError as error:
        raise storage_error(error) from error
    return True


def storage_error(error: OSError) -> CatalogError:
    """What an error of the file system means, where it is no missing file."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull("The data volume is full.")
    return StorageFailed(f"The file system failed: {error.strerror or type(error).__name__}.")
