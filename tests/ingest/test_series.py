"""PUT and DELETE of a series."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from api.app import build_app
from api.ingest.openapi import EXAMPLE, SERIES_EXAMPLE
from catalog.identity import series_id
from tests.support.tree import ROOT
from tests.support.warehouse import Warehouse, warehouse

ID = series_id("FRED-MD", "INDPRO")
BULK = "/api/v1/financial-data/bulk"
SERIES = f"/api/v1/financial-data/series/{ID}"
UNKNOWN = SERIES.replace(ID, "00000000-0000-0000-0000-000000000000")


@pytest.fixture
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    with warehouse(tmp_path_factory.mktemp("series")) as lake:
        lake.write(EXAMPLE)
        yield lake


@pytest.fixture
def client(lake: Warehouse) -> TestClient:
    return TestClient(build_app(lake.settings, lake.limits, lake.services), raise_server_exceptions=False)


def test_the_documented_document_is_stored(client: TestClient) -> None:
    page = (ROOT / "docs" / "ingest.md").read_text(encoding="utf-8")
    document = page.split("```json\n")[1].split("```")[0]
    answer = client.post(BULK, content=document, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["successful"], answer.json()["failures"]) == (200, 4, [])
    namespace = uuid.uuid5(uuid.NAMESPACE_DNS, "finlake")
    assert str(uuid.uuid5(namespace, "EXAMPLE\x1fOUTPUT")) == series_id("EXAMPLE", "OUTPUT")


def test_put_sets_the_fields_it_names(client: TestClient) -> None:
    answer = client.put(SERIES.replace(ID, ID.upper()), json=SERIES_EXAMPLE)
    assert answer.status_code == 200
    shown = client.get(f"/odata/Series({ID})", params={"snapshot": answer.json()["snapshot"]})
    assert {name: shown.json()[name] for name in SERIES_EXAMPLE} == SERIES_EXAMPLE
    client.put(SERIES, json={"units": None})
    shown = client.get(f"/odata/Series({ID})").json()
    assert (shown["title"], shown["units"]) == (SERIES_EXAMPLE["title"], None)


def test_delete_hides_it_from_now_on(client: TestClient, lake: Warehouse) -> None:
    before = lake.engine.current()
    answer = client.delete(SERIES)
    assert (answer.status_code, answer.headers["x-finlake-snapshot"]) == (200, lake.engine.current())
    assert client.get(f"/odata/Series({ID})").status_code == 404
    assert client.get("/odata/Revisions/$count").text == "0"
    assert client.get("/odata/Revisions/$count", params={"snapshot": before}).text == "1"
    assert client.delete(SERIES).status_code == 404
    assert client.put(SERIES, json={"title": "x"}).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("PUT", UNKNOWN, b"{}", 404, "unknown_entity"),
        ("DELETE", UNKNOWN, None, 404, "unknown_entity"),
        ("PUT", SERIES.replace(ID, "INDPRO"), b"{}", 400, "invalid_literal"),
        ("DELETE", SERIES.replace(ID, "INDPRO"), None, 400, "invalid_literal"),
        ("PUT", SERIES, b"{", 400, "malformed_json"),
        ("PUT", SERIES, b"[]", 400, "invalid_body"),
        ("PUT", SERIES, b'{"tilte": "x"}', 422, "rejected_batch"),
        ("PUT", SERIES, b'{"frequency": "hourly"}', 422, "rejected_batch"),
        ("PUT", f"{SERIES}?x=1", b"{}", 400, "unknown_parameter"),
        ("DELETE", f"{SERIES}?x=1", None, 400, "unknown_parameter"),
        ("POST", SERIES, b"{}", 405, "method_not_allowed"),
    ],
)
def test_faults_change_nothing(
    client: TestClient, lake: Warehouse, method: str, path: str, body: bytes | None, status: int, code: str
) -> None:
    before = lake.engine.current()
    answer = client.request(method, path, content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert lake.engine.current() == before
