"""Batches + a snapshot -> the rows to append. Runs in the committing thread, again after each lost race.

Batches are taken in their order. What one brings (new series, changed titles) the next one sees; a batch that is
refused as a whole leaves no trace.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from api.ingest.batch import Batch, Name, Patch, SeriesPatch
from api.writing import Failure
from catalog.commit import Prepared
from catalog.identity import source_id
from catalog.model import DATA_POINTS, SERIES, SOURCES
from catalog.registry import Registry, Row
from catalog.scan import Domain, ScanRequest, prune
from catalog.schemas import arrow_schema
from catalog.snapshot import HIDDEN_COLUMN, LakeSnapshot
from engine.execute import Database
from engine.revise import INCOMING_SCHEMA, news

SOURCE_FIELDS = ("title", "description", "url", "license")
SERIES_FIELDS = ("title", "description", "units", "frequency", "seasonal_adjustment")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch. `points` counts the rows of it that are stored now, those stored before included."""

    points: int = 0
    failures: tuple[Failure, ...] = ()
    rejected: bool = False
    found: bool = True


@dataclass(slots=True)
class _Changes:
    """Rows of sources and series that differ from the stored ones, on top of those below.

    `points_sequence` is the commit sequence of the data points that all is decided upon.
    """

    stored_sources: Callable[[str], Row | None]
    stored_series: Callable[[str], Row | None]
    points_sequence: int
    sources: dict[str, Row] = field(default_factory=dict[str, Row])
    series: dict[str, Row] = field(default_factory=dict[str, Row])

    def source(self, id_: str) -> Row | None:
        return self.sources.get(id_) or self.stored_sources(id_)

    def one_series(self, id_: str) -> Row | None:
        return self.series.get(id_) or self.stored_series(id_)

    def layer(self) -> _Changes:
        return _Changes(self.source, self.one_series, self.points_sequence)

    def absorb(self, layer: _Changes) -> None:
        self.sources |= layer.sources
        self.series |= layer.series


class Preparer:
    """The `prepare` of the committer. `clock` gives the present instant in UTC."""

    def __init__(self, database: Database, clock: Callable[[], dt.datetime]) -> None:
        self._database = database
        self._clock = clock
        self._sources = Registry(SOURCES)
        self._series = Registry(SERIES)

    def __call__(self, snapshot: LakeSnapshot, batches: Sequence[Batch]) -> Prepared[Outcome]:
        now = self._clock()
        sources = self._sources.at(snapshot.tables[SOURCES.name])
        series = self._series.at(snapshot.tables[SERIES.name])
        changes = _Changes(sources.get, series.get, snapshot.tables[DATA_POINTS.name].sequence)
        outcomes: list[Outcome] = []
        points: list[pa.Table] = []
        for batch in batches:
            outcome, accepted = _apply(batch, changes, now)
            outcomes.append(outcome)
            points.append(accepted)
        rows = {
            SOURCES.name: _metadata_rows(changes.sources.values(), SOURCES),
            SERIES.name: _metadata_rows(changes.series.values(), SERIES),
            DATA_POINTS.name: self._point_rows(snapshot, points, now),
        }
        return Prepared(rows, outcomes)

    def _point_rows(self, snapshot: LakeSnapshot, batches: Sequence[pa.Table], now: dt.datetime) -> pa.Table:
        incoming = pa.concat_tables(part for batch in batches for part in _stated_then_shown(batch))
        if not incoming.num_rows:
            return arrow_schema(DATA_POINTS).empty_table()
        ordinals = pa.array(range(incoming.num_rows), pa.int64())
        incoming = incoming.set_column(0, "ordinal", ordinals)
        stored = prune(snapshot, ScanRequest(DATA_POINTS.name, _key_domains(incoming)))
        return _with_bookkeeping(news(self._database, incoming, stored, now.date()), now)


def _apply(batch: Batch, changes: _Changes, now: dt.datetime) -> tuple[Outcome, pa.Table]:
    nothing = INCOMING_SCHEMA.empty_table()
    layer = changes.layer()
    if batch.deletes is not None:
        found = _hide(batch.deletes, layer, now)
        changes.absorb(layer)
        return Outcome(found=found), nothing
    failures = list(batch.failures)
    for name, fields in batch.sources.items():
        _set_source(name, fields, layer, now)
    for patch in batch.series:
        _set_series(patch, layer, now, failures)
    points = _of_known_series(batch, layer, now, failures)
    if batch.mode == "atomic" and failures:
        return Outcome(failures=tuple(failures), rejected=True), nothing
    changes.absorb(layer)
    return Outcome(points.num_rows, tuple(failures)), points


def _set_source(name: str, fields: Patch, layer: _Changes, now: dt.datetime) -> None:
    id_ = source_id(name)
    stored = layer.source(id_)
    fresh = {"id": id_, "name": name, **dict.fromkeys(SOURCE_FIELDS), "title": name}
    row = _patched(stored, fresh, fields, now, default_title=name)
    if row is not None:
        layer.sources[id_] = row


def _set_series(patch: SeriesPatch, layer: _Changes, now: dt.datetime, failures: list[Failure]) -> None:
    stored = layer.one_series(patch.id)
    name = patch.name or (None if stored is None or stored["is_deleted"] else (stored["source"], stored["external_id"]))
    if name is None:
        failures.append(_unknown_series("series", patch.index, patch.id))
        return
    _create_or_patch(patch.id, name, patch.fields, layer, now)


def _create_or_patch(id_: str, name: Name, fields: Patch, layer: _Changes, now: dt.datetime) -> None:
    source, external_id = name
    if layer.source(source_id(source)) is None:
        _set_source(source, {}, layer, now)
    stored = layer.one_series(id_)
    fresh = {
        "id": id_,
        "source_id": source_id(source),
        "source": source,
        "external_id": external_id,
        **dict.fromkeys(SERIES_FIELDS),
        "title": external_id,
        # What another process stored while the series was deleted belongs to the deleted life too.
        HIDDEN_COLUMN: layer.points_sequence if stored else None,
    }
    row = _patched(stored, fresh, fields, now, default_title=external_id)
    if row is not None:
        layer.series[id_] = row


def _patched(stored: Row | None, fresh: Row, fields: Patch, now: dt.datetime, default_title: str) -> Row | None:
    """The row with some fields set, or None where that changes nothing. A deleted row starts afresh."""
    base = fresh | {"created_at": now} if stored is None or stored["is_deleted"] else stored
    row: Row = {**base, **fields}
    row["title"] = row["title"] or default_title
    if row == stored:
        return None
    return row | {"is_deleted": False, "updated_at": now, "seq": None, "level": 0}


def _of_known_series(batch: Batch, layer: _Changes, now: dt.datetime, failures: list[Failure]) -> pa.Table:
    """The points whose series exists, after the series that they name by their names are made where they do not."""
    ids: list[str] = pc.unique(batch.points.column("series_id")).to_pylist()
    unknown: set[str] = set()
    for id_ in ids:
        stored = layer.one_series(id_)
        if stored is not None and not stored["is_deleted"]:
            continue
        if id_ in batch.names:
            _create_or_patch(id_, batch.names[id_], {}, layer, now)
        else:
            unknown.add(id_)
    if not unknown:
        return batch.points
    lost = pc.is_in(batch.points.column("series_id"), pa.array(list(unknown), pa.string()))
    refused = batch.points.filter(lost).select(["ordinal", "series_id"]).to_pylist()
    failures.extend(_unknown_series("data_points", row["ordinal"], row["series_id"]) for row in refused)
    return batch.points.filter(pc.invert(lost))


def _unknown_series(part: Any, index: int, id_: str) -> Failure:
    return Failure(part, index, "series_id", "unknown_series", f"There is no series {id_}.")


def _hide(id_: str, layer: _Changes, now: dt.datetime) -> bool:
    """Hide a series and its points. Once it is posted to again, a new life of it begins."""
    stored = layer.one_series(id_)
    if stored is None or stored["is_deleted"]:
        return False
    layer.series[id_] = stored | {
        "is_deleted": True,
        HIDDEN_COLUMN: layer.points_sequence,
        "updated_at": now,
        "seq": None,
        "level": 0,
    }
    return True


def _metadata_rows(rows: Iterable[Row], table: Any) -> pa.Table:
    return pa.Table.from_pylist(list(rows), arrow_schema(table))


def _stated_then_shown(points: pa.Table) -> tuple[pa.Table, pa.Table]:
    """What a batch says was published is known to what it says the source shows today, whatever their order."""
    stated = pc.is_valid(points.column("revision_date"))
    return points.filter(stated), points.filter(pc.invert(stated))


def _key_domains(incoming: pa.Table) -> Mapping[str, Domain]:
    dates = pc.min_max(incoming.column("date")).as_py()
    series = sorted(pc.unique(incoming.column("series_id")).to_pylist())
    return {"series_id": Domain(values=tuple(series)), "date": Domain(dates["min"], dates["max"])}


def _with_bookkeeping(rows: pa.Table, now: dt.datetime) -> pa.Table:
    constants = {
        "superseded_on": None,
        "first_revision": None,
        "is_deleted": False,
        "created_at": now,
        "updated_at": now,
        "seq": None,
        "level": 0,
    }
    schema = arrow_schema(DATA_POINTS)
    for name, constant in constants.items():
        field_ = schema.field(name)
        rows = rows.append_column(field_, pa.repeat(pa.scalar(constant, field_.type), rows.num_rows))
    return rows
