"""Bulk bodies in every format and packing: the same rows are stored, and every kind of bad body is told."""

from __future__ import annotations

import datetime as dt
import gzip
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pyarrow as pa
import pytest
from starlette.testclient import TestClient

from api.app import build_app
from api.ingest.media import FORMATS, Format, Packing
from api.limits import Limits
from catalog.identity import series_id
from engine.query import Query, View
from tests.support.bodies import TABULAR, arrow_of, body_of, packed, parquet_of
from tests.support.body_faults import (
    BODY_FAULTS,
    GOOD,
    ONE,
    ROW_FAULTS,
    SHARED,
    TEXT_ROW_FAULTS,
    UNKNOWN,
    point,
)
from tests.support.tree import ROOT
from tests.support.warehouse import Warehouse, warehouse

BULK = "/api/v1/financial-data/bulk"
LIMITS = Limits(body_bytes_max=200_000, bulk_rows_max=1_000)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    with warehouse(tmp_path_factory.mktemp("bodies"), limits=LIMITS) as lake:
        yield lake


@pytest.fixture(scope="module")
def client(lake: Warehouse) -> TestClient:
    return TestClient(build_app(lake.settings, lake.limits, lake.services), raise_server_exceptions=False)


def post(client: TestClient, body: bytes, media_type: str, encoding: str = "", query: str = "") -> httpx.Response:
    headers = {"Content-Type": media_type} | ({"Content-Encoding": encoding} if encoding else {})
    return client.post(f"{BULK}{query}", content=body, headers=headers)


def stored(lake: Warehouse, source: str) -> list[tuple[Any, ...]]:
    columns = ("series_id", "date", "revision_date", "value", "is_original_release")
    names = {row["id"]: row["external_id"] for row in lake.rows(Query("series")) if row["source"] == source}
    rows = lake.rows(Query("data_points", columns, view=View.EVERY))
    return sorted((names[row["series_id"]], *list(row.values())[1:]) for row in rows if row["series_id"] in names)


@pytest.mark.parametrize("packing", Packing)
@pytest.mark.parametrize("format_", Format)
def test_every_format_and_packing_stores_the_same(
    client: TestClient, lake: Warehouse, format_: Format, packing: Packing
) -> None:
    source = f"{format_.name}-{packing.name}"
    rows = [
        point(source=source, external_id='A "x", é', value="0.000000000000000001", revision_date="2021-01-01"),
        point(source=source, external_id="B", value="-99999999999999999999.999999999999999999", revision_date=None),
        point(source=source, external_id="B", date="0001-01-01", value="1e5", is_original_release=True),
        point(source=source, external_id="B", date="9999-12-31", value=None, is_original_release=False),
    ]
    rows = [row for row in rows if row.get("revision_date", "") is not None] + [
        {name: cell for name, cell in row.items() if name != "revision_date"}
        for row in rows
        if row.get("revision_date", "") is None
    ]
    answer = post(client, packed(body_of(format_, rows), packing), format_.value, packing.value)
    assert (answer.status_code, answer.json()["successful"], answer.json()["failures"]) == (200, 4, []), answer.text
    today = lake.clock.now.date()
    day = dt.date(2020, 1, 1)
    assert stored(lake, source) == [
        ('A "x", é', day, dt.date(2021, 1, 1), Decimal("1E-18"), True),
        ("B", dt.date(1, 1, 1), today, Decimal(100_000), True),
        ("B", day, today, Decimal("-99999999999999999999.999999999999999999"), True),
        ("B", dt.date(9999, 12, 31), today, None, False),
    ]


@pytest.mark.parametrize("media_type", FORMATS)
def test_the_examples_of_the_description_are_stored(client: TestClient, media_type: str) -> None:
    body = client.get("/openapi.json").json()["paths"][BULK]["post"]["requestBody"]
    assert set(body["content"]) == set(FORMATS)
    shown = body["content"][media_type]
    if "x-example-rows" in shown:
        content = body_of(FORMATS[media_type], shown["x-example-rows"])
    elif media_type == "application/json":
        content = httpx.Request("POST", "http://x", json=shown["example"]).content
    else:
        content = shown["example"].encode()
    answer = post(client, content, media_type)
    assert (answer.status_code, answer.json()["failed"]) == (200, 0), answer.text
    assert answer.json()["successful"] == (1 if media_type == "application/json" else 2)


def test_the_examples_of_the_page_are_stored(client: TestClient) -> None:
    page = (ROOT / "docs" / "ingest.md").read_text(encoding="utf-8")
    bodies = dict(re.findall(r"```(json|ndjson|csv)\n(.*?)```", page, re.DOTALL))
    assert set(bodies) == {"json", "ndjson", "csv"}
    types = {"json": "application/json", "ndjson": "application/x-ndjson", "csv": "text/csv"}
    for kind, text in bodies.items():
        answer = post(client, text.encode(), types[kind])
        assert (answer.status_code, answer.json()["failed"]) == (200, 0), answer.text
    assert set(FORMATS) <= set(re.findall(r"`([a-z]+/[a-z.-]+)`", page))


@pytest.mark.parametrize("format_", TABULAR)
def test_the_parameter_names_the_source_of_rows_that_name_none(
    client: TestClient, lake: Warehouse, format_: Format
) -> None:
    default, own = f"DEFAULT-{format_.name}", f"OWN-{format_.name}"
    rows = [point(source=own), {name: cell for name, cell in point().items() if name != "source"}]
    assert post(client, body_of(format_, rows), format_.value, query=f"?source={default}").json()["successful"] == 2
    assert [len(stored(lake, source)) for source in (default, own)] == [1, 1]
    failures = post(client, body_of(format_, rows), format_.value).json()["failures"]
    assert [(failure["index"], failure["code"]) for failure in failures] == [(1, "source_required")]


def test_the_parameter_is_not_for_json(client: TestClient) -> None:
    assert_refused(post(client, b"{}", "application/json", query="?source=S"), 400, "invalid_parameter")


@pytest.mark.parametrize("format_", Format)
@pytest.mark.parametrize("name", ROW_FAULTS)
def test_a_bad_row_is_told_by_its_index_and_good_rows_go_on(client: TestClient, name: str, format_: Format) -> None:
    bad, code, field = ROW_FAULTS[name]
    rows = [point(date="2020-05-01"), bad, point(date="2020-06-01"), bad]
    receipt = post(client, body_of(format_, rows), format_.value).json()
    assert [receipt[key] for key in ("total_processed", "successful", "failed")] == [4, 2, 2], receipt
    assert [(f["part"], f["index"], f["field"], f["code"]) for f in receipt["failures"]] == [
        ("data_points", index, field, code) for index in (1, 3)
    ]


@pytest.mark.parametrize("name", TEXT_ROW_FAULTS)
def test_a_bad_line_is_told_by_its_index(client: TestClient, name: str) -> None:
    format_, body, expected = TEXT_ROW_FAULTS[name]
    answer = post(client, body, format_.value).json()
    failures = (answer.get("details") or answer)["failures"]
    assert [(failure["index"], failure["field"], failure["code"]) for failure in failures] == expected


@pytest.mark.parametrize("name", BODY_FAULTS)
def test_a_bad_body_is_told_and_nothing_is_written(client: TestClient, lake: Warehouse, name: str) -> None:
    format_, body, status, code = BODY_FAULTS[name]
    before = lake.engine.current()
    assert len(body) <= LIMITS.body_bytes_max
    assert_refused(post(client, body, format_.value), status, code)
    assert lake.engine.current() == before


def test_an_unknown_column_is_told_with_the_nearest_known_one(client: TestClient) -> None:
    problem = post(client, b"external_id,date,valeu\nE,2020-01-01,1\n", "text/csv").json()
    assert (problem["details"], problem["hint"]) == ({"column": "valeu"}, "Did you mean 'value'?")


@pytest.mark.parametrize("format_", [Format.ARROW, Format.PARQUET])
def test_a_text_that_many_rows_share_is_not_repeated(client: TestClient, format_: Format) -> None:
    """900 rows whose name, date and value are one text of 40,000 characters, which is 108 MB where it is repeated."""
    shared = pa.table({"external_id": SHARED, "date": SHARED, "value": SHARED})
    plain = {"compression": "none", "write_statistics": False}
    body = arrow_of(shared, batch_rows=900) if format_ is Format.ARROW else parquet_of(shared, **plain)
    before = peak_bytes()
    assert_refused(post(client, body, format_.value, query="?source=S"), 422, "rejected_batch")
    assert peak_bytes() - before < 10_000_000


@pytest.mark.parametrize("format_", TABULAR)
def test_no_rows_are_a_receipt_of_nothing(client: TestClient, lake: Warehouse, format_: Format) -> None:
    body = b"" if format_ is Format.NDJSON else b"date,value" if format_ is Format.CSV else None
    if body is None:
        body = arrow_of(ONE.slice(0, 0)) if format_ is Format.ARROW else parquet_of(ONE.slice(0, 0))
    answer = post(client, body, format_.value)
    assert (answer.status_code, answer.json()["total_processed"]) == (200, 0), answer.text


@pytest.mark.parametrize(
    ("media_type", "encoding", "status"),
    [
        ("text/csv; charset=utf-8", "", 200),
        ('TEXT/CSV; header=present; charset="UTF-8"', "identity", 200),
        ("text/csv", "GZIP", 200),
        ("text/csv; charset=latin-1", "", 415),
        ("application/json; charset=utf-16", "", 415),
        ("application/xml", "", 415),
        ("csv", "", 415),
        ("text/csv", "br", 415),
        ("text/csv", "gzip, zstd", 415),
        ("text/csv", "gzip, gzip", 415),
    ],
)
def test_media_types_and_encodings(client: TestClient, media_type: str, encoding: str, status: int) -> None:
    body = gzip.compress(GOOD[Format.CSV]) if encoding == "GZIP" else GOOD[Format.CSV]
    answer = post(client, body, media_type, encoding)
    assert answer.status_code == status, answer.text
    if status == 415:
        assert_refused(answer, 415, "unsupported_media_type")


def test_two_encodings_in_two_headers_are_refused(client: TestClient) -> None:
    headers = [("Content-Type", "text/csv"), ("Content-Encoding", "gzip"), ("Content-Encoding", "zstd")]
    assert_refused(client.post(BULK, content=GOOD[Format.CSV], headers=headers), 415, "unsupported_media_type")


@pytest.mark.parametrize("packing", [Packing.GZIP, Packing.ZSTD])
def test_damaged_packing_is_told(client: TestClient, packing: Packing) -> None:
    whole = packed(GOOD[Format.CSV] * 9, packing)
    for body in (b"noise", whole[:-1], whole[:-9], whole[:12], whole + b"noise", GOOD[Format.CSV]):
        assert_refused(post(client, body, "text/csv", packing.value), 400, "malformed_body")


@pytest.mark.parametrize("packing", [Packing.GZIP, Packing.ZSTD])
def test_a_bomb_is_unpacked_no_further_than_the_limit(client: TestClient, packing: Packing) -> None:
    body = packed(b" " * 100_000_000, packing)
    assert len(body) < 110_000
    before = peak_bytes()
    assert_refused(post(client, body, "application/json", packing.value), 413, "body_too_large")
    assert peak_bytes() - before < 10_000_000


def test_a_series_is_set_in_plain_json_alone(client: TestClient) -> None:
    path = f"/api/v1/financial-data/series/{UNKNOWN}"
    for headers in ({"Content-Type": "text/csv"}, {"Content-Encoding": "gzip"}):
        assert_refused(client.put(path, content=b"{}", headers=headers), 415, "unsupported_media_type")


def test_ids_may_name_the_series(client: TestClient, lake: Warehouse) -> None:
    post(client, body_of(Format.CSV, [point(source="IDS")]), "text/csv")
    row = {"series_id": series_id("IDS", "E").upper(), "date": "2020-02-01", "value": "2"}
    for format_ in TABULAR:
        assert post(client, body_of(format_, [row]), format_.value).json()["successful"] == 1
    assert len(stored(lake, "IDS")) == 2


def test_the_service_is_up_after_all_that(client: TestClient) -> None:
    assert client.get("/health").json() == {"status": "ok"}


def peak_bytes() -> int:
    """The most that Arrow has held at any time of this process."""
    return int(pa.default_memory_pool().max_memory())


def assert_refused(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.json()["message"]
