"""The batched questions: entities by key, points, revisions and vintages of many series in one statement each."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa

from api.graphql.compile import (
    PointsSpan,
    entity_query,
    points_query,
    revisions_query,
    statistics_query,
    vintages_query,
)
from api.graphql.entities import Entity, Timeline
from api.graphql.executor import ListJson
from api.graphql.lists import Part, Shape, shown, split, whole
from api.graphql.request import Request, Row, Scope
from api.graphql.selection import Selection
from api.graphql.statistics import Asked, Bucket
from api.problems import Problem
from engine.aggregates import answer_table
from engine.query import Grouping, Query


@dataclass(frozen=True, slots=True)
class EntityBatch:
    """Rows by the values of a column that names one row each; None where there is no such row."""

    entity: Entity
    key: str
    columns: frozenset[str]
    scope: Scope

    def read(self, request: Request, keys: Sequence[str]) -> list[Row | None]:
        query = entity_query(self.entity.table, self.key, keys, self.columns)
        with request.answer(query, self.scope) as result:
            rows = [Row(values, self.scope) for batch in result.batches() for values in batch.to_pylist()]
        if len(keys) == 1:
            return [rows[0] if rows else None]
        found = {row.values[self.key]: row for row in rows}
        return [found.get(key) for key in keys]


@dataclass(frozen=True, slots=True)
class PointsBatch:
    """The points of series, one list a series."""

    timeline: Timeline
    selection: Selection
    span: PointsSpan
    scope: Scope

    def read(self, request: Request, keys: Sequence[str]) -> list[Any]:
        query = points_query(self.timeline, keys, self.selection.columns, self.span)
        request.knowledge_dates.add(self.span.as_of)
        typename = self.timeline.points.singular
        shape = Shape(self.timeline.table, typename, self.selection, self.span.backwards, request.lists_as_json)
        return _lists(request, query, self.timeline, keys, shape, self.scope, self.span.take)


@dataclass(frozen=True, slots=True)
class StatisticsBatch:
    """Statistics of the points of series, one list a series."""

    timeline: Timeline
    typename: str
    asked: Asked
    bucket: Bucket | None
    span: PointsSpan
    scope: Scope

    def read(self, request: Request, keys: Sequence[str]) -> list[Any]:
        query = statistics_query(self.timeline, keys, self.asked.aggregates, self.bucket, self.span)
        request.knowledge_dates.add(self.span.as_of)
        table = answer_table(query.grouping or Grouping((), ()), self.timeline.table)
        shape = Shape(table, self.typename, self.asked.selection, self.span.backwards, request.lists_as_json)
        return _lists(request, query, self.timeline, keys, shape, self.scope, self.span.take)


@dataclass(frozen=True, slots=True)
class RevisionsBatch:
    """Every revision of one date, one list a series."""

    timeline: Timeline
    selection: Selection
    date: dt.date
    as_of: dt.date | None
    scope: Scope

    def read(self, request: Request, keys: Sequence[str]) -> list[Any]:
        query = revisions_query(self.timeline, keys, self.selection.columns, self.date, self.as_of)
        request.knowledge_dates.add(self.as_of)
        typename = self.timeline.revisions.singular
        shape = Shape(self.timeline.table, typename, self.selection, as_json=request.lists_as_json)
        return _lists(request, query, self.timeline, keys, shape, self.scope, None)


@dataclass(frozen=True, slots=True)
class VintagesBatch:
    """The distinct revision dates of series, ascending, one list a series."""

    timeline: Timeline
    as_of: dt.date | None
    scope: Scope

    def read(self, request: Request, keys: Sequence[str]) -> list[Any]:
        query = vintages_query(self.timeline, keys, self.as_of)
        request.knowledge_dates.add(self.as_of)
        found: dict[str, set[dt.date]] = {key: set() for key in keys}
        with request.answer(query, self.scope) as result:
            for batch in result.batches():
                self._collect(batch, keys, found)
        dates = [sorted(found[key]) for key in keys]
        return [ListJson(orjson.dumps(days)) for days in dates] if request.lists_as_json else dates

    def _collect(self, batch: pa.RecordBatch, keys: Sequence[str], found: dict[str, set[dt.date]]) -> None:
        """Reduces a batch to its distinct pairs in Arrow: the engine answers a row for every stored revision."""
        revision, parent = self.timeline.revision, self.timeline.parent
        grouping = [revision] if len(keys) == 1 else [parent, revision]
        pairs = pa.table({name: batch.column(name) for name in grouping})
        distinct: dict[str, list[Any]] = pairs.group_by(grouping).aggregate([]).to_pydict()
        if len(keys) == 1:
            found[keys[0]].update(distinct[revision])
            return
        for key, day in zip(distinct[parent], distinct[revision], strict=True):
            found[key].add(day)


def _lists(
    request: Request,
    query: Query,
    timeline: Timeline,
    keys: Sequence[str],
    shape: Shape,
    scope: Scope,
    take: int | None,
) -> list[Any]:
    """The list of each key, or the Problem that it is too long."""
    list_max, total_max = request.limits.graphql_points_max, request.limits.graphql_statement_points_max
    if len(keys) == 1:
        with request.answer(query, scope, rows_max=list_max + 1) as result:
            parts = {keys[0]: whole(result.batches())}
    else:
        # How many rows the first so many of each series are, SQL is not told: `split` counts them.
        rows_max = total_max + 1 if take is None else None
        with request.answer(query, scope, rows_max=rows_max) as result:
            parts = split(result.batches(), timeline.parent, take, total_max)
        if sum(part.rows for part in parts.values()) > total_max:
            message = "The lists together have too many points."
            raise _too_many("graphql_statement_points_max", total_max, message)
    with request.stopwatch.measure("render"):
        return [_shown_or_problem(parts.get(key, Part()), shape, scope, list_max) for key in keys]


def _shown_or_problem(part: Part, shape: Shape, scope: Scope, list_max: int) -> Any:
    if part.rows > list_max:
        return _too_many("graphql_points_max", list_max, "A list has more points than one may have.")
    return shown(part, shape, scope)


def _too_many(limit: str, value: int, message: str) -> Problem:
    hint = "Narrow the dates, ask for the first or last so many, or page through OData; the limit can be set."
    return Problem("limit_exceeded", message, hint, {"limit": limit, "value": value})
