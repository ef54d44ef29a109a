"""The entity model of OData, derived from the tables: entity sets, entity types, navigation.

Names of properties are names of columns. A navigation to many is named like the entity set it leads to, one to a
single entity like its type.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from api.odata.faults import near
from api.problems import Problem
from catalog.model import DECIMAL_PRECISION, Collection, Column, Relation, Table, Tables, Type

NAMESPACE = "finlake"

EDM_TYPES: dict[Type, str] = {
    Type.UUID: "Edm.Guid",
    Type.STRING: "Edm.String",
    Type.DATE: "Edm.Date",
    Type.TIMESTAMP: "Edm.DateTimeOffset",
    Type.BOOLEAN: "Edm.Boolean",
    Type.DECIMAL: "Edm.Decimal",
    Type.LONG: "Edm.Int64",
    Type.DOUBLE: "Edm.Double",
}
# Without these a Decimal has no fraction and a DateTimeOffset no fraction of a second, by the standard's defaults.
FACETS: dict[Type, dict[str, str]] = {
    Type.DECIMAL: {"Precision": str(DECIMAL_PRECISION), "Scale": "variable"},
    Type.TIMESTAMP: {"Precision": "6"},
}


@dataclass(frozen=True)
class Navigation:
    """A way from one entity type to another."""

    name: str
    target: Collection
    relation: Relation


@dataclass(frozen=True)
class EntityType:
    """What the entities of one entity set look like."""

    tables: Tables
    collection: Collection

    @property
    def name(self) -> str:
        return self.collection.singular

    @cached_property
    def table(self) -> Table:
        return self.tables.by_name[self.collection.table]

    @cached_property
    def key(self) -> tuple[str, ...]:
        return self.tables.key_of(self.collection)

    @property
    def keys(self) -> tuple[tuple[str, ...], ...]:
        """Every set of properties that names one entity: the key, then the alternate ones."""
        return (self.key, *self.table.alternate_keys)

    @cached_property
    def properties(self) -> dict[str, Column]:
        return {column.name: column for column in self.table.visible}

    @cached_property
    def navigations(self) -> dict[str, Navigation]:
        ways = (way for relation in self.table.relations for way in self._ways(relation))
        return {way.name: way for way in ways}

    def to(self, navigation: Navigation) -> EntityType:
        return EntityType(self.tables, navigation.target)

    def column(self, name: str, position: int) -> Column:
        """The property of that name. Raises Problem `unknown_column`."""
        if name not in self.properties:
            raise Problem(
                "unknown_column",
                f"{self.name} has no property {name!r}.",
                near(name, self.properties),
                {"column": name, "position": position},
            )
        return self.properties[name]

    def _ways(self, relation: Relation) -> Iterator[Navigation]:
        targets = [c for c in self.tables.collections if c.table == relation.target]
        if relation.many:
            yield from (Navigation(target.name, target, relation) for target in targets)
            return
        target = next(target for target in targets if not target.every_revision)
        yield Navigation(self._single_name(target), target, relation)

    def _single_name(self, target: Collection) -> str:
        """The name of the type, unless it differs from a property by case only: some clients fold case."""
        taken = {name.lower() for name in self.properties}
        return f"{target.singular}Entity" if target.singular.lower() in taken else target.singular


def entity_type(tables: Tables, name: str) -> EntityType:
    """The type of an entity set's entities. Raises Problem `unknown_table`."""
    if name not in tables.by_collection:
        raise Problem(
            "unknown_table", f"There is no entity set {name!r}.", near(name, tables.by_collection), {"table": name}
        )
    return EntityType(tables, tables.by_collection[name])
