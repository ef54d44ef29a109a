"""The lake that random questions are asked of, and what each of its states holds, worked out in plain Python.

It has two sources, series with hostile texts, points in many files with revisions, corrections, withdrawals and
deletions. The last rows are there in three states: as deltas, merged into fewer deltas, and compacted.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from catalog.identity import series_id, source_id
from catalog.model import MODEL, Table, Type
from engine.query import And, Compare, Expr, Field, Literal, Not, Or, Order, Query, Related, View, is_in
from tests.support.evaluate import evaluate, sorted_rows
from tests.support.hostile import HOSTILE
from tests.support.oracle import Oracle, Point
from tests.support.warehouse import Warehouse, warehouse

TODAY = dt.date(2024, 6, 15)
NOW = dt.datetime(2024, 6, 15, 12, tzinfo=dt.UTC)
SOURCES: dict[str, dict[str, str]] = {
    "TEST": {"title": "A test", "license": "none"},
    "O'B; -- 100%": {"title": 'the "other"', "url": "https://example.org/?a=1&b='"},
}
NAMES = [f"S{n}" for n in range(12)]
FREQUENCIES = ("monthly", "quarterly", None, "daily")
TITLES = ["Alpha", "alpha beta", "100% of _it_", 'O\'Brien \\ "q"', "Ünïcode ☃", " padded ", ""]
DAYS = [dt.date(2023, month, 1) for month in (1, 2, 3, 12)] + [dt.date(2024, 1, 1)]
REVISIONS = [dt.date(2024, 1, day) for day in (2, 5, 9)]
GREATEST = Decimal("99999999999999999999.999999999999999999")
LEAST = Decimal("-99999999999999999999.999999999999999999")
VALUES = [None, Decimal("-1.5"), Decimal(0), Decimal("0.000000000000000001"), Decimal("2.5"), GREATEST, LEAST]
AS_OF = (None, *REVISIONS, dt.date(2020, 1, 1))
Rows = list[dict[str, Any]]


def source_of(name: str) -> str:
    """Every third series is of the second source."""
    return list(SOURCES)[int(name[1:]) % 3 == 2]


def id_of(name: str) -> str:
    return series_id(source_of(name), name)


def texts_of(name: str) -> dict[str, Any]:
    """The fields that a series is described with."""
    n = int(name[1:])
    return {
        "title": TITLES[n % len(TITLES)] or None,
        "description": HOSTILE[(5 * n + 2) % (len(HOSTILE) - 1)],
        "units": None if n % 3 else "index",
        "frequency": FREQUENCIES[n % len(FREQUENCIES)],
        "seasonal_adjustment": HOSTILE[(11 * n + 7) % (len(HOSTILE) - 1)] if n % 4 else None,
    }


@dataclass(frozen=True)
class State:
    """One snapshot, and what was stored by then."""

    name: str
    token: str
    oracle: Oracle
    _known: dict[tuple[str, View, dt.date | None], Rows] = field(default_factory=dict)

    def rows(self, table: Table, view: View = View.LATEST, as_of: dt.date | None = None) -> Rows:
        """The rows of a table in no particular order."""
        asked = (table.name, view, as_of) if table.revision else (table.name, View.LATEST, None)
        if asked not in self._known:
            self._known[asked] = {"data_points": self._points, "series": self._series, "sources": self._sources}[
                table.name
            ](*asked[1:])
        return self._known[asked]

    def matching(self, query: Query, table: Table) -> Rows:
        where = self._without_related(query.where)
        return [row for row in self.rows(table, query.view, query.as_of) if evaluate(where, row) is True]

    def _without_related(self, expr: Expr) -> Expr:
        """The condition with the values that related rows have in the place of what is asked of them."""
        match expr:
            case Related(column, rows):
                found = self.matching(rows, MODEL.by_name[rows.table])
                return is_in(Field(column), [Literal(row[rows.columns[0]], Type.UUID) for row in found])
            case And(args) | Or(args):
                return type(expr)(tuple(self._without_related(arg) for arg in args))
            case Not(arg):
                return Not(self._without_related(arg))
            case Compare(op, left, right):
                return Compare(op, self._without_related(left), self._without_related(right))
            case _:
                return expr

    def _points(self, view: View, as_of: dt.date | None) -> Rows:
        listed = {View.EVERY: self.oracle.every, View.LATEST: self.oracle.latest, View.FIRST: self.oracle.first}
        names = ("series_id", "date", "revision_date", "value", "is_original_release")
        return [_stored(zip(names, (id_of(row[0]), *row[1:]), strict=True)) for row in listed[view](as_of)]

    def _series(self, _view: View, _as_of: dt.date | None) -> Rows:
        return [
            _stored(
                {"id": id_of(name), "source_id": source_id(source_of(name)), "source": source_of(name)}
                | {"external_id": name}
                | fields
            )
            for name, fields in self.oracle.series.items()
        ]

    def _sources(self, _view: View, _as_of: dt.date | None) -> Rows:
        empty = dict.fromkeys(("title", "description", "url", "license"))
        return [_stored({"id": source_id(name), "name": name} | empty | fields) for name, fields in SOURCES.items()]


def _stored(fields: Any) -> dict[str, Any]:
    return {**dict(fields), "created_at": NOW, "updated_at": NOW}


@dataclass(frozen=True)
class AskedLake:
    """`states` from the oldest to the newest; `final` are those of the same rows that lie differently in files."""

    lake: Warehouse
    states: tuple[State, ...]

    @property
    def final(self) -> tuple[State, ...]:
        return self.states[-3:]

    def expected(self, query: Query, state: State) -> Rows:
        """All visible columns of the rows that answer a query, whatever it selects."""
        table = self.lake.engine.tables.by_name[query.table]
        rows = state.matching(query, table)
        ties = table.row_key if query.view is View.EVERY else table.key
        rows = sorted_rows(rows, [*query.order, *(Order(Field(name)) for name in ties)])
        return rows[query.page.offset :][: query.page.limit]


def _batches() -> list[list[Point]]:
    everything = [
        Point(name, day, VALUES[(7 * n + 3 * d + 5 * r) % len(VALUES)], revision)
        for n, name in enumerate(NAMES)
        for d, day in enumerate(DAYS)
        for r, revision in enumerate(REVISIONS)
        if (n + d + r) % 4
    ]
    corrections = [Point(p.series, p.date, Decimal(7), p.revision_date) for p in everything[::9]]
    return [everything[0::3], everything[1::3], everything[2::3], corrections]


@contextmanager
def asked_lake(folder: Path) -> Iterator[AskedLake]:
    """Nothing is to be written to it."""
    with warehouse(folder, TODAY) as lake:
        filler = _Filler(lake, Oracle())
        filler.describe(NAMES)
        for turn, batch in enumerate(_batches()):
            filler.post(batch)
            if turn % 2:
                filler.change("S0", {"units": f"turn {turn}"})
            if turn == 1:
                lake.compact()
                filler.keep("early")
        filler.delete()
        filler.keep("deltas")
        lake.delta_merge()
        filler.keep("merged")
        lake.compact()
        filler.keep("compacted")
        yield AskedLake(lake, tuple(filler.states))


@dataclass
class _Filler:
    """Does each thing to the lake and to the oracle."""

    lake: Warehouse
    oracle: Oracle
    states: list[State] = field(default_factory=list)

    def describe(self, names: list[str]) -> None:
        for source, fields in SOURCES.items():
            series = {name: texts_of(name) for name in names if source_of(name) == source}
            document = {"source": {"name": source, **fields}}
            self.lake.write(document | {"series": [{"external_id": name, **said} for name, said in series.items()]})
            for name, said in series.items():
                self.oracle.describe(name, said)

    def change(self, name: str, fields: Mapping[str, Any]) -> None:
        self.lake.write({"source": {"name": source_of(name)}, "series": [{"external_id": name, **fields}]})
        self.oracle.describe(name, fields)

    def post(self, points: list[Point]) -> None:
        receipt = self.lake.write({"data_points": [point.document(source_of(point.series)) for point in points]})
        assert receipt.failed == 0, receipt
        self.oracle.post(points, TODAY)

    def delete(self) -> None:
        """One series for good, one that comes again, and the points of a month of a third."""
        for name in ("S11", "S7"):
            self.lake.delete_series(id_of(name))
            self.oracle.delete(name)
        self.describe(["S7"])
        self.post([Point("S7", DAYS[0], Decimal("7.7"), REVISIONS[1])])
        self.lake.delete_points(id_of("S4"), DAYS[1], DAYS[2])
        self.oracle.delete_points("S4", DAYS[1], DAYS[2], TODAY)

    def keep(self, name: str) -> None:
        self.states.append(State(name, self.lake.engine.current(), self.oracle.frozen()))
