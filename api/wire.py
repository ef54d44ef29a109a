"""What travels: points of any shape -> bodies of a bulk post.

The same rows, cut at the same row numbers, give the same bytes, however they lie in the caller's memory or file: what
is sent again under an idempotency key must be what was sent first.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, TypeAlias, runtime_checkable

import orjson
import pyarrow as pa
import pyarrow.ipc as ipc

from api.cells import midnights, texts

JSON = "application/json"
NDJSON = "application/x-ndjson"
ARROW = "application/vnd.apache.arrow.stream"

_NAMES = frozenset({"source", "external_id", "series_id"})
_DATES = frozenset({"date", "revision_date"})
_NO_NUMBERS: tuple[type, ...] = (type(None), str, bool, list, dict)
_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_PASSTHROUGH_DATETIME


@runtime_checkable
class ArrowStream(Protocol):
    """Tables and readers of Arrow, and whatever else hands its columns over as Arrow's PyCapsule interface has it."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


Points: TypeAlias = Iterable[Mapping[str, Any]] | ArrowStream | pa.Table | pa.RecordBatchReader


class UnreadableRows(Exception):
    """The rows are no points: `message` says why, `hint` what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Body:
    """The content of one post, not packed."""

    content: bytes
    media_type: str
    rows: int


@dataclass(frozen=True, slots=True)
class Cut:
    """How many rows, and about how many bytes, one body has at most; one row is never cut.

    The first body has exactly `first_rows`, whatever their size, where that is not 0.
    """

    rows_max: int
    bytes_max: int
    first_rows: int = 0


def bodies(points: Points, start: int, cut: Cut) -> Iterator[Body]:
    """The points from number `start` on, counted from 0. Raises UnreadableRows."""
    if isinstance(points, pa.RecordBatchReader):
        return _arrow_bodies(points, start, cut)
    if isinstance(points, ArrowStream):
        return _arrow_bodies(pa.RecordBatchReader.from_stream(points), start, cut)
    return _line_bodies(enumerate(islice(points, start, None), start + 1), cut)


def _line_bodies(rows: Iterator[tuple[int, Mapping[str, Any]]], cut: Cut) -> Iterator[Body]:
    """JSON keeps what a table cannot say: an absent value, which fails, is no null, which withdraws the point."""
    if first := [_line(number, row) for number, row in islice(rows, cut.first_rows)]:
        yield _lines_body(first)
    lines: list[bytes] = []
    size = 0
    for number, row in rows:
        line = _line(number, row)
        if lines and size + len(line) > cut.bytes_max:
            yield _lines_body(lines)
            lines, size = [], 0
        lines.append(line)
        size += len(line)
        if len(lines) == cut.rows_max:
            yield _lines_body(lines)
            lines, size = [], 0
    if lines:
        yield _lines_body(lines)


def _lines_body(lines: list[bytes]) -> Body:
    return Body(b"".join(lines), NDJSON, len(lines))


def _line(number: int, row: Mapping[str, Any]) -> bytes:
    point = dict(row)
    if "value" in point:
        point["value"] = _number(point["value"])
    try:
        return orjson.dumps(point, default=_plain, option=_OPTIONS)
    except orjson.JSONEncodeError as error:
        raise UnreadableRows(
            f"Row {number} cannot be sent: {error}.", "Use texts, numbers, dates and booleans."
        ) from error


def _number(value: object) -> object:
    """Numbers as their text: JSON has no NaN, which would travel as a null and withdraw the point."""
    return value if isinstance(value, _NO_NUMBERS) else str(value)


def _plain(cell: Any) -> object:
    """What JSON has no word for: dates, midnights in UTC as their dates, and the scalars of NumPy."""
    if isinstance(cell, dt.datetime):
        instant = cell.astimezone(dt.timezone.utc) if cell.tzinfo else cell
        is_midnight = (instant.hour, instant.minute, instant.second, instant.microsecond) == (0, 0, 0, 0)
        return instant.date().isoformat() if is_midnight else cell.isoformat()
    if isinstance(cell, dt.date):
        return cell.isoformat()
    if hasattr(cell, "item"):
        return cell.item()
    raise TypeError(f"{type(cell).__name__} is no type of a field")


def _arrow_bodies(reader: pa.RecordBatchReader, start: int, cut: Cut) -> Iterator[Body]:
    waiting = reader.schema.empty_table()
    exact = cut.first_rows > 0
    wanted = cut.first_rows or cut.rows_max
    for batch in reader:
        skipped = min(start, batch.num_rows)
        start -= skipped
        waiting = pa.concat_tables([waiting, pa.Table.from_batches([batch.slice(skipped)])])
        while waiting.num_rows >= wanted:
            yield from _fitting(waiting.slice(0, wanted), None if exact else cut.bytes_max)
            waiting = waiting.slice(wanted)
            exact, wanted = False, cut.rows_max
    if waiting.num_rows:
        yield from _fitting(waiting, None if exact else cut.bytes_max)


def _fitting(rows: pa.Table, bytes_max: int | None) -> Iterator[Body]:
    """The rows as one body, or in halves of halves until each is small enough."""
    sendable = _sendable(rows)
    count = rows.num_rows
    if bytes_max is None or count == 1 or sendable.nbytes <= bytes_max:
        yield Body(_stream(sendable), ARROW, count)
        return
    yield from _fitting(rows.slice(0, count // 2), bytes_max)
    yield from _fitting(rows.slice(count // 2), bytes_max)


def _stream(rows: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with ipc.new_stream(sink, rows.schema) as writer:
        writer.write_batch(rows)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _sendable(rows: pa.Table) -> pa.RecordBatch:
    # Taken, not sliced: the last byte of a slice's bits shows what lies behind it.
    taken = rows.take(pa.arange(0, rows.num_rows)).combine_chunks().to_batches()[0]
    names = taken.schema.names
    return pa.record_batch([_column(name, taken.column(at)) for at, name in enumerate(names)], names=names)


def _column(name: str, values: pa.Array) -> pa.Array:
    """As it is where the type says what the field is, else as text, which every field can have."""
    kind = values.type
    if pa.types.is_timestamp(kind):
        return _dates(values, name)
    if _is_exact(name, kind):
        return values
    try:
        text = texts(values)
    except pa.ArrowException as error:
        raise UnreadableRows(f"Column {name} cannot be of type {str(kind)[:80]}.", "Correct the column.") from error
    return text.dictionary_encode() if name in _NAMES else text


def _is_exact(name: str, kind: pa.DataType) -> bool:
    if name in _DATES:
        return bool(pa.types.is_date(kind))
    if name == "value":
        return bool(pa.types.is_decimal(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind))
    return name == "is_original_release" and bool(pa.types.is_boolean(kind))


def _dates(instants: pa.Array, name: str) -> pa.Array:
    dates = midnights(instants)
    if dates.null_count > instants.null_count:
        raise UnreadableRows(f"Column {name} holds times of day, where a date is due.", "Correct the column.")
    return dates
