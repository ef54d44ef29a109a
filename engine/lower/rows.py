"""The first steps of a statement: the rows to answer from, one for each identity.

Base files of which no delta can hold a key are read by a plain filter (`settled`). Where deltas lie over the others,
one row an identity is picked: by revision date as the view says, by the greatest effective sequence among rows of one
revision. Either a window does so over all rows of both (`chosen`), or over those of the deltas alone, which are then
joined with the base rows (`engine.lower.joined`): which of them is faster, `engine.lower.ways` tells. Deleted rows
are among them still.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from catalog.entries import FileEntry
from catalog.model import FIRST_REVISION, Table
from catalog.scan import ScanFiles
from catalog.schemas import SQL_TYPES
from engine.lower.expressions import Parameters
from engine.lower.joined import joined_steps
from engine.lower.scans import base_rows, with_sequence
from engine.lower.trees import column, named, select_of
from engine.lower.ways import Way, way_of
from engine.lower.windows import STORED, chosen, earliest
from engine.planner.model import ORIGINAL_RELEASE, Plan

ROWS = "rows"


def row_steps(plan: Plan, files: ScanFiles, parameters: Parameters) -> dict[str, exp.Query]:
    """The common table expressions, the last of which holds the rows to answer from."""
    if not files.files:
        return {ROWS: _no_rows(plan.table, plan.columns)}
    way = way_of(plan, files)
    if way is Way.SETTLED:
        return {ROWS: _settled(plan, files, parameters)}
    steps = _window_steps(plan, files, parameters) if way is Way.WINDOW else joined_steps(plan, files, parameters, way)
    *before, (name, last) = steps.items()
    if not files.settled:
        return {**dict(before), ROWS: last}
    union = exp.Union(this=_all_of(plan, name), expression=_all_of(plan, "settled"), distinct=False)
    return {**steps, "settled": _settled(plan, files, parameters), ROWS: union}


def _window_steps(plan: Plan, files: ScanFiles, parameters: Parameters) -> dict[str, exp.Query]:
    columns = [_original(plan, name, earliest) for name in plan.columns]
    return {
        STORED: with_sequence(plan, files, parameters, _mixed),
        "chosen": chosen(plan, files, parameters, columns),
    }


def _settled(plan: Plan, files: ScanFiles, parameters: Parameters) -> exp.Select:
    columns = [_original(plan, name, lambda _: column(FIRST_REVISION)) for name in plan.columns]
    return base_rows(plan, files, parameters, _only_base, columns)


def _mixed(files: ScanFiles) -> tuple[FileEntry, ...]:
    return files.mixed


def _only_base(files: ScanFiles) -> tuple[FileEntry, ...]:
    return files.settled


def _all_of(plan: Plan, name: str) -> exp.Select:
    return select_of(*(column(each) for each in plan.columns)).from_(exp.to_table(name), copy=False)


def _no_rows(table: Table, names: tuple[str, ...]) -> exp.Select:
    typed = [named(exp.cast(exp.null(), SQL_TYPES[table.by_name[name].type]), name) for name in names]
    return select_of(*typed).where(exp.false(), copy=False)


def _original(plan: Plan, name: str, first: Callable[[Plan], exp.Expr]) -> exp.Expr:
    """A column as stored; whether a row is the original release is worked out where the crawler did not say."""
    if name != ORIGINAL_RELEASE or plan.table.revision is None:
        return column(name)
    is_first = exp.EQ(this=column(plan.table.revision), expression=first(plan))
    return named(exp.func("coalesce", column(name), is_first), name)
