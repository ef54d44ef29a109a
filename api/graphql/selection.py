"""What a document selects below a field, by graphql-core's own rules for fragments, aliases, @skip and @include."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from graphql import FieldNode, GraphQLObjectType
from graphql.execution import Executor
from graphql.execution.collect_fields import FieldDetails, GroupedFieldSet, collect_subfields

from api.graphql.entities import Entity

TYPENAME = "__typename"


@dataclass(frozen=True, slots=True)
class Selection:
    """What is selected of the rows of an entity.

    `columns` are those that the answer or a resolver below reads. `keys` are the keys of one object in their order,
    each with the column it shows, or None for the type's name. `plain` says that `keys` are the whole answer: nothing
    below needs a resolver.
    """

    columns: frozenset[str]
    keys: tuple[tuple[str, str | None], ...]
    plain: bool


def subfields(executor: Executor[Any], details: list[FieldDetails], type_: GraphQLObjectType) -> GroupedFieldSet:
    """The fields selected of an object, by response key."""
    collected = collect_subfields(
        executor.schema, executor.fragments, executor.variable_values, executor.operation, type_, details
    )
    return collected.grouped_field_set


def named(grouped: GroupedFieldSet, name: str) -> list[FieldDetails]:
    """Every node that selects the field of that name, under whatever keys."""
    return [detail for details in grouped.values() for detail in details if detail.node.name.value == name]


def select(grouped: GroupedFieldSet, entity: Entity) -> Selection:
    columns: set[str] = set()
    keys: list[tuple[str, str | None]] = []
    plain = True
    for key, details in grouped.items():
        # Nodes of one key are one field, but where the nodes of several lists were put together.
        for name in dict.fromkeys(detail.node.name.value for detail in details):
            column = entity.columns.get(name)
            if name == TYPENAME:
                keys.append((key, None))
            elif column is not None:
                columns.add(column.name)
                keys.append((key, column.name))
            else:
                columns.update(entity.needs[name])
                plain = False
    return Selection(frozenset(columns), tuple(keys), plain)


def details_of(nodes: Iterable[FieldNode]) -> list[FieldDetails]:
    """Field nodes of a resolver's info, as graphql-core's collector wants them."""
    return [FieldDetails(node, None) for node in nodes]
