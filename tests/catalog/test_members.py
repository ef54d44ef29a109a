"""Pruning by the series that fresh files hold, against reading every file."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from catalog.entries import FileEntry
from catalog.errors import StorageDamaged
from catalog.identity import series_id
from catalog.members import READ_AT_ONCE_MAX, WANTED_MAX, Members
from catalog.model import BASE_LEVEL
from catalog.scan import Domain, ScanRequest, prune
from catalog.snapshot import LakeSnapshot
from tests.support.warehouse import Warehouse, warehouse

IDS = tuple(sorted(series_id("S", str(number)) for number in range(60)))
NUMBERS = {series_id("S", str(number)): number for number in range(60)}


def post(lake: Warehouse, ids: Sequence[str], value: int) -> None:
    points = [
        {
            "source": "S",
            "external_id": str(NUMBERS[id_]),
            "date": "2024-01-01",
            "value": value,
            "revision_date": "2024-02-01",
        }
        for id_ in ids
    ]
    lake.write({"data_points": points})


def filled(lake: Warehouse, chance: random.Random) -> LakeSnapshot:
    """A base, merged deltas and fresh ones; each post is about a few series."""
    post(lake, IDS, 0)
    lake.compact()
    for value in range(1, 12):
        post(lake, chance.sample(IDS, 8), value)
        if value == 5:
            lake.delta_merge()
    return lake.engine.snapshots.current()


def wanted_of(snapshot: LakeSnapshot, wanted: Sequence[str]) -> list[FileEntry]:
    return list(prune(snapshot, ScanRequest("data_points", {"series_id": Domain(values=tuple(sorted(wanted)))})).files)


def test_few_series_are_looked_for_where_they_are(tmp_path: Path) -> None:
    chance, spared = random.Random(1), 0
    with warehouse(tmp_path) as lake:
        snapshot = filled(lake, chance)
        files = snapshot.tables["data_points"].files
        held = {file.path: set(pq.read_table(file.path).column("series_id").to_pylist()) for file in files}
        for id_ in IDS * 2:
            wanted_of(snapshot, [id_])
        for count in (1, 2, WANTED_MAX):
            wanted = chance.sample(IDS, count)
            found = wanted_of(snapshot, wanted)
            assert {file.path for file in found} >= {path for path, ids in held.items() if ids & set(wanted)}
            assert all(held[file.path] & set(wanted) for file in found if file.level < BASE_LEVEL)
            bounds = [
                file for file in files if any(Domain(values=(id_,)).meets(*file.bounds["series_id"]) for id_ in wanted)
            ]
            spared += len(bounds) > len(found)
    assert spared, "no file was spared that the bounds would have had opened"


def test_one_reader_reads_few_files_of_many(tmp_path: Path) -> None:
    with warehouse(tmp_path) as lake:
        for value in range(READ_AT_ONCE_MAX + 3):
            post(lake, IDS[:1], value)
        files = lake.engine.snapshots.current().tables["data_points"].files
    members = Members()
    assert len(list(members.holding(files, "series_id", IDS[1:2]))) == 3, "eight are known not to hold it"
    assert list(members.holding(files, "series_id", IDS[1:2])) == []
    members = Members()
    assert list(members.holding(files, "series_id", IDS[1 : 2 + WANTED_MAX])) == list(files), "of so many none is read"


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    with warehouse(tmp_path) as lake:
        post(lake, [IDS[0]], 1)
        (file,) = lake.engine.snapshots.current().tables["data_points"].files
        Path(file.path).write_bytes(b"no Parquet")
        with pytest.raises(StorageDamaged):
            list(Members().holding([file], "series_id", [IDS[0]]))
