"""Some of the files of a statement as a table: the rows that they store, and what may be tested on each of them.

A base row knows how long it holds, so that `base_rows` finds by a filter what to answer from. Of the rows of deltas,
and of those that are compared with them, `with_sequence` gives each its effective sequence: the `seq` it carries, else
the sequence number of its file.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from typing import TypeAlias

from sqlglot import exp

from catalog.entries import FileEntry
from catalog.model import FIRST_REVISION, SUPERSEDED, Table
from catalog.scan import ScanFiles
from catalog.schemas import sql_by_id
from engine.lower.expressions import Parameters, condition
from engine.lower.templates import Bound
from engine.lower.trees import column, named, select_of
from engine.planner.model import Plan
from engine.query import TRUE, View

# Which of the files.
Some: TypeAlias = Callable[[ScanFiles], tuple[FileEntry, ...]]


def with_sequence(plan: Plan, files: ScanFiles, parameters: Parameters, some: Some) -> exp.Select:
    """The rows of files in which one key may stand several times, with the effective sequence that orders them."""
    sequences = parameters.add(lambda bound: [file.sequence for file in some(bound.files)])
    of_file = exp.func("list_extract", sequences, exp.cast(exp.column("file_index") + 1, "bigint"))
    columns = [column(name) for name in plan.columns if name != "seq"]
    effective = named(exp.func("coalesce", column("seq"), of_file), "seq")
    return select_of(*columns, effective).from_(_parquet(files, parameters, some), copy=False)


def base_rows(
    plan: Plan, files: ScanFiles, parameters: Parameters, some: Some, columns: Iterable[exp.Expr]
) -> exp.Select:
    """The rows to choose out of base files alone, at most one an identity."""
    select = select_of(*columns).from_(_parquet(files, parameters, some), copy=False)
    for test in tests(plan, files, parameters):
        select = select.where(test, copy=False)
    if plan.view is View.FIRST:
        is_first = exp.EQ(this=column(plan.table.revision or ""), expression=column(FIRST_REVISION))
        select = select.where(is_first, copy=False)
    return select


def tests(plan: Plan, files: ScanFiles, parameters: Parameters) -> list[exp.Expr]:
    """What may be tested on a stored row, whatever other rows its key has."""
    found: list[exp.Expr] = []
    if plan.stored_where != TRUE:
        found.append(condition(plan.stored_where, parameters))
    if plan.table.revision and plan.as_of is not None:
        found.append(exp.LTE(this=column(plan.table.revision), expression=parameters.add(_as_of)))
    if files.hidden:
        found.append(_alive(plan.table, parameters))
    return [*found, *_validity(plan, parameters)]


def _parquet(files: ScanFiles, parameters: Parameters, some: Some) -> exp.Expr:
    """Some of the files, by field id where they may be of earlier schemas."""
    # A folder named like a partition, as in `level=7`, would put its value in the place of the stored column.
    options = [exp.EQ(this=exp.column("hive_partitioning"), expression=exp.false())]
    if files.columns:
        options.append(exp.EQ(this=exp.column("schema"), expression=exp.var(sql_by_id(files.columns))))
    paths = parameters.add(lambda bound: [file.path for file in some(bound.files)])
    return exp.func("read_parquet", paths, *options)


def _as_of(bound: Bound) -> dt.date | None:
    return bound.plan.as_of


def _validity(plan: Plan, parameters: Parameters) -> list[exp.Expr]:
    """A base row superseded by the day asked for is not the latest one; of the others, a delta may still beat some."""
    if plan.table.revision is None or plan.view is not View.LATEST:
        return []
    open_end = exp.Is(this=column(SUPERSEDED), expression=exp.null())
    if plan.as_of is None:
        return [open_end]
    later = exp.GT(this=column(SUPERSEDED), expression=parameters.add(_as_of))
    return [exp.Paren(this=exp.Or(this=open_end, expression=later))]


def _alive(table: Table, parameters: Parameters) -> exp.Expr:
    """The row is younger than the deletion of its series, if there was one."""
    series = parameters.add(lambda bound: [key for key, _ in bound.files.hidden])
    sequences = parameters.add(lambda bound: [sequence for _, sequence in bound.files.hidden])
    deleted = exp.func("list_extract", sequences, exp.func("list_position", series, column(table.key[0])))
    return exp.column("seq", quoted=True) > exp.func("coalesce", deleted, exp.Literal.number(-1))
