"""A process that ends without closing what it has opened: `python -m tests.support.left_open FOLDER HOW`.

One batch is acknowledged; what its committer is at when the main thread ends is said by HOW. It ends by an error.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from api.app import open_services
from api.background import open_background
from api.config import Settings
from api.limits import Limits
from api.metrics import Metrics
from catalog.commit import Prepared
from catalog.iceberg import Lake
from catalog.model import MODEL
from catalog.snapshot import LakeSnapshot
from tests.support.committing import append_names, open_committer

BUSY_SECONDS = 2.0


def stand_still() -> None:
    threading.Event().wait()


def query() -> None:
    """DuckDB's own code, nearly all the time."""
    deadline = time.monotonic() + BUSY_SECONDS
    with duckdb.connect() as database:
        while time.monotonic() < deadline:
            database.execute("SELECT sum(a.range * b.range % 7) FROM range(5000) a, range(2000) b").fetchall()


def leave_committer(folder: Path, work: Any) -> None:
    entered = threading.Event()

    def prepare(snapshot: LakeSnapshot, batches: Sequence[str]) -> Prepared[str]:
        if "last" in batches:
            entered.set()
            work()
        return append_names(snapshot, batches)

    committer = open_committer(Lake(folder, MODEL), prepare)
    committer.submit("acknowledged", 1).result(30)
    if work:
        committer.submit("last", 1)
        entered.wait(30)


def leave_services(folder: Path, _: Any) -> None:
    settings, limits = Settings(data_dir=folder, maintenance=True), Limits()
    open_background(settings, limits, Metrics()).start()
    open_services(settings, limits).committer.close()


LEFT = {
    "waiting": (leave_committer, None),
    "standing still": (leave_committer, stand_still),
    "in a query": (leave_committer, query),
    "maintenance": (leave_services, None),
}


if __name__ == "__main__":
    leave, at = LEFT[sys.argv[2]]
    leave(Path(sys.argv[1]), at)
    raise SystemExit(3)
