"""Conditions on related rows, before the statement runs: where they select few keys, files are pruned by those.

A partition holds many series, so `Series/title eq 'x'` says nothing of the files of points. The keys of the series do.
They are looked up in a statement of their own where they decide which partitions are read; everywhere else, and where
there are more keys than it is worth, the one statement joins the related rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeAlias

from engine.planner import Pass
from engine.planner.model import Plan, conjuncts, relations_in
from engine.planner.prune_files import prune_files
from engine.query import Expr, Field, Literal, Page, Related, all_of, is_in

Keys: TypeAlias = tuple[str, ...]


def narrowed(
    plan: Plan, passes: tuple[Pass, ...], find: Callable[[Related, Plan], Keys | None]
) -> tuple[Plan, Mapping[Related, Keys]]:
    """The plan with a list of keys in the place of each condition that decides which partitions are read, and these
    lists. `find` gives the keys, or None where they are too many."""
    found: dict[Related, Keys] = {}
    for node, rows in plan.related if prune_files in passes else ():
        if _decides(node, plan) and (keys := find(node, rows)) is not None:
            found[node] = keys
    if not found:
        return plan, found
    parts = (_listed(part, plan, found) for part in conjuncts(plan.stored_where))
    return prune_files(_rewritten(plan, all_of(*parts))), found


def without_related(plan: Plan) -> Plan:
    """The plan without the conditions on related rows that were not looked up, where they only spare reading."""
    if not plan.related:
        return plan
    return _rewritten(replace(plan, where=_own(plan.where)), _own(plan.stored_where))


def keys_plan(rows: Plan, keys_max: int) -> Plan:
    """The plan that finds the keys: one more than there may be tells that there are too many."""
    return replace(rows, page=Page(limit=keys_max + 1))


def _decides(node: Related, plan: Plan) -> bool:
    return node.column == plan.table.partition and node in conjuncts(plan.stored_where)


def _listed(part: Expr, plan: Plan, found: Mapping[Related, Keys]) -> Expr:
    if not isinstance(part, Related) or part not in found:
        return part
    type_ = plan.table.by_name[part.column].type
    return is_in(Field(part.column), [Literal(key, type_) for key in found[part]])


def _own(where: Expr) -> Expr:
    return all_of(*(part for part in conjuncts(where) if not isinstance(part, Related)))


def _rewritten(plan: Plan, stored_where: Expr) -> Plan:
    left = relations_in(plan.where, stored_where)
    related = tuple((node, rows) for node, rows in plan.related if node in left)
    return replace(plan, stored_where=stored_where, related=related)
