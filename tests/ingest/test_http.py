"""The ingest door over HTTP: receipts, and every kind of bad input, which writes nothing and leaves the service up."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from starlette.testclient import TestClient

from api.app import build_app
from api.ingest.openapi import EXAMPLE
from api.limits import Limits
from api.problems import PROBLEMS
from api.writing import VERDICT_MEANINGS
from catalog.identity import series_id
from tests.support.warehouse import Warehouse, warehouse

BULK = "/api/v1/financial-data/bulk"
UNKNOWN = "9f0c6a52-0f5e-5c43-a9ac-1f2b6d3f8a11"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    limits = Limits(body_bytes_max=200_000, bulk_rows_max=1_000, failures_reported_max=5)
    with warehouse(tmp_path_factory.mktemp("http"), limits=limits) as lake:
        yield lake


@pytest.fixture(scope="module")
def client(lake: Warehouse) -> TestClient:
    # Without its context manager the client does not stop the service, which the fixture does.
    return TestClient(build_app(lake.settings, lake.limits, lake.services), raise_server_exceptions=False)


def post(client: TestClient, document: Any, query: str = "") -> httpx.Response:
    body = document if isinstance(document, bytes) else orjson.dumps(document)
    return client.post(f"{BULK}{query}", content=body, headers={"Content-Type": "application/json"})


def point(**fields: Any) -> dict[str, Any]:
    return {"source": "S", "external_id": "E", "date": "2020-01-01", "value": "1", **fields}


def test_the_documented_example_is_stored(client: TestClient, lake: Warehouse) -> None:
    answer = post(client, EXAMPLE)
    assert answer.status_code == 200
    receipt = answer.json()
    assert receipt == {
        "total_processed": 1,
        "successful": 1,
        "failed": 0,
        "snapshot": lake.engine.current(),
        "failures": [],
        "verdicts": {**dict.fromkeys(VERDICT_MEANINGS, 0), "inserted": 1},
        "batch_id": receipt["batch_id"],
    }
    assert answer.headers["x-finlake-snapshot"] == receipt["snapshot"]
    id_ = series_id("FRED-MD", "INDPRO")
    assert client.get(f"/odata/DataPoints(series_id={id_},date=1999-08-01)").json()["value"] == 101.5
    example = client.get("/openapi.json").json()["paths"][BULK]["post"]["requestBody"]["content"]["application/json"]
    assert example["example"] == EXAMPLE


def test_good_rows_land_and_bad_rows_are_reported(client: TestClient) -> None:
    rows = [point(external_id="PARTIAL"), point(external_id="PARTIAL", date="2020-02-31"), point(value="x"), "row"]
    answer = post(client, {"data_points": rows})
    receipt = answer.json()
    assert (answer.status_code, receipt["total_processed"], receipt["successful"], receipt["failed"]) == (200, 4, 1, 3)
    assert [(f["part"], f["index"], f["field"], f["code"]) for f in receipt["failures"]] == [
        ("data_points", 1, "date", "invalid_date"),
        ("data_points", 2, "value", "invalid_number"),
        ("data_points", 3, None, "wrong_type"),
    ]
    count = client.get(f"/odata/Series({series_id('S', 'PARTIAL')})/DataPoints/$count")
    assert count.text == "1"


def test_atomic_lands_all_or_none(client: TestClient, lake: Warehouse) -> None:
    before = lake.engine.current()
    rows = [point(external_id="ATOMIC"), point(external_id="ATOMIC", value="nan")]
    answer = post(client, {"source": {"name": "NEW"}, "data_points": rows}, "?mode=atomic")
    assert (answer.status_code, answer.json()["code"]) == (422, "rejected_batch")
    assert answer.json()["details"]["failures"][0]["index"] == 1
    assert lake.engine.current() == before
    assert post(client, {"data_points": rows[:1]}, "?mode=atomic").json()["successful"] == 1


def test_a_point_may_name_its_series_by_id(client: TestClient) -> None:
    post(client, {"data_points": [point(external_id="BY-ID")]})
    id_ = series_id("S", "BY-ID")
    named = {"series_id": id_.upper(), "date": "2020-02-01", "value": 2}
    assert post(client, {"data_points": [named]}).json()["successful"] == 1
    both = point(external_id="BY-ID", series_id=id_, date="2020-03-01")
    assert post(client, {"data_points": [both]}).json()["successful"] == 1
    assert client.get(f"/odata/Series({id_})/DataPoints/$count").text == "3"


def test_metadata_is_patched_field_by_field(client: TestClient) -> None:
    def series() -> dict[str, Any]:
        return client.get(f"/odata/Series({series_id('S', 'META')})").json()

    post(client, {"source": {"name": "S"}, "series": [{"external_id": "META", "title": "T", "units": "index"}]})
    token = post(client, {"series": [{"external_id": "META", "source": "S", "units": "percent"}]}).json()["snapshot"]
    assert (series()["title"], series()["units"]) == ("T", "percent")
    post(client, {"series": [{"series_id": series_id("S", "META"), "units": None}]})
    assert (series()["title"], series()["units"]) == ("T", None)
    last = client.get("/odata/Series", params={"snapshot": token, "$filter": f"id eq {series_id('S', 'META')}"}).json()
    assert last["value"][0]["units"] == "percent"


def test_the_same_metadata_again_writes_nothing(client: TestClient) -> None:
    document = {"source": {"name": "AGAIN", "title": "t"}, "series": [{"external_id": "A", "frequency": "daily"}]}
    assert post(client, document).json()["snapshot"] == post(client, document).json()["snapshot"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("0.1", "0.1"),
        (0.1, "0.1"),
        ("1e5", "100000"),
        ("-0", "0"),
        ("99999999999999999999.999999999999999999", "99999999999999999999.999999999999999999"),
        ("0.000000000000000001", "0.000000000000000001"),
        (12345678901234567, "12345678901234567"),
        (None, None),
    ],
)
def test_values_are_exact(client: TestClient, value: Any, shown: str | None) -> None:
    post(client, {"data_points": [point(external_id="EXACT", value=value)]})
    document = '{ dataPoints(seriesId: "%s") { value } }' % series_id("S", "EXACT")
    answer = client.post("/graphql", json={"query": document}).json()
    assert answer["data"]["dataPoints"] == [{"value": shown}]


ROW_FAULTS: dict[str, tuple[dict[str, Any], str, str | None]] = {
    "impossible date": (point(date="2021-02-29"), "invalid_date", "date"),
    "a date with a time": (point(date="2021-02-01T00:00:00Z"), "invalid_date", "date"),
    "a number for a date": (point(date=20210201), "wrong_type", "date"),
    "impossible revision date": (point(revision_date="2021-13-01"), "invalid_date", "revision_date"),
    "NaN": (point(value="NaN"), "invalid_number", "value"),
    "Infinity": (point(value="-Infinity"), "invalid_number", "value"),
    "a word": (point(value="1,5"), "invalid_number", "value"),
    "a boolean": (point(value=True), "wrong_type", "value"),
    "19 fraction digits": (point(value="0.1234567890123456789"), "number_out_of_range", "value"),
    "21 integer digits": (point(value="123456789012345678901"), "number_out_of_range", "value"),
    "a giant exponent": (point(value="1e999999999"), "number_out_of_range", "value"),
    "a tiny exponent": (point(value="1e-999999999"), "number_out_of_range", "value"),
    "no date": ({"source": "S", "external_id": "E", "value": "1"}, "missing_field", "date"),
    "no value": ({"source": "S", "external_id": "E", "date": "2020-01-01"}, "missing_field", "value"),
    "an unknown field": (point(valeu="1"), "unknown_field", "valeu"),
    "no source": ({"external_id": "E", "date": "2020-01-01", "value": 1}, "source_required", "source"),
    "no series": ({"source": "S", "date": "2020-01-01", "value": 1}, "series_required", "external_id"),
    "an unknown series": ({"series_id": UNKNOWN, "date": "2020-01-01", "value": 1}, "unknown_series", "series_id"),
    "no id at all": ({"series_id": "INDPRO", "date": "2020-01-01", "value": 1}, "invalid_id", "series_id"),
    "another series' id": (point(series_id=UNKNOWN), "conflicting_series", "series_id"),
    "an empty name": (point(external_id="  "), "invalid_name", "external_id"),
    "a control character": (point(external_id="a\x00b"), "invalid_name", "external_id"),
    "a separator": (point(source="a\x1fb"), "invalid_name", "source"),
    "an empty source": (point(source=""), "invalid_name", "source"),
    "a long name": (point(external_id="x" * 201), "invalid_name", "external_id"),
    "a wrong flag": (point(is_original_release="yes"), "wrong_type", "is_original_release"),
}


@pytest.mark.parametrize("name", ROW_FAULTS)
def test_a_bad_row_is_told_and_nothing_is_written(client: TestClient, lake: Warehouse, name: str) -> None:
    row, code, field = ROW_FAULTS[name]
    before = lake.engine.current()
    answer = post(client, {"data_points": [row]})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "rejected_batch")
    (failure,) = problem["details"]["failures"]
    assert (failure["code"], failure["field"], failure["index"]) == (code, field, 0)
    assert lake.engine.current() == before


@pytest.mark.parametrize(
    ("series", "code"),
    [
        ({"external_id": "E", "source": "S", "frequency": "hourly"}, "invalid_value"),
        ({"external_id": "E", "source": "S", "tilte": "x"}, "unknown_field"),
        ({"external_id": "E", "source": "S", "title": "x" * 10_001}, "invalid_text"),
        ({"external_id": "E", "source": "S", "units": 5}, "wrong_type"),
        ({"external_id": "E"}, "source_required"),
        ({"series_id": UNKNOWN, "title": "x"}, "unknown_series"),
    ],
)
def test_bad_metadata_is_told_and_nothing_is_written(
    client: TestClient, lake: Warehouse, series: dict[str, Any], code: str
) -> None:
    before = lake.engine.current()
    answer = post(client, {"series": [series]})
    assert (answer.status_code, answer.json()["details"]["failures"][0]["code"]) == (422, code)
    assert lake.engine.current() == before


BODY_FAULTS: dict[str, tuple[bytes, int, str]] = {
    "empty": (b"", 400, "malformed_json"),
    "cut short": (b'{"data_points": [', 400, "malformed_json"),
    "bare NaN": (b'{"data_points": [{"value": NaN}]}', 400, "malformed_json"),
    "not UTF-8": (b'{"source": {"name": "\xff\xfe"}}', 400, "malformed_json"),
    "half a surrogate pair": (b'{"source": {"name": "\\ud800"}}', 400, "malformed_json"),
    "two documents": (b"{}{}", 400, "malformed_json"),
    "deep": (b'{"series": ' + b"[" * 100_000, 400, "malformed_json"),
    "a list": (b"[]", 400, "invalid_body"),
    "an unknown part": (b'{"datapoints": []}', 400, "invalid_body"),
    "points that are no list": (b'{"data_points": {}}', 400, "invalid_body"),
    "series that are no list": (b'{"series": "x"}', 400, "invalid_body"),
    "too many rows": (orjson.dumps({"data_points": [{}] * 1_001}), 413, "body_too_large"),
    "too many bytes": (b" " * 200_001, 413, "body_too_large"),
}


@pytest.mark.parametrize("name", BODY_FAULTS)
def test_a_bad_body_is_told_and_nothing_is_written(client: TestClient, lake: Warehouse, name: str) -> None:
    body, status, code = BODY_FAULTS[name]
    before = lake.engine.current()
    assert_problem(post(client, body), status, code)
    assert lake.engine.current() == before


def test_a_body_without_a_declared_length_is_bounded_too(client: TestClient) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(300):
            yield b" " * 1_000

    answer = client.post(BULK, content=chunks(), headers={"Content-Type": "application/json"})
    assert_problem(answer, 413, "body_too_large")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("POST", "/api/v1/financial-data/nothing", 404, "not_found"),
        ("GET", BULK, 405, "method_not_allowed"),
        ("POST", f"{BULK}?mod=atomic", 400, "unknown_parameter"),
        ("POST", f"{BULK}?mode=some", 400, "invalid_parameter"),
        ("POST", f"{BULK}?mode=atomic&mode=partial", 400, "invalid_parameter"),
        ("GET", "/health?x=1", 400, "unknown_parameter"),
        ("GET", "/metrics?x=1", 400, "unknown_parameter"),
    ],
)
def test_a_bad_address_is_told(client: TestClient, method: str, path: str, status: int, code: str) -> None:
    headers = {"Content-Type": "application/json"}
    assert_problem(
        client.request(method, path, content=b"{}" if method == "POST" else None, headers=headers), status, code
    )


def test_another_content_type_is_refused(client: TestClient) -> None:
    assert_problem(
        client.post(BULK, content=b"a,b", headers={"Content-Type": "text/plain"}), 415, "unsupported_media_type"
    )


def test_a_misspelt_parameter_is_corrected(client: TestClient) -> None:
    assert post(client, {}, "?mod=atomic").json()["hint"] == "Did you mean 'mode'?"


def test_the_failures_listed_are_bounded_and_counted(client: TestClient) -> None:
    answer = post(client, {"data_points": [point(value="x")] * 20 + [point(external_id="BOUND")]})
    assert (answer.json()["failed"], len(answer.json()["failures"])) == (20, 5)


def test_nothing_at_all_is_a_receipt_of_nothing(client: TestClient, lake: Warehouse) -> None:
    before = lake.engine.current()
    receipt = post(client, {}).json()
    assert (receipt["total_processed"], receipt["successful"], receipt["snapshot"]) == (0, 0, before)


def test_the_service_is_up_after_all_that(client: TestClient, lake: Warehouse) -> None:
    assert client.get("/health").json() == {"status": "ok"}
    detailed = client.get("/health/detailed").json()
    assert (detailed["status"], detailed["snapshot"]) == ("ok", lake.engine.current())
    assert b"finlake_requests_total" in client.get("/metrics").content
    assert client.get("/").json()["links"]["odata"] == "/odata/"


def test_a_point_without_a_revision_date_is_dated_today(tmp_path: Path) -> None:
    with warehouse(tmp_path, dt.date(2024, 2, 29)) as lake:
        client = TestClient(build_app(lake.settings, lake.limits, lake.services))
        post(client, {"data_points": [point()]})
        rows = client.get("/odata/Revisions", params={"$select": "revision_date"}).json()["value"]
        assert rows == [{"revision_date": "2024-02-29"}]


def assert_problem(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    problem = answer.json()
    assert set(problem) == {"type", "title", "status", "code", "message", "hint", "details"}
    assert (problem["code"], problem["status"], code in PROBLEMS) == (code, status, True)
    assert problem["message"]
    assert problem["hint"]
