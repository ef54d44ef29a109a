"""The schema: root fields over the model, and the extensions that parse, check and cache documents."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import strawberry
from graphql import ASTValidationRule, GraphQLError
from strawberry.extensions import AddValidationRules, MaxTokensLimiter, ParserCache, SchemaExtension, ValidationCache
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext
from strawberry.types.field import StrawberryField

from api.graphql.aligned import aligned_field
from api.graphql.building import Argument, object_type, resolved
from api.graphql.connections import connection_resolver, list_resolver
from api.graphql.conversions import conversion_arguments
from api.graphql.entities import NATURAL_KEYS, Entity, entities_of
from api.graphql.executor import Executor
from api.graphql.filters import filter_input
from api.graphql.groups import groups_field
from api.graphql.guards import limits_rule
from api.graphql.mutations import mutation_type
from api.graphql.naming import camel, connection_field, entity_field, list_field
from api.graphql.request import Request, Row
from api.graphql.resolvers import FieldInfo, entity_resolver, root_points_resolver
from api.graphql.scalars import PYTHON_TYPES, SCALARS
from api.graphql.types import AS_OF, SNAPSHOT, SPAN, TIME_RANGE, connection_type, entity_types
from api.limits import Limits
from api.reading import Stopwatch
from catalog.model import Tables


class Schema(strawberry.Schema):
    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Nothing: `faults` logs what nobody foresaw, and the rest is the caller's."""


class Timing(SchemaExtension):
    """Adds the times of parsing and validation to the request's stopwatch."""

    def on_parse(self) -> Iterator[None]:
        with self._stopwatch.measure("parse"):
            yield

    def on_validate(self) -> Iterator[None]:
        with self._stopwatch.measure("validate"):
            yield

    @property
    def _stopwatch(self) -> Stopwatch:
        request: Request = self.execution_context.context
        return request.stopwatch


def build_schema(tables: Tables, limits: Limits) -> Schema:
    """The schema of a model. Mutations are there where the model has the tables that they write."""
    entities = entities_of(tables)
    types = entity_types(entities)
    fields = [field for entity in entities.values() for field in _root_fields(entity, entities, types)]
    rules: list[type[ASTValidationRule]] = [limits_rule(limits)]
    return Schema(
        query=object_type("Query", "Everything that can be read.", fields),
        mutation=mutation_type(entities, types),
        extensions=[
            Timing,
            partial(MaxTokensLimiter, limits.graphql_tokens_max),
            ParserCache,
            partial(AddValidationRules, rules),
            ValidationCache,
        ],
        execution_context_class=Executor,
        config=StrawberryConfig(
            default_resolver=shown_value,
            disable_field_suggestions=True,
            info_class=FieldInfo,
            scalar_map=SCALARS,
        ),
    )


def shown_value(source: Any, name: str) -> Any:
    """The value of a field without a resolver: a column of a row, else an attribute."""
    return source.values[name] if isinstance(source, Row) else getattr(source, name)


def _root_fields(entity: Entity, entities: dict[str, Entity], types: dict[str, Any]) -> Iterator[StrawberryField]:
    if entity.table.revision is None:
        yield from _entity_fields(entity, types[entity.collection.singular])
    for name, timeline in entity.timelines.items():
        singular = timeline.points.singular
        parent = timeline.table.by_name[timeline.parent]
        arguments = (
            Argument(camel(parent.name), PYTHON_TYPES[parent.type], parent.description),
            Argument("timeRange", TIME_RANGE | None, "The dates wanted; all of them where it is left out."),
            *SPAN,
            *conversion_arguments(entity),
            SNAPSHOT,
        )
        resolver = root_points_resolver(timeline, entities[singular], entity)
        about = f"The {singular} list of one {entity.collection.singular}."
        yield resolved(name, list[types[singular]], about, resolver, arguments)
        if timeline.measure:
            yield groups_field(timeline, entities[singular])
            yield aligned_field(timeline, entity, (SNAPSHOT,))


def _entity_fields(entity: Entity, type_: Any) -> Iterator[StrawberryField]:
    collection, table = entity.collection, entity.table
    filter_: Any = filter_input(collection, table)
    filter_argument = Argument("filter", filter_ | None, "Which rows; all of them where it is left out.")
    about = collection.description
    if len(table.key) == 1:
        yield resolved(entity_field(collection), type_ | None, about, entity_resolver(entity), _key_arguments(entity))
    if plural := list_field(collection):
        yield resolved(plural, list[type_], about, list_resolver(entity), (filter_argument, SNAPSHOT))
    arguments = (
        filter_argument,
        Argument("ids", list[strawberry.ID] | None, "Only rows with these ids."),
        Argument("first", int | None, "At most so many edges; the most that are allowed where it is left out."),
        Argument("after", str | None, "The cursor of the edge to go on behind. It pins its snapshot."),
        *_as_of(entity),
        SNAPSHOT,
    )
    connection = connection_type(collection.singular, type_)
    yield resolved(connection_field(collection), connection, about, connection_resolver(entity), arguments)


def _key_arguments(entity: Entity) -> Iterator[Argument]:
    """The key; where there is a natural key too, one of the two."""
    natural = NATURAL_KEYS.get(entity.table.name)
    for name in (entity.table.key[0], natural):
        if name is not None:
            column = entity.table.by_name[name]
            scalar: Any = PYTHON_TYPES[column.type]
            yield Argument(camel(name), scalar if natural is None else scalar | None, column.description)
    yield from _as_of(entity)
    yield SNAPSHOT


def _as_of(entity: Entity) -> tuple[Argument, ...]:
    """The knowledge date means something only where revisions hang below."""
    return (AS_OF,) if entity.timelines else ()
