"""The power is cut at any step: what was acknowledged is there, although nothing that was not fsynced is."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from sqlalchemy import text

from catalog.errors import StorageDamaged
from catalog.iceberg import Lake
from catalog.model import MODEL
from tests.reliability.scenarios import power_loss
from tests.support.posting import acknowledged, check, post
from tests.support.power import Synced, cut, lose

NEVER = 10_000


def test_nothing_acknowledged_is_lost_at_whatever_step_the_power_goes(tmp_path: Path) -> None:
    power_loss(random.Random(14), tmp_path, turns=4)


@pytest.mark.parametrize("without", [("file",), ("folder",), ("file", "folder")])
def test_without_fsync_acknowledged_rows_are_lost(tmp_path: Path, without: tuple[Synced, ...]) -> None:
    """That the tests of this file can fail: each of the two kinds of fsync is needed."""
    lake, acks = tmp_path / "lake", tmp_path / "acks"
    lake.mkdir()
    assert not cut(NEVER, without, lake, tmp_path / "record", post, acks, (1, 2))
    assert acknowledged(acks) == [1, 2]
    assert lose(lake, tmp_path / "record", random.Random(1), 1) > 0
    with pytest.raises(StorageDamaged):
        check(lake, acks, (1, 2))


def test_with_fsync_nothing_of_a_finished_post_is_lost(tmp_path: Path) -> None:
    lake, acks = tmp_path / "lake", tmp_path / "acks"
    lake.mkdir()
    assert not cut(NEVER, (), lake, tmp_path / "record", post, acks, (1, 2))
    assert lose(lake, tmp_path / "record", random.Random(1), 1) == 0
    check(lake, acks, (1, 2))


@pytest.mark.parametrize("at", [2, 4, 26])
def test_a_folder_that_a_killed_process_made_is_synced_by_the_next(tmp_path: Path, at: int) -> None:
    """Killed between making a folder and syncing its parent; the power is cut after somebody else used the folder."""
    lake, acks, record = tmp_path / "lake", tmp_path / "acks", tmp_path / "record"
    lake.mkdir()
    assert cut(at, (), lake, record, post, acks, (1,), kinds=("mkdir", "fsync folder"))
    assert not cut(NEVER, (), lake, record, post, acks, (1, 2))
    lose(lake, record, random.Random(1), 1)
    check(lake, acks, (1, 2))


def test_the_catalog_database_syncs_each_commit(tmp_path: Path) -> None:
    """What the recorder cannot see: SQLite writes ahead, and syncs the log at every commit (2 is FULL)."""
    lake = Lake(tmp_path, MODEL)
    with lake.transaction() as connection:
        settings = [connection.execute(text(f"PRAGMA {name}")).scalar_one() for name in ("journal_mode", "synchronous")]
    lake.close()
    assert settings == ["wal", 2]
