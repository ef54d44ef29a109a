"""The page about this door is true: its queries run, and so does every function that it lists."""

from __future__ import annotations

import re
from collections.abc import Generator

import pytest
from starlette.testclient import TestClient

from api.demo import gdp
from engine.lower.references import VIEWS
from tests.support.service import client_of
from tests.support.tree import ROOT
from tests.support.warehouse import warehouse

PAGE = (ROOT / "docs" / "sql.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
FUNCTIONS = re.findall(r"`([^`]+)`", PAGE.split("<!-- functions -->")[1].split("<!-- end of functions -->")[0])


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Generator[TestClient]:
    with warehouse(tmp_path_factory.mktemp("sql-docs")) as lake:
        lake.write(gdp.document(), "atomic")
        yield client_of(lake)


@pytest.mark.parametrize("sql", QUERIES)
def test_query(client: TestClient, sql: str) -> None:
    answer = client.post("/sql", json={"sql": sql})
    assert answer.json()["rows"], answer.text


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function(client: TestClient, function: str) -> None:
    answer = client.post("/sql", json={"sql": f"SELECT {function} AS x FROM data_points"})
    assert answer.json().get("rows"), answer.text


def test_what_was_known(client: TestClient) -> None:
    """The third quarter of 2023 stood at 5.2 percent on 1 December."""
    (query,) = (each for each in QUERIES if "known_then" in each)
    rows = client.post("/sql", json={"sql": query}).json()["rows"]
    assert ["2023-07-01", 5.2, 4.9] in rows


def test_everything_is_listed() -> None:
    assert len(QUERIES) == 4
    assert len(FUNCTIONS) > 100
    assert {f"`{name}`" for name in VIEWS} <= set(re.findall(r"`[a-z_]+`", PAGE))
