"""The main job: every row of the vintages goes in over HTTP, and both doors give back what was known on each day."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from catalog.identity import series_id
from tests.conftest import SHARED
from tests.support.server import running_server
from tests.support.tree import ROOT
from tests.support.vintages import Fact, Vintages, generated

ROWS_A_REQUEST = 50_000
SERIES_ID = "series_id"

GRAPHQL = """
query ($asOf: Date) {
  seriesList(first: 1000, asOf: $asOf) {
    pageInfo { hasNextPage }
    edges { node { source { name } externalId dataPoints { date value } } }
  }
}
"""


@pytest.fixture(scope="module")
def vintages(tmp_path_factory: pytest.TempPathFactory) -> Vintages:
    real = SHARED / "data" / "vintages.parquet"
    if real.is_file():
        return Vintages(real)
    warnings.warn("The shared data is absent: a smaller, generated log stands in for the real vintages.", stacklevel=1)
    return generated(tmp_path_factory.mktemp("vintages") / "vintages.parquet")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("acceptance") / "lake"


@pytest.fixture(scope="module")
def client(vintages: Vintages, folder: Path) -> Iterator[httpx.Client]:
    """A service that holds every row of the vintages."""
    limits = {"page_rows_max": 250_000, "graphql_points_max": 250_000}
    with running_server(folder, **limits) as url, httpx.Client(base_url=url, timeout=120) as client:
        stored = 0
        for document in vintages.documents(ROWS_A_REQUEST):
            answer = client.post(
                "/api/v1/financial-data/bulk",
                content=orjson.dumps(document),
                headers={"Content-Type": "application/json"},
            )
            receipt = answer.json()
            assert (answer.status_code, receipt["failed"], receipt["failures"]) == (200, 0, []), answer.text[:500]
            stored += receipt["successful"]
        assert stored == vintages.rows
        yield client


@pytest.fixture(scope="module")
def names(client: httpx.Client) -> dict[str, tuple[str, str]]:
    rows = client.get("/odata/Series", params={"$select": "id,source,external_id"}).json()["value"]
    names = {row["id"]: (row["source"], row["external_id"]) for row in rows}
    assert all(id_ == series_id(*name) for id_, name in names.items())
    return names


def test_every_revision_is_stored_once(client: httpx.Client, vintages: Vintages) -> None:
    assert client.get("/odata/Revisions/$count").text == str(vintages.rows)


def test_odata_knows_what_was_known(
    client: httpx.Client, vintages: Vintages, names: dict[str, tuple[str, str]]
) -> None:
    days = vintages.days()
    assert len(days) >= 40
    differences = {day: len(odata_facts(client, day, names) ^ vintages.known(day)) for day in days}
    assert sum(differences.values()) == 0, differences


def test_graphql_knows_what_was_known(client: httpx.Client, vintages: Vintages) -> None:
    # The doors share a planner: OData is asked for each of the days, GraphQL for every other one.
    days = vintages.days()[::2]
    differences = {day: len(graphql_facts(client, day) ^ vintages.known(day)) for day in days}
    assert sum(differences.values()) == 0, differences


def test_withdrawn_points_are_among_them(vintages: Vintages) -> None:
    """The days asked include one on which a reader that skips nulls would serve stale numbers."""
    assert any(fact[3] is None for fact in vintages.known(dt.date(2003, 12, 31)))


def test_one_series_by_itself(client: httpx.Client, vintages: Vintages, names: dict[str, tuple[str, str]]) -> None:
    """Single-series reads take another way through pruning than whole tables: they must give the same."""
    day = dt.date(2003, 12, 31)
    known = vintages.known(day)
    for id_, name in names.items():
        answer = client.get(f"/odata/Series({id_})/DataPoints", params={"asOf": day.isoformat()})
        assert facts({id_: name}, rows_of(answer)) == {fact for fact in known if fact[:2] == name}, name


def test_a_merge_changes_no_answer(
    client: httpx.Client, vintages: Vintages, names: dict[str, tuple[str, str]], folder: Path
) -> None:
    """The last test of the module: from here on the partitions hold base files, beside the running service."""
    environment = os.environ | {"FINLAKE_DATA_DIR": str(folder)}
    subprocess.run([sys.executable, "-m", "api.cli", "compact"], cwd=ROOT, env=environment, check=True)
    files = client.get("/health/detailed").json()["tables"]["data_points"]["files"]
    assert files <= 2 * 16  # a partition has a file of its history and one of its recent dates
    days = [*vintages.days()[::6], dt.date(2003, 12, 31)]
    differences = {day: len(odata_facts(client, day, names) ^ vintages.known(day)) for day in days}
    assert sum(differences.values()) == 0, differences
    assert client.get("/odata/Revisions/$count").text == str(vintages.rows)


def odata_facts(client: httpx.Client, day: dt.date, names: dict[str, tuple[str, str]]) -> set[Fact]:
    answer = client.get("/odata/DataPoints", params={"asOf": day.isoformat(), "$select": f"{SERIES_ID},date,value"})
    return facts(names, rows_of(answer))


def rows_of(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text[:500]
    # The numbers are read as texts: through a double they would not be exact.
    document = orjson.loads(as_texts(answer.content))
    assert "@odata.nextLink" not in document
    return document["value"]


def as_texts(content: bytes) -> bytes:
    """Every `"value":<number>` as a text."""
    parts = content.split(b'"value":')
    return b'"value":'.join([parts[0], *(_quoted(part) for part in parts[1:])])


def _quoted(part: bytes) -> bytes:
    if part[:1] in b'[n"':
        return part
    end = min(at for at in (part.find(b"}"), part.find(b",")) if at >= 0)
    return b'"' + part[:end] + b'"' + part[end:]


def facts(names: dict[str, tuple[str, str]], rows: list[dict[str, Any]]) -> set[Fact]:
    found = {(*names[row[SERIES_ID]], dt.date.fromisoformat(row["date"]), row["value"]) for row in rows}
    assert len(found) == len(rows)
    return found


def graphql_facts(client: httpx.Client, day: dt.date) -> set[Fact]:
    answer = client.post("/graphql", json={"query": GRAPHQL, "variables": {"asOf": day.isoformat()}})
    document = answer.json()
    assert "errors" not in document, str(document["errors"])[:500]
    series = document["data"]["seriesList"]
    assert not series["pageInfo"]["hasNextPage"]
    return {
        (node["source"]["name"], node["externalId"], dt.date.fromisoformat(point["date"]), point["value"])
        for node in (edge["node"] for edge in series["edges"])
        for point in node["dataPoints"]
    }
