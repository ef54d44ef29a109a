"""Scan only the columns that the answer, its conditions, its order and the choice of a revision read."""

from __future__ import annotations

from dataclasses import replace

from engine.planner.model import Plan, fields_of

BOOKKEEPING = frozenset({"is_deleted", "seq"})


def prune_columns(plan: Plan) -> Plan:
    needed = BOOKKEEPING | frozenset(plan.table.row_key) | fields_of(plan.where) | fields_of(plan.stored_where)
    needed |= {output.name for output in plan.output}
    needed |= {name for term in plan.order for name in fields_of(term.by)}
    return replace(plan, columns=tuple(name for name in plan.columns if name in needed))
