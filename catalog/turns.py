"""Whose turn it is to commit, among the threads of one process.

The catalog alone guards commits: of two that go upon one head it lets one through. Threads that know of one another
need not race for it, though. A merge that takes longer than the time between two appends would never come through.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager

WAIT_SECONDS_MAX = 10.0


class Turns:
    """First come, first served. Whoever has waited too long for one that stands still goes on: that is a race again,
    and no more."""

    def __init__(self, wait_seconds_max: float = WAIT_SECONDS_MAX) -> None:
        self._wait_seconds_max = wait_seconds_max
        self._lock = threading.Lock()
        self._line: deque[threading.Event] = deque()

    @contextmanager
    def mine(self) -> Generator[None]:
        """Waits for the turn, and gives it to the next one afterwards. Not for use inside itself."""
        turn = threading.Event()
        with self._lock:
            self._line.append(turn)
            self._line[0].set()
        turn.wait(self._wait_seconds_max)
        try:
            yield
        finally:
            with self._lock:
                self._line.remove(turn)
                if self._line:
                    self._line[0].set()
