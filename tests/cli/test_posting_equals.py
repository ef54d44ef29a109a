"""What the client posts becomes what a plain JSON post of the same rows becomes: verdicts, failures, stored values."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from api.app import build_app
from api.client import BULK_PATH, Client, Refused
from api.limits import Limits
from api.posting import Outcome, post_points
from catalog.identity import series_id
from engine.query import Query, View
from tests.support.bodies import table_of
from tests.support.warehouse import Warehouse, warehouse

GOOD = {
    "external_id": st.sampled_from(["A", "B"]),
    "date": st.sampled_from(["2020-01-01", "2020-02-01", "2020-03-01"]),
    "value": st.sampled_from([None, "1", "1.50", "-0.000000000000000001", "12345678901234567890.1", "1e3"]),
}
OPTIONAL = {
    "revision_date": st.sampled_from(["2020-04-01", "2020-05-01"]),
    "is_original_release": st.booleans(),
}
BAD = {
    "date": st.sampled_from(["2020-02-31", "soon"]),
    "value": st.sampled_from(["x", "nan", "1e30", "123456789012345678901"]),
}
good = st.fixed_dictionaries(GOOD, optional=OPTIONAL)
# One fault a row: of two, the one is told that its format comes to first.
tabular = st.one_of(good, *(st.fixed_dictionaries(GOOD | {name: bad}) for name, bad in BAD.items()), good)
odd = st.sampled_from(
    [
        {"external_id": "A", "date": "2020-01-01"},
        {"external_id": "A", "date": "2020-01-01", "value": [1]},
        {"external_id": "A", "date": "2020-01-01", "value": True},
        {"external_id": 7, "date": "2020-01-01", "value": 1},
        {"external_id": "A", "date": "2020-01-01", "value": 1, "colour": "red"},
        {"date": "2020-01-01", "value": 0.1},
        {"external_id": "B", "date": "2020-03-01", "value": 0.1},
    ]
)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    limits = Limits(bulk_rows_max=50, body_bytes_max=20_000)
    with warehouse(tmp_path_factory.mktemp("equals") / "lake", limits=limits) as opened:
        yield opened


@pytest.fixture(scope="module")
def line(lake: Warehouse) -> TestClient:
    return TestClient(build_app(lake.settings, lake.limits, lake.services), raise_server_exceptions=False)


def client_of(line: TestClient) -> Client:
    return Client("http://testserver", line._transport, lambda _: None)


def plainly(line: TestClient, rows: list[dict[str, Any]], source: str, batch_rows: int) -> list[httpx.Response]:
    """The same batches as JSON documents."""
    return [
        line.post(
            BULK_PATH,
            content=orjson.dumps({"data_points": [{"source": source, **row} for row in rows[at : at + batch_rows]]}),
        )
        for at in range(0, len(rows), batch_rows)
    ]


def told(answers: list[httpx.Response], batch_rows: int) -> tuple[int, list[tuple[int, Any, str]]]:
    bodies = [body.get("details") or body for body in (answer.json() for answer in answers)]
    failures = [
        (row["index"] + n * batch_rows, row["field"], row["code"])
        for n, body in enumerate(bodies)
        for row in body["failures"]
    ]
    return sum(body["failed"] for body in bodies), failures


def stored(lake: Warehouse, source: str) -> list[tuple[Any, ...]]:
    ids = {series_id(source, name): name for name in ("A", "B")}
    names = ("series_id", "date", "revision_date", "value", "is_original_release")
    rows = lake.rows(Query("data_points", names, view=View.EVERY))
    return sorted((ids[row.pop("series_id")], *map(str, row.values())) for row in rows if row["series_id"] in ids)


def check(lake: Warehouse, line: TestClient, rows: list[dict[str, Any]], points: Any, batch_rows: int) -> None:
    one, other = str(uuid.uuid4()), str(uuid.uuid4())
    outcome: Outcome = post_points(client_of(line), points, source=one, batch_rows=batch_rows)
    answers = plainly(line, rows, other, batch_rows)
    failures = [(row.index, row.field, row.code) for row in outcome.failures]
    assert (outcome.failed, failures) == told(answers, batch_rows)
    receipts = [answer.json()["verdicts"] for answer in answers if answer.status_code == 200]
    for name in ("inserted", "revised", "corrected", "withdrawn", "unchanged"):
        assert getattr(outcome.verdicts, name) == sum(verdicts[name] for verdicts in receipts), name
    assert stored(lake, one) == stored(lake, other)


@settings(max_examples=12, deadline=None)
@given(rows=st.lists(st.one_of(tabular, odd), min_size=1, max_size=12), batch_rows=st.integers(1, 12))
def test_mappings(lake: Warehouse, line: TestClient, rows: list[dict[str, Any]], batch_rows: int) -> None:
    check(lake, line, rows, rows, batch_rows)


@settings(max_examples=12, deadline=None)
@given(rows=st.lists(tabular, min_size=1, max_size=12), batch_rows=st.integers(1, 12))
def test_tables(lake: Warehouse, line: TestClient, rows: list[dict[str, Any]], batch_rows: int) -> None:
    check(lake, line, rows, table_of(rows), batch_rows)


@pytest.mark.parametrize(
    ("count", "options", "told"),
    [
        (60, {}, "at most 50 rows at once: --batch-rows"),
        (40, {"text": "x" * 1_000}, "less than 20000 bytes at once: --batch-bytes"),
    ],
)
def test_a_batch_that_is_too_large_for_the_service(
    line: TestClient, count: int, options: dict[str, str], told: str
) -> None:
    name = options.get("text", "A")
    rows = [{"external_id": f"{name}{n}", "date": "2020-01-01", "value": n} for n in range(count)]
    for points in (rows, pa.Table.from_pylist(rows)):
        with pytest.raises(Refused, match="413") as caught:
            post_points(client_of(line), points, source="LARGE", batch_rows=100)
        assert told in caught.value.hint
    assert post_points(client_of(line), rows, source="LARGE", batch_rows=50, batch_bytes=10_000).rows == count
