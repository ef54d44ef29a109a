"""Merges: the same answers from fewer files, beside writers, rivals and failures."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from catalog import maintenance
from catalog.debt import MergeTask
from catalog.errors import StorageDamaged, StorageFailed
from catalog.maintenance import Merged, Merging, merge
from catalog.model import BASE_LEVEL, DATA_POINTS, DELTA_LEVEL
from engine.merge import merging_of
from engine.query import Query, View
from tests.support.warehouse import Warehouse, warehouse

VALUES = ("date", "revision_date", "value", "is_original_release")
DAYS = (None, dt.date(2020, 4, 1), dt.date(2020, 6, 15))


def post(lake: Warehouse, value: int, revision: str = "2020-05-01", series: str = "A") -> None:
    lake.write(
        {
            "data_points": [
                {"source": "S", "external_id": series, "date": "2020-01-01", "value": value, "revision_date": revision}
            ]
        }
    )


def answers(lake: Warehouse) -> list[Any]:
    return [lake.rows(Query("data_points", view=view, as_of=day)) for view in View for day in DAYS]


def files(lake: Warehouse) -> list[int]:
    return [file.level for file in lake.engine.snapshots.current().tables["data_points"].files]


def merge_with(lake: Warehouse, merging: Merging, level: int = BASE_LEVEL) -> tuple[Merged, ...]:
    """Merges the data points, which lie in one partition in most tests here."""
    tasks = tuple(task for task in lake.tasks(level) if task.table.name == "data_points")
    return merge(lake.services.lake, tasks, merging)


def interrupted(lake: Warehouse, before_commit: Callable[[], None]) -> Merging:
    """A merge during which something happens after its inputs are read."""
    real = merging_of(lake.services.database)

    def agrees(task: MergeTask, paths: tuple[str, ...]) -> bool:
        before_commit()
        return real.agrees(task, paths)

    return Merging(real.rows, agrees)


def data_files(lake: Warehouse) -> set[str]:
    return {str(path) for path in lake.settings.data_dir.rglob("*.parquet")}


def test_answers_stay_and_files_become_few(tmp_path: Path) -> None:
    with warehouse(tmp_path) as lake:
        for value, revision in ((1, "2020-05-01"), (2, "2020-06-01"), (3, "2020-05-01"), (4, "2020-04-01")):
            post(lake, value, revision)
        before = answers(lake)
        token = lake.engine.current()
        assert len(files(lake)) == 4
        merged = lake.compact()[-1]
        assert (merged.files_before, merged.files_after, merged.rows_before, merged.rows_after) == (4, 1, 4, 3)
        assert files(lake) == [BASE_LEVEL]
        assert answers(lake) == before
        assert lake.rows(Query("data_points").pinned(token)) == before[0]
        assert lake.compact() == []


def test_a_settled_partition_is_read_without_a_window(tmp_path: Path) -> None:
    with warehouse(tmp_path) as lake:
        post(lake, 1)
        post(lake, 2, "2020-06-01")
        lake.compact()
        stored = pq.read_table(lake.engine.snapshots.current().tables["data_points"].files[0].path).to_pylist()
        assert [(str(row["superseded_on"]), str(row["first_revision"])) for row in stored] == [
            ("2020-06-01", "2020-05-01"),
            ("None", "2020-05-01"),
        ]


def test_an_append_that_lands_meanwhile_outranks_what_was_merged(tmp_path: Path) -> None:
    with warehouse(tmp_path) as lake:
        post(lake, 1)
        post(lake, 2)
        merge_with(lake, interrupted(lake, lambda: post(lake, 9)))
        assert sorted(files(lake)) == [0, BASE_LEVEL]
        assert [row["value"] for row in lake.rows(Query("data_points"))] == [9]
        lake.compact()
        assert [row["value"] for row in lake.rows(Query("data_points"))] == [9]


def test_of_two_merges_of_one_partition_the_slower_is_refused(tmp_path: Path) -> None:
    with warehouse(tmp_path) as lake:
        post(lake, 1)
        post(lake, 2)
        before = answers(lake)
        (refused,) = merge_with(lake, interrupted(lake, lambda: lake.compact() and None))
        assert refused.outdated
        assert files(lake) == [BASE_LEVEL]
        assert answers(lake) == before
        assert len(data_files(lake)) == 2 + 1 + 2 * 2, "two appends, one base, source and series and theirs: no stray"


def test_a_merge_that_wrote_something_else_is_not_committed(tmp_path: Path) -> None:
    with warehouse(tmp_path) as lake:
        post(lake, 1)
        before, on_disk = answers(lake), data_files(lake)
        real = merging_of(lake.services.database)
        with pytest.raises(StorageDamaged):
            merge_with(lake, Merging(lambda task: (batch.slice(1) for batch in real.rows(task)), real.agrees))
        assert (answers(lake), data_files(lake)) == (before, on_disk)


@pytest.mark.parametrize("landed", [True, False])
def test_an_unknown_outcome_is_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, landed: bool) -> None:
    real = maintenance._overwrite  # pyright: ignore[reportPrivateUsage]

    def overwrite(*args: Any) -> None:
        if landed:
            real(*args)
        raise OSError("the reply was lost")

    with warehouse(tmp_path) as lake:
        post(lake, 1)
        before = answers(lake)
        monkeypatch.setattr(maintenance, "_overwrite", overwrite)
        if landed:
            lake.compact()
        else:
            with pytest.raises(StorageFailed):
                lake.compact()
        assert files(lake) == ([BASE_LEVEL] if landed else [0])
        assert answers(lake) == before


def test_rows_of_deleted_lives_are_left_out(tmp_path: Path) -> None:
    with warehouse(tmp_path) as lake:
        post(lake, 1)
        (series,) = lake.rows(Query("series"))
        lake.delete_series(series["id"])
        merged = lake.compact()[-1]
        assert (merged.files_after, merged.rows_after) == (0, 0)
        assert files(lake) == []
        post(lake, 5)
        assert [row["value"] for row in lake.rows(Query("data_points"))] == [5]


def test_base_files_are_cut_between_series(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "BASE_FILE_ROWS_MAX", 2)
    with warehouse(tmp_path) as lake:
        for number in range(40):
            post(lake, number, series=f"S{number}")
        before = answers(lake)
        merged = lake.compact()
        assert any(each.files_after > 1 for each in merged)
        spans = sorted(file.bounds["series_id"] for file in lake.engine.snapshots.current().tables["data_points"].files)
        assert all(left[1] < right[0] for left, right in pairwise(spans))
        assert answers(lake) == before


def stored(lake: Warehouse, table: str = "data_points") -> list[dict[str, Any]]:
    paths = [file.path for file in lake.engine.snapshots.current().tables[table].files]
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


def levels(lake: Warehouse) -> dict[str, list[int]]:
    tables = lake.engine.snapshots.current().tables
    return {name: sorted(file.level for file in table.files) for name, table in tables.items()}


def test_a_delta_merge_keeps_what_order_goes_by(tmp_path: Path) -> None:
    with warehouse(tmp_path) as lake:
        for day, (value, revision) in enumerate([(1, "2020-05-01"), (2, "2020-06-01"), (3, "2020-05-01")], 1):
            lake.clock.set(dt.date(2024, 1, day))
            post(lake, value, revision)
        before = lake.rows(Query("data_points", VALUES, view=View.EVERY))
        lake.delta_merge()
        rows = [(int(row["value"]), row["seq"], row["level"], row["created_at"].day) for row in stored(lake)]
        assert rows == [(3, 3, DELTA_LEVEL, 1), (2, 2, DELTA_LEVEL, 2)]
        assert {row["superseded_on"] or row["first_revision"] for row in stored(lake)} == {None}
        assert lake.rows(Query("data_points", VALUES, view=View.EVERY)) == before
        post(lake, 4)
        later = lake.rows(Query("data_points", VALUES, view=View.EVERY))
        lake.delta_merge()
        assert files(lake) == [DELTA_LEVEL]
        assert lake.rows(Query("data_points", VALUES, view=View.EVERY)) == later


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
