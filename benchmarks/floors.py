"""The floor of an ingest: the same rows made durable by bare pyarrow and bare DuckDB, which check nothing, keep no
revisions apart and answer nobody."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.report import Line
from catalog.files import fsync_directory

ROW_GROUP_ROWS = 32_768
SORT = [("external_id", "ascending"), ("date", "ascending"), ("revision_date", "ascending")]
THREADS = 2


class _Point(msgspec.Struct):
    external_id: str
    date: str
    value: str
    revision_date: str


class _Document(msgspec.Struct):
    data_points: list[_Point]


def floor_lines(tables: Sequence[pa.Table], folder: Path) -> list[Line]:
    """Points a second of each floor, one transaction or one file for each of `tables`."""
    tables = [table.set_column(0, "external_id", table.column(0).cast(pa.string())) for table in tables]
    points = sum(table.num_rows for table in tables)
    folder.mkdir(parents=True, exist_ok=True)
    ways: dict[str, Callable[[], float]] = {
        "pyarrow, a sorted, fsynced Parquet file a request": lambda: _by_pyarrow(tables, folder),
        "DuckDB, INSERT into a durable database file": lambda: _by_insert(tables, folder),
        "DuckDB, COPY to a sorted Parquet file a request, not fsynced": lambda: _by_copy(tables, folder),
    }
    what = f"floor of {tables[0].num_rows:,} points a request"
    return [Line(f"{what}, {name}", f"{points / run():,.0f} points/s") for name, run in ways.items()]


def decode_line(content: bytes, points: int) -> Line:
    """How fast typed points come out of a JSON body, at the best."""
    decoder = msgspec.json.Decoder(_Document)
    decoder.decode(content)
    started = time.perf_counter()
    decoder.decode(content)
    seconds = time.perf_counter() - started
    return Line("floor of JSON, msgspec decodes typed points", f"{points / seconds:,.0f} points/s")


def _by_pyarrow(tables: Sequence[pa.Table], folder: Path) -> float:
    started = time.perf_counter()
    for number, table in enumerate(tables):
        with (folder / f"{number}.parquet").open("wb") as stream:
            pq.write_table(table.sort_by(SORT), stream, row_group_size=ROW_GROUP_ROWS, compression="zstd")
            stream.flush()
            os.fsync(stream.fileno())
        fsync_directory(folder)
    return time.perf_counter() - started


def _by_insert(tables: Sequence[pa.Table], folder: Path) -> float:
    # What a run that broke off has left is no table to add to.
    (folder / "floor.duckdb").unlink(missing_ok=True)
    with duckdb.connect(folder / "floor.duckdb", config={"threads": THREADS}) as connection:
        connection.register("block", tables[0])
        connection.execute("CREATE TABLE points AS SELECT * FROM block LIMIT 0")
        started = time.perf_counter()
        for table in tables:
            connection.register("block", table)
            connection.execute("INSERT INTO points SELECT * FROM block")
        return time.perf_counter() - started


def _by_copy(tables: Sequence[pa.Table], folder: Path) -> float:
    copy = "COPY (SELECT * FROM block ORDER BY external_id, date, revision_date) TO '{}' (FORMAT parquet, CODEC zstd)"
    with duckdb.connect(config={"threads": THREADS}) as connection:
        started = time.perf_counter()
        for number, table in enumerate(tables):
            connection.register("block", table)
            connection.execute(copy.format(folder / f"copy-{number}.parquet"))
        return time.perf_counter() - started
