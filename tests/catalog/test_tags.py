"""Tags: whole or not there, for other engines too, and their snapshots stay."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.errors import AlreadyExists, InvalidTag, UnknownSnapshot
from catalog.iceberg import Lake
from catalog.model import DATA_POINTS, MODEL
from catalog.snapshot import Snapshots
from catalog.tags import Tags
from engine.query import Query
from tests.support.crashing import crashes
from tests.support.keeping import DAY, HOUR, Keeper, delete_tag, make_tag, tags_of
from tests.support.warehouse import Warehouse, warehouse


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Warehouse]:
    with warehouse(tmp_path / "lake") as opened:
        yield opened


def post(lake: Warehouse, value: int) -> str:
    point = {"source": "S", "external_id": "A", "date": "2020-01-01", "value": value, "revision_date": "2020-02-01"}
    return lake.write({"data_points": [point]}).snapshot


def refs(lake: Lake, name: str) -> list[bool]:
    """Which of the tables that hold something have an Iceberg tag of the name."""
    tables = (lake.load(table).metadata for table in MODEL.tables)
    return [name in metadata.refs for metadata in tables if metadata.snapshots]


def test_a_tag_names_the_newest_state_and_keeps_it(lake: Warehouse) -> None:
    keeper = Keeper(lake.services.lake, seconds=0)
    token = post(lake, 1)
    tag = make_tag(lake.services.lake, "first")
    assert tag.token == token
    for number in range(2, 8):
        post(lake, number)
    lake.compact()
    for _ in range(5):
        keeper.after(DAY, sweep=True)
    assert lake.engine.snapshots.at("first").token == token
    assert [int(row["value"]) for row in lake.rows(Query("data_points").pinned("first"))] == [1]
    assert refs(lake.services.lake, "first") == [True, True, True]
    plain = lake.services.lake.load(DATA_POINTS)
    scanned = plain.scan(snapshot_id=plain.metadata.refs["first"].snapshot_id).to_arrow()
    assert [int(row["value"]) for row in scanned.to_pylist()] == [1], "any Iceberg engine reads it"


def test_a_deleted_tag_lets_its_files_go(lake: Warehouse) -> None:
    keeper = Keeper(lake.services.lake, seconds=0)
    post(lake, 1)
    make_tag(lake.services.lake, "first")
    file = Path(lake.engine.snapshots.at("first").tables["data_points"].files[0].path)
    for number in range(2, 5):
        post(lake, number)
    lake.compact()
    for number in range(5, 8):
        post(lake, number)
    delete_tag(lake.services.lake, "first")
    assert refs(lake.services.lake, "first") == [False, False, False]
    with pytest.raises(UnknownSnapshot):
        lake.engine.snapshots.at("first")
    for _ in range(4):
        keeper.after(HOUR)
    assert not file.exists()


def test_an_empty_lake_can_be_tagged(lake: Warehouse) -> None:
    assert make_tag(lake.services.lake, "nothing").token == "0-0-0-0"
    post(lake, 1)
    assert lake.rows(Query("data_points").pinned("nothing")) == []
    assert refs(lake.services.lake, "nothing") == [False, False, False]


def test_names_are_taken_once(lake: Warehouse) -> None:
    post(lake, 1)
    make_tag(lake.services.lake, "one")
    with pytest.raises(AlreadyExists):
        make_tag(lake.services.lake, "one")
    target = lake.services.lake.load(DATA_POINTS)
    target.manage_snapshots().create_tag(target.metadata.snapshots[0].snapshot_id, "foreign").commit()
    with pytest.raises(AlreadyExists):
        make_tag(lake.services.lake, "foreign")
    assert [tag.name for tag in tags_of(lake.services.lake).all()] == ["one"]


@pytest.mark.parametrize("name", ["", "a b", "a/b", "0-0-0", "2024-06-15", "main", "x" * 101, "é", ".", "-"])
def test_names_that_cannot_be(lake: Warehouse, name: str) -> None:
    with pytest.raises(InvalidTag):
        make_tag(lake.services.lake, name)


def test_the_number_of_tags_is_bounded(lake: Warehouse) -> None:
    tags = Tags(lake.services.lake, characters_max=9, tags_max=2)
    tags.make("a")
    tags.make("b")
    with pytest.raises(InvalidTag, match="2 tags"):
        tags.make("c")
    tags.delete("a")
    tags.make("c")


def test_deleting_what_is_not_there_is_told(lake: Warehouse) -> None:
    with pytest.raises(UnknownSnapshot):
        delete_tag(lake.services.lake, "none")


def test_a_foreign_tag_keeps_its_snapshot(lake: Warehouse) -> None:
    keeper = Keeper(lake.services.lake, seconds=0)
    post(lake, 1)
    target = lake.services.lake.load(DATA_POINTS)
    kept = target.metadata.current_snapshot_id
    target.manage_snapshots().create_tag(kept, "foreign").commit()
    for number in range(2, 6):
        post(lake, number)
    keeper.after(HOUR)
    assert lake.services.lake.load(DATA_POINTS).metadata.snapshot_by_id(kept) is not None


def make(folder: Path) -> None:
    opened = Lake(folder, MODEL)
    make_tag(opened, "whole")
    opened.close()


def delete(folder: Path) -> None:
    opened = Lake(folder, MODEL)
    delete_tag(opened, "whole")
    opened.close()


@pytest.mark.parametrize("work", [make, delete])
def test_a_kill_leaves_the_whole_tag_or_none(tmp_path: Path, work: object) -> None:
    folder = tmp_path / "lake"
    with warehouse(folder) as opened:
        token = post(opened, 1)
        post(opened, 2) if work is delete else None
        if work is delete:
            token = make_tag(opened.services.lake, "whole").token
    outcomes: set[bool] = set()
    for _ in crashes(folder, work, stride=1):  # pyright: ignore[reportArgumentType]
        lake = Lake(folder, MODEL)
        try:
            assert Snapshots(lake).at("whole").token == token
        except UnknownSnapshot:
            outcomes.add(False)
            Keeper(lake).after(0)
            assert refs(lake, "whole") == [False, False, False], "the next with the lock undoes it"
            make_tag(lake, "whole")
        else:
            outcomes.add(True)
            assert refs(lake, "whole") == [True, True, True]
        assert Snapshots(lake).at("whole").token == token
        lake.close()
    assert False in outcomes
