"""Columns of whatever types a statement made: how each is called, and its values as JSON."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from api.json_rows import NUMBERS_BARE, Encoder, bare, calendar
from api.problems import Problem
from catalog.model import Type


@dataclass(frozen=True, slots=True)
class Kind:
    name: str
    json: Encoder


def _doubles(values: pa.Array) -> pa.Array:
    """JSON has no NaN and no infinity."""
    return bare(pc.if_else(pc.is_finite(values), values, None))


STRING = Kind("string", NUMBERS_BARE[Type.STRING])
_KINDS = (
    (pa.types.is_boolean, Kind("boolean", NUMBERS_BARE[Type.BOOLEAN])),
    (pa.types.is_integer, Kind("long", NUMBERS_BARE[Type.LONG])),
    (pa.types.is_decimal, Kind("decimal", NUMBERS_BARE[Type.DECIMAL])),
    (pa.types.is_floating, Kind("double", Encoder(_doubles))),
    (pa.types.is_date, Kind("date", NUMBERS_BARE[Type.DATE])),
    (pa.types.is_timestamp, Kind("timestamp", NUMBERS_BARE[Type.TIMESTAMP])),
    (pa.types.is_time, Kind("time", Encoder(calendar, quoted=True))),
    (pa.types.is_string, STRING),
)


def kinds_of(schema: pa.Schema) -> list[Kind]:
    """One a column. Raises Problem `wrong_type` for a column of a type that no form has."""
    return [_kind(name, type_) for name, type_ in zip(schema.names, schema.types, strict=True)]


def _kind(name: str, type_: pa.DataType) -> Kind:
    for covers, kind in _KINDS:
        if covers(type_):
            return kind
    message = f"The column {name[:80]!r} has a type that no answer has: {str(type_)[:80]}."
    raise Problem("wrong_type", message, "Cast it to VARCHAR, or name its parts.", {"column": name[:80]})
