"""From the resource path to what is addressed: an entity set, one entity, a property, a count.

`Series(<id>)/DataPoints` becomes one query, as the key is what the relation starts from; where it is not (an alternate
key, the way from a point to its series) the entity before is looked up first: a `Parent`.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from urllib.parse import unquote

from api.limits import Limits
from api.odata.edm import EntityType, Navigation, entity_type
from api.odata.expressions import Scope, key_value
from api.odata.faults import at, limit_exceeded, near, not_supported, syntax_error, within
from api.odata.parser import parse_segment
from api.odata.syntax import Argument, Lambda, Segment
from api.problems import Problem
from catalog.model import Relation, Tables
from engine.literals import coerce, typed_compare
from engine.query import TRUE, Expr, Field, Literal, Op, Query, View, all_of


class Shape(Enum):
    """What the answer looks like."""

    COLLECTION = "collection"
    ENTITY = "entity"
    PROPERTY = "property"
    VALUE = "value"  # a property's bare text
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class Parent:
    """An entity that a navigation starts from.

    `query` asks for the columns that the relation starts from. Where `bound`, whatever follows holds their values
    already, and the query only tells whether the entity exists.
    """

    query: Query
    relation: Relation
    bound: bool


@dataclass(frozen=True, slots=True)
class Address:
    """What a path addresses. `where` names the rows, `key` holds the values of the last key as far as they are known.

    `name` is the path as a context URL shows it.
    """

    entity: EntityType
    shape: Shape
    where: Expr = TRUE
    parents: tuple[Parent, ...] = ()
    column: str = ""
    name: str = ""
    key: Mapping[str, Literal] = field(default_factory=dict[str, Literal])


_SEGMENT = re.compile(r"(?:'(?:[^']|'')*+'|[^/'])+|'")
_UNSERVED_SEGMENTS = ("$all", "$apply", "$batch", "$crossjoin", "$each", "$entity", "$filter", "$query", "$ref")


def split_path(path: str) -> tuple[str, ...]:
    """The decoded segments of a raw path; slashes between quotes and encoded ones belong to a segment."""
    try:
        return tuple(unquote(segment, errors="strict") for segment in _SEGMENT.findall(path))
    except UnicodeDecodeError as error:
        raise Problem("not_found", "The path is not percent-encoded UTF-8.") from error


def resolve(
    segments: tuple[str, ...], tables: Tables, aliases: Mapping[str, str], as_of: dt.date | None, limits: Limits
) -> Address:
    """What the segments address.

    Raises Problem `unknown_table`, `not_found`, `not_supported`, `limit_exceeded`; for keys `syntax_error` and
    `invalid_literal` too.
    """
    if len(segments) > limits.path_segments_max:
        raise limit_exceeded("path_segments_max", limits.path_segments_max, "The path has too many segments.")
    walker = _Walker(aliases, as_of, limits)
    with within(segments[0]):
        address = walker.start(segments[0], tables)
    for text in segments[1:]:
        with within(text):
            address = walker.step(address, text)
    return replace(address, name="/".join(segments))


def view_of(entity: EntityType) -> View:
    return View.EVERY if entity.collection.every_revision else View.LATEST


@dataclass(frozen=True, slots=True)
class _Walker:
    aliases: Mapping[str, str]
    as_of: dt.date | None
    limits: Limits

    def start(self, text: str, tables: Tables) -> Address:
        segment = self._segment(text)
        _refuse_unserved(segment.name)
        entity = entity_type(tables, segment.name)
        return self._keyed(Address(entity, Shape.COLLECTION), segment)

    def step(self, address: Address, text: str) -> Address:
        segment = self._segment(text)
        if address.shape is Shape.COLLECTION and segment.name == "$count" and segment.arguments is None:
            return replace(address, shape=Shape.COUNT)
        if address.shape is Shape.PROPERTY and segment.name == "$value" and segment.arguments is None:
            return replace(address, shape=Shape.VALUE)
        _refuse_unserved(segment.name)
        if address.shape is not Shape.ENTITY:
            raise _nothing_at(text)
        if segment.name in address.entity.navigations:
            return self._navigate(address, address.entity.navigations[segment.name], segment)
        if segment.name in address.entity.properties and segment.arguments is None:
            return replace(address, shape=Shape.PROPERTY, column=segment.name)
        names = (*address.entity.properties, *address.entity.navigations)
        raise Problem(
            "not_found", f"{address.entity.name} has no property {segment.name!r}.", near(segment.name, names)
        )

    def _segment(self, text: str) -> Segment:
        if len(text.encode()) > self.limits.query_string_bytes_max:
            raise Problem("uri_too_long", "A segment of the path is too long.", "Shorten the path.")
        if not text[0].isalpha() and text[0] not in "$_":
            raise _nothing_at(text)
        return parse_segment(text, self.limits)

    def _navigate(self, address: Address, navigation: Navigation, segment: Segment) -> Address:
        relation, target = navigation.relation, address.entity.to(navigation)
        if not relation.many and segment.arguments is not None:
            raise Problem("not_found", f"{segment.name} leads to one entity: it takes no key.")
        bound = set(address.key) == set(relation.columns)
        columns = zip(relation.columns, relation.target_columns, strict=True)
        key = {there: address.key[here] for here, there in columns} if bound else {}
        parent = Parent(self._query(address, relation.columns), relation, bound)
        shape = Shape.COLLECTION if relation.many else Shape.ENTITY
        reached = Address(target, shape, _equal(target, key), (*address.parents, parent), key=key)
        return self._keyed(reached, segment, implied=relation.target_columns)

    def _query(self, address: Address, columns: tuple[str, ...]) -> Query:
        table = address.entity.table
        as_of = self.as_of if table.revision else None
        return Query(table.name, columns, address.where, view=view_of(address.entity), as_of=as_of)

    def _keyed(self, address: Address, segment: Segment, implied: tuple[str, ...] = ()) -> Address:
        """One entity of the collection where the segment has a key; properties in `implied` may be left out of it."""
        if isinstance(segment.arguments, Lambda):
            raise syntax_error("A key is due.", segment.position)
        if not segment.arguments:
            return address
        scope = Scope(address.entity, self.aliases, self.limits)
        values = _key(segment.arguments, scope, implied, segment.position)
        where = all_of(address.where, _equal(address.entity, values))
        return replace(address, shape=Shape.ENTITY, where=where, key={**address.key, **values})


def _key(arguments: tuple[Argument, ...], scope: Scope, implied: tuple[str, ...], position: int) -> dict[str, Literal]:
    """The values of a key predicate by property."""
    entity = scope.entity
    if arguments[0].name is None and len(arguments) == 1:
        names = [name for name in entity.key if name not in implied] or list(entity.key)
    else:
        names = [argument.name or "" for argument in arguments]
    named = set(names)
    fits = any(named <= set(key) <= named | set(implied) for key in entity.keys)
    if not fits or not len(named) == len(names) == len(arguments):
        raise syntax_error(f"This is no key of {entity.collection.name}.", position, f"Write {_spelt(entity)}.")
    return {name: _key_literal(argument, entity, name, scope) for name, argument in zip(names, arguments, strict=True)}


def _key_literal(argument: Argument, entity: EntityType, name: str, scope: Scope) -> Literal:
    value = key_value(argument.value, scope)
    try:
        with at(argument.value.position):
            return coerce(value, entity.properties[name].type)
    except Problem as problem:
        problem.hint = f"{problem.hint} Keys are written {_spelt(entity)}."
        raise


def _spelt(entity: EntityType) -> str:
    """The keys of an entity as one writes them."""
    return " or ".join(f"{entity.collection.name}({','.join(f'{name}=..' for name in key)})" for key in entity.keys)


def _equal(entity: EntityType, values: Mapping[str, Literal]) -> Expr:
    return all_of(*[typed_compare(Op.EQ, Field(name), value, entity.table) for name, value in values.items()])


def _refuse_unserved(name: str) -> None:
    if name.lower() in _UNSERVED_SEGMENTS:
        raise not_supported(f"the path segment {name}")
    if name.startswith("$"):
        hint = near(name, ("$count", "$value", "$metadata"))
        raise Problem("not_found", f"There is no path segment {name} here.", hint)
    if "." in name:
        raise not_supported(f"the qualified segment {name}")


def _nothing_at(text: str) -> Problem:
    return Problem("not_found", f"There is nothing at {text[:80]!r}.", "Write keys in parentheses: Series(<id>).")
