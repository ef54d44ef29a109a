"""More of merges: kinds, bundles, the cut."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from catalog import maintenance
from catalog.maintenance import merge
from catalog.model import BASE_LEVEL, DATA_POINTS, DELTA_LEVEL
from engine.merge import merging_of
from engine.query import Query, View
from tests.catalog.test_maintenance import answers, data_files, files, interrupted, levels, merge_with, post, stored
from tests.support.warehouse import Warehouse, warehouse


@pytest.mark.parametrize("level", [DELTA_LEVEL, BASE_LEVEL])
def test_a_correction_that_lands_meanwhile_wins_whatever_is_merged_next(tmp_path: Path, level: int) -> None:
    with warehouse(tmp_path) as lake:
        for value in (1, 2, 3):
            post(lake, value)
        merge_with(lake, interrupted(lake, lambda: post(lake, 9)), level)
        assert sorted(files(lake)) == [0, level]
        for merge_next in (lake.delta_merge, lake.delta_merge, lake.compact):
            merge_next()
            assert [row["value"] for row in lake.rows(Query("data_points"))] == [9]


def test_a_series_deleted_meanwhile_stays_deleted(tmp_path: Path) -> None:
    with warehouse(tmp_path) as lake:
        post(lake, 1)
        post(lake, 2)
        (series,) = lake.rows(Query("series"))

        def begin_a_new_life() -> None:
            lake.delete_series(series["id"])
            post(lake, 7, "2020-07-01")

        merge_with(lake, interrupted(lake, begin_a_new_life), DELTA_LEVEL)
        for merge_next in (list, lake.delta_merge, lake.compact):
            merge_next()
            assert [row["value"] for row in lake.rows(Query("data_points", view=View.EVERY))] == [7]


def test_only_the_part_whose_inputs_vanished_is_dropped(tmp_path: Path) -> None:
    with warehouse(tmp_path) as lake:
        for value in (1, 2):
            for series in ("A", "B"):
                post(lake, value, series=series)
        before = answers(lake)
        tasks = [task for task in lake.tasks(DELTA_LEVEL) if task.table is DATA_POINTS]
        assert len(tasks) == 2, "two partitions"
        merging = merging_of(lake.services.database)
        merge(lake.services.lake, (tasks[0],), merging)
        on_disk = data_files(lake)
        done = merge(lake.services.lake, tuple(tasks), merging)
        assert [each.outdated for each in done] == [True, False]
        assert len(data_files(lake) - on_disk) == 1
        assert (files(lake), answers(lake)) == ([DELTA_LEVEL] * 2, before)


def test_a_bundle_is_one_snapshot(tmp_path: Path) -> None:
    with warehouse(tmp_path) as lake:
        for number in range(20):
            post(lake, number, series=f"S{number}")
        table = lake.services.lake.load(DATA_POINTS)
        merged = lake.delta_merge()
        after = lake.services.lake.load(DATA_POINTS)
        assert len([each for each in merged if each.task.table is DATA_POINTS]) > 5
        assert len(after.metadata.snapshots) == len(table.metadata.snapshots) + 1


def test_sources_and_series_are_merged_too(tmp_path: Path) -> None:
    with warehouse(tmp_path) as lake:
        for number in range(4):
            lake.write({"source": {"name": "S"}, "series": [{"external_id": "A", "title": f"Title {number}"}]})
            post(lake, number, series="B")
        known = {row["external_id"]: row["id"] for row in lake.rows(Query("series"))}
        lake.delete_series(known["B"])
        tables = ("sources", "series")
        before = [lake.rows(Query(table)) for table in tables]
        lake.delta_merge()
        assert levels(lake) == {"sources": [1], "series": [1], "data_points": [], "vintages": []}
        assert sorted((row["external_id"], row["is_deleted"]) for row in stored(lake, "series")) == [
            ("A", False),
            ("B", True),
        ]
        lake.write({"source": {"name": "S"}, "series": [{"external_id": "A", "units": "index"}]})
        post(lake, 5, series="B")
        assert [row["value"] for row in lake.rows(Query("data_points"))] == [5], "the deleted life stays hidden"
        lake.compact()
        assert levels(lake) == {"sources": [2], "series": [2], "data_points": [2], "vintages": []}
        assert lake.rows(Query("sources")) == before[0]
        assert [(row["title"], row["units"]) for row in lake.rows(Query("series")) if row["id"] == known["A"]] == [
            ("Title 3", "index")
        ]
        assert len(stored(lake, "series")) == 2


def test_recent_dates_have_files_of_their_own_and_history_is_left_alone(tmp_path: Path) -> None:
    def points(*dates: str) -> dict[str, Any]:
        return {
            "data_points": [
                {"source": "S", "external_id": "A", "date": date, "value": number, "revision_date": "2024-06-02"}
                for number, date in enumerate(dates)
            ]
        }

    def spans(lake: Warehouse) -> list[tuple[str, ...]]:
        entries = lake.engine.snapshots.current().tables["data_points"].files
        return sorted(tuple(str(bound) for bound in entry.bounds["date"]) for entry in entries)

    with warehouse(tmp_path, history_cut_days=100) as lake:
        history = [f"{year}-01-01" for year in range(1960, 2024)]
        lake.write(points(*history, "2024-06-01", "2024-06-02"))
        lake.compact()
        assert spans(lake) == [("1960-01-01", "2023-01-01"), ("2024-06-01", "2024-06-02")]
        untouched = {path for path in data_files(lake) if pq.read_metadata(path).num_rows == len(history)}
        lake.write(points("2024-06-03", "2024-06-04"))
        before = answers(lake)
        lake.compact()
        assert spans(lake) == [("1960-01-01", "2023-01-01"), ("2024-06-01", "2024-06-04")]
        assert {file.path for file in lake.engine.snapshots.current().tables["data_points"].files} & untouched
        assert answers(lake) == before
        lake.clock.set(dt.date(2025, 6, 1))
        lake.write(points("2025-05-01", "2024-06-04"))
        lake.compact()
        assert spans(lake) == [
            ("1960-01-01", "2023-01-01"),
            ("2024-06-01", "2024-06-04"),
            ("2025-05-01", "2025-05-01"),
        ], "what grew old has moved"


def test_long_runs_are_written_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches, row groups and files end at different rows."""
    monkeypatch.setattr("engine.execute.STREAMED_ROWS", 700)
    monkeypatch.setattr("catalog.staging.ROW_GROUP_ROWS", 300)
    monkeypatch.setattr("catalog.staging.FLUSHED_ROWS", 900)
    monkeypatch.setattr(maintenance, "BASE_FILE_ROWS_MAX", 1_000)
    with warehouse(tmp_path) as lake:
        start = dt.date(2000, 1, 1).toordinal()
        for series in ("A", "B", "C", "D", "E"):
            dates = [dt.date.fromordinal(start + day).isoformat() for day in range(3_000)]
            points = [{"external_id": series, "date": date, "value": day} for day, date in enumerate(dates)]
            lake.write({"source": {"name": "S"}, "data_points": points})
        before = answers(lake)
        lake.compact()
        assert answers(lake) == before
        for entry in lake.engine.snapshots.current().tables["data_points"].files:
            rows = pq.read_table(entry.path, columns=["series_id", "date", "revision_date"]).to_pylist()
            assert [tuple(row.values()) for row in rows] == sorted(tuple(row.values()) for row in rows)
