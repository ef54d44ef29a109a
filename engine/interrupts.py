"""Breaking off what runs for a caller who is gone: the door knows when, the database knows what.

It belongs to the request and not to the question, so it is no argument of anything: a door runs its work `within` an
`Interrupts`, and whatever statement is opened in there is broken off with it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar

from engine.errors import ExecutionFailed

_CURRENT: ContextVar[Interrupts | None] = ContextVar("interrupts", default=None)


class Interrupts:
    """What is to be broken off when a request is given up. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[Callable[[], None]] = set()
        self.is_fired = False

    @contextmanager
    def within(self) -> Generator[None]:
        """What this thread opens inside is broken off by `fire`. Raises ExecutionFailed where that was before."""
        self._check()
        token = _CURRENT.set(self)
        try:
            yield
        finally:
            _CURRENT.reset(token)

    def fire(self) -> None:
        """Break off what runs, from any thread, and whatever would be opened after it."""
        with self._lock:
            self.is_fired = True
            running = tuple(self._running)
        for interrupt in running:
            interrupt()

    def add(self, interrupt: Callable[[], None]) -> None:
        """`interrupt` is short and raises nothing. Raises ExecutionFailed where nothing is to be opened any more."""
        with self._lock:
            self._running.add(interrupt)
        self._check()

    def remove(self, interrupt: Callable[[], None]) -> None:
        with self._lock:
            self._running.discard(interrupt)

    def _check(self) -> None:
        if self.is_fired:
            raise ExecutionFailed("The request was given up.")


def current_interrupts() -> Interrupts:
    """Those of the request that this thread works for; of none, some that nobody fires."""
    return _CURRENT.get() or Interrupts()
