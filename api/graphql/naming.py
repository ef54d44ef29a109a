"""The names of the schema, derived from those of the model."""

from __future__ import annotations

from catalog.model import Collection


def camel(name: str) -> str:
    """`data_points` and `DataPoints` as `dataPoints`."""
    first, *rest = name.split("_")
    return first[:1].lower() + first[1:] + "".join(word[:1].upper() + word[1:] for word in rest)


def entity_field(collection: Collection) -> str:
    """The root field of one entity: `series`."""
    return camel(collection.singular)


def list_field(collection: Collection) -> str | None:
    """The root field of the plain list: `sources`; none where it would have the name of the entity's field."""
    plural = camel(collection.name)
    return None if plural == entity_field(collection) else plural


def connection_field(collection: Collection) -> str:
    """The root field of the connection: `seriesList`."""
    return entity_field(collection) + "List"
