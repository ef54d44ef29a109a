"""The processes of one service: a folder in memory that they share, and who of them is alive.

The supervisor makes the folder and names it in the environment of those that it starts. prometheus_client adds up there
what they count (its multi-process mode), and each of them holds a lock there for as long as it lives.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Self

from catalog.errors import StorageFailed
from catalog.locks import is_owned, owned, storage_error
from catalog.scratch import scratch

# What prometheus_client looks at, too.
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of ours alone is made below it
SINCE = "since"


class Role(StrEnum):
    WORKER = "worker"
    MAINTENANCE = "maintenance"


@contextmanager
def shared_folder() -> Generator[Path]:
    """A folder for the processes that this one starts, named in their environment; gone once this one goes on.

    Counts are written to mapped files, which on a full disk would kill whoever counts: so it is in memory, where there
    is such a folder. Raises StorageFull, StorageFailed.
    """
    parent = (MEMORY if os.access(MEMORY, os.W_OK) else Path(tempfile.gettempdir())) / f"finlake-{os.getuid()}"
    try:
        parent.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise storage_error(error) from error
    if parent.is_symlink() or parent.stat().st_uid != os.getuid():
        raise StorageFailed(f"The folder {parent} belongs to somebody else.", "Remove it.")
    with scratch(parent) as folder:
        folder.mkdir()
        (folder / SINCE).touch()
        os.environ[FOLDER_VARIABLE] = str(folder)
        try:
            yield folder
        finally:
            del os.environ[FOLDER_VARIABLE]
            shutil.rmtree(folder, ignore_errors=True)


class Processes:
    """The processes that share a folder. Without one this process is the only one, a worker."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.since = time.time() if folder is None else (folder / SINCE).stat().st_mtime
        self._life = ExitStack()

    @classmethod
    def here(cls) -> Self:
        """Those that this process is one of, as its environment says."""
        folder = os.environ.get(FOLDER_VARIABLE)
        return cls(Path(folder) if folder else None)

    def join(self, role: Role) -> None:
        """Count as alive from now on, until this process ends."""
        if self.folder is not None:
            lock = self.folder / f"{role}-{os.getpid()}.lock"
            joining = lock.with_suffix(".joining")
            self._life.enter_context(owned(joining, wait=True))
            joining.replace(lock)  # nobody ever finds it without its owner

    def alive(self, role: Role) -> int:
        """How many processes of a role there are."""
        if self.folder is None:
            return int(role is Role.WORKER)
        return sum(is_owned(lock) for lock in self.folder.glob(f"{role}-*.lock"))

    def forget_dead(self) -> None:
        """Leave out of what is added up what only a living process can say. What the dead have counted stays."""
        if self.folder is not None:
            for lock in self.folder.glob("*-*.lock"):
                if not is_owned(lock):
                    for gauges in self.folder.glob(f"gauge_live*_{lock.stem.rpartition('-')[2]}.db"):
                        gauges.unlink(missing_ok=True)
