"""Whose turn it is to commit, among the threads of one process and the processes of one host.

The catalog alone guards commits: of two that go upon one head it lets one through. Those that know of one another need
not race for it, though: a merge that takes longer than the time between two appends would never come through, and of
many writers the slow ones would lose every time.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from catalog.locks import owned

LOCK_FILE = "commit.lock"
NEXT_FILE = "commit-next.lock"
THREAD_SECONDS_MAX = 10.0
PROCESS_SECONDS_MAX = 2.0
POLL_SECONDS = 0.002


class Turns:
    """First come, first served among threads; of processes none has two turns while another one waits, as far as a lock
    that is looked at now and then can tell. Whoever has waited too long for one that stands still goes on: that is a
    race again, and no more."""

    def __init__(
        self,
        data_dir: Path,
        thread_seconds_max: float = THREAD_SECONDS_MAX,
        process_seconds_max: float = PROCESS_SECONDS_MAX,
    ) -> None:
        self._lock_path = data_dir / LOCK_FILE
        self._next_path = data_dir / NEXT_FILE
        self._thread_seconds_max = thread_seconds_max
        self._process_seconds_max = process_seconds_max
        self._is_patient = True
        self._lock = threading.Lock()
        self._line: deque[threading.Event] = deque()

    @contextmanager
    def mine(self) -> Generator[None]:
        """Waits for the turn, and gives it to the next one afterwards. Not for use inside itself.

        Raises StorageFull, StorageFailed.
        """
        turn = threading.Event()
        with self._lock:
            self._line.append(turn)
            self._line[0].set()
        turn.wait(self._thread_seconds_max)
        try:
            with self._before_other_processes():
                yield
        finally:
            with self._lock:
                self._line.remove(turn)
                if self._line:
                    self._line[0].set()

    @contextmanager
    def _before_other_processes(self) -> Generator[None]:
        """One that stands still is waited for once, not at every turn."""
        deadline = time.monotonic() + (self._process_seconds_max if self._is_patient else 0)
        with ExitStack() as turn:
            # Whoever has just had the turn would find it free before one that looks now and then: so there is a place
            # for the next one, which is left only for the turn itself.
            with _found_free(self._next_path, deadline) as is_next:
                is_mine = turn.enter_context(_found_free(self._lock_path, deadline))
            self._is_patient = is_next and is_mine
            yield


@contextmanager
def _found_free(path: Path, deadline: float) -> Generator[bool]:
    """Owns a lock as soon as nobody else does; past the deadline it goes on without, and says so."""
    while True:
        with owned(path, wait=False) as mine:
            if mine or time.monotonic() >= deadline:
                yield mine
                return
        time.sleep(POLL_SECONDS)
