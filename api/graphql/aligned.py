"""Several series side by side: their dates once, and the values of each as a parallel list."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import strawberry
from strawberry.types.field import StrawberryField

from api.graphql.batches import EntityBatch
from api.graphql.building import Argument, attribute, object_type, resolved
from api.graphql.compile import aligned_query
from api.graphql.entities import Entity, Timeline
from api.graphql.executor import ListJson
from api.graphql.lists import column_shown
from api.graphql.naming import camel
from api.graphql.request import Request, Scope
from api.graphql.resolvers import FieldInfo, Resolver, canonical_id, points_span
from api.graphql.scalars import PYTHON_TYPES
from api.graphql.types import SPAN
from api.problems import Problem
from catalog.model import Type
from engine.alignment import Alignment, Fill, column_of

strawberry.enum(Fill, description="What stands where a series has no value: nothing, or the last value before that is.")


@dataclass(frozen=True, slots=True)
class Column:
    id: str
    values: ListJson | list[Any]


@dataclass(frozen=True, slots=True)
class Aligned:
    dates: ListJson | list[Any]
    series: list[Column]


def aligned_field(timeline: Timeline, parent: Entity, arguments: Sequence[Argument]) -> StrawberryField:
    """`aligned`. `arguments` are those that every root field has."""
    number: Any = PYTHON_TYPES[Type.DECIMAL]
    columns = (
        attribute("id", "id", strawberry.ID, f"The id of the {parent.collection.singular}."),
        attribute("values", "values", list[number | None], "The value on each of the dates; null where there is none."),
    )
    column: Any = object_type("AlignedColumn", "The values of one series, one a date.", columns)
    day: Any = PYTHON_TYPES[Type.DATE]
    fields = (
        attribute("dates", "dates", list[day], "The dates, ascending or as ordered."),
        attribute("series", "series", list[column], "One column a series, in the order asked for."),
    )
    made: Any = object_type("AlignedSeries", "Several series by date, as parallel lists.", fields)
    asked = (
        Argument(f"{camel(timeline.parent)}s", list[strawberry.ID], "The series, each once."),
        Argument("startDate", day | None, "The first date, inclusive."),
        Argument("endDate", day | None, "The last date, inclusive."),
        Argument("fill", Fill, "What stands where a series has no value.", Fill.NULL),
        Argument("on", strawberry.ID | None, "Only the dates of this one of the series, instead of those of any."),
        *SPAN,
        *arguments,
    )
    about = "Several series by date, read by one statement: for charts, regressions, and joins by what came before."
    return resolved("aligned", made, about, _resolver(timeline, parent), asked)


def _resolver(timeline: Timeline, parent: Entity) -> Resolver:
    names = f"{camel(timeline.parent)}s"

    async def resolve(info: FieldInfo, **given: Any) -> Aligned:
        request = info.context
        scope = (await request.scope()).at(given.get("asOf"))
        ids = [canonical_id(each) for each in given[names]]
        if len(ids) > (most := request.limits.graphql_aligned_series_max):
            details = {"limit": "graphql_aligned_series_max", "value": most}
            raise Problem("limit_exceeded", f"{len(ids)} series are asked for.", details=details)
        known = EntityBatch(parent, parent.table.key[0], frozenset(), scope)
        found = await asyncio.gather(*(request.load(known, id_) for id_ in ids))
        if absent := [id_ for id_, row in zip(ids, found, strict=True) if row is None]:
            raise Problem("unknown_entity", f"There is no {parent.collection.singular} {absent[0]}.")
        return await request.reader.run(lambda: _read(request, timeline, ids, given, scope))

    return resolve


def _read(request: Request, timeline: Timeline, ids: list[str], given: Mapping[str, Any], scope: Scope) -> Aligned:
    """Blocking. Raises Problem `limit_exceeded` for more values than one statement may fill lists with."""
    span = points_span(given, given.get("startDate"), given.get("endDate"), scope, request.limits)
    on = given.get("on")
    alignment = Alignment(tuple(ids), given["fill"], None if on is None else canonical_id(on), span.start, span.end)
    request.knowledge_dates.add(scope.as_of)
    limit = "graphql_statement_points_max"
    rows_max = getattr(request.limits, limit) // max(len(ids), 1)
    with request.answer(aligned_query(timeline, alignment, span), scope, rows_max=rows_max + 1) as result:
        batches = list(result.batches())
    if sum(batch.num_rows for batch in batches) > rows_max:
        details = {"limit": limit, "value": getattr(request.limits, limit)}
        raise Problem("limit_exceeded", "The lists together have too many points.", "Narrow the dates.", details)
    with request.stopwatch.measure("render"):
        names = [(timeline.axis.name, Type.DATE), *((column_of(place), Type.DECIMAL) for place in range(len(ids)))]
        dates, *values = (
            column_shown(batches, name, type_, backwards=span.backwards, as_json=request.lists_as_json)
            for name, type_ in names
        )
    return Aligned(dates, [Column(id_, each) for id_, each in zip(ids, values, strict=True)])
