"""How many statements the database is given for a document or a URL: a fixed number, however many rows there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.limits import Limits
from catalog.identity import series_id
from tests.graphql.conftest import SERIES, id_of
from tests.support.graphql_door import GraphQLDoor
from tests.support.service import client_of
from tests.support.warehouse import Warehouse

Counted = Callable[[Callable[[], object]], int]


@pytest.fixture
def counted(lake: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Counted:
    """How many statements the database is given while something is done."""
    given = lake.opened(monkeypatch)

    def count(work: Callable[[], object]) -> int:
        given.clear()
        work()
        return len(given)

    return count


def aliased(field: str, count: int) -> str:
    return " ".join(f"a{n}: {field.replace('ID', id_of(n))}" for n in range(count))


# Each with the statements it takes, whether of one series or of twelve.
ALIASED = {
    'series(id: "ID") { title }': 1,
    'dataPoints(seriesId: "ID") { date value }': 1,
    'dataPoints(seriesId: "ID", last: 3) { date series { title source { name } } }': 3,
    'series(id: "ID") { title dataPoints { date value } }': 2,
    'series(id: "ID") { title dataPoints { date } revisions(date: "2020-02-01") { value } vintages }': 4,
    'series(id: "ID") { source { name } dataPoints(first: 2) { series { dataPoints(last: 1) { date } } } }': 5,
}


@pytest.mark.parametrize("field", ALIASED)
def test_twelve_aliased_fields_take_as_many_as_one(door: GraphQLDoor, counted: Counted, field: str) -> None:
    taken = [counted(lambda n=n: door.data(f"{{ {aliased(field, n)} }}")) for n in (1, 12)]
    assert taken == [ALIASED[field]] * 2


NODES = {
    "title": 1,
    "title source { name }": 2,
    "title dataPoints { date value }": 2,
    "source { name } dataPoints { date } vintages": 4,
    "dataPoints(last: 1) { series { title } }": 3,
}


@pytest.mark.parametrize("node", NODES)
def test_a_list_of_series_takes_as_many_as_one_of_them(door: GraphQLDoor, counted: Counted, node: str) -> None:
    document = f"query($n: Int) {{ seriesList(first: $n) {{ edges {{ node {{ {node} }} }} }} }}"
    taken = [counted(lambda n=n: door.data(document, n=n)) for n in (1, 3, SERIES)]
    assert taken == [NODES[node]] * 3


def test_five_hundred_ids_are_one_statement(door: GraphQLDoor, counted: Counted) -> None:
    document = "query($ids: [ID!]) { seriesList(ids: $ids) { edges { node { id } } } }"
    ids = [id_of(n) for n in range(SERIES)] + [series_id("A", f"absent {n}") for n in range(460)]
    answers: list[Any] = []
    assert counted(lambda: answers.append(door.data(document, ids=ids))) == 1
    assert len(answers[0]["seriesList"]["edges"]) == SERIES


# Each with its statements. A path by an alternate key reads the entity on its way first.
URLS = {
    "DataPoints?$top=500": 1,
    "DataPoints?$top=500&$count=true": 2,
    "Series?$filter=DataPoints/any(p:p/value gt 3)": 1,
    "DataPoints?$filter=Series/frequency eq 'daily'": 2,
    "DataPoints?$filter=Series/frequency eq 'daily' and Series/SourceEntity/name eq 'A'": 2,
    "DataPoints?$filter=Series/frequency eq 'daily' or value gt 3": 1,
    f"Series({id_of(1)})/DataPoints": 1,
    "Series(source='A',external_id='S01')/DataPoints": 2,
    f"Sources(name='A')/Series({id_of(1)})/DataPoints": 2,
    f"Series({id_of(1)})/DataPoints(2020-02-01)/value/$value": 1,
}


@pytest.fixture
def client(lake: Warehouse, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setattr(lake, "limits", Limits(answers_bytes_max=0))
    return client_of(lake)


@pytest.mark.parametrize("url", URLS)
def test_a_url_takes_a_fixed_number(client: TestClient, counted: Counted, url: str) -> None:
    def ask() -> None:
        assert client.get(f"/odata/{url}").status_code == 200

    assert counted(ask) == URLS[url]
