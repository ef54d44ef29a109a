"""Statements that need more memory than there is spill to disk: each database to a folder of its own."""

from __future__ import annotations

from pathlib import Path

from tests.support.crashing import ended, started
from tests.support.spilling import sort_at_once


def test_databases_of_one_process_do_not_spill_into_one_another(tmp_path: Path) -> None:
    """In a process of its own: it would be taken down."""
    assert ended(started(sort_at_once, tmp_path, 2))


def test_databases_of_several_processes_do_not_spill_into_one_another(tmp_path: Path) -> None:
    processes = [started(sort_at_once, tmp_path, 1) for _ in range(2)]
    assert [ended(process) for process in processes] == [True, True]
