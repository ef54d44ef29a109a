"""Folders for a while: one for each who asks, and what the killed have left goes."""

from __future__ import annotations

import os
from pathlib import Path

from catalog.scratch import scratch
from tests.support.crashing import CRASHED, ended, started


def test_each_has_a_folder_of_its_own(tmp_path: Path) -> None:
    with scratch(tmp_path / "tmp") as first:
        first.mkdir()
        (first / "rows").touch()
        with scratch(tmp_path / "tmp") as second:
            assert first.parent == second.parent == tmp_path / "tmp"
            assert second != first
        with scratch(tmp_path / "tmp") as third:
            assert third == second, "what is free is taken again, so that locks do not pile up"
        assert (first / "rows").exists()


def test_what_a_killed_process_has_left_is_removed(tmp_path: Path) -> None:
    with scratch(tmp_path):
        assert not ended(started(die_inside, tmp_path))
    left = {path.name for path in tmp_path.iterdir() if path.is_dir()}
    assert left == {"1"}
    with scratch(tmp_path) as folder:
        assert folder.name == "0"
        assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_what_stands_there_without_its_lock_is_removed_too(tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    with scratch(tmp_path) as folder:
        assert (folder.name, folder.exists()) == ("0", False)


def die_inside(parent: Path) -> None:
    with scratch(parent) as folder:
        folder.mkdir()
        (folder / "rows").write_bytes(bytes(100))
        os._exit(CRASHED)
