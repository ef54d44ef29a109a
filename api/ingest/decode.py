"""Bytes -> typed rows. What cannot be read is told row by row, what can be read goes on.

Values never pass through floating point: msgspec reads a JSON number's own text into a decimal. A batch without
faults is decoded in one call; only where that call finds a fault is each row decoded on its own.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

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
    """What a bulk request says: rows with their index in the request, and the rows that could not be read."""

    source: SourceIn | None
    series: tuple[tuple[int, SeriesIn], ...]
    points: tuple[PointIn, ...]
    point_indexes: tuple[int, ...] | range
    points_total: int
    failures: tuple[Failure, ...]


Row = TypeVar("Row", bound=Struct)
Shaped = TypeVar("Shaped")

_envelope = msgspec.json.Decoder(_Envelope)
_rows = msgspec.json.Decoder(list[Raw])
_points = msgspec.json.Decoder(list[PointIn])
_point = msgspec.json.Decoder(PointIn)
_series = msgspec.json.Decoder(SeriesIn)
_source = msgspec.json.Decoder(SourceIn)


def decode(body: bytes | bytearray) -> Document:
    """Raises Problem `malformed_json` where the body is no JSON, `invalid_body` where it has not the right shape."""
    _check_utf8(body)
    envelope = _decoded(_envelope.decode, body)
    failures: list[Failure] = []
    source = _decode_source(envelope.source, failures)
    series = _decode_series(envelope.series, failures)
    points, indexes, total = _decode_points(envelope.data_points, failures)
    return Document(source, series, points, indexes, total, tuple(failures))


_fields = msgspec.json.Decoder(dict[str, Raw])


def fields_of(body: bytes) -> dict[str, Raw]:
    """The fields of one JSON object, not looked into. Raises Problem `malformed_json`, `invalid_body`."""
    _check_utf8(body)
    return _decoded(_fields.decode, body)


def _check_utf8(body: bytes | bytearray) -> None:
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


def _decode_points(
    raw: Raw | UnsetType, failures: list[Failure]
) -> tuple[tuple[PointIn, ...], tuple[int, ...] | range, int]:
    if raw is UNSET:
        return (), range(0), 0
    try:
        points = tuple(_points.decode(raw))
    except msgspec.DecodeError:
        return _decode_each_point(raw, failures)
    return points, range(len(points)), len(points)


def _decode_each_point(raw: Raw, failures: list[Failure]) -> tuple[tuple[PointIn, ...], tuple[int, ...], int]:
    rows = _list(raw)
    decoded = [(index, _row(_point.decode, row, "data_points", index, failures)) for index, row in enumerate(rows)]
    good = [(index, point) for index, point in decoded if point is not None]
    return tuple(point for _, point in good), tuple(index for index, _ in good), len(rows)


def _list(raw: Raw | UnsetType) -> list[Raw]:
    if raw is UNSET:
        return []
    try:
        return _rows.decode(raw)
    except msgspec.ValidationError as error:
        raise Problem("invalid_body", "series and data_points must be lists of objects.") from error


def _row(decoder: Callable[[Raw], Row], raw: Raw, part: Part, index: int, failures: list[Failure]) -> Row | None:
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
    ):
        if message.startswith(start):
            return code
    return "wrong_type"
