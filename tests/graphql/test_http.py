"""GraphQL over HTTP: media types, statuses, methods, bodies, and what an answer carries."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import orjson
import pytest
from starlette.applications import Starlette

from api.config import Settings
from api.graphql.router import graphql_routes
from api.limits import Limits
from api.reading import Reader
from engine.query import Query
from tests.graphql.conftest import id_of
from tests.support.warehouse import Warehouse

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
QUERY = "{ sources { name } }"


class Service:
    def __init__(self, lake: Warehouse, limits: Limits | None = None, *, graphiql: bool = True) -> None:
        limits = limits or lake.limits
        settings = Settings(data_dir=lake.settings.data_dir, graphiql=graphiql)
        self._app = Starlette(routes=graphql_routes(Reader(lake.engine, limits), lake.writer, limits, settings))

    def send(self, method: str, **request: Any) -> httpx.Response:
        async def run() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://lake") as client:
                return await client.request(method, "/graphql", **request)

        return asyncio.run(run())

    def post(self, body: Any, **headers: str) -> httpx.Response:
        return self.send("POST", json=body, headers=headers)


@pytest.fixture(scope="module")
def service(lake: Warehouse) -> Service:
    return Service(lake)


def code_of(response: httpx.Response) -> str:
    return response.json()["errors"][0]["extensions"]["code"]


def test_an_answer_names_its_snapshot_and_its_times(service: Service, lake: Warehouse) -> None:
    document = f'{{ series(id: "{id_of(1)}", asOf: "2021-01-15") {{ dataPoints {{ date }} }} }}'
    response = service.post({"query": document})
    assert response.status_code == 200
    token = lake.engine.current()
    assert response.json()["extensions"] == {"snapshot": token, "asOf": "2021-01-15"}
    assert response.headers["X-Finlake-Snapshot"] == token
    assert response.headers["X-Finlake-As-Of"] == "2021-01-15"
    steps = [step.split(";")[0] for step in response.headers["Server-Timing"].split(", ")]
    assert {"decode", "parse", "validate", "plan", "prune", "execute", "render", "encode"} <= set(steps)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, JSON),
        ("*/*", JSON),
        (JSON, JSON),
        (GRAPHQL, GRAPHQL),
        (f"{GRAPHQL}, {JSON};q=0.9", GRAPHQL),
        (f"{JSON}, {GRAPHQL}", JSON),
        (f"{GRAPHQL};q=0.1, {JSON};q=0.9", JSON),
        ("text/event-stream, application/json", JSON),
        ("application/*", JSON),
    ],
)
def test_the_caller_chooses_the_media_type(service: Service, accept: str | None, expected: str) -> None:
    response = service.send("POST", json={"query": QUERY}, headers={} if accept is None else {"accept": accept})
    assert response.status_code == 200
    assert response.headers["content-type"] == f"{expected}; charset=utf-8"
    assert {source["name"] for source in response.json()["data"]["sources"]} == {"A", "B"}


def test_a_type_that_nobody_speaks_is_refused(service: Service) -> None:
    response = service.post({"query": QUERY}, accept="text/csv")
    assert (response.status_code, code_of(response)) == (406, "not_acceptable")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"query": "{ sources {"}, "syntax_error"),
        ({"query": "{ nothing }"}, "invalid_query"),
        ({"query": "query($d: Date!) { sources { name } }", "variables": {"d": "2020-01-01"}}, "invalid_query"),
        (
            {
                "query": "query($i: ID!, $d: Date!) { series(id: $i, asOf: $d) { id } }",
                "variables": {"i": "x", "d": "2020-02-30"},
            },
            "invalid_literal",
        ),
        (
            {"query": "query($n: Int) { seriesList(first: $n) { totalCount } }", "variables": {"n": "x"}},
            "invalid_query",
        ),
    ],
)
def test_what_is_not_executed_has_no_data(service: Service, body: dict[str, Any], code: str) -> None:
    modern, old = service.post(body, accept=GRAPHQL), service.post(body, accept=JSON)
    assert (modern.status_code, old.status_code) == (400, 200)
    for response in (modern, old):
        assert "data" not in response.json()
        assert code_of(response) == code


def test_a_failed_field_is_a_null_with_a_path(service: Service) -> None:
    response = service.post({"query": f'{{ a: series(id: "x") {{ id }} b: series(id: "{id_of(1)}") {{ title }} }}'})
    assert response.status_code == 200
    assert response.json()["data"] == {"a": None, "b": {"title": "Series 01"}}
    (error,) = response.json()["errors"]
    assert error["path"] == ["a"]
    assert error["message"] == "'x' is not an id."
    assert error["extensions"]["code"] == "invalid_literal"
    assert error["extensions"]["hint"]


def test_what_nobody_foresaw_is_masked(lake: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_query: Query, *, keyset: bool = False) -> None:
        raise RuntimeError(f"a secret {keyset}")

    monkeypatch.setattr(lake.engine, "answer", fail)
    response = Service(lake).post({"query": QUERY})
    assert code_of(response) == "internal"
    assert "secret" not in response.text


MALFORMED: dict[str, tuple[bytes, str, int, str]] = {
    "no JSON": (b"{", JSON, 400, "malformed_json"),
    "no UTF-8": (b'{"query": "\xff"}', JSON, 400, "malformed_json"),
    "too deep": (b"[" * 100_000, JSON, 400, "malformed_json"),
    "not a number": (b'{"query": "{a}", "variables": {"x": NaN}}', JSON, 400, "malformed_json"),
    "empty": (b"", JSON, 400, "malformed_json"),
    "no object": (b'"query"', JSON, 400, "invalid_parameter"),
    "a batch": (b"[]", JSON, 400, "invalid_parameter"),
    "no query": (b"{}", JSON, 400, "invalid_parameter"),
    "query of another type": (b'{"query": 1}', JSON, 400, "invalid_parameter"),
    "an empty query": (b'{"query": " "}', JSON, 400, "invalid_parameter"),
    "variables of another type": (b'{"query": "{a}", "variables": []}', JSON, 200, "invalid_query"),
    "variables that are a text": (b'{"query": "{a}", "variables": "x"}', JSON, 400, "invalid_parameter"),
    "an operation name of another type": (b'{"query": "{a}", "operationName": 1}', JSON, 400, "invalid_parameter"),
    "an unknown key": (b'{"query": "{a}", "variabels": {}}', JSON, 400, "unknown_parameter"),
    "an unknown operation": (b'{"query": "query A {a}", "operationName": "B"}', JSON, 400, "invalid_query"),
    "a form": (b"query={a}", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
    "another charset": (b"{}", "application/json; charset=utf-16", 415, "unsupported_media_type"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_request_that_is_none_is_refused(service: Service, case: str) -> None:
    content, type_, status, code = MALFORMED[case]
    response = service.send("POST", content=content, headers={"content-type": type_})
    assert (response.status_code, code_of(response)) == (status, code)
    assert response.headers["content-type"].startswith(JSON)


def test_a_body_over_its_limit_is_refused(lake: Warehouse) -> None:
    small = Service(lake, lake.limits.model_copy(update={"graphql_body_bytes_max": 100}))
    response = small.post({"query": QUERY + " " * 100})
    assert (response.status_code, code_of(response)) == (413, "body_too_large")


def test_long_lists_of_variables_are_refused_before_they_are_read(lake: Warehouse) -> None:
    small = Service(lake, lake.limits.model_copy(update={"graphql_upsert_rows_max": 10}))
    mutation = "mutation($b: BulkUpsertInput!) { bulkUpsertDataPoints(input: $b) { failed } }"
    response = small.post({"query": mutation, "variables": {"b": {"dataPoints": [{"no": "point"}] * 11}}})
    assert (response.status_code, code_of(response)) == (400, "limit_exceeded")
    document = "query($f: SeriesFilter) { seriesList(filter: $f) { totalCount } }"
    for count, refused in ((3, False), (4, True)):
        filter_ = {"and": [{"title": {"in": ["x"] * 2}} for _ in range(count)]}
        assert ("errors" in small.post({"query": document, "variables": {"f": filter_}}).json()) is refused


def test_queries_run_over_get_and_mutations_do_not(service: Service) -> None:
    variables = orjson.dumps({"id": id_of(1)}).decode()
    parameters = {"query": "query($id: ID!) { series(id: $id) { title } }", "variables": variables}
    response = service.send("GET", params=parameters)
    assert response.json()["data"] == {"series": {"title": "Series 01"}}
    response = service.send("GET", params={"query": 'mutation { deleteSeries(id: "x") { failed } }'})
    assert (response.status_code, code_of(response)) == (405, "method_not_allowed")
    assert response.headers["allow"] == "POST"
    assert service.send("DELETE").status_code == 405


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"query": QUERY, "snapshot": "x"}, "unknown_parameter"),
        ({"query": QUERY, "variables": "{"}, "malformed_json"),
        ({"query": [QUERY, QUERY]}, "invalid_parameter"),
        ({"query": ""}, "invalid_parameter"),
    ],
)
def test_a_query_string_that_is_none_is_refused(service: Service, parameters: dict[str, Any], code: str) -> None:
    response = service.send("GET", params=parameters)
    assert (response.status_code, code_of(response)) == (400, code)


def test_a_query_string_over_its_limit_is_refused(lake: Warehouse) -> None:
    small = Service(lake, lake.limits.model_copy(update={"query_string_bytes_max": 20}))
    response = small.send("GET", params={"query": QUERY + " " * 40})
    assert (response.status_code, code_of(response)) == (414, "uri_too_long")


def test_numbers_of_a_body_keep_their_digits(service: Service) -> None:
    document = "query($f: SeriesFilter) { seriesList(filter: $f) { totalCount } }"
    response = service.post({"query": document, "variables": {"f": {"title": {"eq": 1.5}}}})
    assert code_of(response) == "invalid_query"


def test_browsers_get_a_page_that_works_without_a_network(service: Service, lake: Warehouse) -> None:
    page = service.send("GET", headers={"accept": BROWSER})
    assert page.headers["content-type"].startswith("text/html")
    assert "plain editor" in page.text
    assert "@EXAMPLE@" not in page.text
    assert code_of(service.send("GET", headers={"accept": "*/*"})) == "invalid_parameter"
    assert code_of(Service(lake, graphiql=False).send("GET", headers={"accept": BROWSER})) == "invalid_parameter"
