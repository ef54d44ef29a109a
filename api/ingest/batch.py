"""Typed rows -> a Batch: names resolved to ids, values checked, points as one Arrow table. Knows no stored state."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from typing import Any

import msgspec
import pyarrow as pa
from msgspec import UNSET, Struct

from api.ingest.decode import Document, Part, PointIn, SeriesIn, SourceIn
from api.limits import Limits
from api.writing import Failure, Mode
from catalog.identity import series_id
from catalog.model import DECIMAL_PRECISION, DECIMAL_SCALE, FREQUENCIES, Type
from catalog.schemas import ARROW_TYPES
from engine.revise import INCOMING_SCHEMA

Name = tuple[str, str]
Patch = Mapping[str, str | None]

# Arithmetic that refuses to round. It must come before Arrow, which an exponent like -999999999 crashes.
_EXACT = Context(prec=DECIMAL_PRECISION, traps=[Inexact, InvalidOperation, Overflow])
_QUANTUM = Decimal(1).scaleb(-DECIMAL_SCALE)

IDENTIFYING = frozenset({"name", "external_id", "source", "series_id"})


@dataclass(frozen=True, slots=True)
class SeriesPatch:
    """Fields of a series to set. `name` is None where the series is named by its id, and so must exist."""

    index: int
    id: str
    name: Name | None
    fields: Patch


@dataclass(frozen=True, slots=True)
class Deletion:
    """A series to hide with all its points; with a `span`, only its points from one date to another, both included."""

    series_id: str
    span: tuple[dt.date, dt.date] | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """What tells a batch from others: `id` names it. Where it came under an idempotency key, the id follows from the
    key, and `fingerprint` is the digest of what was sent; else it is empty."""

    id: str
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """One request, checked as far as it can be without stored state.

    `sources` maps names to the fields to set. `points` has INCOMING_SCHEMA; `ordinal` is the index in the request.
    `names` holds the (source, external id) of each series that points name by it; any other series of `points` must
    exist already. A batch that `deletes` holds nothing else. With `changes_only` a point is stored only where it
    differs from the revision before it.
    """

    delivery: Delivery
    mode: Mode
    sources: Mapping[str, Patch] = field(default_factory=dict[str, Patch])
    series: tuple[SeriesPatch, ...] = ()
    points: pa.Table = field(default_factory=INCOMING_SCHEMA.empty_table)
    points_total: int = 0
    names: Mapping[str, Name] = field(default_factory=dict[str, Name])
    failures: tuple[Failure, ...] = ()
    deletes: Deletion | None = None
    changes_only: bool = False

    @property
    def is_alone(self) -> bool:
        """Whether it must share its commit with no other, as what it does hangs on all that came before."""
        return self.deletes is not None or self.changes_only


class _Refused(Exception):
    """A row that cannot be stored: which field, which code, why."""

    def __init__(self, field_name: str | None, code: str, message: str) -> None:
        super().__init__(message)
        self.field_name = field_name
        self.code = code


class _Checker:
    """Checks the rows of one document, and collects what fails."""

    def __init__(self, document: Document, limits: Limits) -> None:
        self.failures = list(document.failures)
        self.limits = limits
        self.default_source = document.source.name if document.source else None

    def refuse(self, part: Part, index: int, refused: _Refused) -> None:
        self.failures.append(Failure(part, index, refused.field_name, refused.code, str(refused)))


def batch_of(document: Document, delivery: Delivery, mode: Mode, limits: Limits) -> Batch:
    """The batch of a document; a row that cannot be stored is a failure in it."""
    checker = _Checker(document, limits)
    sources = _sources(document.source, checker)
    series = tuple(_series_patches(document, checker))
    points, names = _points(document, checker)
    failures = tuple(sorted(checker.failures, key=lambda failure: (failure.part, failure.index)))
    return Batch(delivery, mode, sources, series, points, document.points_total, names, failures)


def _sources(source: SourceIn | None, checker: _Checker) -> Mapping[str, Patch]:
    if source is None:
        return {}
    try:
        _check_name("name", source.name, checker.limits)
        return {source.name: _fields(source, checker.limits)}
    except _Refused as refused:
        checker.refuse("source", 0, refused)
        return {}


def _series_patches(document: Document, checker: _Checker) -> list[SeriesPatch]:
    patches: list[SeriesPatch] = []
    for index, row in document.series:
        try:
            patches.append(_series_patch(index, row, checker))
        except _Refused as refused:
            checker.refuse("series", index, refused)
    return patches


def _series_patch(index: int, row: SeriesIn, checker: _Checker) -> SeriesPatch:
    given = (None if row.source is UNSET else row.source, None if row.external_id is UNSET else row.external_id)
    id_, name = _resolve(given, None if row.series_id is UNSET else row.series_id, checker)
    fields = _fields(row, checker.limits)
    if fields.get("frequency") not in (None, *FREQUENCIES):
        raise _Refused("frequency", "invalid_value", f"frequency must be one of {', '.join(FREQUENCIES)}.")
    return SeriesPatch(index, id_, name, fields)


def _fields(row: Struct, limits: Limits) -> Patch:
    given = {name: value for name, value in msgspec.structs.asdict(row).items() if value is not UNSET}
    fields = {name: value for name, value in given.items() if name not in IDENTIFYING}
    for name, value in fields.items():
        if value is not None and (len(value) > limits.text_characters_max or "\x00" in value):
            raise _Refused(name, "invalid_text", f"{name} is longer than {limits.text_characters_max} or holds a NUL.")
    return fields


def _check_name(field_name: str, value: str, limits: Limits) -> None:
    if not value.strip() or len(value) > limits.name_characters_max or not value.isprintable():
        raise _Refused(
            field_name,
            "invalid_name",
            f"{field_name} must have 1 to {limits.name_characters_max} printable characters.",
        )


def _resolve(given: tuple[str | None, str | None], id_: str | None, checker: _Checker) -> tuple[str, Name | None]:
    """The id of a series, and its name where the row gives one."""
    source, external_id = checker.default_source if given[0] is None else given[0], given[1]
    if external_id is None:
        return _canonical(id_), None
    if source is None:
        raise _Refused("source", "source_required", "Name the source, in the document or in the row.")
    _check_name("source", source, checker.limits)
    _check_name("external_id", external_id, checker.limits)
    named = series_id(source, external_id)
    if id_ is not None and _canonical(id_) != named:
        raise _Refused("series_id", "conflicting_series", "series_id is not the id of this source and external_id.")
    return named, (source, external_id)


def _canonical(id_: str | None) -> str:
    if id_ is None:
        raise _Refused("external_id", "series_required", "Name the series by external_id or by series_id.")
    try:
        return str(uuid.UUID(id_))
    except ValueError as error:
        raise _Refused("series_id", "invalid_id", "series_id is not a UUID.") from error


def _points(document: Document, checker: _Checker) -> tuple[pa.Table, Mapping[str, Name]]:
    resolve = _remembering(checker)
    names: dict[str, Name] = {}
    kept: list[tuple[int, str, PointIn]] = []
    for index, point in zip(document.point_indexes, document.points, strict=True):
        found = resolve(point.source, point.external_id, point.series_id)
        if isinstance(found, _Refused):
            checker.refuse("data_points", index, found)
            continue
        id_, name = found
        if name is not None:
            names[id_] = name
        kept.append((index, id_, point))
    return _table(kept, checker), names


def _remembering(checker: _Checker) -> Callable[..., tuple[str, Name | None] | _Refused]:
    """`_resolve` once a distinct name: a batch names few series and many points."""
    known: dict[tuple[str | None, str | None, str | None], tuple[str, Name | None] | _Refused] = {}

    def resolve(source: str | None, external_id: str | None, id_: str | None) -> tuple[str, Name | None] | _Refused:
        key = (source, external_id, id_)
        if key not in known:
            try:
                known[key] = _resolve((source, external_id), id_, checker)
            except _Refused as refused:
                known[key] = refused
        return known[key]

    return resolve


def _table(kept: list[tuple[int, str, PointIn]], checker: _Checker) -> pa.Table:
    try:
        values = _values(kept)
    except (ArithmeticError, pa.ArrowInvalid):
        kept = [row for row in kept if _storable(row, checker)]
        values = _values(kept)
    columns: list[Any] = [
        [index for index, _, _ in kept],
        pa.array([id_ for _, id_, _ in kept], pa.string()).dictionary_encode(),
        [point.date for _, _, point in kept],
        [point.revision_date for _, _, point in kept],
        values,
        [point.is_original_release for _, _, point in kept],
    ]
    return pa.table(dict(zip(INCOMING_SCHEMA.names, columns, strict=True)), schema=INCOMING_SCHEMA)


def _values(kept: list[tuple[int, str, PointIn]]) -> pa.Array:
    """Raises ArithmeticError or ArrowInvalid where a value is no decimal of the stored type."""
    exact = _EXACT.quantize
    numbers = [None if point.value is None else exact(point.value, _QUANTUM) for _, _, point in kept]
    return pa.array(numbers, ARROW_TYPES[Type.DECIMAL])


def _storable(row: tuple[int, str, PointIn], checker: _Checker) -> bool:
    index, _, point = row
    try:
        _check_value(point.value)
    except _Refused as refused:
        checker.refuse("data_points", index, refused)
        return False
    return True


def _check_value(value: Decimal | None) -> None:
    if value is None:
        return
    if not value.is_finite():
        raise _Refused("value", "invalid_number", "value must be a finite number.")
    try:
        _EXACT.quantize(value, _QUANTUM)
    except ArithmeticError as error:
        integer, fraction = DECIMAL_PRECISION - DECIMAL_SCALE, DECIMAL_SCALE
        message = f"value has more than {integer} integer or {fraction} fraction digits."
        raise _Refused("value", "number_out_of_range", message) from error
