"""Which rows survive a merge, against the windows of SQL over the same rows, however these are cut into batches."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.model import BASE_LEVEL, DATA_POINTS, DELTA_LEVEL, MODEL, VINTAGES, Table
from catalog.schemas import arrow_schema
from engine.survivors import survivors

DAY = dt.date(2020, 1, 1)
INSTANT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

_ORACLE = """
    WITH kept AS (
        SELECT * REPLACE ({created} AS created_at) FROM stored
        QUALIFY row_number() OVER (PARTITION BY {row_key} ORDER BY seq DESC) = 1
    )
    SELECT * REPLACE ({renewed}) FROM kept ORDER BY {row_key}
"""
_OVER_KEY = "OVER (PARTITION BY series_id, date ORDER BY revision_date)"


def _oracle(rows: pa.Table, table: Table, level: int) -> list[dict[str, object]]:
    row_key = ", ".join(table.row_key)
    renewed = [f"CAST({level} AS BIGINT) AS level"]
    if table.revision and level == BASE_LEVEL:
        renewed += [
            f"lead(revision_date) {_OVER_KEY} AS superseded_on",
            f"first_value(revision_date) {_OVER_KEY} AS first_revision",
        ]
    elif table.revision:
        renewed += ["CAST(NULL AS DATE) AS superseded_on", "CAST(NULL AS DATE) AS first_revision"]
    created = f"min(created_at) OVER (PARTITION BY {row_key})" if table.revision else "created_at"
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("stored", rows)
        sql = _ORACLE.format(created=created, row_key=row_key, renewed=", ".join(renewed))
        return connection.execute(sql).to_arrow_table().to_pylist()


def _stored(table: Table, keys: list[tuple[int, int, int]], created: list[int]) -> pa.Table:
    """Rows of so many keys, each key's in a sequence of its own, sorted as a merge reads them."""
    columns = {name: list[object]() for name in table.by_name}
    for sequence, (series, date, revision) in enumerate(keys):
        known: dict[str, object] = {
            "series_id": f"{series:04}",
            "date": DAY + dt.timedelta(days=date),
            "revision_date": DAY + dt.timedelta(days=revision),
            "value": sequence,
            "superseded_on": DAY,
            "is_deleted": sequence % 3 == 0,
            "created_at": INSTANT + dt.timedelta(hours=created[sequence % len(created)]),
            "updated_at": INSTANT,
            "seq": sequence,
            "level": 0,
            "points_sequence": sequence,
        }
        for name, values in columns.items():
            values.append(known.get(name))
    rows = pa.table(columns, arrow_schema(table))
    return rows.sort_by([(name, "ascending") for name in (*table.row_key, "seq")])


def _cut(rows: pa.Table, cuts: list[int]) -> list[pa.RecordBatch]:
    edges = sorted({0, rows.num_rows, *(cut % (rows.num_rows + 1) for cut in cuts)})
    pieces = [rows.slice(start, end - start) for start, end in pairwise(edges)]
    return [batch for piece in pieces for batch in piece.combine_chunks().to_batches()]


SMALL = st.integers(0, 3)


@pytest.mark.parametrize("table", [DATA_POINTS, VINTAGES], ids=lambda table: table.name)
@pytest.mark.parametrize("level", [DELTA_LEVEL, BASE_LEVEL])
@given(
    keys=st.lists(st.tuples(SMALL, SMALL, SMALL), max_size=40),
    created=st.lists(st.integers(0, 50), min_size=1, max_size=7),
    cuts=st.lists(st.integers(0, 1_000), max_size=8),
)
def test_as_the_windows_of_sql_say(
    table: Table, level: int, keys: list[tuple[int, int, int]], created: list[int], cuts: list[int]
) -> None:
    rows = _stored(table, keys, created)
    found = [row for part in survivors(_cut(rows, cuts), table, level) for row in part.to_pylist()]
    assert found == _oracle(rows, table, level)


def test_empty_batches_among_others() -> None:
    rows = _stored(DATA_POINTS, [(0, 0, 0), (0, 0, 0), (0, 0, 1), (1, 0, 0)], [0])
    nothing = rows.slice(0, 0).to_batches() or [pa.RecordBatch.from_pylist([], rows.schema)]
    batches = [batch for part in _cut(rows, [1, 2, 3]) for batch in (*nothing, part)]
    found = [row for part in survivors(batches, DATA_POINTS, BASE_LEVEL) for row in part.to_pylist()]
    assert found == _oracle(rows, DATA_POINTS, BASE_LEVEL)


def test_each_table_is_sorted_by_what_names_its_rows() -> None:
    """So one sorted stream of a merge is both: what survivors are told from, and what is written."""
    assert [table.sort for table in MODEL.tables] == [table.row_key for table in MODEL.tables]
