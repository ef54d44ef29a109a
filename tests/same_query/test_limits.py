"""Every limit of a question, passed by a hostile one through each door that has it: refused by name before any work."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.limits import Limits
from catalog.identity import series_id
from tests.support.oracle import Point
from tests.support.service import client_of
from tests.support.warehouse import Warehouse, warehouse

SOURCE = "LIMITS"
NAMES = [f"S{n}" for n in range(8)]
A = series_id(SOURCE, "S0")
DEEP = 140
IDS = ", ".join(f"'{series_id(SOURCE, str(n))}'" for n in range(40))

# By limit: its value, and the questions that pass it: an OData URL, a GraphQL document, a SQL.
HOSTILE: dict[str, tuple[int, list[str]]] = {
    "scan_rows_max": (
        20,
        [
            "odata DataPoints",
            "odata DataPoints/$count",
            "odata Revisions?$filter=value gt 1&$top=1",
            "odata Series?$filter=DataPoints/any()",
            "odata DataPoints?$filter=Series/title ne 'x'",
            "graphql { seriesList { edges { node { dataPoints { value } } } } }",
            "sql SELECT count(*) FROM data_points",
            "sql SELECT 1 FROM series WHERE id IN (SELECT series_id FROM revisions) LIMIT 1",
        ],
    ),
    "scan_bytes_max": (
        8_000,
        [
            "odata DataPoints?$select=date",
            "graphql { seriesList { edges { node { vintages } } } }",
            "sql SELECT date FROM first_releases LIMIT 1",
        ],
    ),
    "related_conditions_max": (
        1,
        ["odata Series?$filter=DataPoints/any(p:p/value gt 1) and DataPoints/any(p:p/value lt 1)"],
    ),
    "expression_depth_max": (50, [f"odata Series?$filter={'(' * DEEP}true{')' * DEEP}"]),
    "expression_tokens_max": (100, [f"odata Series?$filter={' or '.join(['true'] * 60)}"]),
    "in_items_max": (
        20,
        [
            f"odata DataPoints?$filter=series_id in ({IDS})",
            f"graphql {{ seriesList(ids: [{IDS}]) {{ totalCount }} }}".replace("'", '"'),
        ],
    ),
    "path_segments_max": (3, ["odata " + "/".join(["Series"] * 5)]),
    "orderby_terms_max": (2, ["odata Series?$orderby=title,units,id"]),
    "query_string_bytes_max": (100, ["odata Series?$filter=title eq '" + "x" * 200 + "'"]),
    "graphql_depth_max": (4, ["graphql { seriesList { edges { node { dataPoints { series { id } } } } } }"]),
    "graphql_aliases_max": (2, ["graphql { a: __typename b: __typename c: __typename }"]),
    "graphql_root_fields_max": (2, ["graphql { __typename a: __typename b: __typename }"]),
    "graphql_fields_max": (3, ["graphql { sources { id name title url } }"]),
    "graphql_tokens_max": (20, ["graphql { sources { " + "id " * 40 + "} }"]),
    "graphql_directives_max": (1, ["graphql { a: __typename @skip(if: false) b: __typename @skip(if: false) }"]),
    "graphql_edges_max": (3, ["graphql { seriesList(first: 5) { totalCount } }"]),
    "graphql_points_max": (3, [f'graphql {{ dataPoints(seriesId: "{A}", first: 5) {{ value }} }}']),
    "sql_characters_max": (50, ["sql SELECT " + "1 + " * 40 + "1"]),
    "sql_nodes_max": (40, ["sql SELECT " + "1, " * 60 + "1", f"sql SELECT 1 WHERE 'x' IN ({IDS})"]),
    "sql_depth_max": (20, ["sql SELECT " + "(" * 40 + "1" + ")" * 40]),
    "sql_tables_max": (2, ["sql SELECT 1 FROM series a, series b, series c"]),
}  # fmt: skip
CASES = [(limit, question) for limit, (_, questions) in HOSTILE.items() for question in questions]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    with warehouse(tmp_path_factory.mktemp("limits")) as lake:
        points = [
            Point(name, dt.date(2020, month, 1), 1, dt.date(2021, 1, 1)) for name in NAMES for month in range(1, 7)
        ]
        lake.write({"data_points": [point.document(SOURCE) for point in points]})
        yield lake


def ask(client: TestClient, question: str) -> dict[str, Any] | None:
    """The code and the details of the problem that a question meets; None where it is answered."""
    door, _, text = question.partition(" ")
    if door == "odata":
        path, _, options = text.partition("?")
        answer = client.get(f"/odata/{path}", params=dict(pair.split("=", 1) for pair in options.split("&") if pair))
        error = answer.json().get("error") if answer.status_code != 200 else None
        return error and {"code": error["code"], **error["innererror"]}
    if door == "sql":
        answer = client.post("/sql", json={"sql": text})
        problem = answer.json() if answer.status_code != 200 else None
        return problem and {"code": problem["code"], **problem["details"]}
    errors = client.post("/graphql", json={"query": text}).json().get("errors")
    return errors and {"code": errors[0]["extensions"]["code"], **errors[0]["extensions"]["details"]}


@pytest.mark.parametrize(("limit", "question"), CASES, ids=[f"{limit}-{n}" for n, (limit, _) in enumerate(CASES)])
def test_it_is_refused_by_name_before_any_work(
    lake: Warehouse, monkeypatch: pytest.MonkeyPatch, limit: str, question: str
) -> None:
    assert ask(client_of(lake), question) is None or limit in ("path_segments_max", "expression_depth_max")
    value = HOSTILE[limit][0]
    with warehouse(lake.settings.data_dir, limits=Limits.model_validate({limit: value})) as limited:
        read = limited.opened(monkeypatch)
        problem = ask(client_of(limited), question)
    assert problem is not None
    assert (problem["code"], problem.get("limit"), problem.get("value")) == (
        "uri_too_long" if limit == "query_string_bytes_max" else "limit_exceeded",
        limit,
        value,
    )
    assert all("data_points" not in file.path for each in read for file in each.files), "points were read"
