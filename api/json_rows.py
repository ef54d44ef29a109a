"""Rows of an Arrow batch as JSON texts, column by column: one encoder a type, no dict per row.

Both doors build on `json_rows`; they differ only in the decimals they want (numbers in OData, texts in GraphQL).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, TypeAlias

import orjson
import pyarrow as pa

from catalog.model import Type

Encoder: TypeAlias = Callable[[Iterable[Any]], list[str]]


def _texts(values: Iterable[Any]) -> list[str]:
    return ["null" if value is None else orjson.dumps(value).decode() for value in values]


def _plain_texts(values: Iterable[Any]) -> list[str]:
    return ["null" if value is None else f'"{value}"' for value in values]


def _booleans(values: Iterable[Any]) -> list[str]:
    return ["null" if value is None else "true" if value else "false" for value in values]


def _longs(values: Iterable[Any]) -> list[str]:
    return ["null" if value is None else str(value) for value in values]


def _timestamps(values: Iterable[Any]) -> list[str]:
    return ["null" if value is None else f'"{rfc3339(value)}"' for value in values]


def _decimal_numbers(values: Iterable[Any]) -> list[str]:
    return ["null" if value is None else plain_decimal(value) for value in values]


def _decimal_texts(values: Iterable[Any]) -> list[str]:
    return ["null" if value is None else f'"{plain_decimal(value)}"' for value in values]


def rfc3339(value: dt.datetime) -> str:
    """An instant in UTC with a `Z`, and a fraction only where there is one."""
    return value.astimezone(dt.timezone.utc).replace(tzinfo=None).isoformat() + "Z"


def plain_decimal(value: Decimal) -> str:
    """All digits, no exponent, no trailing zeros."""
    text = format(value, "f")
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


DECIMALS_AS_NUMBERS: dict[Type, Encoder] = {
    Type.UUID: _plain_texts,
    Type.STRING: _texts,
    Type.DATE: _plain_texts,
    Type.TIMESTAMP: _timestamps,
    Type.BOOLEAN: _booleans,
    Type.DECIMAL: _decimal_numbers,
    Type.LONG: _longs,
}
DECIMALS_AS_TEXTS: dict[Type, Encoder] = DECIMALS_AS_NUMBERS | {Type.DECIMAL: _decimal_texts}


def json_rows(
    batch: pa.RecordBatch, fields: Sequence[tuple[str, str, Type]], encoders: dict[Type, Encoder]
) -> Iterator[str]:
    """Each row of the batch as one JSON object.

    `fields` lists (key in the object, column of the batch, type) in the order of the output; a column may be shown
    under several keys.
    """
    template = "{" + ",".join(orjson.dumps(key).decode().replace("%", "%%") + ":%s" for key, _, _ in fields) + "}"
    columns = [encoders[type_](batch.column(name).to_pylist()) for _, name, type_ in fields]
    if not columns:
        return iter(["{}"] * batch.num_rows)
    return (template % row for row in zip(*columns, strict=True))
