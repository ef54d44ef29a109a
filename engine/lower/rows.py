"""The first steps of a statement: the rows to answer from, one for each identity.

Partitions that hold base files only are read by a plain filter (`settled`): a base row knows how long it holds. Where
deltas are among the files, `stored` gives each row its effective sequence, the `seq` it carries, else the sequence
number of its file, and `chosen` picks one row an identity: by revision date as the view says, by the greatest effective
sequence among rows of one revision. Deleted rows are among them still.
"""

from __future__ import annotations

import datetime as dt

from sqlglot import exp

from catalog.model import FIRST_REVISION, SUPERSEDED, Table
from catalog.scan import ScanFiles
from catalog.schemas import SQL_TYPES, sql_by_id
from engine.lower.expressions import Parameters, condition
from engine.lower.templates import Bound, Source
from engine.lower.trees import column, named, select_of
from engine.planner.model import ORIGINAL_RELEASE, Plan
from engine.query import TRUE, View

ROWS = "rows"


def row_steps(plan: Plan, files: ScanFiles, parameters: Parameters) -> dict[str, exp.Query]:
    """The common table expressions, the last of which holds the rows to answer from."""
    if not files.files:
        return {ROWS: _no_rows(plan.table, plan.columns)}
    if not files.mixed:
        return {ROWS: _settled(plan, files, parameters)}
    stored = {"stored": _stored(plan, files, parameters)}
    if not files.settled:
        return {**stored, ROWS: _chosen(plan, files, parameters)}
    branches = {"chosen": _chosen(plan, files, parameters), "settled": _settled(plan, files, parameters)}
    union = exp.Union(this=_all_of(plan, "chosen"), expression=_all_of(plan, "settled"), distinct=False)
    return {**stored, **branches, ROWS: union}


def _all_of(plan: Plan, name: str) -> exp.Select:
    return select_of(*(column(each) for each in plan.columns)).from_(exp.to_table(name), copy=False)


def _stored(plan: Plan, files: ScanFiles, parameters: Parameters) -> exp.Select:
    """The rows of files in which one key may stand several times, with the effective sequence that orders them."""
    sequences = parameters.add(lambda bound: [file.sequence for file in bound.files.mixed])
    of_file = exp.func("list_extract", sequences, exp.cast(exp.column("file_index") + 1, "bigint"))
    columns = [column(name) for name in plan.columns if name != "seq"]
    effective = named(exp.func("coalesce", column("seq"), of_file), "seq")
    return select_of(*columns, effective).from_(_parquet(_mixed_paths, files, parameters), copy=False)


def _mixed_paths(bound: Bound) -> list[str]:
    return [file.path for file in bound.files.mixed]


def _settled_paths(bound: Bound) -> list[str]:
    return [file.path for file in bound.files.settled]


def _as_of(bound: Bound) -> dt.date | None:
    return bound.plan.as_of


def _parquet(paths: Source, files: ScanFiles, parameters: Parameters) -> exp.Expr:
    """Some of the files, by field id where they may be of earlier schemas."""
    # A folder named like a partition, as in `level=7`, would put its value in the place of the stored column.
    options = [exp.EQ(this=exp.column("hive_partitioning"), expression=exp.false())]
    if files.columns:
        options.append(exp.EQ(this=exp.column("schema"), expression=exp.var(sql_by_id(files.columns))))
    return exp.func("read_parquet", parameters.add(paths), *options)


def _settled(plan: Plan, files: ScanFiles, parameters: Parameters) -> exp.Select:
    """The rows to choose out of base files alone: each knows when it holds, so that a filter finds them."""
    columns = [_settled_column(plan, name) for name in plan.columns]
    select = select_of(*columns).from_(_parquet(_settled_paths, files, parameters), copy=False)
    for test in (*_stored_tests(plan, files, parameters), *_validity(plan, parameters)):
        select = select.where(test, copy=False)
    if plan.view is View.FIRST:
        select = select.where(_is_first(plan), copy=False)
    return select


def _settled_column(plan: Plan, name: str) -> exp.Expr:
    if name != ORIGINAL_RELEASE or plan.table.revision is None:
        return column(name)
    return named(exp.func("coalesce", column(name), _is_first(plan)), name)


def _is_first(plan: Plan) -> exp.Expr:
    return exp.EQ(this=column(plan.table.revision or ""), expression=column(FIRST_REVISION))


def _validity(plan: Plan, parameters: Parameters) -> list[exp.Expr]:
    """A base row superseded by the day asked for is not the latest one; of the others, a delta may still beat some."""
    if plan.table.revision is None or plan.view is not View.LATEST:
        return []
    open_end = exp.Is(this=column(SUPERSEDED), expression=exp.null())
    if plan.as_of is None:
        return [open_end]
    later = exp.GT(this=column(SUPERSEDED), expression=parameters.add(_as_of))
    return [exp.Paren(this=exp.Or(this=open_end, expression=later))]


def _stored_tests(plan: Plan, files: ScanFiles, parameters: Parameters) -> list[exp.Expr]:
    """What may be tested on a stored row, whatever other rows its key has."""
    tests: list[exp.Expr] = []
    if plan.stored_where != TRUE:
        tests.append(condition(plan.stored_where, parameters))
    if plan.table.revision and plan.as_of is not None:
        tests.append(exp.LTE(this=column(plan.table.revision), expression=parameters.add(_as_of)))
    if files.hidden:
        tests.append(_alive(plan.table, parameters))
    return tests


def _no_rows(table: Table, names: tuple[str, ...]) -> exp.Select:
    typed = [named(exp.cast(exp.null(), SQL_TYPES[table.by_name[name].type]), name) for name in names]
    return select_of(*typed).where(exp.false(), copy=False)


def _chosen(plan: Plan, files: ScanFiles, parameters: Parameters) -> exp.Select:
    columns = (_chosen_column(plan, name) for name in plan.columns)
    select = select_of(*columns).from_(exp.to_table("stored"), copy=False)
    for test in (*_stored_tests(plan, files, parameters), *_validity(plan, parameters)):
        select = select.where(test, copy=False)
    return select.qualify(exp.EQ(this=_row_number(plan), expression=exp.Literal.number(1)), copy=False)


def _chosen_column(plan: Plan, name: str) -> exp.Expr:
    """A column as stored; whether a row is the original release is worked out where the crawler did not say."""
    if name != ORIGINAL_RELEASE or plan.table.revision is None:
        return column(name)
    revision = column(plan.table.revision)
    known = exp.func("coalesce", column(FIRST_REVISION), column(plan.table.revision))
    earliest = exp.Window(this=exp.func("min", known), partition_by=[column(key) for key in plan.table.key])
    said = exp.func("coalesce", column(name), exp.EQ(this=revision, expression=earliest))
    return named(said, name)


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


def _alive(table: Table, parameters: Parameters) -> exp.Expr:
    """The row is younger than the deletion of its series, if there was one."""
    series = parameters.add(lambda bound: [key for key, _ in bound.files.hidden])
    sequences = parameters.add(lambda bound: [sequence for _, sequence in bound.files.hidden])
    deleted = exp.func("list_extract", sequences, exp.func("list_position", series, column(table.key[0])))
    return exp.column("seq", quoted=True) > exp.func("coalesce", deleted, exp.Literal.number(-1))
