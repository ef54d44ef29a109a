"""Move conditions on the keys of groups down to the rows.

The rows of a group have equal keys, so such a condition holds for all of them or for none; where it holds for none, no
group is made of them. Without keys there is one group even of no rows: then nothing is moved.
"""

from __future__ import annotations

from dataclasses import replace

from engine.planner.model import Plan, conjuncts, fields_of, with_fields
from engine.query import Expr, all_of


def push_having(plan: Plan) -> Plan:
    if plan.grouping is None or not plan.grouping.keys:
        return plan
    keys = {key.name: key.by for key in plan.grouping.keys}
    below: list[Expr] = []
    above: list[Expr] = []
    for part in conjuncts(plan.having):
        (below if fields_of(part) <= keys.keys() else above).append(part)
    moved = [with_fields(part, keys) for part in below]
    return replace(plan, where=all_of(plan.where, *moved), having=all_of(*above))
