"""Rows of an Arrow batch as JSON texts, column by column: Arrow writes the values, Python sees whole rows only.

Both doors build on `json_rows`; they differ only in the numbers they want (numbers in OData, texts in GraphQL).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import TypeAlias

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from catalog.model import Type

# The values of a column as JSON; null stays null.
Encoder: TypeAlias = Callable[[pa.Array], pa.Array]

_TEXT = pa.large_string()
_ESCAPED = r'["\\\x00-\x1f]'


def _bare(values: pa.Array) -> pa.Array:
    return pc.cast(values, _TEXT)


def _quoted(values: pa.Array) -> pa.Array:
    """For values whose text holds nothing that JSON escapes."""
    return _concatenated('"', _bare(values), '"')


def _texts(values: pa.Array) -> pa.Array:
    if not pc.any(pc.match_substring_regex(values, _ESCAPED)).as_py():
        return _quoted(values)
    return pa.array([None if value is None else orjson.dumps(value).decode() for value in values.to_pylist()], _TEXT)


def _timestamps(values: pa.Array) -> pa.Array:
    instants = _bare(pc.cast(values, pa.timestamp("us")))
    whole = pc.replace_substring(instants, ".000000", "")
    return _concatenated('"', pc.replace_substring(whole, " ", "T"), 'Z"')


def _decimals(values: pa.Array) -> pa.Array:
    """All digits, no exponent, no trailing zeros, as `plain_decimal` writes them."""
    written = _bare(values)
    plain = pc.ascii_rtrim(pc.ascii_rtrim(written, "0"), ".") if values.type.scale > 0 else written
    # Arrow writes zero and the smallest numbers with an exponent.
    short = pc.fill_null(pc.match_substring(written, "E"), False)
    if not pc.any(short).as_py():
        return plain
    return pc.replace_with_mask(plain, short, pa.array(map(plain_decimal, values.filter(short).to_pylist()), _TEXT))


def _quoted_decimals(values: pa.Array) -> pa.Array:
    return _concatenated('"', _decimals(values), '"')


def _doubles(values: pa.Array) -> pa.Array:
    """The shortest digits that read back as the number, as `orjson` writes it elsewhere; what is not finite is null."""
    texts = orjson.dumps(values.to_pylist())[1:-1].decode().split(",") if len(values) else []
    return pa.array([None if text == "null" else text for text in texts], _TEXT)


def rfc3339(value: dt.datetime) -> str:
    """An instant in UTC with a `Z`, and a fraction only where there is one."""
    return value.astimezone(dt.timezone.utc).replace(tzinfo=None).isoformat() + "Z"


def plain_decimal(value: Decimal) -> str:
    """All digits, no exponent, no trailing zeros."""
    text = format(value, "f")
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


NUMBERS_BARE: dict[Type, Encoder] = {
    Type.UUID: _quoted,
    Type.STRING: _texts,
    Type.DATE: _quoted,
    Type.TIMESTAMP: _timestamps,
    Type.BOOLEAN: _bare,
    Type.DECIMAL: _decimals,
    Type.LONG: _bare,
    Type.DOUBLE: _doubles,
}
NUMBERS_AS_TEXTS: dict[Type, Encoder] = NUMBERS_BARE | {Type.DECIMAL: _quoted_decimals, Type.LONG: _quoted}


def json_rows(
    batch: pa.RecordBatch, fields: Sequence[tuple[str, str, Type]], encoders: dict[Type, Encoder]
) -> list[str]:
    """Each row of the batch as one JSON object.

    `fields` lists (key in the object, column of the batch, type) in the order of the output; a column may be shown
    under several keys.
    """
    if not fields:
        return ["{}"] * batch.num_rows
    return _concatenated(*_members(batch, fields, encoders), "}").to_pylist()


def json_values(values: pa.Array, type_: Type, encoders: dict[Type, Encoder]) -> list[str]:
    """Each value as JSON."""
    return pc.fill_null(encoders[type_](values), "null").to_pylist()


def joined_rows(columns: Sequence[pa.Array], opening: str, closing: str) -> list[str]:
    """Each row as the texts of its columns with commas between them. The columns hold text and no nulls."""
    parts: list[str | pa.Array] = []
    for between, column in zip((opening, *[","] * len(columns)), columns, strict=False):
        parts.extend((between, column))
    return _concatenated(*parts, closing).to_pylist()


def _members(
    batch: pa.RecordBatch, fields: Sequence[tuple[str, str, Type]], encoders: dict[Type, Encoder]
) -> Iterator[str | pa.Array]:
    opening = "{"
    for key, name, type_ in fields:
        yield f"{opening}{orjson.dumps(key).decode()}:"
        yield pc.fill_null(encoders[type_](batch.column(name)), "null")
        opening = ","


def _concatenated(*parts: str | pa.Array) -> pa.Array:
    """The parts one behind the other, row by row; null where one of them is."""
    texts = [pa.scalar(part, _TEXT) if isinstance(part, str) else part for part in parts]
    return pc.binary_join_element_wise(*texts, pa.scalar("", _TEXT))
