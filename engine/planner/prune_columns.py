"""Scan only the columns that the answer, its conditions, its order and the choice of a revision read."""

from __future__ import annotations

from dataclasses import replace

from catalog.model import FIRST_REVISION, SUPERSEDED
from engine.planner.model import Plan

BOOKKEEPING = frozenset({"is_deleted", "seq"})


def prune_columns(plan: Plan) -> Plan:
    needed = BOOKKEEPING.union(plan.table.row_key, plan.reads)
    if plan.table.revision is not None:
        needed |= {SUPERSEDED, FIRST_REVISION}
    return replace(plan, columns=tuple(name for name in plan.columns if name in needed))
