"""Readers that share nothing with the engine but the files: pyiceberg with loops, and DuckDB over the list of files.

They read the newest state of the points as the format's rules have it: of one revision the row with the greatest
sequence, its file's where it holds none; of one point the latest revision; tombstones are no values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from catalog.iceberg import Lake
from catalog.model import DATA_POINTS, SERIES, Table

_LATEST = """
    WITH stored AS (
        SELECT p.*, coalesce(p.seq, f.sequence) AS at_sequence
        FROM read_parquet($files, filename = true, hive_partitioning = false) p JOIN files f ON f.path = p.filename
    ),
    alive AS (SELECT * FROM stored LEFT JOIN hidden USING (series_id) WHERE at_sequence > coalesce(through, -1))
    SELECT series_id, date, revision_date, value FROM alive
    QUALIFY row_number() OVER (PARTITION BY series_id, date ORDER BY revision_date DESC, at_sequence DESC) = 1
        AND NOT is_deleted
"""


def by_pyiceberg(lake: Lake) -> list[tuple[Any, ...]]:
    """Every revision: (series id, date, revision date, value)."""
    files = files_of(lake, DATA_POINTS)
    stored = [row for path, sequence in files.items() for row in _rows(path, sequence)]
    scanned = lake.load(DATA_POINTS).scan().to_arrow()
    assert sorted(map(_plain, stored)) == sorted(map(_plain, scanned.to_pylist()))
    hidden = hidden_series(lake)
    winners: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in sorted(stored, key=lambda row: row["at"]):
        if row["at"] > hidden.get(row["series_id"], -1):
            winners[row["series_id"], row["date"], row["revision_date"]] = row
    return sorted((*key, row["value"]) for key, row in winners.items() if not row["is_deleted"])


def by_duckdb(lake: Lake) -> list[tuple[Any, ...]]:
    """The latest revisions: (series id, date, revision date, value)."""
    files, hidden = files_of(lake, DATA_POINTS), hidden_series(lake)
    if not files:
        return []
    with duckdb.connect() as connection:
        connection.register("files", pa.table({"path": list(files), "sequence": list(files.values())}))
        ids, through = pa.array(list(hidden), pa.string()), pa.array(list(hidden.values()), pa.int64())
        connection.register("hidden", pa.table({"series_id": ids, "through": through}))
        return sorted(connection.execute(_LATEST, {"files": list(files)}).fetchall())


def files_of(lake: Lake, table: Table) -> Mapping[str, int]:
    """The paths of a table's files, with the sequence numbers of their commits."""
    target = lake.load(table)
    if target.current_snapshot() is None:
        return {}
    rows = target.inspect.entries().select(["status", "sequence_number", "data_file"]).to_pylist()
    live = [row for row in rows if row["status"] != 2]
    return {row["data_file"]["file_path"].removeprefix("file://"): row["sequence_number"] for row in live}


def hidden_series(lake: Lake) -> Mapping[str, int]:
    """The sequence up to which the points of a series are gone, as the newest row of each series says it."""
    rows = [row for path, sequence in files_of(lake, SERIES).items() for row in _rows(path, sequence)]
    newest = {row["id"]: row for row in sorted(rows, key=lambda row: row["at"])}
    through = {id_: 2**62 if row["is_deleted"] else row["hidden_through"] for id_, row in newest.items()}
    return {id_: sequence for id_, sequence in through.items() if sequence is not None}


def _rows(path: str, sequence: int) -> Iterable[dict[str, Any]]:
    for row in pq.ParquetFile(path).read().to_pylist():
        yield row | {"at": sequence if row["seq"] is None else row["seq"]}


def _plain(row: Mapping[str, Any]) -> str:
    return repr([row[name] for name in DATA_POINTS.by_name])
