"""How one row of a key is found where deltas lie over base files: by a window over all their rows, or by a join.

A window sorts whatever matches. A join chooses among the rows of deltas alone and leaves base rows where they are, but
is more for the database to set up: for few rows the window is faster.
"""

from __future__ import annotations

from enum import Enum

from catalog.scan import ScanFiles
from engine.planner.model import ORIGINAL_RELEASE, Plan
from engine.query import View

# Where a read looks for so few keys, or all files that are compared are so small, little is sorted.
WINDOW_KEYS_MAX = 30
WINDOW_ROWS_MAX = 10_000


class Way(Enum):
    """SETTLED: there is nothing to choose. JOIN_WITHIN: a join, of base rows between the ends of what deltas hold."""

    SETTLED = "settled"
    WINDOW = "window"
    JOIN = "join"
    JOIN_WITHIN = "join within"


def way_of(plan: Plan, files: ScanFiles) -> Way:
    """It is the same for plans and files of one shape, or else belongs to the shape."""
    if not files.deltas:
        return Way.SETTLED
    if not files.touched or _is_little(plan, files) or _is_worked_out_of_all(plan):
        return Way.WINDOW
    return Way.JOIN_WITHIN if files.span(within(plan)) else Way.JOIN


def within(plan: Plan) -> str:
    """The column by which base rows are told that no delta can have the key of: the last one, often a date."""
    return plan.table.key[-1]


def _is_little(plan: Plan, files: ScanFiles) -> bool:
    wanted = plan.scan.domains.get(plan.table.key[0])
    listed = wanted.listed if wanted is not None else None
    return (listed is not None and len(listed) <= WINDOW_KEYS_MAX) or files.mixed_rows <= WINDOW_ROWS_MAX


def _is_worked_out_of_all(plan: Plan) -> bool:
    """Among all revisions of a key, which one was the first is seen when they lie side by side."""
    return plan.view is View.EVERY and ORIGINAL_RELEASE in plan.columns
