"""A commit of several tables that breaks off: nothing is stored, or the writer is told that something may be."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from catalog import commit, staging
from catalog.commit import Prepared
from catalog.data_files import WrittenFile
from catalog.errors import CommitUnknown, StorageFull
from catalog.iceberg import Lake
from catalog.model import DATA_POINTS, MODEL, Table
from catalog.snapshot import LakeSnapshot, Snapshots
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


def test_a_commit_that_breaks_off_between_tables_is_told_as_unknown(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = commit._append_files  # pyright: ignore[reportPrivateUsage]

    def append(target: Any, files: tuple[WrittenFile, ...], properties: dict[str, str]) -> None:
        if target.name()[-1] == "data_points":
            raise OSError(errno.EIO, "Input/output error")
        real(target, files, properties)

    monkeypatch.setattr(commit, "_append_files", append)
    committer = open_committer(lake, append_both)
    with pytest.raises(CommitUnknown, match="after sources was stored"):
        committer.submit("a", 1).result(10)
    committer.close()
    tables = Snapshots(lake).current().tables
    assert [len(tables[name].files) for name in ("sources", "data_points")] == [1, 0]
    assert len(list(lake.data_dir.rglob("*.parquet"))) == 1
