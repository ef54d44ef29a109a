"""The OData door over a small lake: what it holds, and how the tests ask it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.testclient import TestClient

from api.config import Settings
from api.limits import Limits
from api.odata.router import odata_routes
from api.reading import Reader
from catalog.identity import series_id
from engine.pipeline import Engine
from tests.support.warehouse import Warehouse

SOURCE = "FRED"
TITLES = {"GDP": "Output", "a/b'c": "It's 100% odd _ \u00e4", "EMPTY": "Nothing yet"}
GDP, ODD, EMPTY = (series_id(SOURCE, name) for name in TITLES)
MISSING = series_id(SOURCE, "missing")
LIMITS = Limits(page_rows_max=5, preferred_page_rows_max=7)
ROOT = "http://testserver/odata/"

SERIES: list[dict[str, Any]] = [{"external_id": name, "title": title} for name, title in TITLES.items()]
_ROWS = (
    *(("GDP", f"2020-{month:02d}-01", f"{month}.5", "2021-01-01") for month in range(1, 13)),
    ("GDP", "2020-03-01", None, "2022-01-01"),
    ("GDP", "2020-04-01", "0.000000000000000001", "2023-01-01"),
    ("a/b'c", "1999-01-01", "12345678901234567890.5", "1999-02-01"),
)
POINTS: list[dict[str, Any]] = [
    dict(zip(("external_id", "date", "value", "revision_date"), row, strict=True)) for row in _ROWS
]


def client_of(engine: Engine, limits: Limits, settings: Settings, root_path: str = "") -> TestClient:
    """A client of the door alone, without the rest of the service."""
    app = Starlette(routes=list(odata_routes(Reader(engine, limits), limits, settings)))
    return TestClient(app, root_path=root_path)


@dataclass(frozen=True)
class Door:
    client: TestClient
    lake: Warehouse

    def get(self, path: str, status: int = 200, **headers: str) -> httpx.Response:
        """GET below the service root; every response has what every OData response must have."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        response = self.client.get(f"/odata/{path}", headers=named, follow_redirects=False)
        assert response.status_code == status, response.text
        assert response.headers.get_list("OData-Version") == ["4.0"]
        assert "Accept" in response.headers["Vary"]
        return response

    def value(self, path: str, **headers: str) -> list[dict[str, Any]]:
        return self.get(path, **headers).json()["value"]

    def error(self, path: str, status: int, **headers: str) -> dict[str, Any]:
        response = self.get(path, status, **headers)
        assert response.headers["Content-Type"].startswith("application/json")
        error = response.json()["error"]
        assert error["code"]
        assert error["message"]
        assert error["details"] == []
        assert error["innererror"]["hint"]
        return error
