"""Typed rows -> a Batch: names resolved to ids, values checked, points as one Arrow table. Knows no stored state."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import UNSET, Struct

from api.ingest.decode import Document, Part, SeriesIn, SourceIn
from api.limits import Limits
from api.writing import Failure, Mode
from catalog.identity import series_id
from catalog.model import FREQUENCIES
from engine.revise import INCOMING_SCHEMA

Name = tuple[str, str]
Patch = Mapping[str, str | None]

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

    `sources` maps names to the fields to set. `points` has INCOMING_SCHEMA; `ordinal` is the index in the
    request, the dictionary of `series_id` is sorted and holds exactly the ids in use.
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
        self.failures = [*document.failures, *document.points.failures]
        self.limits = limits
        self.default_source = document.default_source

    def refuse(self, part: Part, index: int, refused: _Refused) -> None:
        self.failures.append(Failure(part, index, refused.field_name, refused.code, str(refused)))


def batch_of(document: Document, delivery: Delivery, mode: Mode, limits: Limits) -> Batch:
    """The batch of a document; a row that cannot be stored is a failure in it."""
    checker = _Checker(document, limits)
    sources = _sources(document.source, checker)
    series = tuple(_series_patches(document, checker))
    points, names = _points(document.points.table, checker)
    failures = tuple(sorted(checker.failures, key=lambda failure: (failure.part, failure.index)))
    return Batch(delivery, mode, sources, series, points, document.points.total, names, failures)


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


def _points(rows: pa.Table, checker: _Checker) -> tuple[pa.Table, Mapping[str, Name]]:
    """The rows of POINTS_SCHEMA under the ids of their series, each of which is worked out once."""
    codes, distinct = _distinct([rows.column(name) for name in ("source", "external_id", "series_id")])
    found, refusals = _all_resolved(distinct, checker)
    ids = sorted({id_ for id_, _ in found.values()})
    places = {id_: place for place, id_ in enumerate(ids)}
    wanted = [places[found[code][0]] if code in found else None for code in range(len(distinct))]
    indices = pa.array(wanted, pa.int32()).take(codes)
    if refusals:
        _refuse_rows(rows.column("index"), codes, refusals, checker)
        kept = pc.is_valid(indices)
        rows, indices = rows.filter(kept), indices.filter(kept)
    series = pa.DictionaryArray.from_arrays(indices, pa.array(ids, pa.string()))
    arrays = {"ordinal": rows.column("index"), "series_id": series}
    columns = [arrays[name] if name in arrays else rows.column(name) for name in INCOMING_SCHEMA.names]
    return pa.table(columns, schema=INCOMING_SCHEMA), {id_: name for id_, name in found.values() if name}


def _distinct(columns: Sequence[pa.ChunkedArray]) -> tuple[pa.Array, list[tuple[str | None, ...]]]:
    """For each row the place of its combination among those that some row has, and these combinations."""
    codes = pa.repeat(pa.scalar(0, pa.int64()), len(columns[0]))
    distinct: list[tuple[str | None, ...]] = [()]
    for column in columns:
        array = column.combine_chunks()
        if array.null_count == len(array):
            distinct = [(*left, None) for left in distinct]
            continue
        texts: list[str | None] = [*array.dictionary.to_pylist(), None]
        own = pc.fill_null(array.indices, len(texts) - 1).cast(pa.int64())
        paired = pc.add(pc.multiply(codes, len(texts)), own).dictionary_encode()
        codes = paired.indices.cast(pa.int64())
        pairs = (divmod(key, len(texts)) for key in paired.dictionary.to_pylist())
        distinct = [(*distinct[left], texts[right]) for left, right in pairs]
    return codes, distinct


def _all_resolved(
    distinct: Sequence[tuple[str | None, ...]], checker: _Checker
) -> tuple[dict[int, tuple[str, Name | None]], dict[int, _Refused]]:
    """By place: the id and name of each (source, external id, series id), or why there is none."""
    found: dict[int, tuple[str, Name | None]] = {}
    refusals: dict[int, _Refused] = {}
    for place, (source, external_id, id_) in enumerate(distinct):
        try:
            found[place] = _resolve((source, external_id), id_, checker)
        except _Refused as refused:
            refusals[place] = refused
    return found, refusals


def _refuse_rows(
    indexes: pa.ChunkedArray, codes: pa.Array, refusals: Mapping[int, _Refused], checker: _Checker
) -> None:
    lost = pc.is_in(codes, pa.array(list(refusals), codes.type))
    for index, code in zip(indexes.filter(lost).to_pylist(), codes.filter(lost).to_pylist(), strict=True):
        checker.refuse("data_points", index, refusals[code])
