"""Whether rows need no sorting, as base files hold them in the order that is asked for."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from catalog.scan import ScanFiles
from engine.planner.model import Plan
from engine.query import Field


def in_order(plan: Plan, files: ScanFiles) -> ScanFiles | None:
    """The files, to be read one behind the other, if their rows then come in the plan's order; else None.

    A base file is sorted as its table is. A column of which only one value is wanted is in every order.
    """
    sorted_by = _columns(plan)
    if plan.is_derived or sorted_by is None or files.mixed:
        return None
    fixed = {name for name, domain in plan.scan.domains.items() if domain.is_one_value}
    wanted = [name for name in sorted_by if name not in fixed]
    stored = [name for name in plan.table.sort if name not in fixed]
    if wanted != stored[: len(wanted)] or any(plan.table.by_name[name].nullable for name in wanted):
        return None
    if len(files.files) < 2 or not wanted:
        return files
    return _one_behind_the_other(files, stored[0])


def _columns(plan: Plan) -> list[str] | None:
    """The columns that the plan sorts by, if it does so by columns alone, upwards."""
    names = [term.by.name for term in plan.order if isinstance(term.by, Field) and not term.descending]
    return names if len(names) == len(plan.order) else None


def _one_behind_the_other(files: ScanFiles, column: str) -> ScanFiles | None:
    """The files by the bounds of a column; None where two of them may hold equal values or bounds are not known."""
    if not all(column in file.bounds for file in files.files):
        return None
    ordered = tuple(sorted(files.files, key=lambda file: file.bounds[column]))
    if any(before.bounds[column][1] >= after.bounds[column][0] for before, after in pairwise(ordered)):
        return None
    return replace(files, files=ordered)
