"""From a plan to SQL in the dialect of the engine that runs it.

The rows to answer from (`engine.lower.rows`), what is made of them where groups or conversions are asked for, and a
last step that drops deleted rows, tests what is left to test, sorts and pages.

No value of a caller is ever pasted into the text: each becomes a named parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sqlglot import exp

from catalog.entries import FileEntry
from catalog.scan import ScanFiles
from engine.conversion import line_of
from engine.errors import QueryError, ScanRefused
from engine.lower.aligned import ALIGNED, alignment_steps
from engine.lower.expressions import Parameters, condition, related_name, value
from engine.lower.groups import GROUPS, group_steps, kept_rows
from engine.lower.rows import ROWS, row_steps
from engine.lower.series import CONVERTED, conversion_steps
from engine.lower.templates import Bound, Template, Templates, shape_of
from engine.lower.trees import column, named, select_of
from engine.planner.bind import COUNT
from engine.planner.model import Plan
from engine.query import TRUE, Order, Related

DIALECT = "duckdb"
SORT_PREFIX = "sort "  # no column of an answer can have such a name


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL text, its bound parameters, and the files it reads. How long it takes is not promised.

    `callers_names` are the columns that a caller's SQL may name, who is told what is wrong with it; None where the
    SQL is all ours.
    """

    sql: str
    parameters: Mapping[str, Any]
    files: tuple[FileEntry, ...] = ()
    callers_names: tuple[str, ...] | None = None


def lower(
    plan: Plan,
    files: ScanFiles,
    *,
    keyset: bool = False,
    presorted: bool = False,
    templates: Templates | None = None,
    related: Mapping[Related, ScanFiles] = MappingProxyType({}),
) -> Statement:
    """The statement that answers a plan from files; `related` are those of its related rows, at any depth.

    With `keyset`, the sort values of each row follow the output columns, behind `SORT_PREFIX` and numbered. With
    `presorted`, the rows are taken to come in the plan's order. A text that `templates` know is not built again.
    Raises ScanRefused where the files hold what it cannot honour, QueryError where the text cannot be written.
    """
    scans = (files, *related.values())
    for scan in scans:
        check_readable(scan)
    with _deep():
        shape, bound = shape_of(plan, files, keyset=keyset, presorted=presorted, related=related)
        template = templates.find(shape) if templates else None
        if template is None:
            template = _template(bound, keyset=keyset, presorted=presorted)
            if templates:
                templates.keep(shape, template)
    return Statement(template.sql, template.values(bound), tuple(file for scan in scans for file in scan.files))


def _template(bound: Bound, *, keyset: bool, presorted: bool) -> Template:
    parameters = Parameters()
    select = select_rows(bound, parameters, keyset=keyset, presorted=presorted)
    return Template(select.sql(DIALECT, copy=False), parameters.sources)


def select_rows(
    bound: Bound,
    parameters: Parameters,
    *,
    keyset: bool = False,
    presorted: bool = False,
    way: Callable[[Bound], Bound] | None = None,
) -> exp.Select:
    """The tree of that statement; it can stand as a subquery in another one that has the same parameters.

    `way` leads to what is bound from what the whole statement is of, where that is something else.
    """
    steps: dict[str, exp.Query] = {}
    for place, inner in enumerate(bound.related):
        steps[related_name(place)] = select_rows(inner, parameters, way=_related_way(place, way))
    parameters.bind(bound, way)
    steps |= row_steps(bound.plan, bound.files, parameters) | _derived(bound.plan, parameters)
    select = _answer(bound.plan, parameters, keyset=keyset, presorted=presorted)
    for name, step in steps.items():
        select = select.with_(name, step, copy=False)
    return select


def _related_way(place: int, way: Callable[[Bound], Bound] | None) -> Callable[[Bound], Bound]:
    return lambda bound: (way(bound) if way else bound).related[place]


def _derived(plan: Plan, parameters: Parameters) -> dict[str, exp.Query]:
    """The steps from the rows to what is made of them."""
    if plan.grouping is not None:
        return group_steps(plan, plan.grouping, parameters, ROWS)
    line = line_of(plan.table) if plan.conversion or plan.alignment else None
    if line is not None and plan.conversion is not None:
        return conversion_steps(plan, plan.conversion, line, parameters, ROWS)
    if line is not None and plan.alignment is not None:
        return alignment_steps(plan, plan.alignment, line, parameters, ROWS)
    return {}


def check_readable(files: ScanFiles) -> None:
    """Raises ScanRefused where rows may be gone or columns mean what nobody here knows."""
    if files.delete_files:
        raise ScanRefused("The table holds delete files.", "Have them merged away before reading.")
    if not files.is_known:
        raise ScanRefused(f"The table's schema {files.schema_id} is not known.", "Update finlake.")


@contextmanager
def _deep() -> Generator[None]:
    """A door bounds what it reads by its own measure; what sqlglot can write is bounded by Python's stack."""
    try:
        yield
    except RecursionError as error:
        raise QueryError("The question is nested too deeply.", "Nest it less deeply.") from error


def _answer(plan: Plan, parameters: Parameters, *, keyset: bool, presorted: bool) -> exp.Select:
    select = select_of(*_output(plan), *(_sort_values(plan, parameters) if keyset else ()))
    made = GROUPS if plan.grouping else CONVERTED if plan.conversion else ALIGNED if plan.alignment else None
    if made is None:
        select = kept_rows(select.from_(exp.to_table(ROWS), copy=False), plan, parameters)
    else:
        select = select.from_(exp.to_table(made), copy=False)
        if plan.having != TRUE:
            select = select.where(condition(plan.having, parameters), copy=False)
    if plan.order and not presorted:
        select = select.order_by(*(_ordered(term, parameters) for term in plan.order), copy=False)
    if plan.page.limit is not None:
        select = select.limit(parameters.add(lambda bound: bound.plan.page.limit), copy=False)
    if plan.page.offset:
        select = select.offset(parameters.add(lambda bound: bound.plan.page.offset), copy=False)
    return select


def _output(plan: Plan) -> list[exp.Expr]:
    if plan.count_only:
        return [named(exp.Count(this=exp.Star()), COUNT)]
    return [column(output.name) for output in plan.output]


def _sort_values(plan: Plan, parameters: Parameters) -> list[exp.Expr]:
    return [named(value(term.by, parameters), f"{SORT_PREFIX}{position}") for position, term in enumerate(plan.order)]


def _ordered(term: Order, parameters: Parameters) -> exp.Ordered:
    return exp.Ordered(this=value(term.by, parameters), desc=term.descending, nulls_first=not term.descending)
