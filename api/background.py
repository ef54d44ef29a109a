"""The process beside the workers that merges files and lets go of what is old: `python -m api.background`.

In a worker's own process a merge would wait for the interpreter at each batch, and make whoever reads or posts wait. It
is started by the supervisor (`api.server`), which holds its standard input open: when that ends, so does it.
"""

from __future__ import annotations

import datetime as dt
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from api import logging
from api.config import Settings
from api.debts import DebtWatch
from api.keeping import Keeping, utc_now
from api.limits import Limits
from api.merges import Merges
from api.metrics import Metrics
from api.processes import Processes, Role
from api.upkeep import KEEPING_LOCK_FILE, LOCK_FILE, Every, Upkeep
from catalog.batches import BatchLog
from catalog.errors import CatalogError
from catalog.evolution import open_lake
from catalog.iceberg import Lake
from catalog.model import MODEL
from catalog.snapshot import Snapshots

log = structlog.get_logger("finlake.background")

# Posts and reads go first, but merges must keep up with them: a third of what either gets where all cores are taken.
NICENESS = 5
LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Background:
    """The threads that run passes over a lake, in the order they are closed."""

    merges: Merges
    merging: Upkeep
    keeping: Upkeep
    lake: Lake

    @property
    def alive(self) -> bool:
        return self.merging.alive and self.keeping.alive

    def start(self) -> None:
        self.merging.start()
        self.keeping.start()

    def close(self) -> None:
        """Break off the merge that runs, finish the other pass, then let go. Blocks."""
        self.merges.stop()
        self.merging.close()
        self.keeping.close()
        self.lake.close()


def open_background(
    settings: Settings, limits: Limits, metrics: Metrics, clock: Callable[[], dt.datetime] = utc_now
) -> Background:
    """Over a lake of its own, which it brings up to the model as a worker does. Nothing runs before it is started."""
    lake = open_lake(settings.data_dir, MODEL, settings.partition_width)
    snapshots = Snapshots(lake)
    watch = DebtWatch(snapshots, metrics.set_debt)
    merges = Merges(lake, watch, settings, limits, metrics.count_merges, clock)
    keeping = Keeping(lake, BatchLog(lake, clock), settings, limits, clock)
    passes = (
        Every(settings.expiry_seconds, keeping.expire),
        Every(settings.sweep_seconds, keeping.sweep),
        Every(settings.sweep_seconds, keeping.forget),
    )
    return Background(
        merges,
        Upkeep((merges,), lake.data_dir / LOCK_FILE),
        # A thread of its own: a long merge would let snapshots pile up, and with them what a commit costs.
        Upkeep(passes, lake.data_dir / KEEPING_LOCK_FILE),
        lake,
    )


def main() -> int:
    """The exit status: 0 once it was told to stop, 1 where it cannot go on."""
    settings, limits, processes = Settings(), Limits(), Processes.here()
    logging.configure(settings)
    stopping = _told_to_stop()
    os.nice(NICENESS)
    try:
        background = open_background(settings, limits, Metrics(processes))
    except CatalogError as error:
        log.exception("maintenance_failed", exc_info=error)
        return 1
    processes.join(Role.MAINTENANCE)
    background.start()
    while not stopping.wait(LOOK_SECONDS):
        if not background.alive:
            log.error("maintenance_ended")
            return 1
    background.close()
    return 0


def _told_to_stop() -> threading.Event:
    """Set on SIGTERM, and when the supervisor has closed the standard input or is gone."""
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda _signal, _frame: stopping.set())
    # A terminal sends this to the supervisor as well, which then says when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def wait() -> None:
        sys.stdin.buffer.read()
        stopping.set()

    threading.Thread(target=wait, name="parent-watch", daemon=True).start()
    return stopping


if __name__ == "__main__":
    sys.exit(main())
