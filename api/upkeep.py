"""Threads that run passes over the lake, now and then.

A pass is a function that does what is due. Where passes are for one process alone of
all on a data folder, the one that holds a lock works; each takes it for one round, so that losing it costs nothing.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

import structlog

from catalog.commit import EXIT_SECONDS_MAX
from catalog.errors import CatalogError
from catalog.locks import owned

log = structlog.get_logger("finlake.upkeep")

LOCK_FILE = "maintenance.lock"
KEEPING_LOCK_FILE = "keeping.lock"
ROUND_SECONDS = 1.0
BACK_OFF_SECONDS_MAX = 60.0

# A pass says with True that there may be more to do at once.
Pass = Callable[[], object]


class Every:
    """A pass that runs another one at most once in `seconds`."""

    def __init__(self, seconds: float, work: Pass, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._work = work
        self._monotonic = monotonic
        self._next = monotonic() + seconds

    def __call__(self) -> object:
        if self._monotonic() < self._next:
            return False
        self._next = self._monotonic() + self._seconds
        return self._work()


class Upkeep:
    """Owns a thread: every `round_seconds` it runs the passes in their order, until it is closed; where a lock file is
    given, as long as no other process holds it.

    Rounds go by time alone, or one upon the other while there is more to do: then they see what any process has
    committed. Whatever a pass raises is logged, and the next round then waits longer.
    """

    def __init__(
        self,
        passes: Sequence[Pass],
        lock_path: Path | None = None,
        round_seconds: float = ROUND_SECONDS,
    ) -> None:
        self._lock_path = lock_path
        self._passes = passes
        self._round_seconds = round_seconds
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="finlake-upkeep", daemon=True)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        """A process that ends without `close` waits for the pass that runs as it does for a commit, and no longer."""
        self._thread.start()
        atexit.register(self._stop, EXIT_SECONDS_MAX)

    def close(self) -> None:
        """Waits for the pass that runs; whoever needs it to be short stops the pass first."""
        self._stop()
        atexit.unregister(self._stop)

    def _stop(self, seconds_max: float | None = None) -> None:
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(seconds_max)

    def _run(self) -> None:
        wait = self._round_seconds
        while not self._closing.wait(wait):
            found = self._round()
            if None in found:
                wait = min(max(wait, self._round_seconds) * 2, BACK_OFF_SECONDS_MAX)
            else:
                wait = 0.0 if any(more is True for more in found) else self._round_seconds

    def _round(self) -> list[object]:
        """What each pass said; None where something went wrong."""
        try:
            with owned(self._lock_path, wait=False) if self._lock_path else nullcontext(enter_result=True) as mine:
                return [self._run_pass(each) for each in self._passes if mine]
        except CatalogError as error:
            log.exception("maintenance_failed", exc_info=error)
            return [None]

    def _run_pass(self, work: Pass) -> object:
        if self._closing.is_set():
            return False
        try:
            found = work()
        except Exception as error:
            log.exception("maintenance_failed", exc_info=error)
            return None
        return False if found is None else found
