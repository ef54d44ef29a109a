"""Snapshots: a damaged file is told as such, whatever its parser says; a token has one form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from catalog.errors import SnapshotExpired, StorageDamaged, UnknownSnapshot
from catalog.iceberg import Lake
from catalog.model import MODEL, SERIES
from catalog.registry import Registry
from catalog.snapshot import Snapshots
from tests.support.warehouse import warehouse

POINT = {"source": "S", "external_id": "A", "date": "2020-01-01", "value": "1"}

DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut in half": lambda content: content[: len(content) // 2],
    "zeroed": lambda content: bytes(len(content)),
    "a block of other bytes": lambda content: (
        content[: len(content) // 2] + b"\xff" * 64 + content[len(content) // 2 :]
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A lake of one commit, closed."""
    with warehouse(tmp_path) as lake:
        lake.write({"data_points": [POINT]})
    return tmp_path


def read_all(folder: Path) -> None:
    lake = Lake(folder, MODEL)
    try:
        Registry(SERIES).at(Snapshots(lake).current().tables["series"])
    finally:
        lake.close()


@pytest.mark.parametrize("damage", [*DAMAGES, "missing"])
@pytest.mark.parametrize("pattern", ["metadata/00001-*.json", "metadata/snap-*.avro", "metadata/*-m0.avro", "data/*"])
def test_a_damaged_file_is_told(folder: Path, pattern: str, damage: str) -> None:
    (file,) = (folder / "warehouse" / "finlake" / "series").glob(pattern)
    content = file.read_bytes()
    file.unlink()
    if damage in DAMAGES:
        file.write_bytes(DAMAGES[damage](content))
    with pytest.raises(StorageDamaged):
        read_all(folder)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "-",
        "0-0-0",
        "0-0-0-0-0",
        "-1-0-0-0",
        "0x0-0-0-0",
        "+0-0-0-0",
        " 0-0-0-0",
        "0_0-0-0-0",
        "00-0-0-0",
        "A-0-0-0",
        "٣-0-0-0",
        "f" * 99 + "-0-0-0",
    ],
)
def test_a_token_of_no_state_is_refused(folder: Path, token: str) -> None:
    lake = Lake(folder, MODEL)
    snapshots = Snapshots(lake)
    with pytest.raises(UnknownSnapshot):
        snapshots.at(token)
    with pytest.raises(SnapshotExpired):
        snapshots.at("f-0-0-0")
    assert snapshots.at("0-0-0-0").token == "0-0-0-0"
    assert snapshots.at(snapshots.current().token) is snapshots.current()
    lake.close()
