"""What finlake is held against: bare DuckDB and pyarrow as the floor, ROAPI as the peer, over the same rows."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import httpx
import pyarrow as pa
import pyarrow.parquet as pq

from catalog.files import fsync_directory
from tests.support.server import free_port

START_SECONDS_MAX = 30.0

KNOWN = """
    SELECT date, value FROM (
        SELECT date, value, row_number() OVER (PARTITION BY date ORDER BY revision_date DESC) AS rank
        FROM {table} WHERE dataset = {dataset} AND series_id = {series} AND revision_date <= {day}
    ) WHERE rank = 1 ORDER BY date
"""


def sorted_copy(source: Path, target: Path) -> float:
    """The rows in one sorted, fsynced Parquet file with small row groups: the floor of a load. Seconds it took."""
    started = time.perf_counter()
    rows: pa.Table = pq.read_table(source).sort_by(
        [("dataset", "ascending"), ("series_id", "ascending"), ("date", "ascending"), ("revision_date", "ascending")]
    )
    with target.open("wb") as stream:
        pq.write_table(rows, stream, row_group_size=32_768, compression="zstd")
    with target.open("rb") as stream:
        os.fsync(stream.fileno())
    fsync_directory(target.parent)
    return time.perf_counter() - started


class BareDuckDB:
    """The same question put to DuckDB in this process, over one sorted file."""

    name = "bare DuckDB"

    def __init__(self, file: Path) -> None:
        self._connection = duckdb.connect(config={"threads": 2})
        self._connection.execute("SET parquet_metadata_cache = true")
        self._sql = KNOWN.format(table="read_parquet($file)", dataset="$dataset", series="$series", day="$day")
        self._file = str(file)

    def known(self, dataset: str, series: str, day: dt.date) -> int:
        """The rows of one series as known on a day: how many there are."""
        parameters = {"file": self._file, "dataset": dataset, "series": series, "day": day}
        return len(self._connection.execute(self._sql, parameters).fetchall())


class Roapi:
    """ROAPI over HTTP, from the same file."""

    name = "ROAPI"

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=60)

    def known(self, dataset: str, series: str, day: dt.date) -> int:
        sql = KNOWN.format(table="vintages", dataset=f"'{dataset}'", series=f"'{series}'", day=f"DATE '{day}'")
        answer = self._client.post("/api/sql", content=sql)
        answer.raise_for_status()
        return len(answer.json())


@contextmanager
def roapi(file: Path) -> Iterator[Roapi | None]:
    """A running ROAPI, or None where it is not installed (`pip install roapi`)."""
    program = shutil.which("roapi")
    if program is None:
        yield None
        return
    with serving_roapi(Path(program), "vintages", file) as url:
        yield Roapi(url)


@contextmanager
def serving_roapi(program: Path, table: str, file: Path, seconds_max: float = START_SECONDS_MAX) -> Iterator[str]:
    """The URL of a ROAPI that serves one file and runs as long as the block does."""
    address = f"127.0.0.1:{free_port()}"
    command = [str(program), "--table", f"{table}={file}", "--addr-http", address]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until_up(f"http://{address}/health", seconds_max)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait()


def wait_until_up(url: str, seconds_max: float = START_SECONDS_MAX) -> None:
    """Return when something answers at a URL, whatever it says. Raises RuntimeError where nothing does."""
    deadline = time.monotonic() + seconds_max
    while time.monotonic() < deadline:
        try:
            httpx.get(url, timeout=1)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"Nothing answers at {url}.")
