"""Bulk bodies in every format and packing: the same rows are stored, and every kind of bad body is told."""

from __future__ import annotations

import datetime as dt
import gzip
import io
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
from tests.support.bodies import TABULAR, arrow_of, body_of, packed, parquet_of, table_of
from tests.support.tree import ROOT
from tests.support.warehouse import Warehouse, warehouse

BULK = "/api/v1/financial-data/bulk"
UNKNOWN = "9f0c6a52-0f5e-5c43-a9ac-1f2b6d3f8a11"
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


def point(**fields: Any) -> dict[str, Any]:
    return {"source": "S", "external_id": "E", "date": "2020-01-01", "value": "1", **fields}


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


GOOD = {format_: body_of(format_, [point()]) for format_ in Format}
ROW_FAULTS: dict[str, tuple[dict[str, Any], str, str | None]] = {
    "impossible date": (point(date="2021-02-29"), "invalid_date", "date"),
    "a year 0": (point(date="0000-01-01"), "invalid_date", "date"),
    "a date with a time": (point(date="2021-02-01T00:00:00Z"), "invalid_date", "date"),
    "a date in short": (point(date="20210201"), "invalid_date", "date"),
    "impossible revision date": (point(revision_date="2021-13-01"), "invalid_date", "revision_date"),
    "NaN": (point(value="NaN"), "invalid_number", "value"),
    "Infinity": (point(value="-Infinity"), "invalid_number", "value"),
    "a word": (point(value="1,5"), "invalid_number", "value"),
    "19 fraction digits": (point(value="0.1234567890123456789"), "number_out_of_range", "value"),
    "21 integer digits": (point(value="123456789012345678901"), "number_out_of_range", "value"),
    "a giant exponent": (point(value="1e999999999"), "number_out_of_range", "value"),
    "a tiny exponent": (point(value="1e-999999999"), "number_out_of_range", "value"),
    "a small exponent that Arrow reads as 0": (point(value="1e-57"), "number_out_of_range", "value"),
    "far behind the point": (point(value="0." + "0" * 60 + "1"), "number_out_of_range", "value"),
    "no source": ({"external_id": "E", "date": "2020-01-01", "value": "1"}, "source_required", "source"),
    "no series": ({"source": "S", "date": "2020-01-01", "value": "1"}, "series_required", "external_id"),
    "an unknown series": ({"series_id": UNKNOWN, "date": "2020-01-01", "value": "1"}, "unknown_series", "series_id"),
    "no id at all": ({"series_id": "INDPRO", "date": "2020-01-01", "value": "1"}, "invalid_id", "series_id"),
    "another series' id": (point(series_id=UNKNOWN), "conflicting_series", "series_id"),
    "a blank name": (point(external_id="  "), "invalid_name", "external_id"),
    "a control character": (point(external_id="a\x00b"), "invalid_name", "external_id"),
    "a line break": (point(external_id="a\nb"), "invalid_name", "external_id"),
    "a separator": (point(source="a\x1fb"), "invalid_name", "source"),
    "a long name": (point(external_id="x" * 201), "invalid_name", "external_id"),
}


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


TEXT_ROW_FAULTS: dict[str, tuple[Format, bytes, list[tuple[int, str | None, str]]]] = {
    "no date": (Format.CSV, b"source,external_id,date,value\nS,E,,1\n", [(0, "date", "missing_field")]),
    "a word for a flag": (
        Format.CSV,
        b"source,external_id,date,value,is_original_release\nS,E,2020-01-01,1,TRUE\nS,E,2020-01-01,1,yes\n",
        [(1, "is_original_release", "wrong_type")],
    ),
    "short and long rows, blank lines, breaks of all kinds": (
        Format.CSV,
        b"source,external_id,date,value\r\n\r\nS,E,2020-01-01\rS,E,2020-01-01,1\nS,E,2020-01-01,1,2\n\nS,E,x,1",
        [(0, None, "malformed_row"), (2, None, "malformed_row"), (3, "date", "invalid_date")],
    ),
    "lines of all kinds": (
        Format.NDJSON,
        b"\n".join(
            (
                b'\n{"source": "S", "external_id": "E", "date": "2020-01-01", "value": 1.5}\r',
                b'{"value": NaN}\n  \n5\n{"source": "S"',
                b'{"date": "2020-01-01", "value": 1, "valeu": 2}{}\n{"date": "2020-01-01"}\n',
            )
        ),
        [
            (1, None, "malformed_row"),
            (2, None, "wrong_type"),
            (3, None, "malformed_row"),
            (4, "valeu", "unknown_field"),
            (5, "value", "missing_field"),
        ],
    ),
    "two objects a line": (
        Format.NDJSON,
        GOOD[Format.NDJSON] + b'{"date": "2020-01-01", "value": 1}{"date": "2020-01-01", "value": 1}\n',
        [(1, None, "malformed_row")],
    ),
}


@pytest.mark.parametrize("name", TEXT_ROW_FAULTS)
def test_a_bad_line_is_told_by_its_index(client: TestClient, name: str) -> None:
    format_, body, expected = TEXT_ROW_FAULTS[name]
    answer = post(client, body, format_.value).json()
    failures = (answer.get("details") or answer)["failures"]
    assert [(failure["index"], failure["field"], failure["code"]) for failure in failures] == expected


def table(**columns: Any) -> pa.Table:
    return pa.table({"source": ["S"], "external_id": ["E"], "date": ["2020-01-01"], "value": ["1"], **columns})


def liar(rows: int) -> bytes:
    """A stream whose one batch claims more rows than any buffer holds."""
    batch = pa.record_batch({"date": pa.nulls(rows), "value": pa.nulls(rows)})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


ONE = table_of([point()])
SHARED = pa.DictionaryArray.from_arrays(pa.array([0] * 900), ["x" * 40_000])
MANY = [point()] * 1_001
BODY_FAULTS: dict[str, tuple[Format, bytes, int, str]] = {
    **{f"nothing, {f.name}": (f, b"", 400, "malformed_body") for f in TABULAR if f is not Format.NDJSON},
    **{
        f"noise, {f.name}": (f, bytes(range(256)) * 9, 400, "malformed_json" if f is Format.JSON else "malformed_body")
        for f in Format
    },
    **{f"cut short, {f.name}": (f, GOOD[f][:-20], 400, "malformed_body") for f in (Format.ARROW, Format.PARQUET)},
    **{f"too many rows, {f.name}": (f, body_of(f, MANY), 413, "body_too_large") for f in Format},
    **{
        f"an unknown column, {f.name}": (f, body_of(f, [point(valeu="1")]), 400, "invalid_body")
        for f in (Format.CSV, Format.ARROW, Format.PARQUET)
    },
    **{
        f"{what}, {f.name}": (f, write(content), 400, "invalid_body")
        for f, write in ((Format.ARROW, arrow_of), (Format.PARQUET, parquet_of))
        for what, content in {
            "a list": table(value=[["1"]]),
            "a struct": table(value=[{"a": 1}]),
            "bytes": table(external_id=[b"E"]),
            "a number for a name": table(external_id=[1]),
            "a boolean for a value": table(value=[True]),
            "a number for a date": table(date=[20200101]),
            "a time for a date": table(date=[dt.time(1)]),
            "no value column": ONE.drop_columns("value"),
            "no date column": ONE.drop_columns("date"),
            "no column": pa.table({}),
        }.items()
    },
    "a column twice, CSV": (Format.CSV, b"date,value,value\n2020-01-01,1,2\n", 400, "invalid_body"),
    "a column twice, ARROW": (Format.ARROW, arrow_of(ONE.append_column("value", ONE["value"])), 400, "invalid_body"),
    "a column twice, PARQUET": (
        Format.PARQUET,
        parquet_of(ONE.append_column("value", ONE["value"])),
        400,
        "invalid_body",
    ),
    "another header, CSV": (Format.CSV, b"a;b\n1;2\n", 400, "invalid_body"),
    "not UTF-8, CSV": (Format.CSV, GOOD[Format.CSV].replace(b"E", b"\xff"), 400, "malformed_body"),
    "UTF-16, CSV": (Format.CSV, GOOD[Format.CSV].decode().encode("utf-16"), 400, "malformed_body"),
    "an open quote, CSV": (Format.CSV, GOOD[Format.CSV] + b'S,"E,2020-01-01,1\n', 400, "malformed_body"),
    "a quote amid a cell, CSV": (Format.CSV, GOOD[Format.CSV] + b'S,"E"E,2020-01-01,1\n', 400, "malformed_body"),
    "blank lines without end, CSV": (Format.CSV, b"date,value\n" + b"\r\n" * 50_000, 413, "body_too_large"),
    "not UTF-8, NDJSON": (Format.NDJSON, GOOD[Format.NDJSON].replace(b'"E"', b'"\xff"'), 400, "malformed_body"),
    "lines without end, NDJSON": (Format.NDJSON, b"1\n" * 50_000, 413, "body_too_large"),
    "objects without end, NDJSON": (Format.NDJSON, b"{}" * 50_000, 413, "body_too_large"),
    "elements without end, JSON": (Format.JSON, b'{"data_points": [' + b"1," * 50_000 + b"1]}", 413, "body_too_large"),
    "not UTF-8, ARROW": (
        Format.ARROW,
        GOOD[Format.ARROW].replace(b"2020-01-01", b"2020-01-\xff1"),
        400,
        "malformed_body",
    ),
    "a file, ARROW": (Format.ARROW, b"ARROW1\x00\x00" + GOOD[Format.ARROW], 400, "malformed_body"),
    "a giant batch of nothing, ARROW": (Format.ARROW, liar(10_000_000), 413, "body_too_large"),
    **{
        f"packed buffers that are a bomb, {compression}, ARROW": (
            Format.ARROW,
            arrow_of(table(external_id=["x" * 5_000_000]), compression),
            413,
            "body_too_large",
        )
        for compression in ("lz4", "zstd")
    },
    "packed dictionaries that are a bomb, ARROW": (
        Format.ARROW,
        arrow_of(table(external_id=pa.array(["x" * 5_000_000]).dictionary_encode()), "zstd"),
        413,
        "body_too_large",
    ),
    "pages that are a bomb, PARQUET": (
        Format.PARQUET,
        parquet_of(table(external_id=["x" * 5_000_000]), compression="zstd"),
        413,
        "body_too_large",
    ),
}


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
