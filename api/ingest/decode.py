"""Bytes -> a Document. What cannot be read is told row by row, what can be read goes on.

Values never pass through floating point: msgspec reads a JSON number's own text into a decimal. JSON rows without
faults are decoded in one call; only where that call finds a fault is each row decoded on its own.
"""

from __future__ import annotations

import datetime as dt
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, TypeVar

import msgspec
import pyarrow as pa
from msgspec import UNSET, Raw, Struct, UnsetType

from api.cells import FIELDS
from api.ingest.convert import DATE
from api.ingest.media import BodyKind, Format
from api.ingest.points import Points, points_of
from api.ingest.tables import arrow_points, csv_points, malformed, parquet_points
from api.ingest.unpack import too_many_rows
from api.limits import Limits
from api.problems import Problem
from api.writing import Failure

Part = Literal["source", "series", "data_points"]
Text = str | None | UnsetType


class SourceIn(Struct, forbid_unknown_fields=True, frozen=True):
    name: str
    title: Text = UNSET
    description: Text = UNSET
    url: Text = UNSET
    license: Text = UNSET


class SeriesIn(Struct, forbid_unknown_fields=True, frozen=True):
    """Named by `external_id` and `source` (its own or the document's), or by `series_id` where it exists already."""

    external_id: str | UnsetType = UNSET
    source: str | UnsetType = UNSET
    series_id: str | UnsetType = UNSET
    title: Text = UNSET
    description: Text = UNSET
    units: Text = UNSET
    frequency: Text = UNSET
    seasonal_adjustment: Text = UNSET


class PointIn(Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    """`value` must be given: a null is a withdrawn point, which nobody should post by leaving a field out."""

    date: dt.date
    value: Decimal | None
    external_id: str | None = None
    series_id: str | None = None
    source: str | None = None
    revision_date: dt.date | None = None
    is_original_release: bool | None = None


class _Envelope(Struct, forbid_unknown_fields=True):
    source: Raw | UnsetType = UNSET
    series: Raw | UnsetType = UNSET
    data_points: Raw | UnsetType = UNSET


@dataclass(frozen=True, slots=True)
class Document:
    """What a bulk request says: rows with their index in the request, and the rows that could not be read.

    `default_source` names the source of the rows that name none.
    """

    points: Points = field(default_factory=Points)
    default_source: str | None = None
    source: SourceIn | None = None
    series: tuple[tuple[int, SeriesIn], ...] = ()
    failures: tuple[Failure, ...] = ()


Row = TypeVar("Row", bound=Struct)
Shaped = TypeVar("Shaped")

_envelope = msgspec.json.Decoder(_Envelope)
_rows = msgspec.json.Decoder(list[Raw])
_points = msgspec.json.Decoder(list[PointIn])
_point = msgspec.json.Decoder(PointIn)
_series = msgspec.json.Decoder(SeriesIn)
_source = msgspec.json.Decoder(SourceIn)


_READERS: dict[Format, Callable[[bytes, Limits], Points]] = {
    Format.CSV: csv_points,
    Format.ARROW: arrow_points,
    Format.PARQUET: parquet_points,
}


def decode(body: bytes, kind: BodyKind, limits: Limits) -> Document:
    """The document of an unpacked body.

    Raises Problem `malformed_json` or `malformed_body` where the body is not of its format, `invalid_body` where it has
    not the right shape, `body_too_large` where it holds more bytes, once unpacked, or rows than the limits allow.
    """
    if kind.format is Format.JSON:
        return _json_document(body, limits)
    if kind.format is Format.NDJSON:
        return Document(_ndjson_points(body, limits), kind.source)
    return Document(_READERS[kind.format](body, limits), kind.source)


def _json_document(body: bytes, limits: Limits) -> Document:
    _check_utf8(body)
    _check_rows(body, limits)
    envelope = _decoded(_envelope.decode, body)
    failures: list[Failure] = []
    source = _decode_source(envelope.source, failures)
    series = _decode_series(envelope.series, failures)
    points = _decode_points(envelope.data_points, limits)
    if points.total + len(series) > limits.bulk_rows_max:
        raise too_many_rows(limits)
    return Document(points, source.name if source else None, source, series, tuple(failures))


_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)


def _check_rows(body: bytes, limits: Limits) -> None:
    """A bound on rows before any is made: a row is an object with a few commas, or no row at all."""
    objects_max = limits.bulk_rows_max + 2
    commas_max = objects_max * (len(FIELDS) + 1)
    if body.count(b"}") <= objects_max and body.count(b",") <= commas_max:
        return
    bare = _STRING.sub(b"", body)
    if bare.count(b"}") > objects_max or bare.count(b",") > commas_max:
        raise too_many_rows(limits)


def _ndjson_points(body: bytes, limits: Limits) -> Points:
    """Points of one JSON object a line; blank lines are no rows."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise malformed("NDJSON in UTF-8", f"{error.reason} at byte {error.start}") from error
    _check_rows(body, limits)
    try:
        rows = _point.decode_lines(body)
    except msgspec.DecodeError:
        rows = []
    if len(rows) > limits.bulk_rows_max:
        raise too_many_rows(limits)
    if len(rows) == body.count(b"\n") + (not body.endswith(b"\n")):
        return _points_of(rows, range(len(rows)), ())
    return _each_point((line for line in io.BytesIO(body) if not line.isspace()), limits)


_fields = msgspec.json.Decoder(dict[str, Raw])


def fields_of(body: bytes) -> dict[str, Raw]:
    """The fields of one JSON object, not looked into. Raises Problem `malformed_json`, `invalid_body`."""
    _check_utf8(body)
    return _decoded(_fields.decode, body)


def _check_utf8(body: bytes) -> None:
    """Once and for all parts: the decoder looks at the texts of a part only when it comes to it."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise Problem("malformed_json", f"The body is not UTF-8: {error.reason} at byte {error.start}.") from error


def _decoded(decoder: Callable[[Any], Shaped], body: Any) -> Shaped:
    try:
        return decoder(body)
    except msgspec.ValidationError as error:
        raise Problem("invalid_body", f"The body has not the right shape: {error}.") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise Problem("malformed_json", f"The body is not JSON: {error}.") from error


def _decode_source(raw: Raw | UnsetType, failures: list[Failure]) -> SourceIn | None:
    if raw is UNSET:
        return None
    return _row(_source.decode, raw, "source", 0, failures)


def _decode_series(raw: Raw | UnsetType, failures: list[Failure]) -> tuple[tuple[int, SeriesIn], ...]:
    decoded = ((index, _row(_series.decode, row, "series", index, failures)) for index, row in enumerate(_list(raw)))
    return tuple((index, row) for index, row in decoded if row is not None)


def _decode_points(raw: Raw | UnsetType, limits: Limits) -> Points:
    if raw is UNSET:
        return Points()
    try:
        rows = _points.decode(raw)
    except msgspec.DecodeError:
        return _each_point(_list(raw), limits)
    return _points_of(rows, range(len(rows)), ())


def _each_point(texts: Iterable[Raw | bytes], limits: Limits) -> Points:
    """The points of rows of which some have faults."""
    failures: list[Failure] = []
    rows: dict[int, PointIn] = {}
    total = 0
    for index, text in enumerate(texts):
        total += 1
        if total > limits.bulk_rows_max:
            raise too_many_rows(limits)
        row = _row(_point.decode, text, "data_points", index, failures)
        if row is not None:
            rows[index] = row
    read = _points_of(list(rows.values()), list(rows), tuple(failures))
    return Points(read.table, total, read.failures)


def _points_of(rows: Sequence[PointIn], indexes: Sequence[int], failures: tuple[Failure, ...]) -> Points:
    columns = {
        "source": pa.array([row.source for row in rows], pa.string()),
        "external_id": pa.array([row.external_id for row in rows], pa.string()),
        "series_id": pa.array([row.series_id for row in rows], pa.string()),
        "date": pa.array([row.date for row in rows], DATE),
        # As text: Arrow crashes on some decimals, and what it may be given is known in one place.
        "value": pa.array([None if row.value is None else str(row.value) for row in rows], pa.string()),
        "revision_date": pa.array([row.revision_date for row in rows], DATE),
        "is_original_release": pa.array([row.is_original_release for row in rows], pa.bool_()),
    }
    read = points_of(columns, pa.arange(0, len(rows)) if isinstance(indexes, range) else pa.array(indexes, pa.int64()))
    return Points(read.table, read.total, (*failures, *read.failures))


def _list(raw: Raw | UnsetType) -> list[Raw]:
    if raw is UNSET:
        return []
    try:
        return _rows.decode(raw)
    except msgspec.ValidationError as error:
        raise Problem("invalid_body", "series and data_points must be lists of objects.") from error


def _row(
    decoder: Callable[[Any], Row], raw: Raw | bytes, part: Part, index: int, failures: list[Failure]
) -> Row | None:
    try:
        return decoder(raw)
    except msgspec.DecodeError as error:
        failures.append(_failure(part, index, str(error)))
        return None


_FIELD = re.compile(r"at `\$\.(\w+)|field `(\w+)`")


def _failure(part: Part, index: int, message: str) -> Failure:
    found = _FIELD.search(message)
    field = (found[1] or found[2]) if found else None
    return Failure(part, index, field, _code(message), message)


def _code(message: str) -> str:
    for start, code in (
        ("Object contains unknown field", "unknown_field"),
        ("Object missing required field", "missing_field"),
        ("Invalid RFC3339 encoded date", "invalid_date"),
        ("Invalid decimal", "invalid_number"),
        ("JSON is malformed", "malformed_row"),
        ("Input data was truncated", "malformed_row"),
    ):
        if message.startswith(start):
            return code
    return "wrong_type"
