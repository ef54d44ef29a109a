"""The scalars of the schema: what carries each type of the model, how it is read and how it is shown.

Decimals and 64-bit integers travel as texts, since JavaScript has neither. They are read from texts, and from number
literals by their text: no value ever passes through a float. `json_rows.NUMBERS_AS_TEXTS` shows a column exactly as
`serialize` shows a value, so that lists written straight from Arrow equal lists completed field by field.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NewType

import strawberry
from graphql import FloatValueNode, IntValueNode, StringValueNode, ValueNode
from strawberry.types.scalar import ScalarDefinition

from api.json_rows import plain_decimal, rfc3339
from catalog.model import Type
from engine.errors import InvalidLiteral
from engine.literals import coerce, literal

BigInt = NewType("BigInt", int)

PYTHON_TYPES: Mapping[Type, object] = {
    Type.UUID: strawberry.ID,
    Type.STRING: str,
    Type.DATE: dt.date,
    Type.TIMESTAMP: dt.datetime,
    Type.BOOLEAN: bool,
    Type.DECIMAL: Decimal,
    Type.LONG: BigInt,
    Type.DOUBLE: float,
}


def _reader(wanted: Type, *accepted: type) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, accepted):
            raise InvalidLiteral(f"{value!r:.80} is not a {wanted.value}.", f"Give a {wanted.value} as a text.")
        return coerce(literal(value), wanted).value

    return read


def _read_decimal(value: Any) -> Decimal:
    """A finite number; whether its digits fit is told of each row, so that one bad row does not refuse its batch."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise InvalidLiteral(f"{value!r:.80} is not a decimal.", 'Give a decimal as a text, such as "101.5".')
    try:
        number = Decimal(value)
    except ArithmeticError as error:
        raise InvalidLiteral(f"{value!r:.80} is not a decimal.", 'Give a decimal such as "101.5".') from error
    if not number.is_finite():
        raise InvalidLiteral(f"{number} is no number.", "Give a finite decimal.")
    return number


def _literal_reader(read: Callable[[Any], Any], *, numbers: bool) -> Callable[..., Any]:
    """Reads a literal by its text."""

    def read_literal(node: ValueNode, _variables: dict[str, Any] | None = None) -> Any:
        if isinstance(node, StringValueNode) or (numbers and isinstance(node, IntValueNode | FloatValueNode)):
            return read(node.value)
        raise InvalidLiteral("The literal is of the wrong kind.", "Give the value as a text.")

    return read_literal


def _scalar(
    name: str,
    description: str,
    show: Callable[[Any], Any],
    read: Callable[[Any], Any],
    *,
    numbers: bool = False,
    url: str | None = None,
) -> ScalarDefinition:
    return strawberry.scalar(
        name=name,
        description=description,
        specified_by_url=url,
        serialize=show,
        parse_value=read,
        parse_literal=_literal_reader(read, numbers=numbers),
    )


SCALARS: Mapping[object, ScalarDefinition] = {
    dt.date: _scalar(
        "Date",
        "A day, as `2020-01-31`.",
        dt.date.isoformat,
        _reader(Type.DATE, str),
        url="https://scalars.graphql.org/andimarek/local-date",
    ),
    dt.datetime: _scalar(
        "DateTime",
        "An instant in UTC, as `2020-01-31T12:00:00Z` (RFC 3339).",
        rfc3339,
        _reader(Type.TIMESTAMP, str),
        url="https://scalars.graphql.org/andimarek/date-time",
    ),
    Decimal: _scalar(
        "Decimal",
        "An exact decimal number as a text, without exponent and trailing zeros. Read from texts and from numbers.",
        plain_decimal,
        _read_decimal,
        numbers=True,
    ),
    BigInt: _scalar("BigInt", "A whole number of 64 bits, as a text.", str, _reader(Type.LONG, str, int), numbers=True),
}
