"""From the fields of a document to queries: pure, no schema, no HTTP. Every question of this door is made here.

`columns` are the columns that the answer needs, in any order: a Query lists them in the model's order, and names none
where it needs every visible one. Bounds of dates are inclusive.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from api.graphql.entities import Timeline
from api.graphql.filters import condition, membership
from api.graphql.statistics import PERIOD, Bucket
from catalog.model import Table
from engine.alignment import Alignment
from engine.conversion import Conversion
from engine.literals import literal, typed_compare, typed_in
from engine.query import TRUE, Aggregate, Expr, Field, Key, Op, Order, Page, Query, View, all_of, grouped


class Release(Enum):
    LATEST = "latest"
    FIRST = "first"

    @property
    def view(self) -> View:
        return View(self.value)


class Direction(Enum):
    ASC = "asc"
    DESC = "desc"


@dataclass(frozen=True, slots=True)
class PointsSpan:
    """Which points of a series: a range of days, a view, and at most so many of them.

    `first` counts from the front of the order shown, `last` is the latest so many, shown in ascending order; at most
    one of them is given, and `last` only in ascending order. A `conversion` is that of the whole series; its dates are
    those of the span.
    """

    start: dt.date | None = None
    end: dt.date | None = None
    as_of: dt.date | None = None
    release: Release = Release.LATEST
    first: int | None = None
    last: int | None = None
    direction: Direction = Direction.ASC
    conversion: Conversion | None = None

    @property
    def take(self) -> int | None:
        """How many rows a series gives at most, from the front of the query's order."""
        return self.first if self.last is None else self.last

    @property
    def backwards(self) -> bool:
        """Whether the rows are read in the other direction than they are shown."""
        return self.last is not None


def needed_columns(table: Table, columns: Collection[str]) -> tuple[str, ...]:
    """The `columns` of a Query that needs these: in the model's order, none where they are all."""
    needed = tuple(column.name for column in table.visible if column.name in columns)
    return () if len(needed) == len(table.visible) else needed


def entity_query(table: Table, key: str, values: Sequence[str], columns: Collection[str]) -> Query:
    """The rows that have these values in the column `key`, which names one row each."""
    wanted = columns if len(values) == 1 else {*columns, key}
    return Query(table.name, needed_columns(table, wanted or {key}), _one_of(table, key, values))


def page_query(
    table: Table,
    columns: Collection[str],
    *,
    where: Expr = TRUE,
    first: int | None = None,
) -> Query:
    """The first page of a list in order of key."""
    return Query(table.name, needed_columns(table, columns or table.key), where, page=Page(first))


def list_condition(table: Table, filter_: Mapping[str, Any] | None, ids: Sequence[str] | None, items_max: int) -> Expr:
    """What a `filter` and a list of keys say together. Raises as `filters.condition`."""
    parts: list[Expr] = [] if filter_ is None else [condition(filter_, table, items_max)]
    if ids is not None:
        parts.append(membership(Field(table.key[0]), [literal(item) for item in ids], table, items_max))
    return all_of(*parts)


def points_query(timeline: Timeline, ids: Sequence[str], columns: Collection[str], span: PointsSpan) -> Query:
    """The points of some series. Of one series alone the query carries the page and needs no column for the parent."""
    table, axis = timeline.table, timeline.axis.name
    alone = len(ids) == 1
    wanted = columns if alone else {*columns, timeline.parent}
    descending = span.direction is Direction.DESC or span.backwards
    by_parent = () if alone else (Order(Field(timeline.parent)),)
    converts = span.conversion is not None
    bounds = [] if converts else _bounds(table, axis, span.start, span.end)
    return Query(
        table.name,
        needed_columns(table, wanted or {axis}),
        all_of(_one_of(table, timeline.parent, ids), *bounds),
        (*by_parent, Order(Field(axis), descending=True)) if descending else (),
        Page(span.take if alone else None),
        span.release.view,
        span.as_of,
        conversion=replace(span.conversion, start=span.start, end=span.end) if span.conversion else None,
    )


def statistics_query(
    timeline: Timeline,
    ids: Sequence[str],
    aggregates: Iterable[Aggregate],
    bucket: Bucket | None,
    span: PointsSpan,
) -> Query:
    """Statistics of the points of some series, by period if a `bucket` is given. Series without points have none."""
    table, parent = timeline.table, Key(timeline.parent, Field(timeline.parent))
    alone = len(ids) == 1
    keys = [] if alone and bucket else [parent]
    if bucket is not None:
        keys.append(Key(PERIOD, bucket.start(timeline.axis.name)))
    backwards = bucket is not None and (span.direction is Direction.DESC or span.backwards)
    by_parent = () if alone else (Order(Field(timeline.parent)),)
    return Query(
        table.name,
        where=all_of(_one_of(table, timeline.parent, ids), *_bounds(table, timeline.axis.name, span.start, span.end)),
        order=(*by_parent, Order(Field(PERIOD), descending=True)) if backwards else (),
        page=Page(span.take if alone else None),
        view=span.release.view,
        as_of=span.as_of,
        grouping=grouped(keys, aggregates),
    )


def aligned_query(timeline: Timeline, alignment: Alignment, span: PointsSpan) -> Query:
    """Several series side by side."""
    backwards = span.direction is Direction.DESC or span.backwards
    return Query(
        timeline.table.name,
        order=(Order(Field(timeline.axis.name), descending=True),) if backwards else (),
        page=Page(span.take),
        view=span.release.view,
        as_of=span.as_of,
        alignment=alignment,
    )


def revisions_query(
    timeline: Timeline, ids: Sequence[str], columns: Collection[str], date: dt.date, as_of: dt.date | None
) -> Query:
    """Every revision of one point of some series, the oldest first."""
    table, axis = timeline.table, timeline.axis.name
    wanted = columns if len(ids) == 1 else {*columns, timeline.parent}
    where = all_of(_one_of(table, timeline.parent, ids), typed_compare(Op.EQ, Field(axis), literal(date), table))
    return Query(table.name, needed_columns(table, wanted or {axis}), where, view=View.EVERY, as_of=as_of)


def vintages_query(timeline: Timeline, ids: Sequence[str], as_of: dt.date | None) -> Query:
    """The revision dates of some series, one row a stored revision."""
    parent = () if len(ids) == 1 else (timeline.parent,)
    columns = needed_columns(timeline.table, (*parent, timeline.revision))
    where = _one_of(timeline.table, timeline.parent, ids)
    return Query(timeline.table.name, columns, where, view=View.EVERY, as_of=as_of)


def _one_of(table: Table, column: str, ids: Sequence[str]) -> Expr:
    return typed_in(Field(column), [literal(item) for item in ids], table)


def _bounds(table: Table, axis: str, start: dt.date | None, end: dt.date | None) -> list[Expr]:
    """The inclusive bounds that are given."""
    given = ((Op.GE, start), (Op.LE, end))
    return [typed_compare(op, Field(axis), literal(day), table) for op, day in given if day is not None]
