"""A collection that fails on its way: an error as long as nothing was sent, then what no client takes for a whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from starlette.testclient import TestClient

from api import streaming
from api.limits import Limits
from catalog.identity import series_id
from engine import slices
from tests.odata.door import client_of
from tests.support.warehouse import Warehouse, warehouse

NAMES = [f"E{number}" for number in range(40)]
LAST = max(series_id("S", name)[0] for name in NAMES)


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Warehouse]:
    """Its last partition has lost its file; every partition is a slice."""
    monkeypatch.setattr(slices, "SLICE_ROWS", 5)
    points = [
        {"external_id": name, "date": f"2020-01-{day:02d}", "value": day} for name in NAMES for day in range(1, 9)
    ]
    with warehouse(tmp_path / "lake") as lake:
        assert lake.write({"source": {"name": "S"}, "data_points": points}).failed == 0
        for file in lake.engine.snapshots.current().tables["data_points"].files:
            if file.partition == LAST:
                Path(file.path).unlink()
        yield lake


@pytest.fixture
def client(lake: Warehouse) -> TestClient:
    client = client_of(lake.engine, Limits(), lake.settings)
    return TestClient(client.app, raise_server_exceptions=False)


@pytest.mark.parametrize("options", ["", "?$format=csv"])
def test_before_the_first_byte_it_is_an_error(client: TestClient, options: str) -> None:
    answer = client.get(f"/odata/DataPoints{options}")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "storage_damaged"


def test_after_it_the_error_stands_in_what_stays_no_document(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "WHOLE_BYTES_MAX", 1_000)
    answer = client.get("/odata/DataPoints")
    assert answer.status_code == 200
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(answer.content)
    rows, _, error = answer.text.rpartition(',{"error":')
    assert orjson.loads('{"error":' + error)["error"]["code"] == "storage_damaged"
    assert len(orjson.loads(rows + "]}")["value"]) >= 8
    assert "lake" not in error
