"""Strawberry types from values: object types, input types and fields that the model, not a class, describes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import strawberry
from strawberry import UNSET
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.arguments import InputContext, StrawberryArgument
from strawberry.types.base import get_object_definition
from strawberry.types.field import StrawberryField
from strawberry.types.fields.resolver import StrawberryResolver


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a field, or a field of an input. Without a default it is absent where the caller leaves it out."""

    name: str
    type: Any
    description: str
    default: Any = UNSET


def attribute(name: str, python_name: str, type_: Any, description: str) -> StrawberryField:
    """A field that shows what the default resolver finds under `python_name`."""
    return StrawberryField(
        python_name=python_name,
        graphql_name=name,
        type_annotation=StrawberryAnnotation(type_),
        description=description,
    )


def resolved(
    name: str, type_: Any, description: str, resolver: Callable[..., Any], arguments: Iterable[Argument] = ()
) -> StrawberryField:
    """A field that `resolver(root, info, **arguments)` answers; the arguments keep their GraphQL names."""
    field = StrawberryField(
        python_name=name,
        graphql_name=name,
        type_annotation=StrawberryAnnotation(type_),
        description=description,
        base_resolver=StrawberryResolver(resolver),
    )
    field.arguments = [
        StrawberryArgument(
            python_name=argument.name,
            graphql_name=argument.name,
            type_annotation=StrawberryAnnotation(argument.type),
            default=argument.default,
            description=argument.description,
        )
        for argument in arguments
    ]
    return field


def object_type(name: str, description: str, fields: Iterable[StrawberryField]) -> type:
    namespace: dict[str, Any] = {field.python_name: field for field in fields}
    return strawberry.type(type(name, (), namespace), name=name, description=description)


def extend(made: type, fields: Iterable[StrawberryField]) -> None:
    """Adds fields whose types did not exist yet when the type was made."""
    definition = get_object_definition(made, strict=True)
    for field in fields:
        field.origin = made
        definition.fields.append(field)


def input_type(name: str, description: str, fields: Iterable[Argument]) -> type:
    """An input that reaches resolvers as a plain mapping of the names given, so that absent and null differ."""
    namespace: dict[str, Any] = {_attribute_name(field.name): _input_field(field) for field in fields}
    made = strawberry.input(type(name, (), namespace), name=name, description=description)
    get_object_definition(made, strict=True).from_input = _as_given
    return made


def extend_input(made: type, fields: Iterable[Argument]) -> None:
    """Adds fields that refer to the input itself."""
    extend(made, map(_input_field, fields))


def _input_field(field: Argument) -> StrawberryField:
    return StrawberryField(
        python_name=_attribute_name(field.name),
        graphql_name=field.name,
        type_annotation=StrawberryAnnotation(field.type),
        description=field.description,
        default=field.default,
    )


def _attribute_name(name: str) -> str:
    """A name that is no keyword of Python (`in`, `and`, `or`, `not`)."""
    return f"{name}_"


def _as_given(_type: type, value: Mapping[str, Any], _context: InputContext) -> Mapping[str, Any]:
    return value
