"""What deltas cost, which merges that makes due, and which files these take: all on made-up file entries."""

from __future__ import annotations

import datetime as dt
from collections.abc import Container, Iterable
from dataclasses import replace

import pytest

from catalog.debt import BASE_ROWS_A_PASS, Debt, Debts, MergeRules, Place, base_tasks, merge_task, tasks_due
from catalog.entries import FileEntry
from catalog.maintenance import BUNDLE_ROWS_MAX, bundles, recent_from
from catalog.model import BASE_LEVEL, DATA_POINTS, DELTA_LEVEL
from catalog.snapshot import LakeSnapshot, TableSnapshot

RULES = MergeRules(fresh_files_max=4, age_seconds_max=900, rows_max=1_000_000, base_share=0.1)
EMPTY = Debt("data_points", "0", 0, 0, 0, 0, 0, 0)
YEARS = (dt.date(2000, 1, 1), dt.date(2026, 1, 1))


def entry(name: str, level: int, rows: int, series: tuple[str, str] = ("0", "0f"), dates: object = YEARS) -> FileEntry:
    return FileEntry(name, "0", 1, rows, rows * 8, level, {"series_id": series, "date": dates})  # pyright: ignore[reportArgumentType]


def lake(files: Iterable[FileEntry]) -> LakeSnapshot:
    return LakeSnapshot({"data_points": TableSnapshot(DATA_POINTS, 1, 1, 0, tuple(files), 0)}, {})


def taken(files: list[FileEntry], level: int) -> set[str]:
    snapshot = lake(files)
    return {file.path for file in merge_task(snapshot, snapshot.tables["data_points"], "0", level).inputs.files}


DUE = {
    "nothing to merge": ({}, None),
    "a few fresh files": ({"fresh_files": 4, "files": 4, "rows": 400, "base_rows": 10_000}, None),
    "too many fresh files": ({"fresh_files": 5, "files": 5, "rows": 400, "base_rows": 10_000}, DELTA_LEVEL),
    "too many, beside a small base": ({"fresh_files": 5, "files": 5, "rows": 1_000, "base_rows": 10_000}, BASE_LEVEL),
    "merged files alone": ({"files": 9, "rows": 999, "base_rows": 10_000}, None),
    "a tenth of the base": ({"fresh_files": 1, "files": 1, "rows": 20_000, "base_rows": 200_000}, BASE_LEVEL),
    "a tenth of next to nothing": ({"fresh_files": 1, "files": 1, "rows": 19_999}, None),
    "very many rows": ({"fresh_files": 1, "files": 1, "rows": 1_000_000, "base_rows": 10**9}, BASE_LEVEL),
    "old": ({"fresh_files": 1, "files": 1, "rows": 1, "base_rows": 10**9, "age_seconds": 900.0}, BASE_LEVEL),
    "nearly old": ({"fresh_files": 1, "files": 1, "rows": 1, "base_rows": 10**9, "age_seconds": 899.0}, None),
}


@pytest.mark.parametrize("name", DUE)
def test_what_is_due(name: str) -> None:
    fields, level = DUE[name]
    assert replace(EMPTY, **fields).due(RULES) == level


def test_the_greatest_debt_is_paid_first() -> None:
    files = {"0": 6, "1": 9, "2": 5, "3": 2}
    entries = [
        replace(entry(f"{partition}-{number}", 0, 10), partition=partition)
        for partition, count in files.items()
        for number in range(count)
    ]
    snapshot = lake(entries)
    tasks = tasks_due(snapshot, Debts().at(snapshot, 0), RULES)
    assert [task.partition for task in tasks] == ["1", "0", "2"]


def test_a_pass_has_few_base_merges_and_the_others_a_delta_merge_before_them() -> None:
    """Else fresh files would pile up in all partitions while the bases of some are written."""
    debts = [
        replace(
            EMPTY, partition=f"{number}", files=9, fresh_files=9 - number, rows=rows, base_rows=BASE_ROWS_A_PASS // 2
        )
        for number, rows in enumerate((200_000, 200_000, 200_000, 200_000, 200_000, 1))
    ]
    snapshot = lake(())

    def told(last: Container[Place] = ()) -> list[tuple[str | None, int]]:
        return [(task.partition, task.level) for task in tasks_due(snapshot, debts, RULES, last)]

    assert told() == [("1", DELTA_LEVEL), ("2", DELTA_LEVEL), ("3", DELTA_LEVEL), ("4", DELTA_LEVEL), ("0", BASE_LEVEL)]
    assert told({("data_points", "0")})[-1] == ("1", BASE_LEVEL), "what failed does not keep the others waiting"
    assert told({("data_points", "0")})[-2] == ("0", DELTA_LEVEL)


def test_deltas_age_until_their_base_changes() -> None:
    debts, base = Debts(), entry("base", BASE_LEVEL, 10)
    assert debts.at(lake([base]), 0.0) == ()
    assert [debt.age_seconds for debt in debts.at(lake([base, entry("a", 0, 1)]), 10.0)] == [0.0]
    assert [debt.age_seconds for debt in debts.at(lake([base, entry("b", DELTA_LEVEL, 1)]), 25.0)] == [15.0]
    new_base = entry("new base", BASE_LEVEL, 11)
    assert [debt.age_seconds for debt in debts.at(lake([new_base, entry("c", 0, 1)]), 30.0)] == [0.0]
    assert debts.at(lake([new_base]), 40.0) == ()
    assert [debt.age_seconds for debt in debts.at(lake([new_base, entry("d", 0, 1)]), 50.0)] == [0.0]


def test_a_delta_merge_takes_merged_files_of_about_its_size() -> None:
    fresh = [entry(f"fresh{number}", 0, 10) for number in range(3)]
    merged = [entry("equal", DELTA_LEVEL, 60), entry("next", DELTA_LEVEL, 180), entry("large", DELTA_LEVEL, 541)]
    bases = [entry("base", BASE_LEVEL, 5)]
    assert taken([*bases, *merged, *fresh], DELTA_LEVEL) == {"fresh0", "fresh1", "fresh2", "equal", "next"}


def test_a_base_merge_takes_the_base_files_that_may_share_a_key() -> None:
    old, new = (dt.date(2000, 1, 1), dt.date(2024, 12, 31)), (dt.date(2025, 1, 1), dt.date(2026, 1, 1))
    files = [
        entry("delta", 0, 10, ("02", "05"), (dt.date(2025, 6, 1), dt.date(2025, 7, 1))),
        entry("other years", BASE_LEVEL, 1_000, ("00", "09"), old),
        entry("same years", BASE_LEVEL, 1_000, ("00", "09"), new),
        entry("other series", BASE_LEVEL, 5_000, ("06", "09"), new),
    ]
    assert taken(files, BASE_LEVEL) == {"delta", "same years", "other years"}
    files[1] = replace(files[1], rows=1_011)
    assert taken(files, BASE_LEVEL) == {"delta", "same years"}, "untouched, and more than is written anyway"


def test_a_bundle_is_bounded_and_of_one_table_and_level() -> None:
    snapshot = lake(replace(entry(str(number), 0, BUNDLE_ROWS_MAX // 2), partition=str(number)) for number in range(5))
    tasks = base_tasks(snapshot, DATA_POINTS)
    assert [len(bundle) for bundle in bundles(tasks)] == [2, 2, 1]
    assert [len(bundle) for bundle in bundles((replace(tasks[0], level=DELTA_LEVEL), *tasks[1:]))] == [1, 2, 2]


@pytest.mark.parametrize(("days", "recent"), [(0, None), (100, dt.date(2026, 7, 3)), (10**6, dt.date(1, 1, 1))])
def test_where_the_cut_is(days: int, recent: dt.date | None) -> None:
    assert recent_from(dt.date(2026, 11, 20), days) == recent


def test_the_cut_moves_once_in_its_days() -> None:
    days = [dt.date(2026, 1, 1) + dt.timedelta(number) for number in range(400)]
    cuts = [recent_from(day, 100) for day in days]
    assert len(set(cuts)) <= 5
    assert all(cut is not None and 100 <= (day - cut).days < 200 for day, cut in zip(days, cuts, strict=True))


def test_two_thousand_commits_leave_few_files_and_write_little() -> None:
    """Each commit adds a file; every third commit the thread comes by and does what is due."""
    files, written, most, debts = [entry("base", BASE_LEVEL, 1_000_000)], 0, 0, Debts()
    for number in range(2_000):
        files.append(entry(f"fresh{number}", 0, 100))
        if number % 3 == 0:
            snapshot = lake(files)
            for task in tasks_due(snapshot, debts.at(snapshot, number / 5), RULES):
                files = [file for file in files if file not in task.inputs.files]
                files.append(entry(f"merged{number}", task.level, task.rows))
                written += task.rows if task.level == DELTA_LEVEL else 0
        most = max(most, len(files))
    assert most * 16 < 200, most
    assert written < 2_000 * 100 * 8, "a row is written again only when its file grows by half"
