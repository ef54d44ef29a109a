"""Commits that change a table's metadata alone: no snapshot is made, so no summary tells afterwards that one landed.

A change is therefore told as what must be true. It is tried on a fresh table until it is: after a lost race, and after
a failure whose outcome is not known, where the fresh table shows that nothing is left to do.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeAlias

from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table as IcebergTable

from catalog.commit import ATTEMPTS_MAX, WAIT_SECONDS_MAX
from catalog.errors import CommitFailed, StorageFailed
from catalog.iceberg import Lake, translated
from catalog.model import Table

# Makes something true of a freshly loaded table, where it is not true yet.
Change: TypeAlias = Callable[[IcebergTable], None]


def alter(lake: Lake, table: Table, change: Change) -> None:
    """Raises CommitFailed where others were always faster, and the errors of storage where they last."""
    failed: StorageFailed | None = None
    for _ in range(ATTEMPTS_MAX):
        try:
            with lake.turns.mine(), translated():
                change(lake.load(table))
        except CommitFailedException:
            time.sleep(random.uniform(0, WAIT_SECONDS_MAX))  # noqa: S311 - spreads rivals, guards nothing
        except StorageFailed as error:
            if failed is not None:
                raise
            failed = error
        else:
            return
    raise CommitFailed(f"Other writers were faster {ATTEMPTS_MAX} times.")
