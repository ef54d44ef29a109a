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
from catalog.model import BASE_LEVEL, DELTA_LEVEL
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
