"""Batches + a snapshot -> the rows to append. Runs in the committing thread, again after each lost race.

Batches are taken in their order. What one brings (new series, changed titles) the next one sees; a batch that is
refused as a whole leaves no trace; a batch that was dealt with before, under the same key, is not applied again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from api.ingest.batch import Batch, Deletion
from api.ingest.changes import Changes, create_or_patch, hide, set_series, set_source, unknown_series
from api.ingest.outcome import Outcome
from api.ingest.receipts import record_of
from api.writing import Failure, Verdicts
from catalog.batches import BatchLog, BatchRecord
from catalog.commit import Prepared
from catalog.domains import Domain
from catalog.model import DATA_POINTS, SERIES, SOURCES, VINTAGES, Table
from catalog.registry import Registry, Row
from catalog.scan import ScanRequest, prune
from catalog.schemas import arrow_schema
from catalog.snapshot import LakeSnapshot
from engine.execute import Database
from engine.held import OWN_COLUMNS, HeldPoints
from engine.revise import INCOMING_SCHEMA, Incoming, Verdict, news
from engine.tombstones import tombstones
from engine.vintages import seen_vintages


@dataclass(frozen=True, slots=True)
class _Applied:
    """A batch as it was applied: the outcome so far, and its points that are to be held against what is stored."""

    batch: Batch
    outcome: Outcome
    points: pa.Table


class Preparer:
    """The `prepare` of the committer. `clock` gives the present instant in UTC."""

    def __init__(
        self, database: Database, batches: BatchLog, clock: Callable[[], dt.datetime], held_points_max: int
    ) -> None:
        self._database = database
        self._held = HeldPoints(database, held_points_max)
        self._batches = batches
        self._clock = clock
        self._sources = Registry(SOURCES)
        self._series = Registry(SERIES)
        self._own: tuple[LakeSnapshot, pa.Table] | None = None

    def __call__(self, snapshot: LakeSnapshot, batches: Sequence[Batch]) -> Prepared[Outcome]:
        self._take_own()
        earlier = self._batches.find([batch.delivery.id for batch in batches if batch.delivery.fingerprint])
        now = self._clock()
        changes = self._changes(snapshot)
        applied = _all_applied(batches, earlier, changes, now)
        rows, judged = self._points(snapshot, list(applied.values()), now)
        stored = {
            SOURCES.name: _metadata_rows(changes.sources.values(), SOURCES),
            SERIES.name: _metadata_rows(changes.series.values(), SERIES),
            **rows,
        }
        told = dict(zip(applied, judged, strict=True))
        records = {
            batches[position].delivery.id: record_of(batches[position], outcome)
            for position, outcome in told.items()
            if outcome.is_final
        }
        known = {**earlier, **records}
        outcomes = [
            told[position] if position in told else Outcome(earlier=known[batch.delivery.id])
            for position, batch in enumerate(batches)
        ]
        return Prepared(stored, outcomes, tuple(records.values()), partial(self._landed, snapshot, rows))

    def _landed(self, snapshot: LakeSnapshot, rows: Mapping[str, pa.Table]) -> None:
        """Only a note: whatever went wrong here would be told of what is stored."""
        points = rows.get(DATA_POINTS.name)
        if points is not None and self._held.wants(points):
            self._own = (snapshot, points.select(OWN_COLUMNS))

    def _take_own(self) -> None:
        own, self._own = self._own, None
        if own is not None:
            self._held.take_own(*own)

    def _changes(self, snapshot: LakeSnapshot) -> Changes:
        sources = self._sources.at(snapshot.tables[SOURCES.name])
        series = self._series.at(snapshot.tables[SERIES.name])
        return Changes(sources.get, series.get, snapshot.tables[DATA_POINTS.name].sequence)

    def _points(
        self, snapshot: LakeSnapshot, applied: Sequence[_Applied], now: dt.datetime
    ) -> tuple[dict[str, pa.Table], list[Outcome]]:
        """The rows of data points and vintages to append, and the outcomes with their verdicts."""
        outcomes = [each.outcome for each in applied]
        deletion = applied[0].batch.deletes if len(applied) == 1 else None
        if deletion is not None and deletion.span is not None and outcomes[0].found:
            rows, points = self._deleted_points(snapshot, deletion, deletion.span, now)
            return {DATA_POINTS.name: rows}, [replace(outcomes[0], verdicts=Verdicts(deleted=points))]
        incoming = self._incoming(snapshot, applied)
        if not incoming.points.num_rows:
            return {}, [_judged(outcome, {}) for outcome in outcomes]
        # A new series has no rows: looking for them would cost the more, the more there is stored of others.
        stored = prune(snapshot, ScanRequest(DATA_POINTS.name, _key_domains(incoming)))
        found = news(self._database, incoming, stored, now.date(), partial(self._held.of, snapshot))
        judged = [_judged(outcome, counts) for outcome, counts in zip(outcomes, found.verdicts, strict=True)]
        rows = {DATA_POINTS.name: _with_bookkeeping(found.rows, DATA_POINTS, now)}
        if incoming.changes_only:
            sequence = snapshot.tables[DATA_POINTS.name].sequence + bool(found.rows.num_rows)
            rows[VINTAGES.name] = _vintage_rows(incoming, sequence, now)
        return rows, judged

    def _incoming(self, snapshot: LakeSnapshot, applied: Sequence[_Applied]) -> Incoming:
        """The points of all batches, numbered anew, over one sorted dictionary of series."""
        points, series = _together([each.points for each in applied])
        known = self._series.at(snapshot.tables[SERIES.name])
        on_record = tuple(id_ for id_ in series.to_pylist() if known.get(id_) is not None)
        files = prune(snapshot, ScanRequest(VINTAGES.name, {"series_id": Domain(values=on_record)}))
        seen = seen_vintages(self._database, series, files, snapshot.hidden)
        return Incoming(
            points, series, pa.array(on_record, pa.string()), seen, any(each.batch.changes_only for each in applied)
        )

    def _deleted_points(
        self, snapshot: LakeSnapshot, deletion: Deletion, span: tuple[dt.date, dt.date], now: dt.datetime
    ) -> tuple[pa.Table, int]:
        """The tombstones of a deletion, and how many points it takes out of the latest view."""
        domains = {"series_id": Domain(values=(deletion.series_id,)), "date": Domain(*span)}
        stored = prune(snapshot, ScanRequest(DATA_POINTS.name, domains))
        rows = tombstones(self._database, stored, deletion.series_id, span, now.date())
        return _with_bookkeeping(rows, DATA_POINTS, now, is_deleted=True), pc.count_distinct(
            rows.column("date")
        ).as_py()


def _all_applied(
    batches: Sequence[Batch], earlier: Mapping[str, BatchRecord], changes: Changes, now: dt.datetime
) -> dict[int, _Applied]:
    """By position the batches that were dealt with, those aside that came under a key of one before them."""
    applied: dict[int, _Applied] = {}
    known = set(earlier)
    for position, batch in enumerate(batches):
        if batch.delivery.id not in known:
            applied[position] = _apply(batch, changes, now)
            if applied[position].outcome.is_final:
                known.add(batch.delivery.id)
    return applied


def _apply(batch: Batch, changes: Changes, now: dt.datetime) -> _Applied:
    nothing = INCOMING_SCHEMA.empty_table()
    layer = changes.layer()
    if batch.deletes is not None:
        found = _find_or_hide(batch.deletes, layer, now)
        changes.absorb(layer)
        return _Applied(batch, Outcome(found=found), nothing)
    failures = list(batch.failures)
    for name, fields in batch.sources.items():
        set_source(name, fields, layer, now)
    for patch in batch.series:
        set_series(patch, layer, now, failures)
    points = _of_known_series(batch, layer, now, failures)
    if batch.mode == "atomic" and failures:
        return _Applied(batch, Outcome(failures=tuple(failures), rejected=True), nothing)
    changes.absorb(layer)
    rejected = Verdicts(rejected=batch.points_total - points.num_rows)
    return _Applied(batch, Outcome(points.num_rows, tuple(failures), rejected), points)


def _find_or_hide(deletion: Deletion, layer: Changes, now: dt.datetime) -> bool:
    if deletion.span is None:
        return hide(deletion.series_id, layer, now)
    stored = layer.one_series(deletion.series_id)
    return stored is not None and not stored["is_deleted"]


def _judged(outcome: Outcome, counts: Mapping[Verdict, int]) -> Outcome:
    return replace(
        outcome, verdicts=replace(outcome.verdicts, **{verdict.value: count for verdict, count in counts.items()})
    )


def _of_known_series(batch: Batch, layer: Changes, now: dt.datetime, failures: list[Failure]) -> pa.Table:
    """The points whose series exists, after the series that they name by their names are made where they do not."""
    ids: list[str] = pc.unique(batch.points.column("series_id")).to_pylist()
    unknown: set[str] = set()
    for id_ in ids:
        stored = layer.one_series(id_)
        if stored is not None and not stored["is_deleted"]:
            continue
        if id_ in batch.names:
            create_or_patch(id_, batch.names[id_], {}, layer, now)
        else:
            unknown.add(id_)
    if not unknown:
        return batch.points
    lost = pc.is_in(batch.points.column("series_id").cast(pa.string()), pa.array(list(unknown), pa.string()))
    refused = batch.points.filter(lost).select(["ordinal", "series_id"]).to_pylist()
    failures.extend(unknown_series("data_points", row["ordinal"], row["series_id"]) for row in refused)
    return batch.points.filter(pc.invert(lost))


def _metadata_rows(rows: Iterable[Row], table: Any) -> pa.Table:
    return pa.Table.from_pylist(list(rows), arrow_schema(table))


def _together(batches: Sequence[pa.Table]) -> tuple[pa.Table, pa.Array]:
    parts = [(number, part) for number, batch in enumerate(batches) for part in _stated_then_shown(batch)]
    chunks = [chunk for _, part in parts for chunk in part.column("series_id").chunks]
    series = pa.array(sorted({id_ for chunk in chunks for id_ in pc.unique(chunk).to_pylist()}), pa.string())
    tables = [_numbered(part, number, series) for number, part in parts]
    schema = pa.schema([*INCOMING_SCHEMA, ("batch", pa.int32())])
    points = pa.concat_tables(tables) if tables else schema.empty_table()
    return points.set_column(0, "ordinal", pa.arange(0, points.num_rows)), series


def _stated_then_shown(points: pa.Table) -> list[pa.Table]:
    """What a batch says was published is known to what it says the source shows today, whatever their order."""
    if not points.column("revision_date").null_count:
        return [points]
    stated = pc.is_valid(points.column("revision_date"))
    return [points.filter(stated), points.filter(pc.invert(stated))]


def _numbered(points: pa.Table, batch: int, series: pa.Array) -> pa.Table:
    """The points over the dictionary `series`, which holds all of theirs, with the number of their batch."""
    position = INCOMING_SCHEMA.get_field_index("series_id")
    coded = [_coded(chunk, series) for chunk in points.column("series_id").chunks]
    type_ = INCOMING_SCHEMA.field(position).type
    points = points.set_column(position, "series_id", pa.chunked_array(coded, type_))
    return points.append_column("batch", pa.repeat(pa.scalar(batch, pa.int32()), points.num_rows))


def _coded(ids: pa.DictionaryArray, series: pa.Array) -> pa.DictionaryArray:
    if ids.dictionary.equals(series):
        return ids
    positions = pc.index_in(ids.dictionary, value_set=series)
    return pa.DictionaryArray.from_arrays(positions.take(ids.indices), series)


def _key_domains(incoming: Incoming) -> Mapping[str, Domain]:
    dates = pc.min_max(incoming.points.column("date")).as_py()
    return {
        "series_id": Domain(values=tuple(incoming.on_record.to_pylist())),
        "date": Domain(dates["min"], dates["max"]),
    }


def _vintage_rows(incoming: Incoming, points_sequence: int, now: dt.datetime) -> pa.Table:
    """The vintages that a batch of whole vintages shows for the first time."""
    stated = incoming.points.select(["series_id", "revision_date"]).filter(
        pc.is_valid(incoming.points.column("revision_date"))
    )
    plain = stated.set_column(0, "series_id", stated.column("series_id").cast(pa.string()))
    shown = plain.group_by(["series_id", "revision_date"], use_threads=False).aggregate([])
    fresh = shown.join(incoming.seen.drop_columns("code"), ["series_id", "revision_date"], join_type="left anti")
    sequence = pa.repeat(pa.scalar(points_sequence, pa.int64()), fresh.num_rows)
    return _with_bookkeeping(fresh.append_column("points_sequence", sequence), VINTAGES, now)


def _with_bookkeeping(rows: pa.Table, table: Table, now: dt.datetime, *, is_deleted: bool = False) -> pa.Table:
    """The rows with the columns that they lack, as fresh appends have them."""
    known = {"is_deleted": is_deleted, "created_at": now, "updated_at": now, "level": 0}
    for field_ in arrow_schema(table):
        if field_.name not in rows.column_names:
            constant = pa.scalar(known.get(field_.name), field_.type)
            rows = rows.append_column(field_, pa.repeat(constant, rows.num_rows))
    return rows
