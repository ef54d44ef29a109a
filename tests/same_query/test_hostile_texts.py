"""Hostile texts in every place of a text, through every door: they find what equals them, and do nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from catalog.model import SERIES, SOURCES
from tests.same_query.asked_lake import AskedLake, source_of
from tests.support.hostile import HOSTILE, UNSTORABLE
from tests.support.service import BULK, client_of
from tests.support.warehouse import warehouse

CALLS = {"contains": str.__contains__, "startswith": str.startswith, "endswith": str.endswith}
GRAPHQL_CALLS = {"contains": "contains", "startswith": "startsWith", "endswith": "endsWith"}
FILTERED = "query($f: SeriesFilter) { seriesList(filter: $f) { edges { node { id } } } }"


@pytest.fixture(scope="module")
def client(asked: AskedLake) -> TestClient:
    return client_of(asked.lake)


@pytest.fixture(autouse=True)
def _nothing_changes(request: pytest.FixtureRequest) -> Any:
    if "asked" not in request.fixturenames:
        yield
        return
    lake = request.getfixturevalue("asked").lake
    before = (lake.engine.current(), _files(lake.settings.data_dir))
    yield
    assert (lake.engine.current(), _files(lake.settings.data_dir)) == before


def _files(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*") if "tmp" not in path.relative_to(folder).parts)


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def test_each_function_of_each_door_finds_what_python_finds(asked: AskedLake, client: TestClient) -> None:
    rows = asked.states[-1].rows(SERIES)
    for text in HOSTILE:
        for name, holds in CALLS.items():
            expected = sorted(row["id"] for row in rows if row["description"] and holds(row["description"], text))
            filter_ = f"{name}(description,{quoted(text)})"
            found = client.get("/odata/Series", params={"$filter": filter_, "$select": "id"})
            assert [row["id"] for row in found.json()["value"]] == expected, (name, text)
            aliased = client.get("/odata/Series", params={"$filter": f"{name}(description,@p)", "@p": quoted(text)})
            assert [row["id"] for row in aliased.json()["value"]] == expected, (name, text)
            document = {"query": FILTERED, "variables": {"f": {"description": {GRAPHQL_CALLS[name]: text}}}}
            edges = client.post("/graphql", json=document).json()["data"]["seriesList"]["edges"]
            assert [edge["node"]["id"] for edge in edges] == expected, (name, text)
        function = "SELECT id FROM series WHERE contains(description, {}) ORDER BY id"
        expected = sorted(row["id"] for row in rows if row["description"] and text in row["description"])
        for sql, parameters in ((function.format(quoted(text)), []), (function.format("?"), [text])):
            answer = client.post("/sql", json={"sql": sql, "parameters": parameters})
            assert [row[0] for row in answer.json()["rows"]] == expected, (sql, text)


def test_keys_hold_any_text(asked: AskedLake, client: TestClient) -> None:
    sources = {row["name"]: row["id"] for row in asked.states[-1].rows(SOURCES)}
    for text in (*HOSTILE, *sources):
        found = client.get("/odata/Sources", params={"$filter": f"name eq {quoted(text)}"}).json()["value"]
        assert [row["id"] for row in found] == ([sources[text]] if text in sources else []), text
        document = {"query": "query($n: String) { source(name: $n) { id } }", "variables": {"n": text}}
        source = client.post("/graphql", json=document).json()["data"]["source"]
        assert source == ({"id": sources[text]} if text in sources else None), text
        related = client.get(
            "/odata/DataPoints/$count", params={"$filter": f"Series/SourceEntity/name eq {quoted(text)}"}
        )
        points = [row for row in asked.states[-1].oracle.latest() if source_of(row[0]) == text]
        assert int(related.text) == len(points), text


@pytest.mark.parametrize("text", UNSTORABLE)
def test_what_no_text_holds_is_refused(client: TestClient, text: str) -> None:
    found = client.get("/odata/Series", params={"$filter": f"title eq {quoted(text)}"})
    assert found.status_code == 400
    document = {"query": FILTERED, "variables": {"f": {"title": {"eq": text}}}}
    assert client.post("/graphql", json=document).json()["errors"][0]["extensions"]["code"] == "invalid_literal"
    assert client.post("/sql", json={"sql": f"SELECT {quoted(text)}"}).status_code == 400


def test_ids_and_texts_come_back_as_they_were_posted(tmp_path: Path) -> None:
    """A source and a series of each name; blanks at the ends and what is empty are the posting rules' business."""
    names = [text for text in HOSTILE if text == text.strip() and text and text.isprintable()]
    with warehouse(tmp_path / "lake") as lake:
        client = client_of(lake)
        series = [{"external_id": name, "title": name, "description": name} for name in names]
        points = [{"external_id": name, "date": "2024-01-01", "value": n} for n, name in enumerate(names)]
        body = {"source": {"name": "x'; --"}, "series": series, "data_points": points}
        receipt = client.post(BULK, json=body).json()
        assert (receipt["successful"], receipt["failed"]) == (len(names), 0)
        rows = client.get("/odata/Series").json()["value"]
        assert sorted((row["external_id"], row["title"], row["description"]) for row in rows) == sorted(
            (name, name, name) for name in names
        )
        for n, name in enumerate(names):
            found = client.get("/odata/DataPoints", params={"$filter": f"Series/external_id eq {quoted(name)}"})
            assert [row["value"] for row in found.json()["value"]] == [n], name
        for name in UNSTORABLE:
            refused = client.post(BULK, json={"source": {"name": name}, "data_points": points})
            assert refused.status_code in (400, 422), name
        assert len(client.get("/odata/Sources").json()["value"]) == 1
