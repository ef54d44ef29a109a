"""Rows of an SQL answer as bytes, column by column: the columns are whatever the SQL made."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import assert_never

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from api.json_rows import NUMBERS_BARE, Encoder, joined_rows
from api.problems import Problem
from api.sql.formats import Format
from catalog.model import Type

_TEXT = pa.large_string()


@dataclass(frozen=True, slots=True)
class Rows:
    """All rows of an answer, in their order. `truncated` says that the SQL has more."""

    table: pa.Table
    snapshot: str
    truncated: bool


def render(rows: Rows, form: Format) -> bytes:
    """Raises Problem `wrong_type` for a column of a type that no form has."""
    kinds = [_kind(name, type_) for name, type_ in zip(rows.table.schema.names, rows.table.schema.types, strict=True)]
    match form:
        case Format.JSON:
            return _json(rows, kinds)
        case Format.CSV:
            return _csv(rows.table, kinds)
        case Format.ARROW:
            return _arrow(rows.table)
        case Format.PARQUET:
            sink = BytesIO()
            pq.write_table(rows.table, sink)
            return sink.getvalue()
        case _:
            assert_never(form)


def _json(rows: Rows, kinds: list[_Kind]) -> bytes:
    names = rows.table.schema.names
    shown = [{"name": name, "type": kind.name} for name, kind in zip(names, kinds, strict=True)]
    texts = [
        text
        for batch in rows.table.to_batches()
        for text in joined_rows(_columns(batch, [kind.json for kind in kinds], "null"), "[", "]")
    ]
    head = orjson.dumps({"columns": shown, "snapshot": rows.snapshot, "truncated": rows.truncated})
    return b"".join((head[:-1], b',"rows":[', ",".join(texts).encode(), b"]}"))


def _csv(table: pa.Table, kinds: list[_Kind]) -> bytes:
    encoders = [_csv_texts if kind is _STRING else kind.json for kind in kinds]
    lines = [",".join(_csv_quoted(name) for name in table.schema.names)]
    for batch in table.to_batches():
        lines.extend(joined_rows(_columns(batch, encoders, ""), "", ""))
    return ("\r\n".join(lines) + "\r\n").encode()


def _columns(batch: pa.RecordBatch, encoders: list[Encoder], null: str) -> list[pa.Array]:
    return [pc.fill_null(encode(batch.column(at)), null) for at, encode in enumerate(encoders)]


def _csv_quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _csv_texts(values: pa.Array) -> pa.Array:
    """Always in quotes: so an empty text is not a null."""
    doubled = pc.replace_substring(pc.cast(values, _TEXT), '"', '""')
    quote = pa.scalar('"', _TEXT)
    return pc.binary_join_element_wise(quote, doubled, quote, pa.scalar("", _TEXT))


def _arrow(table: pa.Table) -> bytes:
    sink = BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _doubles(values: pa.Array) -> pa.Array:
    """JSON has no NaN and no infinity."""
    return pc.cast(pc.if_else(pc.is_finite(values), values, None), _TEXT)


def _times(values: pa.Array) -> pa.Array:
    quote = pa.scalar('"', _TEXT)
    return pc.binary_join_element_wise(quote, pc.cast(values, _TEXT), quote, pa.scalar("", _TEXT))


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a column is called in an answer, and its values as JSON."""

    name: str
    json: Encoder


_STRING = _Kind("string", NUMBERS_BARE[Type.STRING])
_KINDS = (
    (pa.types.is_boolean, _Kind("boolean", NUMBERS_BARE[Type.BOOLEAN])),
    (pa.types.is_integer, _Kind("long", NUMBERS_BARE[Type.LONG])),
    (pa.types.is_decimal, _Kind("decimal", NUMBERS_BARE[Type.DECIMAL])),
    (pa.types.is_floating, _Kind("double", _doubles)),
    (pa.types.is_date, _Kind("date", NUMBERS_BARE[Type.DATE])),
    (pa.types.is_timestamp, _Kind("timestamp", NUMBERS_BARE[Type.TIMESTAMP])),
    (pa.types.is_time, _Kind("time", _times)),
    (pa.types.is_string, _STRING),
)


def _kind(name: str, type_: pa.DataType) -> _Kind:
    for covers, kind in _KINDS:
        if covers(type_):
            return kind
    message = f"The column {name[:80]!r} has a type that no answer has: {str(type_)[:80]}."
    raise Problem("wrong_type", message, "Cast it to VARCHAR, or name its parts.", {"column": name[:80]})
