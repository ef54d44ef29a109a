"""Constants: from a Python value to a `Literal`, and from the type a door read to the type the other side has."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from math import isfinite

from catalog.model import DECIMAL_PRECISION, DECIMAL_SCALE, Table, Type
from engine.errors import InvalidLiteral, WrongType
from engine.functions import type_of
from engine.query import NULL, Expr, Literal, Op, Scalar, compare, is_in

LONG_MAX = 2**63 - 1
NUMBERS = frozenset({Type.LONG, Type.DECIMAL, Type.DOUBLE})
DECIMAL_INTEGER_DIGITS_MAX = DECIMAL_PRECISION - DECIMAL_SCALE
_INSTANT_PATTERN = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d")
_DAY_PATTERN = re.compile(r"\d{4}-\d\d-\d\d")
_WHOLE_PATTERN = re.compile(r"-?[0-9]{1,40}")
_NUMBER_PATTERN = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def literal(value: Scalar) -> Literal:
    """A constant whose type follows from the Python value. A text is a STRING; `coerce` makes it something else."""
    match value:
        case None:
            return NULL
        case bool():
            return Literal(value, Type.BOOLEAN)
        case int():
            return _long(value)
        case float():
            return _double(value)
        case str():
            return _string(value)
        case Decimal():
            return _decimal(value)
        case dt.datetime():
            return _timestamp(value)
        case dt.date():
            return Literal(value, Type.DATE)


def coerce(constant: Literal, wanted: Type) -> Literal:
    """The same constant as a value of another type. Raises InvalidLiteral where it has no such value.

    Texts are read as ids, dates, instants and numbers; numbers widen; a date is its first instant in UTC; an instant
    stays an instant against a date column only where it is a midnight in UTC, which is the date.
    """
    value = constant.value
    if value is None or constant.type is wanted:
        return _uuid(value) if wanted is Type.UUID and isinstance(value, str) else constant
    match wanted, value:
        case Type.UUID, str():
            return _uuid(value)
        case Type.STRING, str():
            return _string(value)
        case Type.DATE, dt.datetime():
            return _midnight(value)
        case Type.DATE, str():
            return Literal(_parsed_date(value), Type.DATE)
        case Type.TIMESTAMP, str():
            return _timestamp(_parsed_instant(value))
        case Type.TIMESTAMP, dt.date():
            return _timestamp(dt.datetime(value.year, value.month, value.day, tzinfo=dt.timezone.utc))
        case (Type.DECIMAL, int() | str()) if not isinstance(value, bool):
            return _decimal(_parsed_decimal(str(value)))
        case (Type.DOUBLE, int() | Decimal() | str()) if not isinstance(value, bool):
            return _double(float(_parsed_decimal(str(value))))
        case Type.LONG, Decimal() if value == value.to_integral_value():
            return _long(int(value))
        case Type.LONG, str() if _WHOLE_PATTERN.fullmatch(value):
            return _long(int(value))
        case _:
            raise InvalidLiteral(f"{value!s:.80} is not a {wanted.value}.", f"Give a {wanted.value}.")


def typed_compare(op: Op, left: Expr, right: Expr, table: Table) -> Expr:
    """The comparison in canonical form, with a constant on either side coerced to the other side's type.

    Raises WrongType where two sides that are no constants differ in type, InvalidLiteral where a constant does not fit.
    """
    left_type, right_type = type_of(left, table), type_of(right, table)
    if isinstance(right, Literal) and left_type is not None:
        right = coerce(right, _comparison_type(right, left_type))
    elif isinstance(left, Literal) and right_type is not None:
        left = coerce(left, _comparison_type(left, right_type))
    elif left_type is not right_type and not {left_type, right_type} <= NUMBERS:
        raise WrongType(
            f"A {_type_name(left_type)} cannot be compared with a {_type_name(right_type)}.", "Compare like with like."
        )
    return compare(op, left, right)


def typed_in(arg: Expr, items: Iterable[Literal], table: Table) -> Expr:
    """Membership in canonical form, each item coerced to the argument's type. Raises InvalidLiteral."""
    wanted = type_of(arg, table)
    return is_in(arg, (item if wanted is None else coerce(item, _comparison_type(item, wanted)) for item in items))


def _comparison_type(constant: Literal, other: Type) -> Type:
    """A fraction against a whole number, and an instant against a date, keep their own type: both compare exactly."""
    value = constant.value
    if other is Type.LONG and isinstance(value, Decimal) and value != value.to_integral_value():
        return Type.DECIMAL
    if other is Type.DATE and isinstance(value, dt.datetime) and value.astimezone(dt.timezone.utc).time() != dt.time():
        return Type.TIMESTAMP
    return other


def _type_name(type_: Type | None) -> str:
    return "null" if type_ is None else type_.value


def _string(value: str) -> Literal:
    if "\x00" in value:
        raise InvalidLiteral("A text holds a NUL character.", "Leave the NUL out: no stored text has one.")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidLiteral("A text holds half of a surrogate pair.", "Send well-formed UTF-8.") from error
    return Literal(value, Type.STRING)


def _uuid(value: str) -> Literal:
    try:
        return Literal(str(uuid.UUID(value)), Type.UUID)
    except ValueError as error:
        raise InvalidLiteral(
            f"{value!r:.80} is not an id.", "Give a UUID such as 9f0c6a52-0f5e-5c43-a9ac-1f2b6d3f8a11."
        ) from error


def _long(value: int) -> Literal:
    if not -LONG_MAX - 1 <= value <= LONG_MAX:
        raise InvalidLiteral(f"{str(value)[:40]} does not fit 64 bits.", "Give a smaller whole number.")
    return Literal(value, Type.LONG)


def _double(value: float) -> Literal:
    if not isfinite(value):
        raise InvalidLiteral(f"{value} is no number.", "Give a finite number.")
    return Literal(value + 0.0, Type.DOUBLE)  # no negative zero, so that equal queries are equal


def _decimal(value: Decimal) -> Literal:
    if not value.is_finite():
        raise InvalidLiteral(f"{value} is no number.", "Give a finite decimal.")
    exponent = int(value.as_tuple().exponent)
    too_fine = -exponent > DECIMAL_SCALE and value != 0
    if too_fine or (value != 0 and value.adjusted() >= DECIMAL_INTEGER_DIGITS_MAX):
        raise InvalidLiteral(
            f"{str(value)[:60]} does not fit decimal({DECIMAL_PRECISION},{DECIMAL_SCALE}).",
            f"Give at most {DECIMAL_INTEGER_DIGITS_MAX} integer and {DECIMAL_SCALE} fraction digits.",
        )
    return Literal(_plain(value), Type.DECIMAL)


def _plain(value: Decimal) -> Decimal:
    """Equal decimals as one value: no trailing zeros, no negative zero, so that equal queries are equal."""
    if value == 0:
        return Decimal(0)
    sign, digits, exponent = value.as_tuple()
    kept = list(digits)
    shift = int(exponent)
    while kept[-1] == 0:
        kept.pop()
        shift += 1
    return Decimal((sign, tuple(kept), shift))


def _parsed_decimal(text: str) -> Decimal:
    """Python would also read `1_000`, blanks, `nan` and the digits of other scripts."""
    try:
        if _NUMBER_PATTERN.fullmatch(text):
            return Decimal(text)
    except InvalidOperation:
        pass
    raise InvalidLiteral(f"{text!r:.80} is not a number.", "Give a decimal such as 101.5.")


def _midnight(value: dt.datetime) -> Literal:
    utc = _timestamp(value).value
    if isinstance(utc, dt.datetime) and utc.time() == dt.time():
        return Literal(utc.date(), Type.DATE)
    raise InvalidLiteral(f"{value.isoformat()} is not a date.", "Give a date such as 2020-01-31.")


def _timestamp(value: dt.datetime) -> Literal:
    """An instant in UTC; one without a zone is UTC already, never the server's zone."""
    try:
        utc = value.replace(tzinfo=dt.timezone.utc) if value.tzinfo is None else value.astimezone(dt.timezone.utc)
    except OverflowError as error:
        raise InvalidLiteral(
            f"{value.isoformat()} lies outside the years 1 to 9999.", "Give a later instant."
        ) from error
    return Literal(utc, Type.TIMESTAMP)


def _parsed_date(text: str) -> dt.date:
    try:
        if _DAY_PATTERN.fullmatch(text):
            return dt.date.fromisoformat(text)
        if _INSTANT_PATTERN.match(text) and isinstance(day := _midnight(_parsed_instant(text)).value, dt.date):
            return day
    except ValueError:
        pass
    raise InvalidLiteral(f"{text!r:.80} is not a date.", "Give a date that exists, such as 2020-01-31.")


def _parsed_instant(text: str) -> dt.datetime:
    try:
        if _DAY_PATTERN.match(text):
            return dt.datetime.fromisoformat(text)
    except ValueError:
        pass
    raise InvalidLiteral(f"{text!r:.80} is not an instant.", "Give one such as 2020-01-31T12:00:00Z.")
