"""Mutations hand the bulk document to the writer, and read back what it stored."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.app import build_app
from api.graphql.mutations import document_of
from api.problems import Problem
from api.writing import Failure, Mode, Receipt
from catalog.identity import series_id
from tests.support.graphql_door import GraphQLDoor
from tests.support.warehouse import Warehouse, warehouse

CREATE = """mutation($input: CreateSeriesInput!) {
    createSeries(input: $input) {
        series { id title units source { name } dataPoints { date } }
        receipt { totalProcessed failed failures { code } snapshot }
    }
}"""
UPDATE = """mutation($id: ID!, $input: UpdateSeriesInput!) {
    updateSeries(id: $id, input: $input) { series { title units description } receipt { failed } }
}"""
BULK = """mutation($input: BulkUpsertInput!, $mode: Mode! = PARTIAL) {
    bulkUpsertDataPoints(input: $input, mode: $mode) {
        totalProcessed successful failed failures { part index field code message } snapshot
    }
}"""
ID = series_id("A", "GDP")


class RecordingWriter:
    """Keeps what it is given, and answers as it is told."""

    def __init__(self, snapshot: str) -> None:
        self.documents: list[tuple[Mapping[str, Any], Mode]] = []
        self._snapshot = snapshot

    async def write(self, document: Mapping[str, Any], mode: Mode, key: str = "") -> Receipt:
        self.documents.append((document, mode))
        return Receipt(2, 1, 1, self._snapshot, (Failure("data_points", 1, "date", "invalid_date", "No date."),))

    async def knows(self, key: str) -> bool:
        return False

    async def delete_series(self, series_id: str, key: str = "") -> Receipt:
        raise Problem("unknown_entity", f"There is no series {series_id}.")


@pytest.fixture
def open_lake(tmp_path: Path) -> Iterator[Warehouse]:
    with warehouse(tmp_path / "lake") as opened:
        yield opened


@pytest.fixture
def writable(open_lake: Warehouse) -> GraphQLDoor:
    return GraphQLDoor(open_lake.engine, open_lake.writer)


def test_the_writer_gets_the_bulk_document(lake: Warehouse) -> None:
    writer = RecordingWriter(lake.engine.current())
    door = GraphQLDoor(lake.engine, writer)
    document = """mutation { bulkUpsertDataPoints(mode: ATOMIC, input: {
        source: {name: "A", title: null}
        series: [{externalId: "GDP", seasonalAdjustment: "SA"}]
        dataPoints: [
            {externalId: "GDP", date: "2020-01-01", value: 1.10, revisionDate: "2020-02-01"}
            {externalId: "GDP", date: "2020-02-01", value: null}
            {externalId: "GDP", date: "2020-03-01", value: "1e-18", isOriginalRelease: true}
            {externalId: "GDP", date: "2020-04-01", value: 9007199254740993.000000000000000001}
        ]
    }) { totalProcessed successful failed failures { part index field code message } snapshot } }"""
    answer = door.data(document)
    assert writer.documents == [
        (
            {
                "source": {"name": "A", "title": None},
                "series": [{"external_id": "GDP", "seasonal_adjustment": "SA"}],
                "data_points": [
                    {"external_id": "GDP", "date": "2020-01-01", "value": "1.1", "revision_date": "2020-02-01"},
                    {"external_id": "GDP", "date": "2020-02-01", "value": None},
                    {
                        "external_id": "GDP",
                        "date": "2020-03-01",
                        "value": "0.000000000000000001",
                        "is_original_release": True,
                    },
                    {"external_id": "GDP", "date": "2020-04-01", "value": "9007199254740993.000000000000000001"},
                ],
            },
            "atomic",
        )
    ]
    assert answer["bulkUpsertDataPoints"] == {
        "totalProcessed": 2,
        "successful": 1,
        "failed": 1,
        "failures": [
            {"part": "data_points", "index": 1, "field": "date", "code": "invalid_date", "message": "No date."}
        ],
        "snapshot": lake.engine.current(),
    }


def test_absent_and_null_differ() -> None:
    assert document_of({"title": None, "externalId": "x"}) == {"title": None, "external_id": "x"}


def test_create_update_delete(writable: GraphQLDoor) -> None:
    created = writable.data(CREATE, input={"source": "A", "externalId": "GDP", "title": "Product", "units": "%"})
    assert created["createSeries"]["series"] == {
        "id": ID,
        "title": "Product",
        "units": "%",
        "source": {"name": "A"},
        "dataPoints": [],
    }
    again = writable.ask(CREATE, {"input": {"source": "A", "externalId": "GDP"}})
    assert again.codes == ["already_exists"]
    changed = writable.data(UPDATE, id=ID, input={"title": "Gross product", "units": None})
    assert changed["updateSeries"]["series"] == {"title": "Gross product", "units": None, "description": None}
    assert writable.data("mutation($id: ID!) { deleteSeries(id: $id) { failed } }", id=ID)
    assert writable.data(f'{{ series(id: "{ID}") {{ id }} }}') == {"series": None}
    assert writable.ask(UPDATE, {"id": ID, "input": {"title": "x"}}).codes == ["unknown_entity"]
    assert writable.ask("mutation($id: ID!) { deleteSeries(id: $id) { failed } }", {"id": ID}).codes == [
        "unknown_entity"
    ]


def test_good_rows_land_and_bad_ones_are_told(writable: GraphQLDoor) -> None:
    good = {"externalId": "GDP", "date": "2020-01-01", "value": "1.5", "revisionDate": "2020-02-01"}
    bad = good | {"date": "2020-02-01", "value": "1e30"}
    batch = {"source": {"name": "A"}, "dataPoints": [good, bad]}
    receipt = writable.data(BULK, input=batch)["bulkUpsertDataPoints"]
    assert (receipt["totalProcessed"], receipt["successful"], receipt["failed"]) == (2, 1, 1)
    assert [(f["part"], f["index"], f["field"]) for f in receipt["failures"]] == [("data_points", 1, "value")]
    document = f'query($s: String) {{ dataPoints(seriesId: "{ID}", snapshot: $s) {{ date value }} }}'
    assert writable.data(document, s=receipt["snapshot"]) == {"dataPoints": [{"date": "2020-01-01", "value": "1.5"}]}
    refused = writable.ask(BULK, {"input": batch, "mode": "ATOMIC"})
    assert refused.codes == ["rejected_batch"]
    assert refused.errors[0]["extensions"]["details"]


@pytest.mark.parametrize("value", [float("nan"), 1.5, True, "one", "NaN", "Infinity", [1]])
def test_what_is_no_exact_number_is_refused(writable: GraphQLDoor, value: Any) -> None:
    point = {"externalId": "GDP", "date": "2020-01-01", "value": value}
    answer = writable.ask(BULK, {"input": {"source": {"name": "A"}, "dataPoints": [point]}})
    assert answer.codes == ["invalid_literal"]
    assert writable.data("{ seriesList { totalCount } }") == {"seriesList": {"totalCount": 0}}


def test_a_batch_over_its_limit_is_refused(open_lake: Warehouse) -> None:
    door = GraphQLDoor(
        open_lake.engine, open_lake.writer, open_lake.limits.model_copy(update={"graphql_upsert_rows_max": 1})
    )
    points = [{"externalId": "GDP", "date": f"2020-01-0{n}", "value": "1"} for n in (1, 2)]
    answer = door.ask(BULK, {"input": {"source": {"name": "A"}, "dataPoints": points}})
    assert answer.errors[0]["extensions"]["details"]["limit"] == "graphql_upsert_rows_max"


def test_an_atomic_batch_with_all_parts_absent_is_the_writers_business(lake: Warehouse) -> None:
    writer = RecordingWriter(lake.engine.current())
    asyncio.run(writer.write({}, "partial"))
    GraphQLDoor(lake.engine, writer).data("mutation { bulkUpsertDataPoints(input: {}) { failed } }")
    assert writer.documents == [({}, "partial"), ({}, "partial")]


def test_mutations_under_a_key_are_done_once(open_lake: Warehouse) -> None:
    app = build_app(open_lake.settings, open_lake.limits, open_lake.services)
    client = TestClient(app, raise_server_exceptions=False)

    def ask(document: str, key: str) -> Any:
        return client.post("/graphql", json={"query": document}, headers={"Idempotency-Key": key}).json()

    point = '{ externalId: "GDP", date: "2020-01-01", value: "%s", revisionDate: "2020-02-01" }'
    document = f"""mutation {{
        create: createSeries(input: {{ source: "A", externalId: "GDP" }}) {{ series {{ id }} receipt {{ batchId }} }}
        one: bulkUpsertDataPoints(input: {{ source: {{ name: "A" }}, dataPoints: [{point % 1}] }}) {{
            batchId verdicts {{ inserted corrected }} }}
        two: bulkUpsertDataPoints(input: {{ source: {{ name: "A" }}, dataPoints: [{point % 2}] }}) {{
            batchId verdicts {{ inserted corrected }} }}
    }}"""
    first = ask(document, "k")
    assert first["data"]["one"]["verdicts"] == {"inserted": 1, "corrected": 0}
    assert first["data"]["two"]["verdicts"] == {"inserted": 0, "corrected": 1}
    before = open_lake.engine.current()
    assert ask(document, "k")["data"] == first["data"]
    assert open_lake.engine.current() == before
    conflict = ask(document.replace('"2020-01-01"', '"2020-01-02"'), "k")
    codes = [error["extensions"]["code"] for error in conflict["errors"]]
    assert set(codes) == {"idempotency_conflict"}
