"""One question explained through both doors is one equal explanation, and one document."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.same_query.test_same_query import QUESTIONS, A, lake
from tests.support.service import client_of
from tests.support.warehouse import Warehouse

__all__ = ["lake"]


@pytest.fixture(scope="module")
def client(lake: Warehouse) -> TestClient:
    return client_of(lake)


def by_odata(client: TestClient, question: str) -> list[dict[str, Any]]:
    answer = client.get(f"/odata/{question}&explain=true")
    assert answer.headers["Content-Type"] == "application/json;charset=utf-8"
    assert set(answer.json()) == {"snapshot", "explain"}
    return answer.json()["explain"]


def by_graphql(client: TestClient, document: str, **extensions: Any) -> dict[str, Any]:
    return client.post("/graphql", json={"query": document, "extensions": extensions}).json()


@pytest.mark.parametrize("name", QUESTIONS)
def test_one_question_has_one_explanation(client: TestClient, name: str) -> None:
    url, document = QUESTIONS[name]
    answer = by_graphql(client, document, explain=True)
    (told,) = by_odata(client, url)
    assert answer["extensions"]["explain"][-1] == told
    assert answer["data"] == by_graphql(client, document)["data"]
    assert told["files"]["read"] > 0


def test_a_count_beside_rows_is_a_statement_of_its_own(client: TestClient) -> None:
    rows, count = by_odata(client, f"DataPoints?$filter=series_id eq {A}&$count=true")
    assert "COUNT(*)" in count["sql"]
    assert rows["files"] == count["files"]
    (alone,) = by_odata(client, f"DataPoints/$count?$filter=series_id eq {A}")
    assert alone == count


def test_the_next_page_is_explained_as_it_is_read(client: TestClient) -> None:
    first = client.get("/odata/DataPoints?$filter=value ne 9", headers={"Prefer": "odata.maxpagesize=3"}).json()
    _, _, options = first["@odata.nextLink"].partition("?")
    (told,) = by_odata(client, f"DataPoints?{options}")
    assert "where" in {change["part"] for step in told["passes"] for change in step["changes"]}
    assert told["snapshot"] == client.get("/odata/Series").headers["X-Finlake-Snapshot"]


def test_a_path_that_reads_on_its_way_is_not_explained(client: TestClient) -> None:
    answer = client.get("/odata/Series(source='X',external_id='A')/DataPoints?explain=true")
    assert answer.status_code == 501
    assert answer.json()["error"]["target"] == "explain"


def test_what_explain_may_be(client: TestClient) -> None:
    assert client.get("/odata/Series?explain=maybe").status_code == 400
    assert "value" in client.get("/odata/Series?Explain=false").json()
    answer = client.post("/graphql", json={"query": "{ __typename }", "extensions": {"explain": 1}})
    assert answer.json()["errors"][0]["extensions"]["code"] == "invalid_parameter"
    foreign = by_graphql(client, "{ sources { name } }", persistedQuery={"version": 1})
    assert set(foreign["extensions"]) == {"snapshot"}
