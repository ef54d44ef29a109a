"""A torn, damaged or missing file that is committed is an error at both doors, never a short answer; one that is not
committed is nothing. What `finlake verify` makes of them is in tests/catalog/test_verify.py."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog.errors import StorageDamaged
from catalog.model import DATA_POINTS
from tests.support.crashing import Origin
from tests.support.posting import ROWS, batches_in, faults, merge, post
from tests.support.service import client_of, values
from tests.support.warehouse import Warehouse, warehouse

GRAPHQL = {"query": "{ seriesList { edges { node { dataPoints { date value } } } } }"}
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "torn": lambda content: content[: len(content) * 2 // 3],
    "zeroed": lambda content: bytes(len(content)),
}


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Origin]:
    """A lake of base files and fresh ones."""
    folder = tmp_path_factory.mktemp("torn") / "lake"
    post(folder, folder / "acks", (1, 2))
    merge(folder)
    post(folder, folder / "acks", (3,))
    with Origin(folder) as origin:
        yield origin


def committed(folder: Path) -> dict[str, Path]:
    """A file of each kind that the newest state needs."""
    with warehouse(folder) as lake:
        target = lake.services.lake.load(DATA_POINTS)
        snapshot = target.current_snapshot()
        assert snapshot is not None
        files = lake.engine.snapshots.current().tables["data_points"].files
        found = {
            "base file": max(files, key=lambda file: file.level).path,
            "fresh file": min(files, key=lambda file: file.level).path,
            "manifest": snapshot.manifests(target.io)[0].manifest_path,
            "manifest list": snapshot.manifest_list,
            "metadata": target.metadata_location,
        }
    return {kind: Path(location.removeprefix("file://")) for kind, location in found.items()}


def answers(lake: Warehouse) -> list[tuple[int, Any]]:
    client = client_of(lake)
    odata, graphql = values(client), client.post("/graphql", json=GRAPHQL)
    return [(odata.status_code, odata.json()), (graphql.status_code, graphql.json())]


@pytest.mark.parametrize("damage", [*DAMAGES, "missing"])
@pytest.mark.parametrize("kind", ["base file", "fresh file", "manifest", "manifest list", "metadata"])
def test_a_committed_file_is_missed_loudly(origin: Origin, kind: str, damage: str) -> None:
    origin.restore()
    victim = committed(origin.folder)[kind]
    content = victim.read_bytes()
    victim.unlink()
    if damage in DAMAGES:
        victim.write_bytes(DAMAGES[damage](content))
    if kind == "metadata":
        with pytest.raises(StorageDamaged), warehouse(origin.folder):
            pass
        return
    with warehouse(origin.folder) as lake:
        (odata, first), (_, second) = answers(lake)
        assert (odata, first["error"]["code"]) == (500, "storage_damaged")
        assert second["errors"][0]["extensions"]["code"].lower() == "storage_damaged"
        assert not second.get("data")


def test_flipped_bits_never_make_an_answer_short(origin: Origin) -> None:
    """Pages of data files have checksums that `verify` looks at and readers do not; what they answer is whole or an
    error."""
    chance = random.Random(4)
    origin.restore()
    with warehouse(origin.folder) as lake:
        right = batches_in(lake)
    found = committed(origin.folder)
    del found["metadata"]
    for kind, victim in found.items():
        for _ in range(3):
            content = bytearray(victim.read_bytes())
            whole = bytes(content)
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
            victim.write_bytes(bytes(content))
            try:
                with warehouse(origin.folder) as lake:
                    status, answer = answers(lake)[0]
            except StorageDamaged:
                status, answer = 500, {}
            victim.write_bytes(whole)
            assert status == 500 or len(answer["value"]) == sum(right.values()) + 1, kind


def test_files_that_are_not_committed_are_nothing(origin: Origin) -> None:
    origin.restore()
    for file in committed(origin.folder).values():
        content = file.read_bytes()
        for number, cut in enumerate((0, len(content) // 2, len(content))):
            file.with_name(f"99999-stray-{number}{file.suffix}").write_bytes(content[:cut])
    with warehouse(origin.folder) as lake:
        assert batches_in(lake) == dict.fromkeys((1, 2, 3), ROWS - 1)
        assert faults(lake) == ()
