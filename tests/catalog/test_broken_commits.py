"""A commit of several tables that breaks off or loses a race: all of it is stored, or nothing."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from catalog import joint, staging
from catalog.commit import Prepared
from catalog.data_files import WrittenFile
from catalog.errors import StorageFailed, StorageFull
from catalog.iceberg import Lake
from catalog.model import DATA_POINTS, MODEL, SOURCES, Table
from catalog.snapshot import LakeSnapshot, Snapshots
from catalog.sql_catalog import Swap
from tests.support.committing import open_committer, points, sources


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    lake = Lake(tmp_path, MODEL)
    yield lake
    lake.close()


def append_both(_: LakeSnapshot, batches: Sequence[str]) -> Prepared[str]:
    return Prepared({"sources": sources(*batches), "data_points": points(*batches)}, list(batches))


def test_a_full_disk_stops_all_tables_before_the_first_commit(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    real = staging._write  # pyright: ignore[reportPrivateUsage]

    def write(io: Any, location: str, rows: pa.Table, table: Table) -> WrittenFile:
        written = real(io, location, rows, table)
        if table is DATA_POINTS:
            raise OSError(errno.ENOSPC, "No space left on device")
        return written

    monkeypatch.setattr(staging, "_write", write)
    committer = open_committer(lake, append_both)
    with pytest.raises(StorageFull):
        committer.submit("a", 1).result(10)
    committer.close()
    assert Snapshots(lake).current().token == "0-0-0-0"
    assert not list(lake.data_dir.rglob("*.parquet"))


def test_a_commit_that_breaks_off_between_tables_has_stored_nothing(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = joint._append_files  # pyright: ignore[reportPrivateUsage]

    def append(target: Any, files: tuple[WrittenFile, ...], properties: dict[str, str]) -> None:
        if target.name()[-1] == "data_points":
            raise OSError(errno.EIO, "Input/output error")
        real(target, files, properties)

    with monkeypatch.context() as patch:
        patch.setattr(joint, "_append_files", append)
        committer = open_committer(lake, append_both)
        with pytest.raises(StorageFailed):
            committer.submit("a", 1).result(10)
    assert Snapshots(lake).current().token == "0-0-0-0"
    assert not list(lake.data_dir.rglob("*.parquet"))
    committer.submit("a", 1).result(10)
    committer.close()
    assert stored(lake) == [1, 1]


def stored(lake: Lake) -> list[int]:
    tables = Snapshots(lake).current().tables
    return [len(tables[name].files) for name in ("sources", "data_points")]


@pytest.mark.parametrize("moved", [SOURCES, DATA_POINTS], ids=lambda table: table.name)
def test_a_race_lost_for_one_table_is_lost_for_all(lake: Lake, monkeypatch: pytest.MonkeyPatch, moved: Table) -> None:
    """Whichever table another process has moved while the commit was written: nothing of it is left, and the next
    attempt stores it once."""
    real, calls = Lake.swap, list[int]()
    rows = {SOURCES: sources("rival"), DATA_POINTS: points("rival")}[moved]

    def swap(self: Lake, swaps: Sequence[Swap], beside: Any) -> None:
        calls.append(len(swaps))
        if len(calls) == 1:
            rival = open_committer(Lake(lake.data_dir, MODEL), lambda *_: Prepared({moved.name: rows}, ["rival"]))
            rival.submit("rival", 1).result(10)
            rival.close()
            before.extend(files_of(lake))
        real(self, swaps, beside)

    before: list[Path] = []
    monkeypatch.setattr(Lake, "swap", swap)
    committer = open_committer(lake, append_both)
    committer.submit("a", 1).result(10)
    committer.close()
    assert calls == [2, 1, 2]
    assert stored(lake) == ([2, 1] if moved is SOURCES else [1, 2])
    left = [path for path in files_of(lake) if path not in before]
    assert len(left) == 2 * 4, "a data file, a manifest, a manifest list and metadata of each table"


def files_of(lake: Lake) -> list[Path]:
    return [path for path in (lake.data_dir / "warehouse").rglob("*") if path.is_file()]


@pytest.mark.parametrize("landed", [True, False])
def test_the_outcome_for_all_tables_is_found_by_one(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, *, landed: bool
) -> None:
    real = Lake.swap

    def swap(self: Lake, swaps: Sequence[Swap], beside: Any) -> None:
        if landed:
            real(self, swaps, beside)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Lake, "swap", swap)
    committer = open_committer(lake, append_both)
    future = committer.submit("a", 1)
    if landed:
        assert future.result(10).token == Snapshots(lake).current().token
    else:
        with pytest.raises(StorageFailed):
            future.result(10)
    committer.close()
    assert stored(lake) == ([1, 1] if landed else [0, 0])
    assert len(list(lake.data_dir.rglob("*.parquet"))) == (2 if landed else 0)


def test_an_instant_is_before_all_tables_of_a_commit_or_after(lake: Lake) -> None:
    committer = open_committer(lake, append_both)
    for name in ("a", "b"):
        committer.submit(name, 1).result(10)
    committer.close()
    dates = [
        [snapshot.timestamp_ms for snapshot in lake.load(table).metadata.snapshots] for table in (SOURCES, DATA_POINTS)
    ]
    assert dates[0] == dates[1]
    assert len(set(dates[0])) == 2


def test_what_is_known_of_metadata_is_what_the_file_says(lake: Lake) -> None:
    """A commit keeps what it has written, so that nobody needs to parse it."""
    committer = open_committer(lake, append_both)
    for name in ("a", "b", "c"):
        committer.submit(name, 1).result(10)
    committer.close()
    for location in lake.metadata_locations().values():
        known = lake.read_metadata(location)
        assert known == lake._catalog.read(location)
        assert known.model_dump_json() == lake._catalog.read(location).model_dump_json()
