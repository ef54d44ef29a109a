"""Scan only the columns that the answer, its conditions, its order and the choice of a revision read."""

from __future__ import annotations

from dataclasses import replace

from catalog.model import DELETED, FIRST_REVISION, SUPERSEDED
from engine.planner.model import ORIGINAL_RELEASE, Plan
from engine.query import View

BOOKKEEPING = frozenset({DELETED, "seq"})


def prune_columns(plan: Plan) -> Plan:
    needed = BOOKKEEPING.union(plan.table.row_key, plan.reads, _marks(plan))
    return replace(plan, columns=tuple(name for name in plan.columns if name in needed))


def _marks(plan: Plan) -> frozenset[str]:
    """What merges have noted on rows, as far as the view goes by it."""
    if plan.table.revision is None:
        return frozenset()
    superseded = {SUPERSEDED} if plan.view is View.LATEST else set[str]()
    first = {FIRST_REVISION} if plan.view is View.FIRST or ORIGINAL_RELEASE in plan.reads else set[str]()
    return frozenset(superseded | first)
