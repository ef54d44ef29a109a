"""The client against a scripted service: what is tried again, how long it waits, what it tells."""

from __future__ import annotations

import datetime as dt
import email.utils
from collections.abc import Callable

import httpx
import orjson
import pyarrow as pa
import pytest

from api.client import BULK_PATH, RETRY_AFTER_SECONDS_MAX, Client, Refused, Terms, Unreachable
from api.wire import NDJSON, Body

RECEIPT = {"total_processed": 1, "successful": 1, "failed": 0, "snapshot": "s1", "failures": []}
PROBLEM = {"code": "invalid_body", "message": "No object.", "hint": "Send one."}


def _client(*answers: httpx.Response | Exception) -> tuple[Client, list[httpx.Request], list[float]]:
    """A client, the requests it makes, the waits it takes; the last answer is repeated."""
    requests: list[httpx.Request] = []
    waits: list[float] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        given = answers[min(len(requests), len(answers)) - 1]
        if isinstance(given, Exception):
            raise given
        return given

    return Client("http://lake/", httpx.MockTransport(answer), waits.append), requests, waits


def test_a_post_is_one_request_with_its_mode() -> None:
    client, requests, waits = _client(httpx.Response(200, json=RECEIPT))
    receipt = client.post({"data_points": []}, mode="atomic")
    assert (receipt.successful, receipt.snapshot) == (1, "s1")
    assert [str(request.url) for request in requests] == [f"http://lake{BULK_PATH}?mode=atomic"]
    assert orjson.loads(_unpacked(requests[0])) == {"data_points": []}
    assert waits == []


def _unpacked(request: httpx.Request) -> bytes:
    assert request.headers["Content-Encoding"] == "zstd"
    return pa.CompressedInputStream(pa.BufferReader(request.content), "zstd").read()


@pytest.mark.parametrize(
    ("terms", "query"),
    [
        (Terms(), "mode=partial"),
        (Terms(source="A&B"), "mode=partial&source=A%26B"),
        (Terms(mode="atomic", changes_only=True), "mode=atomic&changes_only=true"),
    ],
)
def test_a_body_is_packed_and_says_its_terms(terms: Terms, query: str) -> None:
    client, requests, _ = _client(httpx.Response(200, json=RECEIPT))
    body = Body(b'{"value":1}\n' * 1_000, NDJSON, 1_000)
    client.post_body(body, terms, "k-1")
    headers = requests[0].headers
    assert (headers["Content-Type"], headers["Idempotency-Key"]) == (NDJSON, "k-1")
    assert requests[0].url.query.decode() == query
    assert _unpacked(requests[0]) == body.content
    assert len(requests[0].content) < len(body.content) / 10


def test_all_attempts_of_a_post_carry_one_key_and_two_posts_two() -> None:
    client, requests, _ = _client(httpx.ReadTimeout("slow"), httpx.Response(500), httpx.Response(200, json=RECEIPT))
    client.post({})
    client.post({})
    keys = [request.headers["Idempotency-Key"] for request in requests]
    assert keys[0] == keys[1] == keys[2] != keys[3]


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.Response(429),
        httpx.Response(500),
        httpx.Response(503),
        httpx.Response(504),
        httpx.Response(507),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
    ],
    ids=lambda trouble: str(getattr(trouble, "status_code", type(trouble).__name__)),
)
def test_trouble_is_waited_out(trouble: httpx.Response | Exception) -> None:
    client, requests, waits = _client(trouble, trouble, httpx.Response(200, json=RECEIPT))
    assert client.post({}).successful == 1
    assert len(requests) == 3
    assert 0.25 <= waits[0] <= 0.5 <= waits[1] <= 1.0


def _in_seconds(seconds: int) -> str:
    return email.utils.format_datetime(dt.datetime.now(dt.timezone.utc) + dt.timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        (lambda: "7", 7.0, 7.0),
        (lambda: _in_seconds(20), 18.0, 20.0),
        (lambda: "99999999", RETRY_AFTER_SECONDS_MAX, RETRY_AFTER_SECONDS_MAX),
        (lambda: _in_seconds(-20), 0.25, 0.5),
        (lambda: "soon", 0.25, 0.5),
    ],
    ids=["seconds", "date", "too long", "past date", "nonsense"],
)
def test_retry_after_is_honoured(header: Callable[[], str], least: float, most: float) -> None:
    busy = httpx.Response(429, headers={"Retry-After": header()})
    client, _, waits = _client(busy, httpx.Response(200, json=RECEIPT))
    client.post({})
    assert least <= waits[0] <= most


def test_it_gives_up_in_the_end() -> None:
    client, requests, waits = _client(httpx.ConnectError("refused"))
    with pytest.raises(Unreachable, match="refused"):
        client.post({})
    assert (len(requests), len(waits)) == (8, 7)


@pytest.mark.parametrize("status", [400, 404, 409, 413, 415, 422, 501])
def test_what_would_not_change_is_not_tried_again(status: int) -> None:
    client, requests, _ = _client(httpx.Response(status, json=PROBLEM))
    with pytest.raises(Refused, match=str(status)):
        client.post({})
    assert len(requests) == 1


def test_a_refusal_lists_rows_and_names_the_limit() -> None:
    failure = {"part": "data_points", "index": 3, "field": "date", "code": "invalid_date", "message": "No date."}
    client, _, _ = _client(httpx.Response(422, json=PROBLEM | {"details": {"failures": [failure], "failed": 1}}))
    with pytest.raises(Refused) as caught:
        client.post({})
    assert [(row.index, row.code) for row in caught.value.failures] == [(3, "invalid_date")]
    client, _, _ = _client(httpx.Response(413, json=PROBLEM | {"details": {"limit": "bulk_rows_max", "value": 5}}))
    with pytest.raises(Refused) as caught:
        client.post({})
    assert (caught.value.limit, caught.value.failures) == (("bulk_rows_max", 5), ())


def test_a_wrong_request_is_told_at_once() -> None:
    client, requests, _ = _client(httpx.Response(400, json=PROBLEM))
    with pytest.raises(Refused, match="No object") as caught:
        client.post({})
    assert (caught.value.code, caught.value.hint, len(requests)) == ("invalid_body", "Send one.", 1)


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"", b'{"total_processed": "one"}', b"\xff"])
def test_an_answer_of_another_program_is_no_receipt(body: bytes) -> None:
    client, _, _ = _client(httpx.Response(200, content=body))
    with pytest.raises(Refused, match="no receipt"):
        client.post({})


def test_a_refusal_without_a_problem_document_is_quoted() -> None:
    client, _, _ = _client(httpx.Response(404, text="nothing here"))
    with pytest.raises(Refused, match="404: nothing here"):
        client.post({})


def test_waiting_for_the_service() -> None:
    client, requests, _ = _client(httpx.ConnectError("refused"), httpx.Response(503), httpx.Response(200))
    assert client.wait_until_up(5)
    assert len(requests) == 3
    client, _, _ = _client(httpx.ConnectError("refused"))
    assert not client.wait_until_up(0)
