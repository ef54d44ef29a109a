"""A full disk: the post is told 507, reads go on, and writes go on as soon as there is space; what was left is swept.

Each kind of file is refused in turn, the catalog's database by its own limit of pages. Where the tests may mount, a
small volume is filled for real as well."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from starlette.testclient import TestClient

from api.upkeep import LOCK_FILE as UPKEEP_LOCK_FILE
from api.upkeep import Upkeep
from catalog.errors import StorageFull
from catalog.files import DurableFile, DurableStream
from catalog.locks import exclusive, owned
from catalog.turns import LOCK_FILE
from tests.support.keeping import DAY, Keeper, make_old, stored
from tests.support.posting import ROWS, batches_in, faults
from tests.support.service import BULK, client_of, needed, post_batch, values
from tests.support.steps import label
from tests.support.volumes import fill, volume_of
from tests.support.warehouse import Warehouse, warehouse

VOLUME_BYTES = 8 * 2**20


class FullStream(DurableStream):
    """Takes a few bytes, then there is no space."""

    def write(self, content: Any) -> int:
        super().write(bytes(content)[:10])
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("kind", ["data file", "manifest", "manifest list", "metadata"])
def test_a_file_that_finds_no_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    real = DurableFile.create

    def create(self: DurableFile, overwrite: bool = False) -> Any:
        if label("create", self.location) != f"create {kind}":
            return real(self, overwrite)
        return FullStream(Path(self.location.removeprefix("file://")), "wb" if overwrite else "xb")

    with warehouse(tmp_path / "lake") as lake:
        check_refused_then_taken(lake, monkeypatch, DurableFile, "create", create)


def test_a_lock_that_finds_no_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with warehouse(tmp_path / "lake") as lake:
        check_refused_then_taken(lake, monkeypatch, os, "open", opening_finds_no_space(LOCK_FILE))


def test_maintenance_that_finds_no_space_for_its_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worked, refused = threading.Event(), threading.Event()

    class Told(Upkeep):
        def _round(self) -> list[object]:
            found = super()._round()
            if None in found:
                refused.set()
            return found

    upkeep = Told((worked.set,), tmp_path / UPKEEP_LOCK_FILE, round_seconds=0.01)
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", opening_finds_no_space(UPKEEP_LOCK_FILE))
        upkeep.start()
        assert refused.wait(30)
        assert not worked.is_set()
    assert worked.wait(30)
    upkeep.close()


@pytest.mark.parametrize("held", [owned, exclusive])
def test_whoever_waits_for_a_lock_is_told_that_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: Any
) -> None:
    monkeypatch.setattr(os, "open", opening_finds_no_space(tmp_path.name))
    with pytest.raises(StorageFull), held(tmp_path, wait=True) if held is owned else held(tmp_path):
        pass


def opening_finds_no_space(name: str) -> Any:
    """`os.open`, but for files of that name."""
    real = os.open

    def open_(path: Any, *arguments: Any, **options: Any) -> int:
        if Path(os.fspath(path)).name == name:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return real(path, *arguments, **options)

    return open_


def test_a_catalog_that_finds_no_space(tmp_path: Path) -> None:
    """What needs no new page still lands, and is told; what can be neither stored nor recorded is refused."""
    with warehouse(tmp_path / "lake") as lake:
        client, pages = client_of(lake), [10**9]
        engine = lake.services.lake._catalog.engine

        def limit(connection: Any, *_: Any) -> None:
            connection.execute(f"PRAGMA max_page_count = {pages[0]}")

        event.listen(engine, "checkout", limit)
        assert post_batch(client, 1).status_code == 200
        pages[0] = 1  # SQLite takes the pages that there are for the least it can be set to
        statuses = [post_batch(client, batch).status_code for batch in range(2, 4)]
        assert set(statuses) <= {200, 507}
        shown = batches_in(lake)
        assert {batch for batch, status in enumerate(statuses, 2) if status == 200} <= set(shown)
        assert next(status for number in range(20) if (status := unchanged(client, number)) != 200) == 507
        pages[0] = 10**9
        assert {post_batch(client, batch).status_code for batch in range(1, 4)} == {200}
        assert batches_in(lake) == dict.fromkeys(range(1, 4), ROWS - 1)
        assert faults(lake) == ()


def unchanged(client: TestClient, number: int) -> int:
    """A batch that stores nothing but its record."""
    return client.post(BULK, json={"source": {"name": "TEST"}}, headers={"Idempotency-Key": f"n{number}"}).status_code


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    with volume_of(VOLUME_BYTES, tmp_path / "volume") as folder:
        yield folder


def test_a_volume_that_is_full(volume: Path) -> None:
    with warehouse(volume / "lake") as lake:
        client = client_of(lake)
        assert post_batch(client, 1).status_code == 200
        before = values(client).json()["value"]
        other = fill(volume)
        refused = post_batch(client, 2)
        assert (refused.status_code, refused.json()["code"]) == (507, "storage_full")
        assert values(client).json()["value"] == before
        other.unlink()
        assert post_batch(client, 2).status_code == 200
        assert set(batches_in(lake)) == {1, 2}
        assert faults(lake) == ()
    with warehouse(volume / "lake") as lake:
        assert set(batches_in(lake)) == {1, 2}


def check_refused_then_taken(lake: Warehouse, monkeypatch: pytest.MonkeyPatch, *change: Any) -> None:
    client = client_of(lake)
    assert post_batch(client, 1).status_code == 200
    before, on_disk = values(client).json()["value"], stored(lake.services.lake)
    with monkeypatch.context() as patch:
        patch.setattr(*change)
        refused = post_batch(client, 2)
        assert (refused.status_code, refused.json()["code"]) == (507, "storage_full")
        assert values(client).json()["value"] == before
    left = stored(lake.services.lake) - on_disk
    assert post_batch(client, 2).status_code == 200
    assert set(batches_in(lake)) == {1, 2}
    for path in left:
        make_old(lake.services.lake.data_dir / path)
    keeper = Keeper(lake.services.lake, kept=50, grace=0)
    for _ in range(3):
        keeper.after(DAY, sweep=True)
    reached = {str(path.relative_to(lake.services.lake.data_dir)) for path in needed(lake)}
    assert not left & stored(lake.services.lake) - reached, "what the full disk broke off is swept"
    assert faults(lake) == ()
