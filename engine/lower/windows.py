"""One row an identity out of files in which there may be several, by a window over them."""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from catalog.model import FIRST_REVISION
from catalog.scan import ScanFiles
from engine.lower.expressions import Parameters
from engine.lower.scans import tests
from engine.lower.trees import column, select_of
from engine.planner.model import Plan
from engine.query import View

STORED = "stored"


def chosen(plan: Plan, files: ScanFiles, parameters: Parameters, columns: Iterable[exp.Expr]) -> exp.Select:
    """Of the rows of the step STORED."""
    select = select_of(*columns).from_(exp.to_table(STORED), copy=False)
    for test in tests(plan, files, parameters):
        select = select.where(test, copy=False)
    return select.qualify(exp.EQ(this=_row_number(plan), expression=exp.Literal.number(1)), copy=False)


def earliest(plan: Plan) -> exp.Window:
    """The first revision of a row's key, as far as the rows tell."""
    known = exp.func("coalesce", column(FIRST_REVISION), column(plan.table.revision or ""))
    return exp.Window(this=exp.func("min", known), partition_by=[column(key) for key in plan.table.key])


def _row_number(plan: Plan) -> exp.Window:
    """1 for the row to choose."""
    ranking: list[exp.Expr] = []
    if plan.table.revision and plan.view is not View.EVERY:
        ranking.append(exp.Ordered(this=column(plan.table.revision), desc=plan.view is View.LATEST))
    ranking.append(exp.Ordered(this=column("seq"), desc=True))
    return exp.Window(
        this=exp.RowNumber(),
        partition_by=[column(name) for name in plan.identity],
        order=exp.Order(expressions=ranking),
    )
