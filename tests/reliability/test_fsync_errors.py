"""An fsync that fails: no receipt, nothing to be seen, nothing that is trusted later; the next post goes well.

A stream whose fsync fails is in tests/catalog/test_files.py."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tests.support.posting import batches_in, faults, write
from tests.support.service import client_of, needed, post_batch
from tests.support.steps import label
from tests.support.warehouse import warehouse


@pytest.mark.parametrize("kind", ["data file", "manifest", "manifest list", "metadata", "folder"])
def test_nothing_is_acknowledged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    real, refused = os.fsync, list[str]()

    def fsync(descriptor: int) -> None:
        path = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        if label("fsync", path) == f"fsync {kind}":
            refused.append(path)
            raise OSError(errno.EIO, "Input/output error")
        real(descriptor)

    with warehouse(tmp_path / "lake") as lake:
        write(lake, 1)
        client = client_of(lake)
        before = lake.engine.current()
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fsync)
            answer = post_batch(client, 2)
        assert (answer.status_code, answer.json()["code"]) == (500, "storage_failed")
        assert refused
        assert lake.engine.current() == before
        assert not [path for path in refused if path.endswith(".parquet") and Path(path).exists()]
        assert post_batch(client, 2).status_code == 200
        assert set(batches_in(lake)) == {1, 2}
        assert not set(refused) & {str(path) for path in needed(lake) if path.is_file()}, (
            "what could not be synced is used after all"
        )
        assert faults(lake) == ()
