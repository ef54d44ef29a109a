"""Base rows and the deltas over them, brought together by a join.

Either side has one row an identity at most: `base` by a plain filter, `news` by a window over the rows of deltas alone.
So a full join has a pair for each identity, and the better of the two, if there are two, is what a window over all rows
would choose. Each column is the winner's: a point that was withdrawn is a row whose value is null.
"""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from catalog.entries import FileEntry
from catalog.model import FIRST_REVISION
from catalog.scan import ScanFiles
from engine.lower.expressions import Parameters
from engine.lower.scans import base_rows, with_sequence
from engine.lower.templates import Bound
from engine.lower.trees import call, column, named, select_of
from engine.lower.ways import Way, within
from engine.lower.windows import STORED, chosen, earliest
from engine.planner.model import ORIGINAL_RELEASE, Plan
from engine.query import View

BASE, NEWS = "base", "news"
WITHIN = "within news"  # no column of a table can have such a name


def joined_steps(plan: Plan, files: ScanFiles, parameters: Parameters, way: Way) -> dict[str, exp.Query]:
    """The common table expressions, the last of which has the rows of base files and of the deltas over them."""
    marker = _within(plan, parameters) if way is Way.JOIN_WITHIN else column(within(plan))
    columns = [*(column(name) for name in plan.columns), named(marker, WITHIN)]
    return {
        STORED: with_sequence(plan, files, parameters, _deltas),
        NEWS: chosen(plan, files, parameters, [_news_column(plan, name) for name in plan.columns]),
        BASE: base_rows(plan, files, parameters, _touched, columns),
        "joined": _joined(plan),
    }


def _deltas(files: ScanFiles) -> tuple[FileEntry, ...]:
    return files.deltas


def _touched(files: ScanFiles) -> tuple[FileEntry, ...]:
    return files.touched


def _within(plan: Plan, parameters: Parameters) -> exp.Expr:
    """A column of the key, null where no delta can have its value: a join passes rows by whose key is null."""
    name = within(plan)
    low, high = (parameters.add(lambda bound, end=end: _end(bound, end)) for end in (0, 1))
    return exp.Case().when(exp.Between(this=column(name), low=low, high=high), column(name), copy=False)


def _end(bound: Bound, end: int) -> Any:
    ends = bound.files.span(within(bound.plan))
    return None if ends is None else ends[end]


def _news_column(plan: Plan, name: str) -> exp.Expr:
    """A column as stored, but for the first revision, which rows of deltas do not know."""
    is_known = name != FIRST_REVISION or ORIGINAL_RELEASE not in plan.columns
    return column(name) if is_known else named(earliest(plan), name)


def _joined(plan: Plan) -> exp.Select:
    keys = [
        exp.EQ(this=_of(BASE, WITHIN if name == within(plan) else name), expression=_of(NEWS, name))
        for name in plan.identity
    ]
    select = select_of(*(named(_winning(plan, name), name) for name in plan.columns)).from_(BASE, copy=False)
    return select.join(exp.to_table(NEWS), on=exp.and_(*keys, copy=False), join_type="full", copy=False)


def _winning(plan: Plan, name: str) -> exp.Expr:
    if name in plan.identity:
        return exp.func("coalesce", _of(BASE, name), _of(NEWS, name))
    if name != ORIGINAL_RELEASE or plan.table.revision is None:
        return _winners(plan, name)
    first = call("least", _of(BASE, FIRST_REVISION), _of(NEWS, FIRST_REVISION))  # of two it leaves out what is null
    is_first = exp.EQ(this=_winners(plan, plan.table.revision), expression=first)
    return exp.func("coalesce", _winners(plan, name), is_first)


def _winners(plan: Plan, name: str) -> exp.Expr:
    """A column of the better row of a pair. The database reads a test for a missing one first at no cost."""
    alone = exp.Is(this=_of(BASE, plan.identity[0]), expression=exp.null())
    wins = exp.or_(alone, *_better(plan), copy=False)
    return exp.Case(ifs=[exp.If(this=wins, true=_of(NEWS, name))], default=_of(BASE, name))


def _better(plan: Plan) -> list[exp.Expr]:
    """When the news are better than a base row, which they are by any of these."""
    later = exp.GT(this=_of(NEWS, "seq"), expression=_of(BASE, "seq"))
    revision = plan.table.revision
    if revision is None or plan.view is View.EVERY:
        return [later]
    beyond = exp.GT if plan.view is View.LATEST else exp.LT
    same = exp.EQ(this=_of(NEWS, revision), expression=_of(BASE, revision))
    return [beyond(this=_of(NEWS, revision), expression=_of(BASE, revision)), exp.and_(same, later, copy=False)]


def _of(table: str, name: str) -> exp.Column:
    return exp.column(name, table=table, quoted=True)
