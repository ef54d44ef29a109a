"""The doors of an open warehouse, without a server."""

from __future__ import annotations

from pathlib import Path

import httpx
from starlette.testclient import TestClient

from api.app import build_app
from catalog.reach import Reach
from tests.support.posting import document
from tests.support.warehouse import Warehouse

BULK = "/api/v1/financial-data/bulk"


def client_of(lake: Warehouse) -> TestClient:
    return TestClient(build_app(lake.settings, lake.limits, lake.services), raise_server_exceptions=False)


def post_batch(client: TestClient, batch: int) -> httpx.Response:
    """A numbered batch, under its key."""
    return client.post(f"{BULK}?mode=atomic", json=document(batch), headers={"Idempotency-Key": f"batch-{batch}"})


def values(client: TestClient) -> httpx.Response:
    """Every point, through OData."""
    return client.get("/odata/Revisions", params={"$select": "series_id,date,value"})


def needed(lake: Warehouse) -> frozenset[Path]:
    """The files that the newest metadata leads to."""
    opened = lake.services.lake
    return frozenset(opened.data_dir / path for path in Reach(opened).everything())
