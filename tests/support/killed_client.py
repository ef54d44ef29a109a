"""A crawler that is killed in the middle: `python -m tests.support.killed_client URL STATE_DIR STEP`.

It dies by SIGKILL at the given step: a step is the moment before its progress is put on record.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from api.client import Client
from api.posting import Outcome, post_points
from api.resume import Journal, Progress

ROWS = 50
BATCH_ROWS = 20


def points(value: int = 0) -> list[dict[str, Any]]:
    """Rows of one series, one a year; `value` is that of the first."""
    return [
        {"external_id": "A", "date": f"{1950 + n}-01-01", "value": n or value, "revision_date": "2024-01-01"}
        for n in range(ROWS)
    ]


def post(client: Client, folder: Path, source: str, batch_rows: int = BATCH_ROWS) -> Outcome:
    return post_points(client, points(), source=source, batch_rows=batch_rows, job="killed", state_dir=folder)


def _main(url: str, folder: Path, step: int) -> None:
    real = Journal.write
    left = [step]

    def write(journal: Journal, progress: Progress) -> None:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        real(journal, progress)

    Journal.write = write  # type: ignore[method-assign]
    with Client(url) as client:
        post(client, folder, f"KILLED-{step}")


if __name__ == "__main__":
    _main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
