"""Move what is safe below the choice of a revision.

A condition on columns that all stored rows of one answered row share holds for all of them or for none, so it may be
tested on stored rows. A condition on anything else may hold for a row that loses: it stays above.

Whether a revision is the original release is worked out from all revisions of its key, so where that is read, a
condition may not take some of them away.
"""

from __future__ import annotations

from dataclasses import replace

from engine.planner.model import ORIGINAL_RELEASE, Plan, conjuncts, fields_of
from engine.query import Expr, all_of


def push_filters(plan: Plan) -> Plan:
    shared = frozenset(plan.table.key if ORIGINAL_RELEASE in plan.reads else plan.identity)
    below: list[Expr] = []
    above: list[Expr] = []
    for part in conjuncts(plan.where):
        (below if fields_of(part) <= shared else above).append(part)
    return replace(plan, stored_where=all_of(plan.stored_where, *below), where=all_of(*above))
