"""The rows of the dataset as files for those who are asked beside finlake: one sorted Parquet file, and one of CSV."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.dataset import Dataset

SERIES_A_BLOCK = 500
ROW_GROUP_ROWS = 32_768


def sorted_file(dataset: Dataset, folder: Path) -> Path:
    """All revisions, sorted by series, date and revision date, made where it is not there."""
    return _made(folder / "rows.parquet", lambda target: _sort(dataset, folder / "unsorted.parquet", target))


def csv_file(rows: Path) -> Path:
    """The rows of the sorted file as CSV with a header."""
    sql = f"COPY (FROM read_parquet('{rows}')) TO '{{}}' (FORMAT csv, HEADER)"
    return _made(rows.with_suffix(".csv"), lambda target: duckdb.execute(sql.format(target)))


def _made(target: Path, make: Callable[[Path], object]) -> Path:
    """The file, made under another name first: one that is there is whole."""
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"partial-{target.name}")
        make(partial)
        partial.rename(target)
    return target


def _sort(dataset: Dataset, unsorted: Path, target: Path) -> None:
    with pq.ParquetWriter(unsorted, _table(dataset, range(1)).schema) as writer:
        for start in range(0, dataset.series, SERIES_A_BLOCK):
            writer.write_table(_table(dataset, range(start, min(start + SERIES_A_BLOCK, dataset.series))))
    by = "ORDER BY series_id, date, revision_date"
    options = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP_ROWS}"
    duckdb.execute(f"COPY (FROM read_parquet('{unsorted}') {by}) TO '{target}' ({options})")
    unsorted.unlink()


def _table(dataset: Dataset, series: range) -> pa.Table:
    rows = dataset.table(series)
    ids = pa.array([dataset.series_id(each) for each in series])
    columns = {name: rows.column(name) for name in ("date", "revision_date", "value")}
    return pa.table({"series_id": ids.take(rows.column("external_id").chunk(0).indices)} | columns)
