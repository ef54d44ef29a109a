"""The cut between recent dates and history: two questions with base files cut in two and with whole ones."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import duckdb
import orjson
import pyarrow.parquet as pq

from benchmarks.dataset import SCHEMA, Dataset
from benchmarks.deltas import restored_with_deltas
from benchmarks.lake import SERIES_A_REQUEST, Lake, compact, serving
from benchmarks.measure import Spread, interleaved
from benchmarks.posting import Poster
from benchmarks.report import Line

CUTS = (366, 0)  # days; none
WARM_UP, REPEATS = 5, 40
MONTH, SERIES = "all series, this month", "one series, all years"


def cut_lines(lake: Lake) -> Iterator[Line]:
    for cut in CUTS:
        restored_with_deltas(lake)
        compact(lake.data_dir, history_cut_days=cut)
        # The month is asked again and again: no answer is kept.
        settings = {"page_rows_max": 2 * lake.dataset.series, "answers_bytes_max": 0, "maintenance": False}
        with serving(lake.data_dir, **settings) as service:
            spreads = _asked(service.url, lake.dataset)
        named = f"cut at {cut} days" if cut else "no cut"
        for question, spread in spreads.items():
            yield Line(f"{question}, {named}", f"{spread.text()} ms")
    for question, spread in _floors(lake).items():
        yield Line(f"{question}, bare DuckDB over one sorted file", f"{spread.text()} ms")


def _asked(url: str, dataset: Dataset) -> Mapping[str, Spread]:
    poster = Poster(url)
    chance = random.Random(dataset.seed)
    month = f"/odata/DataPoints?$filter=date%20eq%20{dataset.last_month()}&$select=series_id,value"

    def all_series(_: int) -> None:
        rows = orjson.loads(poster.get(month))["value"]
        if len(rows) != dataset.series:
            raise RuntimeError(f"{len(rows)} series came back, not {dataset.series}.")

    def one_series(_: int) -> None:
        id_ = dataset.series_id(chance.randrange(dataset.series))
        rows = orjson.loads(poster.get(f"/odata/Series({id_})/DataPoints?$select=date,value"))["value"]
        if len(rows) != dataset.months:
            raise RuntimeError(f"{len(rows)} months came back, not {dataset.months}.")

    try:
        return interleaved({MONTH: all_series, SERIES: one_series}, warm_up=WARM_UP, repeats=REPEATS)
    finally:
        poster.close()


def _floors(lake: Lake) -> Mapping[str, Spread]:
    """The same of the two vintages that the dataset itself holds, in this process."""
    file = _sorted_file(lake)
    chance = random.Random(lake.dataset.seed)
    connection = duckdb.connect(config={"threads": 2})
    connection.execute("SET parquet_metadata_cache = true")
    latest = "arg_max(value, revision_date) FROM read_parquet($file)"
    month = f"SELECT external_id, {latest} WHERE date = $month GROUP BY external_id"
    series = f"SELECT date, {latest} WHERE external_id = $id GROUP BY date ORDER BY date"

    def ask(sql: str, **parameters: object) -> object:
        return connection.execute(sql, {"file": str(file), **parameters}).fetchall()

    askers: dict[str, Callable[[int], object]] = {
        MONTH: lambda _: ask(month, month=lake.dataset.last_month()),
        SERIES: lambda _: ask(series, id=lake.dataset.external_id(chance.randrange(lake.dataset.series))),
    }
    return interleaved(askers, warm_up=WARM_UP, repeats=REPEATS)


def _sorted_file(lake: Lake) -> Path:
    file = lake.folder / "sorted.parquet"
    if not file.is_file():
        half = file.with_suffix(".half")
        with pq.ParquetWriter(half, SCHEMA, compression="zstd") as writer:
            for block in lake.dataset.blocks(SERIES_A_REQUEST):
                writer.write_table(block, row_group_size=32_768)
        half.rename(file)
    return file
