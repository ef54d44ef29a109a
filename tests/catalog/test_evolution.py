"""Evolution: a lake whose files are of all generations answers as if they were of one."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalog.identity import series_id
from engine.literals import literal
from engine.planner import PASSES
from engine.query import Compare, Field, Op, Query, View
from tests.catalog.test_verify import faults
from tests.support.generations import SERIES, History, be_narrow, be_noting, expected_notes, notes
from tests.support.views import SOURCE, assert_equal
from tests.support.warehouse import Warehouse, warehouse

DAYS = (dt.date(2024, 6, 12), dt.date(2024, 6, 15))


def generations(lake: Warehouse) -> set[tuple[bool, bool, int]]:
    """Of the files of points: whether their integers are long, whether they have notes, how wide their partition is."""
    files = lake.engine.snapshots.current().tables["data_points"].files
    schemas = [(pq.read_schema(file.path), len(file.partition or "")) for file in files]
    return {(schema.field("level").type == pa.int64(), "note" in schema.names, width) for schema, width in schemas}


def assert_right(lake: Warehouse, history: History) -> None:
    """Every view, of the newest state and of the last one of each generation; and nothing is ever pruned wrongly."""
    for snapshot, oracle, _ in history.kept:
        assert_equal(lake, oracle, *DAYS, snapshot=snapshot)
    assert_equal(lake, history.oracle, *DAYS)
    whole = lake.other_engine(PASSES, prunes=False)
    for name in SERIES:
        series = Compare(Op.EQ, Field("series_id"), literal(series_id(SOURCE, name)))
        for view in View:
            query = Query("data_points", where=series, view=view)
            with whole.answer(query) as result:
                assert _sorted(result.table()) == _sorted(lake.table(query))


def _sorted(rows: pa.Table) -> list[str]:
    return sorted(map(str, rows.to_pylist()))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_files_of_all_generations_answer_as_one(tmp_path: Path, seed: int) -> None:
    history = History(seed)
    met: set[Any] = set()
    with pytest.MonkeyPatch.context() as patch:
        be_narrow(patch)
        with warehouse(tmp_path, history.day) as lake:
            history.work(lake, 25)
    with warehouse(tmp_path, history.day) as lake:
        history.work(lake, 6)
        met |= generations(lake)
        assert_right(lake, history)
    for width in (1, 2, 1):
        with pytest.MonkeyPatch.context() as patch:
            be_noting(patch)
            with warehouse(tmp_path, history.day, partition_width=width) as lake:
                history.work(lake, 10, notes=True)
                met |= generations(lake)
                assert_right(lake, history)
                for snapshot, oracle, noted in history.kept:
                    assert notes(lake, snapshot) == expected_notes(oracle, noted)
                assert not faults(lake, every=True)
    assert met >= {(False, False, 1), (True, False, 1), (True, True, 1), (True, True, 2)}
    assert frozenset({1, 2}) in history.widths
