"""What the whole service adds to its doors: health, metrics, gzip, and the line before the engine."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from typing import Any

import anyio
import httpx
import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient
from starlette.types import Message

from api.app import build_app
from api.compression import takes_gzip
from api.limits import Limits
from api.problems import Problem
from api.reading import Reader
from tests.support.warehouse import Warehouse, warehouse

JSON_HEADERS = [(b"content-type", b"application/json")]
POINTS = [{"external_id": "E", "date": f"{year}-01-01", "value": "1.5"} for year in range(1000, 4000)]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    with warehouse(tmp_path_factory.mktemp("service")) as lake:
        assert lake.write({"source": {"name": "S"}, "data_points": POINTS}).failed == 0
        yield lake


@pytest.fixture(scope="module")
def client(lake: Warehouse) -> TestClient:
    return TestClient(build_app(lake.settings, lake.limits, lake.services), raise_server_exceptions=False)


@pytest.mark.parametrize("path", ["/", "/health", "/health/detailed", "/metrics"])
def test_head_is_get_without_a_body(client: TestClient, path: str) -> None:
    got, head = client.get(path), client.head(path)
    assert (head.status_code, head.headers["Content-Type"]) == (200, got.headers["Content-Type"])
    assert not head.content


@pytest.mark.parametrize("path", ["/?asof=2020-01-01", "/health?x=1", "/health/detailed?x=1", "/metrics?x=1"])
def test_unknown_parameters_are_refused(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_parameter")


def test_callers_cannot_make_metrics_grow(client: TestClient) -> None:
    for number in range(30):
        client.request(f"METHOD{number}", f"/odata/path{number}")
        client.get(f"/path{number}")
    families = text_string_to_metric_families(client.get("/metrics").text)
    requests = next(family for family in families if family.name == "finlake_requests")
    labels = {(sample.labels["door"], sample.labels["method"]) for sample in requests.samples}
    assert ("odata", "other") in labels
    assert ("other", "GET") in labels
    assert not any("path" in door or "METHOD" in method for door, method in labels)


@pytest.mark.parametrize("path", ["/graphql", "/api/v1/financial-data/bulk"])
def test_who_hangs_up_is_no_failure_of_the_service(lake: Warehouse, path: str) -> None:
    statuses: list[int] = []

    async def gone() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        statuses.extend([message["status"]] if "status" in message else [])

    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": JSON_HEADERS}
    anyio.run(build_app(lake.settings, lake.limits, lake.services), scope, gone, send)
    assert statuses == [499]


def plain_and_packed(client: TestClient, method: str, url: str, **request: Any) -> tuple[httpx.Response, ...]:
    return tuple(
        client.request(method, url, headers={"Accept-Encoding": coding}, **request) for coding in ("identity", "gzip")
    )


@pytest.mark.parametrize(
    ("method", "url", "body"),
    [
        ("GET", "/odata/DataPoints", None),
        ("GET", "/odata/DataPoints?$top=20", None),
        ("GET", "/odata/$metadata", None),
        ("POST", "/graphql", {"query": "{ __schema { types { name description } } }"}),
    ],
)
def test_answers_are_packed_where_asked(client: TestClient, method: str, url: str, body: Any) -> None:
    plain, packed = plain_and_packed(client, method, url, json=body)
    assert plain.content == packed.content
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) < int(plain.headers["Content-Length"])
    for answer in (plain, packed):
        (vary,) = answer.headers.get_list("Vary")
        assert vary.count("Accept-Encoding") == 1
        assert vary.count("Accept") == 2
    assert packed.headers.get_list("OData-Version") == (["4.0"] if "odata" in url else [])


def test_what_is_short_is_not_packed(client: TestClient) -> None:
    for path in ("/health", "/odata/Series/$count", "/odata/Nowhere"):
        plain, packed = plain_and_packed(client, "GET", path)
        assert "Content-Encoding" not in packed.headers
        assert packed.content == plain.content


def test_a_packed_body_is_read_too_by_other_tools(client: TestClient) -> None:
    with client.stream("GET", "/odata/DataPoints", headers={"Accept-Encoding": "gzip"}) as answer:
        body = gzip.decompress(b"".join(answer.iter_raw()))
    assert len(orjson.loads(body)["value"]) == len(POINTS)


@pytest.mark.parametrize(
    ("header", "takes"),
    [
        ([], False),
        (["gzip"], True),
        (["deflate, GZIP;q=0.5"], True),
        (["br", "x-gzip"], True),
        (["gzip;q=0"], False),
        (["*"], True),
        (["*;q=0"], False),
        (["gzip; q=0, *"], False),
        (["identity, gzipped"], False),
    ],
)
def test_who_takes_gzip(header: list[str], *, takes: bool) -> None:
    assert takes_gzip(header) is takes


def test_a_full_line_is_told_to_come_back(lake: Warehouse) -> None:
    async def run(limits: Limits) -> list[str]:
        reader, outcomes, gate = Reader(lake.engine, limits), list[str](), anyio.Event()

        async def ask() -> None:
            try:
                outcomes.append(await reader.run(lambda: anyio.from_thread.run(gate.wait) or "answered"))
            except Problem as problem:
                outcomes.append(f"{problem.code}, {problem.headers['Retry-After']}")

        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            gate.set()
        return outcomes

    for waiting, refused in ((0, 3), (2, 1), (3, 0)):
        limits = Limits(concurrent_queries_max=1, waiting_queries_max=waiting)
        assert sorted(anyio.run(run, limits)) == ["answered"] * (4 - refused) + ["busy, 1"] * refused
