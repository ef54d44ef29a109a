"""The lake that the tests of this folder ask, and a bare DuckDB over the same rows that answers the same SQL."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import duckdb
import httpx
import pyarrow as pa
from starlette.testclient import TestClient

from catalog.identity import series_id, source_id
from tests.support.warehouse import Warehouse

SOURCE = "BLS"
TITLES = {"CPI": "Prices, all items", "PAYROLLS": "It's people; at work -- all", "EMPTY": 'Nothing "yet"'}
FREQUENCIES = {"CPI": "monthly", "PAYROLLS": "quarterly", "EMPTY": None}
CPI, PAYROLLS = series_id(SOURCE, "CPI"), series_id(SOURCE, "PAYROLLS")

Row = tuple[str, dt.date, dt.date, Decimal | None]


def revisions(seed: int = 4) -> list[Row]:
    """(external id, date, revision date, value): months of two series, up to three revisions each, some withdrawn."""
    chance = random.Random(seed)
    rows: list[Row] = []
    for name in ("CPI", "PAYROLLS"):
        for month in range(36):
            date = dt.date(2001 + month // 12, month % 12 + 1, 1)
            for lag in sorted(chance.sample((20, 50, 200, 400), chance.randint(1, 3))):
                value = None if chance.random() < 0.1 else Decimal(chance.randrange(-5_000, 90_000)).scaleb(-2)
                rows.append((name, date, date + dt.timedelta(lag), value))
    return rows


def fill(lake: Warehouse, rows: list[Row]) -> None:
    """Half of the rows in base files, the others in deltas over them."""
    series = [{"external_id": name, "title": TITLES[name], "frequency": FREQUENCIES[name]} for name in TITLES]
    for part in (rows[::2], rows[1::2]):
        points = [
            {
                "external_id": name,
                "date": date.isoformat(),
                "revision_date": published.isoformat(),
                "value": None if value is None else str(value),
            }
            for name, date, published, value in part
        ]
        receipt = lake.write({"source": {"name": SOURCE}, "series": series, "data_points": points})
        assert receipt.failed == 0
        if part[0] == rows[0]:
            lake.compact()


def oracle(rows: list[Row]) -> duckdb.DuckDBPyConnection:
    """The logical tables as plain tables: each view is worked out here, by dictionaries."""
    database = duckdb.connect()
    database.execute("SET TimeZone = 'UTC'")
    columns = "series_id varchar, date date, revision_date date, value decimal(38,18), is_original_release boolean"
    latest, first = {}, {}
    for row in sorted(rows, key=lambda each: each[2]):
        latest[row[:2]] = row
        first.setdefault(row[:2], row)
    for table, some in (("data_points", latest.values()), ("first_releases", first.values()), ("revisions", rows)):
        database.execute(f"CREATE TABLE {table} ({columns})")
        marked = [(series_id(SOURCE, row[0]), *row[1:], row == first[row[:2]]) for row in some]
        database.executemany(f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?)", marked)
    database.execute(
        "CREATE MACRO data_points_as_of(day) AS TABLE SELECT r.* FROM revisions r WHERE r.revision_date = (SELECT max("
        "o.revision_date) FROM revisions o WHERE o.series_id = r.series_id AND o.date = r.date "
        "AND o.revision_date <= day::date)"
    )
    database.execute(
        "CREATE TABLE series (id varchar, source_id varchar, source varchar, external_id varchar,"
        " title varchar, frequency varchar)"
    )
    database.executemany(
        "INSERT INTO series VALUES (?, ?, ?, ?, ?, ?)",
        [
            (series_id(SOURCE, name), source_id(SOURCE), SOURCE, name, TITLES[name], FREQUENCIES[name])
            for name in TITLES
        ],
    )
    database.execute("CREATE TABLE sources (id varchar, name varchar)")
    database.execute("INSERT INTO sources VALUES (?, ?)", [source_id(SOURCE), SOURCE])
    return database


@dataclass(frozen=True)
class SqlDoor:
    client: TestClient
    lake: Warehouse
    oracle: duckdb.DuckDBPyConnection

    def post(
        self, sql: str, status: int = 200, headers: Mapping[str, str] | None = None, **fields: Any
    ) -> httpx.Response:
        response = self.client.post("/sql", json={"sql": sql, **fields}, headers=headers)
        assert response.status_code == status, response.text
        return response

    def rows(self, sql: str, **fields: Any) -> list[tuple[Any, ...]]:
        """The rows as DuckDB's Python values, out of the Arrow answer."""
        response = self.post(sql, headers={"Accept": "application/vnd.apache.arrow.stream"}, **fields)
        return _tuples(pa.ipc.open_stream(response.content).read_all())

    def expected(self, sql: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        return _tuples(self.oracle.execute(sql, parameters).to_arrow_table())


def _tuples(table: pa.Table) -> list[tuple[Any, ...]]:
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))
