"""A closed file is a durable file: the order of writes, fsyncs and directory fsyncs is recorded and checked."""

from __future__ import annotations

import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy.dialects.sqlite.base import SQLiteDialect

from catalog import locks
from catalog.errors import StorageFailed
from catalog.files import DurableFileIO
from catalog.iceberg import Lake, translated
from catalog.ledger import Ledger
from catalog.model import DATA_POINTS, MODEL
from tests.support.warehouse import warehouse


def _recorded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that are fsynced from now on, in order."""
    synced: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    return synced


def test_a_file_and_its_new_directories_are_fsynced_on_close(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = _recorded(monkeypatch)
    target = tmp_path / "a" / "b" / "file"
    with DurableFileIO().new_output(f"file://{target}").create() as stream:
        stream.write(b"content")
        assert str(target) not in synced
    assert target.read_bytes() == b"content"
    assert synced == [str(tmp_path), str(tmp_path / "a"), str(target), str(target.parent)]


def test_every_file_of_a_new_table_is_fsynced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = _recorded(monkeypatch)
    Lake(tmp_path, MODEL).close()
    written = [str(path) for path in (tmp_path / "warehouse").rglob("*") if path.is_file()]
    assert len(written) == len(MODEL.tables)
    assert set(written) <= set(synced)


def test_an_existing_file_is_not_overwritten_unasked(tmp_path: Path) -> None:
    output = DurableFileIO().new_output(str(tmp_path / "file"))
    output.create().close()
    with pytest.raises(FileExistsError):
        output.create()
    output.create(overwrite=True).close()


def test_an_error_of_fsync_reaches_the_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    stream = DurableFileIO().new_output(str(tmp_path / "file")).create()
    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(StorageFailed), translated():
        stream.close()
    assert stream.closed


def test_the_iceberg_tables_follow_the_model(tmp_path: Path) -> None:
    lake = Lake(tmp_path, MODEL)
    for table in MODEL.tables:
        schema = lake.load(table).schema()
        assert [(field.field_id, field.name, not field.required) for field in schema.fields] == [
            (column.field_id, column.name, column.nullable) for column in table.columns
        ]
    points = lake.load(DATA_POINTS)
    assert points.format_version == 2
    assert [str(field.transform) for field in points.spec().fields] == ["truncate[1]"]
    assert [points.schema().find_column_name(field.source_id) for field in points.sort_order().fields] == list(
        DATA_POINTS.sort
    )
    lake.close()


def test_services_that_start_at_once_make_one_lake(tmp_path: Path) -> None:
    gate = threading.Barrier(4)

    def start(folder: Path) -> None:
        gate.wait()
        Lake(folder, MODEL).close()

    with ThreadPoolExecutor(4) as starters:
        for turn in range(3):
            for started in [starters.submit(start, tmp_path / f"{turn}") for _ in range(4)]:
                started.result(60)


@pytest.mark.parametrize("name", ["a#b", "a?b", "a%20b"])
def test_a_folder_that_urls_cannot_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(StorageFailed, match="holds one of"):
        Lake(tmp_path / name, MODEL)


def test_a_folder_with_a_blank_works(tmp_path: Path) -> None:
    Lake(tmp_path / "a b", MODEL).close()
    assert (tmp_path / "a b" / "warehouse" / "finlake").is_dir()


def test_an_opening_that_stands_still_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "EXCLUSIVE_SECONDS_MAX", 0.1)
    with locks.exclusive(tmp_path), pytest.raises(StorageFailed, match="has been opening the data folder"):
        Lake(tmp_path, MODEL)
    Lake(tmp_path, MODEL).close()


def test_a_table_that_a_rival_has_just_made_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks before it makes a table sees none here, as where the rival makes it in between."""
    with warehouse(tmp_path):
        pass
    monkeypatch.setattr(SQLiteDialect, "has_table", lambda *_, **__: False)
    with warehouse(tmp_path) as lake:
        assert lake.services.batches.get("nobody") is None
        assert Ledger(lake.services.lake).tags() == ()
