"""Evolving: what is changed on opening, what is refused, and who may still write."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.table.metadata import TableMetadata

from api.problems import Problem
from catalog.errors import SchemaMismatch
from catalog.evolution import open_lake
from catalog.iceberg import Lake
from catalog.model import BASE_LEVEL, DATA_POINTS, MODEL, Column, Tables, Type
from catalog.shapes import check_writable
from catalog.staging import check_staged
from engine.errors import ScanRefused
from engine.query import Query
from tests.catalog.test_maintenance import interrupted, merge_with, post
from tests.support.crashing import crashes
from tests.support.generations import NOTE, NOTED, be_narrow, be_noting, evolve, of, with_columns
from tests.support.warehouse import Warehouse, warehouse


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A lake of one commit, closed."""
    with warehouse(tmp_path / "lake") as lake:
        post(lake, 1)
    return tmp_path / "lake"


def locations(folder: Path) -> Mapping[str, str]:
    lake = Lake(folder, MODEL)
    try:
        return lake.metadata_locations()
    finally:
        lake.close()


def points(folder: Path) -> TableMetadata:
    lake = Lake(folder, MODEL)
    try:
        return lake.load(DATA_POINTS).metadata
    finally:
        lake.close()


def test_what_is_as_it_must_be_is_left_alone(folder: Path) -> None:
    before = locations(folder)
    open_lake(folder, MODEL, 1).close()
    assert locations(folder) == before


def test_one_commit_of_metadata_does_all_of_it(folder: Path) -> None:
    before = locations(folder)
    evolve(folder)
    after = locations(folder)
    assert {name for name in after if after[name] != before[name]} == {"data_points"}
    metadata = points(folder)
    assert Path(metadata.metadata_log[-1].metadata_file).name == Path(before["data_points"]).name
    assert [(field.field_id, field.name) for field in metadata.schema().fields][-1] == (NOTE.field_id, "note")
    assert [str(spec.fields[0].transform) for spec in metadata.partition_specs] == ["truncate[1]", "truncate[2]"]
    evolve(folder)
    assert locations(folder) == after


def test_a_width_that_was_there_before_takes_its_old_spec(folder: Path) -> None:
    for width in (2, 1, 2):
        open_lake(folder, MODEL, width).close()
    assert len(points(folder).partition_specs) == 2


def test_bounds_are_kept_of_a_new_column_that_files_are_pruned_by(folder: Path) -> None:
    open_lake(folder, with_columns(replace(NOTE, name="source_id", type=Type.UUID)), 1).close()
    assert points(folder).properties["write.metadata.metrics.column.source_id"] == "full"


def test_a_lake_from_before_a_bound_was_kept_keeps_it_from_now_on(folder: Path) -> None:
    name = "write.metadata.metrics.column.seq"
    lake = open_lake(folder, MODEL, 1)
    lake.load(DATA_POINTS).transaction().remove_properties(name).commit_transaction()
    lake.close()
    assert name not in points(folder).properties
    open_lake(folder, MODEL, 1).close()
    assert points(folder).properties[name] == "full"


def last_made(**changes: object) -> Tables:
    """The model with another last column of the points."""
    *others, last = DATA_POINTS.columns
    return of(replace(DATA_POINTS, columns=(*others, replace(last, **changes))))  # pyright: ignore[reportArgumentType]


REFUSED = {
    "dropped": (of(replace(DATA_POINTS, columns=DATA_POINTS.columns[:-1])), "level"),
    "renamed": (last_made(name="stage"), "level"),
    "of another number": (last_made(field_id=NOTE.field_id), "level"),
    "of another type": (last_made(type=Type.STRING), "level"),
    "new, and never null": (with_columns(replace(NOTE, nullable=False)), "note"),
    "new, and not the next": (with_columns(replace(NOTE, field_id=NOTE.field_id + 1)), "data_points"),
    "never null any more": (
        of(replace(DATA_POINTS, columns=tuple(replace(each, nullable=False) for each in DATA_POINTS.columns))),
        "value",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_iceberg_does_not_allow_is_refused_and_changes_nothing(folder: Path, name: str) -> None:
    model, named = REFUSED[name]
    # The series would evolve: they come before the points.
    wider = (*MODEL.by_name["series"].columns, Column(16, "note", Type.STRING, "A later column."))
    series = replace(MODEL.by_name["series"], columns=wider)
    tables = tuple(series if table.name == "series" else table for table in model.tables)
    before = locations(folder)
    with pytest.raises(SchemaMismatch, match=named):
        open_lake(folder, Tables(tables, model.collections), 2)
    assert locations(folder) == before
    open_lake(folder, MODEL, 1).close()


def test_a_narrower_type_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    be_narrow(monkeypatch)
    with pytest.raises(SchemaMismatch, match="long"):
        open_lake(folder, MODEL, 1)


def test_a_column_may_be_null_from_now_on(folder: Path) -> None:
    open_lake(folder, last_made(nullable=True), 1).close()
    assert not points(folder).schema().find_field("level").required


def rows(lake: Warehouse, snapshot: str = "") -> list[object]:
    query = Query("data_points", ("value",))
    return [int(row["value"]) for row in lake.rows(query.pinned(snapshot) if snapshot else query)]


def test_an_older_version_beside_a_newer_one_reads_what_it_knows_and_writes_nothing(folder: Path) -> None:
    with warehouse(folder) as older:
        token = older.engine.current()
        evolve(folder)
        assert rows(older) == [1]
        with pytest.raises(Problem, match=r"schema_mismatch.* note "):
            post(older, 2)
        with pytest.raises(SchemaMismatch, match="note"):
            older.compact()
        with pytest.MonkeyPatch.context() as patch:
            be_noting(patch)
            with warehouse(folder, partition_width=2) as newer:
                post(newer, 3)
                assert rows(newer) == [3]
        with pytest.raises(ScanRefused, match="schema 1"):
            rows(older)
        with pytest.raises(Problem, match="schema 1"):
            post(older, 4)
        assert rows(older, token) == [1]
    with pytest.raises(SchemaMismatch, match="note"):
        open_lake(folder, MODEL, 1)


def test_a_newer_version_that_has_not_evolved_the_lake_does_not_write_to_it(folder: Path) -> None:
    evolve(folder)
    wider = replace(NOTED.by_name["data_points"])
    lake = Lake(folder, of(replace(wider, columns=(*wider.columns, replace(NOTE, field_id=14, name="later")))))
    with pytest.raises(SchemaMismatch, match="earlier"):
        check_writable(lake.model.by_name["data_points"], lake.load(DATA_POINTS).metadata)
    lake.close()


def test_a_merge_that_meets_another_width_at_its_end_is_left_for_the_next_pass(folder: Path) -> None:
    with warehouse(folder) as lake:
        post(lake, 2)
        (refused,) = merge_with(lake, interrupted(lake, lambda: open_lake(folder, MODEL, 2).close()))
        assert refused.outdated
        assert rows(lake) == [2]
        lake.compact()
        files = lake.engine.snapshots.current().tables["data_points"].files
        assert [(file.level, len(file.partition or "")) for file in files] == [(BASE_LEVEL, 2)]
        assert rows(lake) == [2]


def test_a_row_staged_before_another_width_was_set_is_committed_under_the_old_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meanwhile(*arguments: Any) -> None:
        open_lake(folder, MODEL, 2).close()
        check_staged(*arguments)

    with warehouse(folder) as lake:
        monkeypatch.setattr("catalog.joint.check_staged", meanwhile)
        for value in (2, 3):
            post(lake, value)
        files = lake.engine.snapshots.current().tables["data_points"].files
        assert sorted((file.spec_id, len(file.partition or "")) for file in files) == [(0, 1), (0, 1), (1, 2)]
        assert rows(lake) == [3]


def test_two_processes_that_open_at_once_evolve_once(folder: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.support.generations"])
    processes = [context.Process(target=evolve, args=(folder,)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    metadata = points(folder)
    assert (len(metadata.schemas), len(metadata.partition_specs)) == (2, 2)
    assert [Path(entry.metadata_file).name[:5] for entry in metadata.metadata_log] == ["00000", "00001"]


def test_a_kill_between_two_tables_is_made_good(folder: Path) -> None:
    outcomes: set[int] = set()
    for _ in crashes(folder, widen):
        outcomes.add(sum("00002" in location for location in locations(folder).values()))
        widen(folder)
        assert all(_is_widened(folder, name) for name in ("series", "data_points"))
    assert outcomes == {0, 1}


def widen(folder: Path) -> None:
    """Two tables evolve."""
    series = replace(MODEL.by_name["series"], columns=(*MODEL.by_name["series"].columns, replace(NOTE, field_id=16)))
    tables = tuple(series if table.name == "series" else table for table in NOTED.tables)
    open_lake(folder, Tables(tables, MODEL.collections), 1).close()


def _is_widened(folder: Path, name: str) -> bool:
    lake = Lake(folder, MODEL)
    try:
        return "note" in lake.load(MODEL.by_name[name]).schema().column_names
    finally:
        lake.close()
