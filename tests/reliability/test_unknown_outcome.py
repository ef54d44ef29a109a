"""The catalog's database commits, and its answer is lost: what was posted is there once, whatever the caller is told.

The same for merges, expiry and a commit of several tables is in tests/catalog."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine.default import DefaultDialect

from catalog.errors import StorageFailed
from catalog.iceberg import Lake
from tests.support.posting import ROWS, batches_in, faults, write
from tests.support.service import client_of, post_batch
from tests.support.warehouse import warehouse


def cut_at(nth: int, patch: pytest.MonkeyPatch, *, landed: bool) -> list[int]:
    """From now on the nth commit loses its answer, after it has landed or instead of landing."""
    real, counted = DefaultDialect.do_commit, list[int]()

    def do_commit(self: Any, connection: Any) -> None:
        if connection.driver_connection.in_transaction:
            counted.append(1)
            if len(counted) == nth:
                if landed:
                    real(self, connection)
                raise sqlite3.OperationalError("disk I/O error")
        real(self, connection)

    patch.setattr(DefaultDialect, "do_commit", do_commit)
    return counted


@pytest.mark.parametrize("landed", [True, False])
def test_what_was_posted_is_there_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, landed: bool) -> None:
    with warehouse(tmp_path / "lake") as lake:
        write(lake, 1)
        client = client_of(lake)
        with monkeypatch.context() as patch:
            counted = cut_at(1, patch, landed=landed)
            answer = post_batch(client, 2)
        assert len(counted) == 1, "the series, their points and the record of the batch are one transaction"
        assert answer.json().get("code") == (None if landed else "storage_failed")
        assert set(batches_in(lake).values()) == {ROWS - 1}
        again = post_batch(client, 2)
        assert again.status_code == 200
        assert again.json()["verdicts"] == {**again.json()["verdicts"], "inserted": ROWS - 1, "corrected": 1}
        assert batches_in(lake) == {1: ROWS - 1, 2: ROWS - 1}
        assert faults(lake) == ()


def test_nobody_can_look_and_a_later_delivery_settles_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is gone with its answer. Told so, the crawler sends it again: to a restarted service."""
    real, cut = Lake.load, list[int]()

    def load(self: Lake, table: Any) -> Any:
        if cut:
            raise StorageFailed("The database is gone.")
        return real(self, table)

    with warehouse(tmp_path / "lake") as lake:
        write(lake, 1)
        with monkeypatch.context() as patch:
            cut_at(1, patch, landed=True)
            lost = DefaultDialect.do_commit

            def do_commit(self: Any, connection: Any) -> None:
                try:
                    lost(self, connection)
                except sqlite3.OperationalError:
                    cut.append(1)
                    raise

            patch.setattr(DefaultDialect, "do_commit", do_commit)
            patch.setattr(Lake, "load", load)
            answer = post_batch(client_of(lake), 2)
        assert (answer.status_code, answer.json()["code"]) == (500, "commit_unknown")
    with warehouse(tmp_path / "lake") as lake:
        assert post_batch(client_of(lake), 3).status_code == 200
        assert post_batch(client_of(lake), 2).status_code == 200
        assert batches_in(lake) == dict.fromkeys((1, 2, 3), ROWS - 1)
        assert faults(lake) == ()
