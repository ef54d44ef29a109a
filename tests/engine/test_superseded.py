"""Files are left out whose rows are all superseded by the day that is asked for, against dictionaries and against a
window over all files.

A base file as finlake writes it holds whole keys, so the last revision of each; here base files end anywhere.
"""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from catalog.identity import series_id
from catalog.model import BASE_LEVEL, SUPERSEDED
from catalog.staging import SortedFiles
from engine.query import Query, View
from tests.support.oracle import Oracle, Point
from tests.support.views import SOURCE, assert_equal, document
from tests.support.warehouse import Warehouse, warehouse

TODAY = dt.date(2024, 6, 15)
REVISIONS = [dt.date(2024, 3, day) for day in range(1, 8)]
DATES = [dt.date(2020, 1, 1), dt.date(2024, 5, 1)]
NAMES = ("A", "B")


class CutAnywhere(SortedFiles):
    def add(self, rows: pa.Table) -> None:
        for start in range(0, rows.num_rows, 2):
            super().add(rows.slice(start, 2))
            self.end_file()


def step(lake: Warehouse, oracle: Oracle, chance: random.Random) -> None:
    """Posts, in any order of revisions, mostly; corrections, withdrawals and deletions among them."""
    match chance.choice(["post", "post", "post", "delete", "deltas", "base", "base"]):
        case "post":
            values = [None, Decimal(1), Decimal(2), Decimal(3)]
            points = [
                Point(chance.choice(NAMES), chance.choice(DATES), chance.choice(values), chance.choice(REVISIONS))
                for _ in range(chance.randint(1, 6))
            ]
            lake.write(document(points))
            oracle.post(points, TODAY)
        case "delete":
            name, day = chance.choice(NAMES), chance.choice(DATES)
            if any(key == (name, day) for key in oracle.revisions):
                lake.delete_points(series_id(SOURCE, name), day, day)
                oracle.delete_points(name, day, day, TODAY)
        case "deltas":
            lake.delta_merge()
        case _:
            lake.compact()


def left_out(lake: Warehouse, day: dt.date | None) -> int:
    """How many files the latest view as of a day leaves out; that the window over all of them says the same."""
    query = Query("data_points", as_of=day)
    with lake.other_engine((), prunes=False).answer(query) as result:
        assert result.table().to_pylist() == lake.rows(query)
    files = lake.engine.explain(query, footers_max=0).files
    return files.considered - files.read


@pytest.mark.parametrize("seed", range(5))
def test_every_view_is_right_beside_deltas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr("catalog.maintenance.SortedFiles", CutAnywhere)
    chance, oracle, pruned = random.Random(seed), Oracle(), 0
    with warehouse(tmp_path, TODAY) as lake:
        for _ in range(14):
            step(lake, oracle, chance)
            days = chance.sample([*REVISIONS, TODAY], 3)
            assert_equal(lake, oracle, *days)
            pruned += left_out(lake, None)
            assert all(left_out(lake, day) >= 0 for day in days)
    assert pruned > 0


def test_files_go_by_the_day_that_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rows a file, of one point: a file is read from its first revision until its last one is superseded."""
    monkeypatch.setattr("catalog.maintenance.SortedFiles", CutAnywhere)
    with warehouse(tmp_path, TODAY) as lake:
        lake.write(document([Point("A", DATES[0], Decimal(n), day) for n, day in enumerate(REVISIONS[:6])]))
        lake.compact()
        files = lake.engine.snapshots.current().tables["data_points"].files
        spans = [file.bounds[SUPERSEDED] for file in files if SUPERSEDED in file.without_null]
        assert sorted(spans) == [(REVISIONS[1], REVISIONS[2]), (REVISIONS[3], REVISIONS[4])]
        read = [len(files) - left_out(lake, day) for day in (*REVISIONS, None)]
        assert read == [1, 1, 1, 1, 1, 1, 1, 1]
        for view in (View.EVERY, View.FIRST):
            told = lake.engine.explain(Query("data_points", view=view), footers_max=0).files
            assert (told.read, told.considered) == (3, 3)
        lake.write(document([Point("A", DATES[0], Decimal(9), dt.date(2024, 3, 2))]))
        told = lake.engine.explain(Query("data_points"), footers_max=0).files
        assert (told.read, told.compared) == (2, 2), "the delta, and the file that holds what is still valid"
        assert sum(file.level < BASE_LEVEL for file in lake.engine.snapshots.current().tables["data_points"].files) == 1


def test_row_groups_go_by_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One file of three row groups, of which only the last has a row that is still valid."""
    monkeypatch.setattr("catalog.staging.ROW_GROUP_ROWS", 2)
    with warehouse(tmp_path, TODAY) as lake:
        lake.write(document([Point("A", DATES[0], Decimal(n), day) for n, day in enumerate(REVISIONS[:6])]))
        lake.compact()
        for view, day, read in ((View.LATEST, None, 1), (View.LATEST, REVISIONS[0], 1), (View.EVERY, None, 3)):
            counts = lake.engine.explain(Query("data_points", view=view, as_of=day), footers_max=1).row_groups
            assert counts is not None
            assert (counts.considered, counts.read, counts.rows) == (3, read, 2 * read)
