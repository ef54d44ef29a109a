"""The object types of the schema, made from the model."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

import strawberry
from strawberry.types.field import StrawberryField

from api.graphql.building import Argument, attribute, extend, input_type, object_type, resolved
from api.graphql.compile import Direction, Release
from api.graphql.conversions import conversion_arguments
from api.graphql.entities import STATISTICS, VINTAGES, Entity, Timeline
from api.graphql.naming import camel
from api.graphql.resolvers import (
    points_resolver,
    revisions_resolver,
    statistics_resolver,
    to_one_resolver,
    vintages_resolver,
)
from api.graphql.scalars import PYTHON_TYPES
from api.graphql.statistics import PERIOD, Bucket, statistics_fields
from catalog.model import Column

strawberry.enum(Release, description="Which revision of a point is shown: the latest known, or the first on record.")
strawberry.enum(Direction, name="Order", description="By date, ascending or descending.")

AS_OF = Argument(
    "asOf",
    dt.date | None,
    "The knowledge date: revisions published later do not exist. Fields below inherit it, the nearest wins.",
)
SNAPSHOT = Argument(
    "snapshot",
    str | None,
    "The state of the store to read: the token that an answer's `extensions.snapshot` holds, a tag, or an instant such "
    "as 2024-06-15T12:00:00Z for the newest state committed until then. The newest where it is left out.",
)
SPAN = (
    AS_OF,
    Argument("release", Release, "Which revision of each point.", Release.LATEST),
    Argument("first", int | None, "At most so many, from the front of the order."),
    Argument("last", int | None, "The latest so many, in ascending order."),
    Argument("order", Direction, "The order of the dates.", Direction.ASC),
)
PAGE_INFO: Any = object_type(
    "PageInfo",
    "Where a page of a connection stands.",
    (
        attribute("hasNextPage", "has_next_page", bool, "Whether rows follow; exact."),
        attribute("hasPreviousPage", "has_previous_page", bool, "Whether rows precede."),
        attribute("startCursor", "start_cursor", str | None, "The cursor of the first edge."),
        attribute("endCursor", "end_cursor", str | None, "The cursor of the last edge: `after` of the next page."),
    ),
)


def column_type(column: Column) -> Any:
    scalar: Any = PYTHON_TYPES[column.type]
    return scalar | None if column.nullable else scalar


def entity_types(entities: Mapping[str, Entity]) -> dict[str, Any]:
    """An object type a collection, by its name, with all its relations."""
    types: dict[str, Any] = {name: _columns_type(name, entity) for name, entity in entities.items()}
    for name, entity in entities.items():
        extend(types[name], _relation_fields(entity, entities, types))
    return types


def _columns_type(name: str, entity: Entity) -> Any:
    fields = (
        attribute(field, column.name, column_type(column), column.description)
        for field, column in entity.columns.items()
    )
    return object_type(name, entity.collection.description, fields)


def _relation_fields(
    entity: Entity, entities: Mapping[str, Entity], types: Mapping[str, Any]
) -> Iterator[StrawberryField]:
    for name, to_one in entity.one.items():
        singular = to_one.target.singular
        nullable = entity.table.by_name[to_one.relation.columns[0]].nullable
        shown = types[singular] | None if nullable else types[singular]
        yield resolved(name, shown, to_one.target.description, to_one_resolver(to_one, entities[singular]))
    for name, timeline in entity.timelines.items():
        yield from _timeline_fields(name, timeline, entity, entities, types)


def _timeline_fields(
    name: str, timeline: Timeline, parent: Entity, entities: Mapping[str, Entity], types: Mapping[str, Any]
) -> Iterator[StrawberryField]:
    axis = camel(timeline.axis.name)
    points, revisions = timeline.points.singular, timeline.revisions.singular
    bounds = (
        Argument("startDate", dt.date | None, "The first date, inclusive."),
        Argument("endDate", dt.date | None, "The last date, inclusive."),
    )
    yield resolved(
        name,
        list[types[points]],
        "The observations, by date: one revision of each.",
        points_resolver(timeline, entities[points], parent),
        (*bounds, *SPAN, *conversion_arguments(parent)),
    )
    if timeline.measure:
        yield resolved(
            STATISTICS,
            list[_statistics_type(points)],
            "Statistics of the values, by period if a bucket is given. Only those that are selected are worked out.",
            statistics_resolver(timeline),
            (
                Argument("bucket", Bucket | None, "The periods; all points together where it is left out."),
                *bounds,
                *SPAN,
            ),
        )
    yield resolved(
        camel(timeline.revisions.name),
        list[types[revisions]],
        "Every revision of one date, the oldest first.",
        revisions_resolver(timeline, entities[revisions]),
        (Argument(axis, dt.date, timeline.axis.description), AS_OF),
    )
    yield resolved(
        VINTAGES,
        list[dt.date],
        "The revision dates on record, ascending.",
        vintages_resolver(timeline),
        (AS_OF,),
    )


def _statistics_type(points: str) -> Any:
    period = attribute(PERIOD, PERIOD, dt.date, "The first day of the period; without a bucket, the first date.")
    return object_type(f"{points}Stats", f"Statistics of {points} values.", (period, *statistics_fields()))


def connection_type(singular: str, node: Any) -> Any:
    """The Relay connection of an object type."""
    edge: Any = object_type(
        f"{singular}Edge",
        f"One {singular} of a page.",
        (
            attribute("node", "node", node, "The entity itself."),
            attribute("cursor", "cursor", str, "Opaque: `after` of the page behind this edge."),
        ),
    )
    return object_type(
        f"{singular}Connection",
        f"A page of {singular} in order of id.",
        (
            attribute("edges", "edges", list[edge], "The rows of the page."),
            attribute("pageInfo", "page_info", PAGE_INFO, "Where the page stands."),
            attribute("totalCount", "total_count", int, "The number of all matches; counted only where selected."),
        ),
    )


TIME_RANGE: Any = input_type(
    "TimeRange",
    "A range of dates, both ends inclusive; an end that is left out is open.",
    (Argument("start", dt.date | None, "The first date."), Argument("end", dt.date | None, "The last date.")),
)
