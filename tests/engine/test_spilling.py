"""Statements that need more memory than there is spill to disk: each database to a folder of its own."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from catalog.errors import StorageFull
from engine.errors import ExecutionFailed
from engine.lower import Statement
from tests.support.crashing import ended, started
from tests.support.spilling import SPILLING, check_whole, small_database, sort_at_once
from tests.support.volumes import fill, volume_of

VOLUME_BYTES = 300 * 2**20


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    with volume_of(VOLUME_BYTES, tmp_path / "volume") as folder:
        yield folder


def test_databases_of_one_process_do_not_spill_into_one_another(tmp_path: Path) -> None:
    """In a process of its own: it would be taken down."""
    assert ended(started(sort_at_once, tmp_path, 2))


def test_databases_of_several_processes_do_not_spill_into_one_another(tmp_path: Path) -> None:
    processes = [started(sort_at_once, tmp_path, 1) for _ in range(2)]
    assert [ended(process) for process in processes] == [True, True]


def test_a_full_disk_is_told_what_does_not_spill_goes_on_and_afterwards_all_does(volume: Path) -> None:
    """Also where the disk was full when DuckDB looked at it first."""
    with closing(small_database(volume)) as database:
        for _ in range(2):
            other = fill(volume)
            for run in (
                lambda: database.transform(SPILLING, {}),
                lambda: list(database.open(SPILLING).batches()),
                lambda: list(database.stream(SPILLING)),
            ):
                with pytest.raises(StorageFull, match="temporary"):
                    run()
                assert database.transform(Statement("SELECT 1 AS one", {}), {}).to_pylist() == [{"one": 1}]
            other.unlink()
            check_whole(database.transform(SPILLING, {}))


def test_no_space_is_read_from_what_duckdb_says(tmp_path: Path) -> None:
    """Where the tests may not mount: its words, as it says them on a full volume."""
    said = f'IO Error: Could not write file "tmp/0/duckdb_temp_storage_DEFAULT-0.tmp": {os.strerror(errno.ENOSPC)}'
    with closing(small_database(tmp_path)) as database:
        with pytest.raises(StorageFull):
            database.transform(Statement("SELECT error($said)", {"said": said}), {})
        with pytest.raises(ExecutionFailed):
            database.transform(Statement("SELECT error($said)", {"said": os.strerror(errno.ENOSPC)}), {})
