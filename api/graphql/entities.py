"""The model as this door sees it: entities with their fields, and the timelines that hang on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from api.graphql.naming import camel
from catalog.model import Collection, Column, Relation, Table, Tables, Type

VINTAGES = "vintages"
STATISTICS = "aggregates"

# Columns that name one row though they are not the key: finlake derives the key from them.
NATURAL_KEYS = {"sources": "name"}


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """A to-many relation to a table that keeps revisions, such as the points of a series.

    `axis` is the one key column of the table that does not name the parent: the date of a point. `revision` is the
    column that tells its revisions apart. `measure` is the one column of numbers, empty where there is not one.
    """

    relation: Relation
    table: Table
    points: Collection
    revisions: Collection
    axis: Column
    revision: str
    measure: str

    @property
    def parent(self) -> str:
        """The column that names the parent."""
        return self.relation.target_columns[0]


@dataclass(frozen=True, slots=True)
class ToOne:
    """A relation to one row of another table, with the collection that shows it."""

    relation: Relation
    target: Collection


@dataclass(frozen=True, eq=False)
class Entity:
    """A collection of the model with its relations, keyed by the names of their GraphQL fields."""

    collection: Collection
    table: Table
    one: Mapping[str, ToOne]
    timelines: Mapping[str, Timeline]

    @cached_property
    def columns(self) -> dict[str, Column]:
        """The visible columns by GraphQL field.

        A column gives way to a relation of its name: `Series.source` is the source, and its name is in there.
        """
        names = {camel(column.name): column for column in self.table.visible}
        return {name: column for name, column in names.items() if name not in self.needs}

    @cached_property
    def needs(self) -> dict[str, tuple[str, ...]]:
        """The columns that the resolver of a field reads, for the fields that are not columns."""
        needs = {name: to_one.relation.columns for name, to_one in self.one.items()}
        for name, timeline in self.timelines.items():
            for field in (name, camel(timeline.revisions.name), VINTAGES, STATISTICS):
                needs[field] = timeline.relation.columns
        return needs


def entities_of(tables: Tables) -> dict[str, Entity]:
    """Each collection of the model, by the name of its GraphQL type."""
    return {collection.singular: _entity(tables, collection) for collection in tables.collections}


def entity_collection(tables: Tables, table: str) -> Collection | None:
    """The collection that shows one row a key of a table."""
    return next((c for c in tables.collections if c.table == table and not c.every_revision), None)


def _entity(tables: Tables, collection: Collection) -> Entity:
    table = tables.by_name[collection.table]
    one = {camel(r.name): to_one for r in table.relations if (to_one := _to_one(tables, r)) is not None}
    timelines = {camel(r.name): timeline for r in table.relations if (timeline := _timeline(tables, r)) is not None}
    return Entity(collection, table, one, timelines)


def _to_one(tables: Tables, relation: Relation) -> ToOne | None:
    target = entity_collection(tables, relation.target)
    if relation.many or len(relation.columns) != 1 or target is None:
        return None
    return ToOne(relation, target) if tables.by_name[relation.target].key == relation.target_columns else None


def _timeline(tables: Tables, relation: Relation) -> Timeline | None:
    table = tables.by_name[relation.target]
    axes = [table.by_name[name] for name in table.key if name not in relation.target_columns]
    if not relation.many or len(relation.columns) != 1 or table.revision is None or len(axes) != 1:
        return None
    shown = {c.every_revision: c for c in tables.collections if c.table == table.name}
    if axes[0].type is not Type.DATE or set(shown) != {False, True}:
        return None
    numbers = [column.name for column in table.visible if column.type is Type.DECIMAL]
    measure = numbers[0] if len(numbers) == 1 else ""
    return Timeline(relation, table, shown[False], shown[True], axes[0], table.revision, measure)
