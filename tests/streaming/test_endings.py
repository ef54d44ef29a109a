"""How a large answer ends that does not come to its end: clients that go or sleep, failures on the way, limits."""

from __future__ import annotations

import csv
import io
import re
import time

import httpx
import orjson
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.streaming.large import ENDLESS, PAGE, POINTS, connection, received
from tests.support.server import Service

CSV, ARROW, PARQUET = "text/csv", "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"
JSON = "application/json"
# Fails once a million rows have been sent.
FAILING = ENDLESS.replace("SELECT n", "SELECT CAST(if(n = 1000000, 'x', '1') AS INTEGER) AS v", 1)
# Works and works without a row to show.
SILENT = (
    "SELECT sum(a.value::DOUBLE * b.value::DOUBLE * c.value::DOUBLE) FROM data_points a, data_points b, data_points c"
)


def question(sql: str) -> bytes:
    return orjson.dumps({"sql": sql})


def seconds_until_answered(url: str) -> float:
    """How long it takes until a large answer finds its place, and comes whole."""
    started = time.monotonic()
    while True:
        answer = httpx.get(f"{url}/odata/DataPoints", headers=PAGE, timeout=60)
        if answer.status_code == 200:
            assert len(answer.json()["value"]) == POINTS
            return time.monotonic() - started
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "1"
        time.sleep(0.05)


@pytest.mark.parametrize("form", [JSON, CSV, ARROW, PARQUET])
def test_a_client_that_goes_in_mid_answer_ends_its_query(url: str, form: str) -> None:
    """There is one place for a query and one for a large answer: both are given back long before its time is over."""
    with connection(url, "/sql", question(ENDLESS), {"Accept": form, "Content-Type": JSON}) as client:
        assert client.recv(100).startswith(b"HTTP/1.1 200")
        busy = httpx.get(f"{url}/odata/DataPoints", headers=PAGE, timeout=60)
        assert busy.status_code == 503
        assert busy.json()["error"]["innererror"]["limit"] == "concurrent_streams_max"
        assert httpx.get(f"{url}/odata/DataPoints?$top=1", timeout=60).status_code == 200
    assert seconds_until_answered(url) < 3


def test_a_client_that_goes_before_the_answer_ends_its_query(url: str) -> None:
    with connection(url, "/sql", question(SILENT), {"Content-Type": JSON}):
        time.sleep(0.5)
    started = time.monotonic()
    assert httpx.get(f"{url}/odata/DataPoints?$top=1", timeout=60).status_code == 200
    assert time.monotonic() - started < 2


def test_a_client_that_sleeps_costs_the_query_no_time(url: str) -> None:
    """It sleeps for longer than a query may take."""
    with connection(url, "/odata/DataPoints", headers=PAGE) as client:
        client.recv(1_000)
        time.sleep(6)
        assert received(client).endswith(b"\r\n0\r\n\r\n")


def test_an_answer_may_take_so_long(strict_url: str) -> None:
    with connection(strict_url, "/sql", question(ENDLESS), {"Content-Type": JSON}) as client:
        client.recv(1_000)
        time.sleep(9)
        assert not received(client).endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("form", [JSON, CSV, ARROW, PARQUET])
def test_a_failure_in_mid_answer_is_never_a_short_answer(url: str, form: str) -> None:
    with connection(url, "/sql", question(FAILING), {"Accept": form, "Content-Type": JSON}) as client:
        answer = received(client)
    head, _, chunks = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert b"x-finlake-truncated" not in head.lower()
    assert not answer.endswith(b"0\r\n\r\n"), "the transfer is broken"
    body = unchunked(chunks)
    assert len(body) > 8 * 2**20
    with pytest.raises((orjson.JSONDecodeError, csv.Error, pa.ArrowInvalid, OSError)):
        read(form, body)


def unchunked(content: bytes) -> bytes:
    """The chunks that arrived whole: what a proxy that mends a broken transfer would hand on."""
    pieces: list[bytes] = []
    while match := re.match(rb"([0-9A-Fa-f]+)\r\n", content):
        size = int(match[1], 16)
        pieces.append(content[match.end() : match.end() + size])
        content = content[match.end() + size + 2 :]
    return b"".join(pieces)


def read(form: str, body: bytes) -> object:
    match form:
        case "application/json":
            return orjson.loads(body)
        case "text/csv":
            return list(csv.reader(io.StringIO(body.decode()), strict=True))
        case _ if form == ARROW:
            return pa.ipc.open_stream(body).read_all()
        case _:
            return pq.read_table(io.BytesIO(body))


@pytest.mark.parametrize("form", [CSV, ARROW, PARQUET])
def test_rows_that_a_large_answer_may_not_have_break_it_off(strict_url: str, form: str) -> None:
    """Its headers have left when it turns out that there are more."""
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.post(f"{strict_url}/sql", json={"sql": ENDLESS}, headers={"Accept": form}, timeout=60)


def test_a_large_answer_in_json_says_behind_its_rows_that_there_are_more(strict_url: str) -> None:
    answer = httpx.post(f"{strict_url}/sql", json={"sql": ENDLESS}, timeout=60)
    assert "X-Finlake-Truncated" not in answer.headers
    content = orjson.loads(answer.content)
    assert (len(content["rows"]), content["truncated"]) == (900_000, True)


def test_memory_stays_flat_however_large_the_answer(service: Service) -> None:
    worker = max(psutil.Process(service.process.pid).children(), key=lambda child: child.memory_info().rss)
    sql = {"sql": f"{ENDLESS} LIMIT 3000000"}
    before = most = size = 0
    with httpx.stream("POST", f"{service.url}/sql", json=sql, headers={"Accept": CSV}, timeout=60) as answer:
        for piece in answer.iter_raw(1 << 20):
            before = before or worker.memory_info().rss
            size += len(piece)
            most = max(most, worker.memory_info().rss)
    assert size > 180 * 10**6
    assert most - before < 60 * 2**20
