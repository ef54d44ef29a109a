"""Pruning by the series that fresh files hold, against reading every file."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from catalog import members
from catalog.domains import Domain
from catalog.entries import FileEntry
from catalog.identity import series_id
from catalog.members import Members
from catalog.model import BASE_LEVEL
from catalog.scan import ScanRequest, prune
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
        for count in (1, 1, 1, 2, 5, 20):
            wanted = chance.sample(IDS, count)
            found = wanted_of(snapshot, wanted)
            assert {file.path for file in found} >= {path for path, ids in held.items() if ids & set(wanted)}
            assert all(held[file.path] & set(wanted) for file in found if file.level < BASE_LEVEL)
            bounds = [
                file for file in files if any(Domain(values=(id_,)).meets(*file.bounds["series_id"]) for id_ in wanted)
            ]
            spared += len(bounds) > len(found)
    assert spared, "no file was spared that the bounds would have had opened"


def test_files_that_are_not_known_are_opened(tmp_path: Path) -> None:
    """Those of another process, and those of before a start."""
    with warehouse(tmp_path) as lake:
        snapshot = filled(lake, random.Random(2))
        known = sum(len(wanted_of(snapshot, [id_])) for id_ in IDS)
    with warehouse(tmp_path) as again:
        snapshot = again.engine.snapshots.current()
        assert sum(len(wanted_of(snapshot, [id_])) for id_ in IDS) > known


def test_no_more_is_held_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "VALUES_HELD_MAX", 10)
    held = Members()
    for number in range(5):
        held.learn({f"{number}": frozenset(IDS[:4])})
    held.learn({"huge": frozenset(IDS)})
    files = [FileEntry(name, "0", 1, 4, 80, 0, {}) for name in ("0", "1", "2", "3", "4", "huge")]
    assert [file.path for file in held.holding(files, IDS[9:10])] == ["0", "1", "2", "huge"]
    assert list(held.holding(files, [*IDS, *IDS])) == files, "of so many most hold one"
