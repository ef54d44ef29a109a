"""What the fields do: read the arguments, check them, and ask a batch. The meaning is in `compile`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias, cast

from graphql import FieldNode, GraphQLObjectType, GraphQLResolveInfo, get_named_type
from graphql.execution.collect_fields import FieldDetails, GroupedFieldSet
from strawberry import Info

from api.graphql.batches import EntityBatch, PointsBatch, RevisionsBatch, StatisticsBatch, VintagesBatch
from api.graphql.compile import Direction, PointsSpan
from api.graphql.conversions import conversion_of
from api.graphql.entities import NATURAL_KEYS, Entity, Timeline, ToOne
from api.graphql.executor import ListJson
from api.graphql.naming import camel
from api.graphql.request import Request, Row, Scope
from api.graphql.selection import Selection, details_of, named, select, subfields
from api.graphql.statistics import PERIOD, Asked, asked_of
from api.limits import Limits
from api.problems import Problem
from catalog.model import Type
from engine.literals import coerce, literal

Resolver: TypeAlias = Callable[..., Awaitable[Any]]


class FieldInfo(Info[Request, None]):
    """Strawberry's info, with graphql-core's at hand."""

    def selection(self, entity: Entity) -> Selection:
        """What is selected of the rows of this field, worked out once for all parents."""
        request, nodes = self.context, self._nodes
        place = (entity.collection.singular, *map(id, nodes))
        known = request.selections.get(place)
        if known is None:
            known = request.selections[place] = self.selection_below(entity)
        return known

    def selection_below(self, entity: Entity, *path: str) -> Selection:
        """What is selected of the rows of an entity that stands below this field, behind the fields of `path`."""
        grouped, type_ = self.grouped(), self.shown_type
        for name in path:
            type_ = _object_type(type_.fields[name].type)
            grouped = self._subfields(named(grouped, name), type_)
        return select(grouped, entity)

    def grouped(self) -> GroupedFieldSet:
        """The fields selected right below this one."""
        return self._subfields(details_of(self._nodes), self.shown_type)

    def statistics(self, timeline: Timeline, keys: Mapping[str, str]) -> Asked:
        """What is selected of the groups of this field; `keys` are the columns that show what they are grouped by."""
        executor = self.context.executor
        asked = asked_of(self.grouped(), self.shown_type, executor.variable_values, timeline, keys)
        columns, most = len(keys) + len(asked.aggregates), self.context.limits.group_columns_max
        if columns > most:
            details = {"limit": "group_columns_max", "value": most}
            raise Problem("limit_exceeded", f"A group has {columns} columns.", details=details)
        return asked

    @property
    def _raw(self) -> GraphQLResolveInfo[Any]:
        return cast("GraphQLResolveInfo[Any]", self._raw_info)

    @property
    def _nodes(self) -> list[FieldNode]:
        return self._raw.field_nodes

    @property
    def shown_type(self) -> GraphQLObjectType:
        return _object_type(cast("Any", self._raw).return_type)

    def _subfields(self, details: list[FieldDetails], type_: GraphQLObjectType) -> GroupedFieldSet:
        return subfields(self.context.executor, details, type_)


def _object_type(type_: Any) -> GraphQLObjectType:
    """An object type without its lists and non-nulls."""
    return cast("GraphQLObjectType", get_named_type(type_))


def canonical_id(value: str) -> str:
    """An id as it is stored. Raises InvalidLiteral."""
    return str(coerce(literal(value), Type.UUID).value)


def entity_resolver(entity: Entity) -> Resolver:
    """`series(id)`: one row by its key, or by its natural key where it has one."""
    key = entity.table.key[0]
    natural = NATURAL_KEYS.get(entity.table.name)

    async def resolve(info: FieldInfo, **given: Any) -> Row | None:
        scope = (await info.context.scope()).at(given.get("asOf"))
        keys = {name: given[camel(name)] for name in (key, natural) if name and given.get(camel(name)) is not None}
        if len(keys) != 1:
            raise Problem("invalid_parameter", f"Give exactly one of {key} and {natural}.", "Name the entity once.")
        ((column, value),) = keys.items()
        is_id = entity.table.by_name[column].type is Type.UUID
        batch = EntityBatch(entity, column, info.selection(entity).columns, scope)
        return await info.context.load(batch, canonical_id(value) if is_id else value)

    return resolve


def to_one_resolver(to_one: ToOne, target: Entity) -> Resolver:
    """`Series.source`: the row that another row names."""
    (column,), (key,) = to_one.relation.columns, to_one.relation.target_columns

    async def resolve(root: Row, info: FieldInfo) -> Row | None:
        batch = EntityBatch(target, key, info.selection(target).columns, root.scope)
        return await info.context.load(batch, root.values[column])

    return resolve


def points_resolver(timeline: Timeline, entity: Entity, parent: Entity) -> Resolver:
    """`Series.dataPoints`."""
    (column,) = timeline.relation.columns

    async def resolve(root: Row, info: FieldInfo, **given: Any) -> ListJson | list[Row]:
        scope = root.scope.at(given.get("asOf"))
        span = points_span(given, given.get("startDate"), given.get("endDate"), scope, info.context.limits)
        converts = await conversion_of(given, info.context, parent, root.values[column], scope)
        span = replace(span, conversion=converts)
        batch = PointsBatch(timeline, info.selection(entity), span, scope)
        return await info.context.load(batch, root.values[column])

    return resolve


def root_points_resolver(timeline: Timeline, entity: Entity, parent: Entity) -> Resolver:
    """`dataPoints(seriesId)`. Tells a series without points from one that is not there."""
    (column,) = timeline.relation.columns

    async def resolve(info: FieldInfo, **given: Any) -> ListJson | list[Row]:
        request = info.context
        scope = (await request.scope()).at(given.get("asOf"))
        between: Mapping[str, dt.date | None] = given.get("timeRange") or {}
        span = points_span(given, between.get("start"), between.get("end"), scope, request.limits)
        key = canonical_id(given[camel(timeline.parent)])
        span = replace(span, conversion=await conversion_of(given, request, parent, key, scope))
        found = await request.load(PointsBatch(timeline, info.selection(entity), span, scope), key)
        empty = found.text == b"[]" if isinstance(found, ListJson) else not found
        if empty and await request.load(EntityBatch(parent, column, frozenset(), scope), key) is None:
            raise Problem("unknown_entity", f"There is no {parent.collection.singular} {key}.")
        return found

    return resolve


def statistics_resolver(timeline: Timeline) -> Resolver:
    """`Series.aggregates`."""
    (column,) = timeline.relation.columns

    async def resolve(root: Row, info: FieldInfo, **given: Any) -> ListJson | list[Row]:
        scope = root.scope.at(given.get("asOf"))
        bucket = given.get("bucket")
        span = points_span(given, given.get("startDate"), given.get("endDate"), scope, info.context.limits)
        asked = info.statistics(timeline, {} if bucket is None else {PERIOD: PERIOD})
        batch = StatisticsBatch(timeline, info.shown_type.name, asked, bucket, span, scope)
        return await info.context.load(batch, root.values[column])

    return resolve


def revisions_resolver(timeline: Timeline, entity: Entity) -> Resolver:
    """`Series.revisions`: every revision of one date."""
    (column,) = timeline.relation.columns

    async def resolve(root: Row, info: FieldInfo, **given: Any) -> ListJson | list[Row]:
        scope = root.scope.at(given.get("asOf"))
        batch = RevisionsBatch(timeline, info.selection(entity), given[camel(timeline.axis.name)], scope.as_of, scope)
        return await info.context.load(batch, root.values[column])

    return resolve


def vintages_resolver(timeline: Timeline) -> Resolver:
    """`Series.vintages`: the revision dates on record."""
    (column,) = timeline.relation.columns

    async def resolve(root: Row, info: FieldInfo, **given: Any) -> ListJson | list[dt.date]:
        scope = root.scope.at(given.get("asOf"))
        return await info.context.load(VintagesBatch(timeline, scope.as_of, scope), root.values[column])

    return resolve


def points_span(
    given: Mapping[str, Any], start: dt.date | None, end: dt.date | None, scope: Scope, limits: Limits
) -> PointsSpan:
    """The arguments of a list of points, checked. Raises Problem `invalid_parameter`, `limit_exceeded`."""
    first, last = given.get("first"), given.get("last")
    if start is not None and end is not None and start > end:
        raise Problem("invalid_parameter", f"The range starts on {start}, after its end {end}.")
    if first is not None and last is not None:
        raise Problem("invalid_parameter", "Both first and last are given.", "Give one of them.")
    if last is not None and given["order"] is Direction.DESC:
        hint = "Ask for the first so many in descending order: they are the latest, the newest first."
        raise Problem("invalid_parameter", "last is given with a descending order.", hint)
    for name, value in (("first", first), ("last", last)):
        check_count(name, value, "graphql_points_max", limits.graphql_points_max)
    return PointsSpan(start, end, scope.as_of, given["release"], first, last, given["order"])


def check_count(name: str, value: int | None, limit: str, most: int) -> None:
    """Raises Problem for a negative count, and for one over its limit."""
    if value is not None and value < 0:
        raise Problem("invalid_parameter", f"{name} is {value}.", "Give a count that is not negative.")
    if value is not None and value > most:
        details = {"limit": limit, "value": most}
        raise Problem("limit_exceeded", f"{name} is {value}, at most {most} are given.", details=details)
