"""Deltas over base files, of which they touch some: by a window and by a join, against dictionaries.

Base files are small and end between two series, recent dates have files of their own, and a batch is about some series
and some dates: so deltas lie across some base files and beside others.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from catalog import maintenance
from catalog.identity import series_id
from catalog.model import Type
from catalog.scan import ScanFiles, prune
from engine.lower.ways import Way, way_of
from engine.planner import plan
from engine.query import Compare, Field, Literal, Op, Query, View
from tests.support.oracle import Oracle, Point
from tests.support.views import COLUMNS, SOURCE, assert_equal, by_id, document, prefer, seen
from tests.support.warehouse import Warehouse, warehouse

TODAY = dt.date(2024, 6, 15)
REVISIONS = [dt.date(2024, 3, day) for day in range(1, 6)]
DATES = [dt.date(2020 + year, month, 1) for year in range(5) for month in (1, 5)]
VALUES = [None, *map(Decimal, range(1, 5))]
NAMES = [name for name in map(str, range(200)) if series_id(SOURCE, name)[0] == "a"][:6]


@contextmanager
def lake_of(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Warehouse]:
    patch.setattr(maintenance, "BASE_FILE_ROWS_MAX", 20)
    with warehouse(folder, TODAY, history_cut_days=366) as lake:
        yield lake


def some_points(chance: random.Random) -> list[Point]:
    """Of neighbours, in time and by name: the same rows again, and earlier revisions, are among them."""
    first, start = chance.randrange(len(NAMES)), chance.randrange(len(DATES))
    names, dates = sorted(NAMES)[first : first + 2], DATES[start : start + chance.choice([1, 3])]
    said = (None, None, None, True, False)
    return [
        Point(name, date, chance.choice(VALUES), chance.choice(REVISIONS), chance.choice(said))
        for name in names
        for date in dates
        for _ in range(chance.randint(1, 2))
    ]


def step(lake: Warehouse, oracle: Oracle, chance: random.Random) -> None:
    name = chance.choice(NAMES)
    match chance.choice(["post"] * 5 + ["points", "series", "deltas", "base"]):
        case "post":
            points = some_points(chance)
            lake.write(document(points))
            oracle.post(points, TODAY)
        case "points" if name in oracle.series:
            lake.delete_points(series_id(SOURCE, name), DATES[2], DATES[5])
            oracle.delete_points(name, DATES[2], DATES[5], TODAY)
        case "series" if name in oracle.series:
            lake.delete_series(series_id(SOURCE, name))
            oracle.delete(name)
        case "deltas":
            lake.delta_merge()
        case _:
            lake.compact()


def scanned(lake: Warehouse, query: Query) -> tuple[Way, ScanFiles]:
    planned = plan(query, lake.engine.tables)
    files = prune(lake.engine.snapshots.current(), planned.scan)
    return way_of(planned, files), files


def assert_columns_agree(lake: Warehouse, oracle: Oracle, day: dt.date | None) -> None:
    """Without what is worked out of all revisions, every revision can be joined as well; values are read alone."""
    asked: dict[View, Callable[[dt.date | None], list[tuple[object, ...]]]] = {
        View.EVERY: oracle.every,
        View.LATEST: oracle.latest,
        View.FIRST: oracle.first,
    }
    for view, expected in asked.items():
        query = Query("data_points", COLUMNS[:4], view=view, as_of=day)
        found = sorted(tuple(row.values()) for row in lake.rows(query))
        assert found == [row[:4] for row in by_id(expected(day))], (view, day)


@pytest.mark.parametrize("seed", range(5))
def test_every_view_is_right_in_every_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    chance, oracle = random.Random(seed), Oracle()
    ways, beside = set[Way](), 0
    with lake_of(tmp_path, monkeypatch) as lake:
        points = [Point(name, date, Decimal(7), day) for name in NAMES for date in DATES for day in REVISIONS[1:4:2]]
        lake.write(document(points))
        oracle.post(points, TODAY)
        lake.compact()
        for _ in range(10):
            step(lake, oracle, chance)
            day = chance.choice(REVISIONS)
            for way in (Way.WINDOW, Way.JOIN):
                prefer(monkeypatch, way)
                assert_equal(lake, oracle, day)
                for each in (None, day):
                    assert_columns_agree(lake, oracle, each)
                taken, files = scanned(lake, Query("data_points"))
                ways.add(taken)
                beside += bool(files.settled and files.touched)
    assert ways >= {Way.WINDOW, Way.JOIN_WITHIN}
    assert beside > 0


DAY = DATES[3]
BASE_ROWS = [Point(NAMES[0], DAY, Decimal(day.day), day) for day in REVISIONS[1:4]]
CASES = {
    "a later revision": [Point(NAMES[0], DAY, Decimal(9), REVISIONS[4])],
    "a correction of the latest": [Point(NAMES[0], DAY, Decimal(9), REVISIONS[3])],
    "a correction of the first": [Point(NAMES[0], DAY, Decimal(9), REVISIONS[1])],
    "an earlier revision": [Point(NAMES[0], DAY, Decimal(9), REVISIONS[0])],
    "one in between": [Point(NAMES[0], DAY, Decimal(9), REVISIONS[2])],
    "withdrawn by a correction": [Point(NAMES[0], DAY, None, REVISIONS[3])],
    "withdrawn": [Point(NAMES[0], DAY, None, REVISIONS[4])],
    "said to be the first": [Point(NAMES[0], DAY, Decimal(9), REVISIONS[4], is_original_release=True)],
    "another date": [Point(NAMES[0], DATES[4], Decimal(9), REVISIONS[0])],
    "several at once": [Point(NAMES[0], DAY, Decimal(day.day + 20), day) for day in REVISIONS],
}


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_a_row_over_a_base_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, *, twice: bool) -> None:
    """Twice: first with other values, so that two delta files hold the key."""
    prefer(monkeypatch, Way.JOIN)
    oracle = Oracle()
    batches = [BASE_ROWS, CASES[name]]
    if twice:
        batches.insert(1, [Point(p.series, p.date, Decimal(77), p.revision_date) for p in CASES[name]])
    with lake_of(tmp_path, monkeypatch) as lake:
        for batch in batches:
            lake.write(document(batch))
            oracle.post(batch, TODAY)
            if batch is BASE_ROWS:
                lake.compact()
        assert_equal(lake, oracle, *REVISIONS, TODAY)
        for day in (None, *REVISIONS):
            assert_columns_agree(lake, oracle, day)
        files = scanned(lake, Query("data_points"))[1]
        assert len(files.deltas) == 1 + twice
        assert bool(files.touched) is (name != "another date")
        lake.compact()
        assert_equal(lake, oracle, *REVISIONS, TODAY)


def test_the_key_of_a_table_without_revisions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with lake_of(tmp_path, monkeypatch) as lake:
        lake.write({"source": {"name": SOURCE}, "series": [{"external_id": name} for name in NAMES]})
        lake.compact()
        for title in ("old", "new"):
            lake.write({"source": {"name": SOURCE}, "series": [{"external_id": NAMES[0], "title": title}]})
        titles = {Way.WINDOW: list[str](), Way.JOIN: list[str]()}
        for way, told in titles.items():
            prefer(monkeypatch, way)
            told += [row["title"] for row in lake.rows(Query("series", ("title",)))]
        assert scanned(lake, Query("series"))[0] is Way.JOIN_WITHIN
        assert titles[Way.WINDOW] == titles[Way.JOIN]
        assert sorted(titles[Way.JOIN]) == sorted(["new", *NAMES[1:]])


def test_few_keys_and_few_rows_are_read_by_a_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with lake_of(tmp_path, monkeypatch) as lake:
        lake.write(document(BASE_ROWS))
        lake.compact()
        lake.write(document([BASE_ROWS[0], Point(NAMES[1], DAY, Decimal(1), REVISIONS[0])]))
        lake.write(document(CASES["a later revision"]))
        one = Compare(Op.EQ, Field("series_id"), Literal(series_id(SOURCE, NAMES[0]), Type.UUID))
        assert scanned(lake, Query("data_points"))[0] is Way.WINDOW
        monkeypatch.setattr("engine.lower.ways.WINDOW_ROWS_MAX", 2)
        assert scanned(lake, Query("data_points"))[0] is Way.JOIN_WITHIN
        assert scanned(lake, Query("data_points", where=one))[0] is Way.WINDOW
        assert scanned(lake, Query("data_points", view=View.EVERY))[0] is Way.WINDOW
        assert scanned(lake, Query("data_points", COLUMNS[:4], view=View.EVERY))[0] is Way.JOIN_WITHIN
        assert len(seen(lake, View.LATEST)) == 2
