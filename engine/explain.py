"""What an answer takes: the files and row groups, the passes that acted, the statement. Nothing is executed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any, cast

from catalog.domains import Domain
from catalog.row_groups import RowGroups, row_groups
from catalog.scan import Pruned, ScanFiles, ScanRequest
from engine.lower import Statement
from engine.planner import Stage
from engine.planner.model import Plan
from engine.printing import grouping_text, text_of
from engine.query import Related

LISTED_VALUES_MAX = 8  # of a domain; of more, their number and ends are told


@dataclass(frozen=True, slots=True)
class Files:
    """Of those read, `settled` are read by a plain filter, the rows of `compared` are held against those of others that
    may have the same keys; `rows` and `size_bytes` are all that they hold."""

    considered: int
    pruned: Pruned
    read: int
    settled: int
    compared: int
    rows: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class LookedUp:
    """A condition on related rows, the files that have them, and how many keys it selects; None where it is joined."""

    node: Related
    files: ScanFiles
    keys: int | None


@dataclass(frozen=True, slots=True)
class RelatedRows:
    """How a condition on related rows is answered: `keys` is how many were looked up first, and files pruned by them;
    None where the statement joins them."""

    table: str
    condition: str
    keys: int | None
    files: Files


@dataclass(frozen=True, slots=True)
class Change:
    """A part of the plan, as it was and as it became."""

    part: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class PassEffect:
    name: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """How one query is answered at one snapshot.

    `grouping` is empty where rows are not grouped. `row_groups` are those of the files that are read, None where there
    are too many footers to look at. It is not promised that DuckDB skips no more: it also looks at conditions that say
    nothing of whole files. `parameters` are texts: of a list its length.
    """

    table: str
    grouping: str
    view: str
    as_of: dt.date | None
    snapshot: str
    files: Files
    related: tuple[RelatedRows, ...]
    row_groups: RowGroups | None
    passes: tuple[PassEffect, ...]
    sql: str
    parameters: Mapping[str, str]


def explained(
    stages: tuple[Stage, ...],
    snapshot: str,
    files: ScanFiles,
    statement: Statement,
    footers_max: int,
    looked_up: tuple[LookedUp, ...] = (),
) -> Explanation:
    """Opens the footers of the files, where they are at most so many. Raises StorageDamaged, StorageFailed."""
    plan = stages[-1].plan
    few = len(files.files) <= footers_max
    return Explanation(
        table=plan.table.name,
        grouping=grouping_text(plan.grouping) if plan.grouping else "",
        view=plan.view.value,
        as_of=plan.as_of,
        snapshot=snapshot,
        files=_counted(files),
        related=tuple(
            RelatedRows(each.node.rows.table, text_of(each.node), each.keys, _counted(each.files)) for each in looked_up
        ),
        row_groups=row_groups(files.files, plan.scan.domains, plan.columns) if few else None,
        passes=tuple(effects(stages)),
        sql=statement.sql,
        parameters={name: _parameter(value) for name, value in statement.parameters.items()},
    )


def _counted(files: ScanFiles) -> Files:
    return Files(
        files.considered,
        files.pruned,
        read=len(files.files),
        settled=len(files.settled),
        compared=len(files.mixed),
        rows=files.rows,
        size_bytes=files.size_bytes,
    )


def effects(stages: tuple[Stage, ...]) -> Iterator[PassEffect]:
    """What each pass changed, without those that changed nothing."""
    for before, after in pairwise(stages):
        if changes := tuple(_changes(before.plan, after.plan)):
            yield PassEffect(after.name, changes)


def _changes(before: Plan, after: Plan) -> Iterator[Change]:
    for field in fields(Plan):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if field.name == "related":
            yield from _related_changes(before, after)
        elif old != new:
            yield Change(field.name, _shown(old), _shown(new))


def _related_changes(before: Plan, after: Plan) -> Iterator[Change]:
    left = dict(after.related)
    for node, rows in before.related:
        for change in _changes(rows, left.get(node, rows)):
            yield replace(change, part=f"{node.rows.table}: {change.part}")


def _shown(part: Any) -> str:
    match part:
        case ScanRequest():
            return ", ".join(f"{name} {_domain(domain)}" for name, domain in sorted(part.domains.items())) or "all"
        case tuple():
            return ", ".join(map(str, cast("tuple[object, ...]", part)))
        case _:
            return text_of(part)


def _domain(domain: Domain) -> str:
    if domain.nulls and domain.values == ():
        return "null"
    nulls = " or null" if domain.nulls else ""
    if domain.values is not None:
        return f"in ({_listed(domain.values)}){nulls}"
    without = f" but ({_listed(tuple(sorted(domain.without)))})" if domain.without else ""
    return f"from {_end(domain.low)} to {_end(domain.high)}{without}{nulls}"


def _end(value: Any) -> str:
    return "any" if value is None else str(value)


def _listed(values: tuple[Any, ...]) -> str:
    if len(values) > LISTED_VALUES_MAX:
        return f"{len(values)} values from {values[0]} to {values[-1]}"
    return ", ".join(map(str, values))


def _parameter(value: Any) -> str:
    # The longest lists are not the caller's own: the paths of files, and the sequences of their commits.
    return f"list of {len(cast('list[object]', value))}" if isinstance(value, list) else str(value)
