"""What is broken off when its time is over: one thread for all, as starting one for each takes longer than a query."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(order=True)
class Deadline:
    """`expire` is called once `at` has come, unless it is cancelled before."""

    at: float
    expire: Callable[[], None] | None = field(compare=False)

    def cancel(self) -> None:
        """It may be expiring at this moment."""
        self.expire = None  # what it holds on to is let go at once, the entry when its time has come


class Deadlines:
    """Owns the thread, a daemon, which begins with the first deadline. Safe to share between threads."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._waiting: list[Deadline] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def within(self, seconds: float, expire: Callable[[], None]) -> Deadline:
        """Have `expire` called, in another thread, when `seconds` have passed. It must be short, and raise nothing."""
        deadline = Deadline(self._monotonic() + seconds, expire)
        with self._changed:
            heapq.heappush(self._waiting, deadline)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="finlake-deadlines", daemon=True)
                self._thread.start()
            elif self._waiting[0] is deadline:
                self._changed.notify()
        return deadline

    def close(self) -> None:
        """No deadline expires any more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()

    def _run(self) -> None:
        while (due := self._next()) is not None:
            if (expire := due.expire) is not None:
                expire()

    def _next(self) -> Deadline | None:
        """The next one whose time has come; none once closed."""
        with self._changed:
            while not self._is_closed:
                wait = self._waiting[0].at - self._monotonic() if self._waiting else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._waiting)
                self._changed.wait(wait)
        return None
