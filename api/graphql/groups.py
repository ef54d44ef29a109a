"""Groups of points over all series: the root field that has a filter, keys of its own, and conditions on groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import strawberry
from strawberry.types.field import StrawberryField

from api.graphql.building import Argument, attribute, input_type, object_type, resolved
from api.graphql.compile import Direction, Release, needed_columns
from api.graphql.entities import Entity, Timeline
from api.graphql.executor import ListJson
from api.graphql.filters import condition, filter_input
from api.graphql.lists import Shape, shown, whole
from api.graphql.naming import camel
from api.graphql.request import Request, Row, Scope
from api.graphql.resolvers import FieldInfo, Resolver, check_count
from api.graphql.scalars import PYTHON_TYPES
from api.graphql.selection import Selection
from api.graphql.statistics import FIELDS, PERIOD, Bucket, aggregate_of, statistics_fields
from api.graphql.types import AS_OF, SNAPSHOT
from api.problems import Problem
from catalog.model import Column, Table, Type
from engine.aggregates import answer_table
from engine.query import TRUE, Aggregate, Field, Key, Order, Page, Query, grouped


def groups_field(timeline: Timeline, points: Entity) -> StrawberryField:
    """`dataPointGroups`: statistics of the points of all series that fulfil a filter."""
    singular = timeline.points.singular
    keys = {camel(column.name): column for column in timeline.table.visible if column.name != timeline.measure}
    by: Any = _enum(f"{singular}Key", "What points are grouped by.", keys)
    place: Any = _enum(f"{singular}GroupColumn", "What groups are sorted by.", [*keys, PERIOD, *FIELDS])
    shape = _shape_of_all(timeline, keys)
    having: Any = filter_input(replace(timeline.points, singular=f"{singular}Group"), shape)
    filter_: Any = filter_input(timeline.points, points.table)
    order: Any = input_type(
        f"{singular}GroupOrder",
        "One term of the order of groups.",
        (Argument("by", place, "The column."), Argument("direction", Direction, "Which way.", Direction.ASC)),
    )
    group: Any = object_type(f"{singular}Group", f"Statistics of {singular} values of equal keys.", _fields(keys))
    arguments = (
        Argument("filter", filter_ | None, "Which points; all of them where it is left out."),
        Argument("groupBy", list[by] | None, "The columns that the points of a group share."),
        Argument("bucket", Bucket | None, "The period that the points of a group share."),
        Argument("having", having | None, "Which groups; a column of it need not be selected."),
        Argument("orderBy", list[order] | None, "The order of the groups; by their keys where it is left out."),
        Argument("first", int | None, "At most so many groups."),
        AS_OF,
        Argument("release", Release, "Which revision of each point.", Release.LATEST),
        SNAPSHOT,
    )
    about = f"Statistics of {singular} values by keys and periods. One row of all points without either."
    return resolved(f"{camel(singular)}Groups", list[group], about, _resolver(timeline, keys), arguments)


def _enum(name: str, description: str, names: Any) -> Any:
    made: Any = Enum(name, {each: each for each in names})
    return strawberry.enum(made, description=description)


def _fields(keys: Mapping[str, Column]) -> Iterator[StrawberryField]:
    for name, column in keys.items():
        scalar: Any = PYTHON_TYPES[column.type]
        yield attribute(name, column.name, scalar | None, f"{column.description} Points must be grouped by it.")
    day: Any = PYTHON_TYPES[Type.DATE]
    yield attribute(PERIOD, PERIOD, day | None, "The first day of the period; without a bucket, the first date.")
    yield from statistics_fields()


def _shape_of_all(timeline: Timeline, keys: Mapping[str, Column]) -> Table:
    """Every column that groups may have."""
    every = [aggregate_of(name, {}, timeline) for name in (PERIOD, *FIELDS)]
    names = [Key(column.name, Field(column.name)) for column in keys.values()]
    return answer_table(grouped(names, every), timeline.table)


@dataclass(frozen=True, slots=True)
class GroupsAsk:
    """What the arguments and the selection of the field ask for."""

    timeline: Timeline
    given: Mapping[str, Any]
    keys: tuple[Key, ...]
    aggregates: tuple[Aggregate, ...]
    scope: Scope

    def query(self, items_max: int) -> Query:
        """Raises Problem as `filters.condition` does, and `invalid_parameter` for a column that groups do not have."""
        table, given = self.timeline.table, self.given
        keys = {camel(key.name): key.name for key in self.keys}
        order = [(camel(term["by"].value), term["direction"]) for term in given.get("orderBy") or ()]
        filter_, having = given.get("filter"), given.get("having")
        aggregates = {each.name: each for each in self.aggregates}
        for name in (*_names(having or {}), *(name for name, _ in order)):
            if name not in keys:
                aggregates[name] = aggregate_of(name, {}, self.timeline)
        grouping = grouped(self.keys, aggregates.values())
        answered = answer_table(grouping, table)
        shown = {*keys.values(), *(each.name for each in self.aggregates)}
        return Query(
            table.name,
            columns=needed_columns(answered, shown),
            where=TRUE if filter_ is None else condition(filter_, table, items_max),
            order=tuple(Order(Field(keys.get(by, by)), way is Direction.DESC) for by, way in order),
            page=Page(given.get("first")),
            view=given["release"].view,
            as_of=self.scope.as_of,
            grouping=grouping,
            having=TRUE if having is None else condition(having, answered, items_max),
        )


def _names(having: Mapping[str, Any]) -> Iterator[str]:
    """The columns that a condition on groups names."""
    for name, value in having.items():
        match name:
            case "and" | "or":
                for each in value or ():
                    yield from _names(each)
            case "not":
                yield from _names(value or {})
            case _:
                yield name


def _resolver(timeline: Timeline, columns: Mapping[str, Column]) -> Resolver:
    async def resolve(info: FieldInfo, **given: Any) -> ListJson | list[Row]:
        request = info.context
        check_count("first", given.get("first"), "graphql_rows_max", request.limits.graphql_rows_max)
        scope = (await request.scope()).at(given.get("asOf"))
        names = dict.fromkeys(each.value for each in given.get("groupBy") or ())
        keys = [Key(columns[name].name, Field(columns[name].name)) for name in names]
        bucket: Bucket | None = given.get("bucket")
        if bucket is not None:
            keys.append(Key(PERIOD, bucket.start(timeline.axis.name)))
        shows = {name: columns[name].name for name in names} | ({PERIOD: PERIOD} if bucket else {})
        asked = info.statistics(timeline, shows)
        ask = GroupsAsk(timeline, given, tuple(keys), asked.aggregates, scope)
        return await request.reader.run(lambda: _read(request, ask, asked.selection, info.shown_type.name))

    return resolve


def _read(request: Request, ask: GroupsAsk, selection: Selection, typename: str) -> ListJson | list[Row]:
    """Blocking. Raises Problem `limit_exceeded` for more groups than an answer may have."""
    query = ask.query(request.limits.in_items_max)
    request.knowledge_dates.add(ask.scope.as_of)
    most = request.limits.graphql_rows_max
    with request.answer(query, ask.scope, rows_max=most + 1) as result:
        part = whole(result.batches())
    if part.rows > most:
        hint = "Ask for the first so many, or page through OData; the limit can be set."
        details = {"limit": "graphql_rows_max", "value": most}
        raise Problem("limit_exceeded", "There are more groups than an answer may have.", hint, details)
    table = answer_table(query.grouping or grouped((), ()), ask.timeline.table)
    with request.stopwatch.measure("render"):
        return shown(part, Shape(table, typename, selection, as_json=request.lists_as_json), ask.scope)
