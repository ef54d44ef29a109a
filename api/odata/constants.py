"""From a literal as OData writes it to a constant of the engine."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal, InvalidOperation
from typing import assert_never

import orjson

from api.odata.faults import at, not_supported, syntax_error
from api.odata.lexer import Kind
from api.odata.syntax import Constant
from catalog.model import Type
from engine.errors import InvalidLiteral
from engine.literals import LONG_MAX, coerce, literal
from engine.query import FALSE, NULL, TRUE, Literal

_WORDS = {"true": TRUE, "false": FALSE, "null": NULL}
_UNSERVED_PREFIXES = ("duration", "binary", "geography", "geometry")
_OLD_PREFIXES = ("datetime", "datetimeoffset", "time", "x")
_INSTANT = re.compile(
    r"(?P<day>[-\d]+)[Tt](?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d+))?)?(?P<zone>.*)",
    re.DOTALL,
)


def constant(node: Constant) -> Literal:
    """The value of a literal, exact: no number goes through a double.

    Raises Problem `invalid_literal` for a value that does not exist or does not fit, `not_supported` for one of a type
    that finlake has not; both with the position.
    """
    with at(node.position):
        match node.kind:
            case Kind.STRING:
                return literal(_unquoted(node.text))
            case Kind.JSON_STRING:
                return literal(_from_json(node.text))
            case Kind.NUMBER:
                return _number(node.text)
            case Kind.DATE:
                return coerce(literal(node.text), Type.DATE)
            case Kind.INSTANT:
                return literal(instant(node.text))
            case Kind.GUID:
                return coerce(literal(node.text), Type.UUID)
            case Kind.TYPED:
                return _typed(node)
            case Kind.TIME:
                raise not_supported("Edm.TimeOfDay", node.position)
            case Kind.MINUS_INFINITY:
                raise _not_finite(node.text)
            case Kind.NAME:
                return _word(node.text)
            case Kind.ALIAS | Kind.DOLLAR | Kind.MARK | Kind.END:
                raise syntax_error(f"{node.text!r} is no literal.", node.position)
            case _:
                assert_never(node.kind)


def instant(text: str) -> dt.datetime:
    """A DateTimeOffset in UTC. No zone is UTC; digits past the microsecond are cut off; 24:00 is the day's end.

    Raises InvalidLiteral.
    """
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise _no_instant(text)
    try:
        day = dt.date.fromisoformat(match["day"])
        hour, minute, second = int(match["hour"]), int(match["minute"]), int(match["second"] or 0)
        fraction = int((match["fraction"] or "0")[:6].ljust(6, "0"))
        if hour == 24 and not (minute or second or fraction):
            return _moment(day, dt.time()) + dt.timedelta(days=1) - _offset(match["zone"])
        return _moment(day, dt.time(hour, minute, second, fraction)) - _offset(match["zone"])
    except (ValueError, OverflowError) as error:
        raise _no_instant(text) from error


def _no_instant(text: str) -> InvalidLiteral:
    return InvalidLiteral(f"{text[:60]} is no instant.", "Give one that exists, such as 2020-01-31T12:00:00Z.")


def _moment(day: dt.date, time: dt.time) -> dt.datetime:
    return dt.datetime.combine(day, time, tzinfo=dt.timezone.utc)


def _offset(zone: str) -> dt.timedelta:
    if zone in {"", "Z", "z"}:
        return dt.timedelta()
    sign = -1 if zone[0] == "-" else 1
    hours, minutes = int(zone[1:3]), int(zone[4:6])
    if hours > 14 or minutes > 59:
        raise ValueError(zone)
    return sign * dt.timedelta(hours=hours, minutes=minutes)


def _unquoted(text: str) -> str:
    return text[1:-1].replace("''", "'")


def _from_json(text: str) -> str:
    try:
        return str(orjson.loads(text))
    except orjson.JSONDecodeError as error:
        raise InvalidLiteral(f"{text[:80]} is no JSON text.", "Escape as JSON does, or use single quotes.") from error


def _number(text: str) -> Literal:
    """A whole number of 64 bits is a LONG, every other a DECIMAL, whatever its suffix."""
    digits = text.rstrip("LlMmDdFf")
    try:
        value = Decimal(digits)
    except InvalidOperation as error:
        raise InvalidLiteral(f"{text[:60]} has an exponent out of all bounds.", "Give a smaller exponent.") from error
    whole = digits.lstrip("+-").isdigit() and text[-1] not in "MmDdFf"
    return literal(int(value) if whole and -LONG_MAX - 1 <= value <= LONG_MAX else value)


def _word(text: str) -> Literal:
    if text.lower() not in _WORDS:
        raise _not_finite(text)
    return _WORDS[text.lower()]


def _not_finite(text: str) -> InvalidLiteral:
    return InvalidLiteral(f"{text} is no value of a decimal.", "Compare with a finite number.")


def _typed(node: Constant) -> Literal:
    prefix, _, rest = node.text.partition("'")
    if prefix.lower() == "guid":
        return coerce(literal(_unquoted("'" + rest)), Type.UUID)
    if prefix.lower() in _UNSERVED_PREFIXES:
        raise not_supported(f"the {prefix.lower()} literal", node.position)
    if "." in prefix:
        raise not_supported("enumeration literals", node.position)
    if prefix.lower() in _OLD_PREFIXES:
        hint = "Write dates and instants bare: 2020-01-31, 2020-01-31T12:00:00Z."
        raise syntax_error(f"The prefix {prefix}'..' belongs to OData 3.", node.position, hint)
    raise syntax_error(f"There is no literal {prefix}'..'.", node.position, "Leave a blank before a text.")
