"""Versions of finlake that wrote one lake one after another: narrower types, today's model, one column more."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.types import DecimalType, IntegerType

from api.ingest.batch import Batch
from api.ingest.outcome import Outcome
from api.ingest.prepare import Preparer
from catalog import schemas
from catalog.commit import Prepared
from catalog.evolution import open_lake
from catalog.identity import series_id
from catalog.model import MODEL, Column, Table, Tables, Type
from catalog.schemas import as_present
from catalog.snapshot import LakeSnapshot
from engine.query import Query, View
from tests.support.oracle import DELETED, Oracle, Point
from tests.support.views import SOURCE, document
from tests.support.warehouse import Warehouse

TODAY = dt.date(2024, 6, 12)


def with_columns(*columns: Column, table: str = "data_points") -> Tables:
    """The model with more columns in a table."""
    wider = replace(MODEL.by_name[table], columns=(*MODEL.by_name[table].columns, *columns))
    return of(wider)


def of(table: Table) -> Tables:
    """The model with another table of that name."""
    return Tables(tuple(table if each.name == table.name else each for each in MODEL.tables), MODEL.collections)


NOTE = Column(len(MODEL.by_name["data_points"].columns) + 1, "note", Type.STRING, "What a later version adds.")
NOTED = with_columns(NOTE)


class NotingPreparer(Preparer):
    """That of a version whose points have a note: it tells the value."""

    def __call__(self, snapshot: LakeSnapshot, batches: Sequence[Batch]) -> Prepared[Outcome]:
        prepared = super().__call__(snapshot, batches)
        rows = {name: as_present(rows, NOTED.by_name[name]) for name, rows in prepared.rows.items()}
        if "data_points" in rows:
            points = rows["data_points"]
            position = points.schema.get_field_index("note")
            told = pa.array([note_of(value) for value in points.column("value").to_pylist()], pa.string())
            rows["data_points"] = points.set_column(position, points.schema.field(position), told)
        return replace(prepared, rows=rows)


def note_of(value: Decimal | None) -> str:
    return "withdrawn" if value is None else f"{value.normalize():f}"


def be_noting(patch: pytest.MonkeyPatch) -> None:
    """From here on a warehouse is opened by the version with notes."""
    patch.setattr("api.app.MODEL", NOTED)
    patch.setattr("api.app.Preparer", NotingPreparer)


def be_narrow(patch: pytest.MonkeyPatch) -> None:
    """From here on it is opened by a version whose integers and decimals were narrower."""
    narrow: dict[Type, tuple[Any, Any, str]] = {
        Type.LONG: (pa.int32(), IntegerType(), "integer"),
        Type.DECIMAL: (pa.decimal128(24, 18), DecimalType(24, 18), "decimal(24,18)"),
    }
    for type_, (arrow, iceberg, sql) in narrow.items():
        patch.setitem(schemas.ARROW_TYPES, type_, arrow)
        patch.setitem(schemas.ICEBERG_TYPES, type_, iceberg)
        patch.setitem(schemas.SQL_TYPES, type_, sql)


def evolve(folder: Path) -> None:
    """What the service of the version with notes does first, here with a partition width of 2."""
    open_lake(folder, NOTED, 2).close()


def _named(prefix: str, count: int = 1) -> list[str]:
    """Series whose ids begin so."""
    names = (f"S{number}" for number in range(100_000))
    return list(islice((name for name in names if series_id(SOURCE, name).startswith(prefix)), count))


# Two share a partition of either width, another one that of width 1, and one none.
SERIES = (*_named("a0", 2), *_named("a1"), *_named("b"))
# Each alone in its partition: whoever writes one leaves a file that is never written again.
UNTOUCHED = tuple(_named(first)[0] for first in "cdef")


class History:
    """Random work on a lake as it grows older, with the oracle beside it. `noted` are the rows that have a note."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.oracle = Oracle()
        self.noted: set[Any] = set()
        self.kept: list[tuple[str, Oracle, set[Any]]] = []
        self.widths: set[frozenset[int]] = set()
        self.day = TODAY

    def work(self, lake: Warehouse, steps: int, *, untouched: str, notes: bool = False) -> None:
        """The first step leaves a base file of its own series."""
        lake.clock.set(self.day)
        self._post(lake, [Point(untouched, TODAY, Decimal(7), TODAY)])
        lake.compact()
        if notes:
            self.noted.add((untouched, TODAY, TODAY))
        for _ in range(steps):
            before = _rows(self.oracle)
            self._step(lake)
            after = _rows(self.oracle)
            changed = {key for key, row in after.items() if before.get(key) != row}
            self.noted = (self.noted | changed if notes else self.noted - changed) & set(after)
            self.widths.add(lake.engine.snapshots.current().tables["data_points"].widths)
        self.kept.append((lake.engine.current(), _copy(self.oracle), set(self.noted)))

    def _step(self, lake: Warehouse) -> None:
        what = self.random.random()
        series = self.random.choice(SERIES)
        known = {row["external_id"] for row in lake.rows(Query("series", ("external_id",)))}
        if what < 0.7:
            batch = [self._point() for _ in range(self.random.randint(1, 6))]
            self._post(lake, batch)
        elif what < 0.78:
            lake.delta_merge()
        elif what < 0.86:
            lake.compact()
        elif what < 0.92:
            self.day += dt.timedelta(days=1)
            lake.clock.set(self.day)
        elif series in known and what < 0.97:
            span = (dt.date(2024, 1, 1), dt.date(2024, 1, self.random.randint(1, 3)))
            lake.delete_points(series_id(SOURCE, series), *span)
            self.oracle.delete_points(series, *span, self.day)
        elif series in known:
            lake.delete_series(series_id(SOURCE, series))
            self.oracle.delete(series)

    def _post(self, lake: Warehouse, batch: list[Point]) -> None:
        lake.write(document(batch))
        self.oracle.post(batch, self.day)

    def _point(self) -> Point:
        choice = self.random.choice
        return Point(
            choice(SERIES),
            dt.date(2024, 1, choice((1, 2, 3))),
            choice((None, Decimal(1), Decimal(2), Decimal("2.5"), Decimal("-0.000000000000000001"))),
            choice((None, *(dt.date(2024, 6, day) for day in (10, 12, 14, 18)))),
            choice((None, None, True, False)),
        )


def _copy(oracle: Oracle) -> Oracle:
    return Oracle({key: dict(stored) for key, stored in oracle.revisions.items()})


def _rows(oracle: Oracle) -> dict[Any, Any]:
    return {(*key, day): row for key, stored in oracle.revisions.items() for day, row in stored.items()}


def notes(lake: Warehouse, snapshot: str = "") -> set[tuple[Any, ...]]:
    query = Query("data_points", ("series_id", "date", "revision_date", "note"), view=View.EVERY)
    return {tuple(row.values()) for row in lake.rows(query.pinned(snapshot) if snapshot else query)}


def expected_notes(oracle: Oracle, noted: set[Any]) -> set[tuple[Any, ...]]:
    return {
        (series_id(SOURCE, key[0]), *key[1:], note_of(row[0]) if key in noted else None)
        for key, row in _rows(oracle).items()
        if row[0] is not DELETED
    }
