"""What is answered from memory: the same as without it, at the newest state, and nothing that is not repeatable."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from starlette.testclient import TestClient

from api.answers import Answers, Stored, digest
from api.app import build_app
from api.limits import Limits
from catalog.iceberg import Lake
from catalog.identity import series_id
from catalog.model import MODEL
from catalog.tags import Tags
from catalog.watch import CatalogWatch
from tests.support.server import start_server
from tests.support.warehouse import Warehouse, warehouse

HIT = 'cache;desc="hit"'
SERIES = series_id("S", "E")
POINTS = f"/odata/Series({SERIES})/DataPoints"
TWO_FIELDS = "query($id: ID!) { series(id: $id) { title dataPoints { date value } } }"


def document(value: int, days: int = 3) -> dict[str, Any]:
    points = [{"external_id": "E", "date": f"2020-01-{day:02d}", "value": value + day} for day in range(1, days + 1)]
    return {"source": {"name": "S"}, "data_points": points}


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Warehouse]:
    with warehouse(tmp_path / "lake") as lake:
        lake.write(document(1))
        yield lake


@pytest.fixture
def client(lake: Warehouse) -> TestClient:
    return client_of(lake)


def client_of(lake: Warehouse, **limits: int) -> TestClient:
    app = build_app(lake.settings, Limits(**limits), lake.services)
    return TestClient(app, raise_server_exceptions=False)


def was_hit(response: httpx.Response) -> bool:
    return response.headers.get("Server-Timing") == HIT


def said(response: httpx.Response) -> tuple[int, dict[str, str], bytes]:
    """All of a response but how long it took."""
    headers = {name: value for name, value in response.headers.items() if name != "server-timing"}
    return response.status_code, headers, response.content


def graphql(client: TestClient, query: str = TWO_FIELDS, **headers: str) -> httpx.Response:
    return client.post("/graphql", json={"query": query, "variables": {"id": SERIES}}, headers=headers)


def test_a_repeated_question_asks_no_door(client: TestClient, lake: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [client.get(POINTS), graphql(client)]
    monkeypatch.setattr(lake.engine, "answer", None)
    repeated = [client.get(POINTS), graphql(client)]
    assert not any(map(was_hit, asked))
    assert all(map(was_hit, repeated))
    assert [said(response) for response in repeated] == [said(response) for response in asked]


def test_repeated_questions_are_counted(client: TestClient) -> None:
    for _ in range(3):
        client.get(POINTS)
    metrics = client.get("/metrics").text
    assert 'finlake_repeated_total{door="odata"} 2.0' in metrics
    assert 'finlake_requests_total{door="odata",method="GET",status="200"} 3.0' in metrics


@pytest.mark.parametrize("ask", [lambda client: client.get(POINTS), graphql])
def test_the_next_read_sees_a_commit(client: TestClient, lake: Warehouse, ask: Any) -> None:
    for value in (5, 6, 7):
        before = [ask(client) for _ in range(2)]
        token = lake.write(document(value)).snapshot
        after = ask(client)
        assert was_hit(before[1])
        assert not was_hit(after)
        assert after.content != before[1].content
        assert after.headers["X-Finlake-Snapshot"] == token


def test_another_process_sees_a_commit_at_once(tmp_path: Path) -> None:
    writer = start_server(tmp_path / "lake", log_level="warning", maintenance=False)
    reader = start_server(tmp_path / "lake", log_level="warning", maintenance=False)
    try:
        for value in range(20):
            receipt = httpx.post(f"{writer.url}/api/v1/financial-data/bulk", json=document(value)).json()
            answers = [httpx.get(reader.url + POINTS) for _ in range(2)]
            assert [answer.headers["X-Finlake-Snapshot"] for answer in answers] == [receipt["snapshot"]] * 2
            assert [point["value"] for point in answers[1].json()["value"]] == [value + day for day in (1, 2, 3)]
            assert was_hit(answers[1])
    finally:
        writer.stop()
        reader.stop()


def test_who_holds_the_answer_is_told_so(client: TestClient, lake: Warehouse) -> None:
    etag = client.get(POINTS).headers["ETag"]
    assert etag.startswith('"')
    for held in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = client.get(POINTS, headers={"If-None-Match": held})
        assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", etag)
        assert answer.headers["X-Finlake-Snapshot"] == lake.engine.current()
        assert "Accept" in answer.headers["Vary"]
    assert client.get(POINTS, headers={"If-None-Match": '"other"'}).status_code == 200
    lake.write(document(9))
    changed = client.get(POINTS, headers={"If-None-Match": etag})
    assert (changed.status_code, changed.headers["ETag"] == etag) == (200, False)


def test_a_service_that_forgot_it_knows_the_etag_again(client: TestClient, lake: Warehouse) -> None:
    etag = client.get(POINTS).headers["ETag"]
    answer = client_of(lake, answers_bytes_max=0).get(POINTS, headers={"If-None-Match": etag})
    assert (answer.status_code, answer.content) == (304, b"")


@pytest.mark.parametrize("posted_first", [True, False])
def test_one_question_as_get_and_as_post(client: TestClient, *, posted_first: bool) -> None:
    """Whichever came first: an answer to a GET has an ETag, one to a POST has none and is never held."""
    params = {"query": TWO_FIELDS, "variables": orjson.dumps({"id": SERIES}).decode()}
    fresh = {"GET": client.get("/graphql", params=params), "POST": graphql(client)}
    commit = client.post("/api/v1/financial-data/bulk", json=document(2))
    assert commit.status_code == 200
    order = ["POST", "GET"] if posted_first else ["GET", "POST"]
    for method in order * 2:
        held = {"If-None-Match": "*"} if method == "POST" else {}
        answer = graphql(client, **held) if method == "POST" else client.get("/graphql", params=params)
        assert answer.status_code == 200
        assert answer.headers.keys() - {"etag"} == fresh[method].headers.keys() - {"etag"}
        assert ("ETag" in answer.headers) is (method == "GET")
        assert answer.json()["data"]["series"]["dataPoints"][0]["value"] == "3"


def test_packed_answers_have_an_etag_of_their_own(client: TestClient, lake: Warehouse) -> None:
    lake.write(document(1, days=31))
    plain, packed = (
        [client.get(POINTS, headers={"Accept-Encoding": encoding}) for _ in range(2)]
        for encoding in ("identity", "gzip")
    )
    assert was_hit(plain[1])
    assert was_hit(packed[1])
    assert plain[1].json() == packed[1].json()
    assert packed[1].headers["Content-Encoding"] == "gzip"
    assert packed[1].headers["ETag"] == plain[1].headers["ETag"][:-1] + '-gzip"'
    for answer in (plain[0], packed[0]):
        assert client.get(POINTS, headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304


def test_what_depends_on_the_clock_is_asked_again(client: TestClient) -> None:
    answers = [client.get("/odata/Series?$filter=created_at lt now()") for _ in range(2)]
    assert not any(map(was_hit, answers))
    assert "ETag" not in answers[0].headers


def test_errors_and_absences_are_asked_again(client: TestClient) -> None:
    missing = f"/odata/Series({series_id('S', 'missing')})"
    assert [client.get(missing).status_code for _ in range(2)] == [404, 404]
    assert not was_hit(client.get(missing))
    refused = [graphql(client, "query($id: ID!) { series(id: $id) { nothing } }") for _ in range(2)]
    assert not any(map(was_hit, refused))


def test_mutations_are_carried_out_each_time(client: TestClient) -> None:
    mutation = (
        'mutation { upsertDataPoints(input: {source: {name: "S"}, dataPoints: '
        '[{externalId: "E", date: "2020-01-01", value: "5"}]}) { __typename } }'
    )
    answers = [client.post("/graphql", json={"query": mutation}) for _ in range(2)]
    assert not any(map(was_hit, answers))


def test_a_tag_that_names_another_state_is_looked_up_again(client: TestClient, lake: Warehouse) -> None:
    tags = Tags(lake.services.lake, characters_max=20, tags_max=5)
    tags.make("month")
    path = f"{POINTS}?snapshot=month"
    first = [client.get(path) for _ in range(2)]
    lake.write(document(50))
    kept = client.get(path)
    tags.delete("month")
    tags.make("month")
    moved = client.get(path)
    assert was_hit(first[1])
    assert kept.content == first[0].content
    assert moved.content != first[0].content
    tags.delete("month")
    assert client.get(path).status_code == 404


def test_cached_or_not_answers_are_the_same(client: TestClient, lake: Warehouse) -> None:
    """Random questions, repeated, with random headers, between writes: one service remembers, the other does not."""
    chance = random.Random(20261126)
    forgetful = client_of(lake, answers_bytes_max=0)
    paths = [
        POINTS,
        f"{POINTS}?$top=2",
        f"{POINTS}?asOf=2024-06-15",
        f"{POINTS}/$count",
        f"/odata/Series({SERIES})",
        f"/odata/Series({SERIES})/title/$value",
        "/odata/Revisions?$count=true",
        "/odata/Revisions?$filter=value gt 3&$select=date,value",
        "/odata/$metadata",
        "/odata/DataPoints?$filter=nothing eq 1",
        "/graphql?query={seriesList{totalCount}}",
    ]
    headers = [
        {"Accept": "application/json;odata.metadata=none"},
        {"Accept": "application/json;IEEE754Compatible=true"},
        {"Accept": "application/graphql-response+json"},
        {"Accept": "text/html"},
        {"Accept-Encoding": "gzip"},
        {"Accept-Encoding": "identity"},
        {"Prefer": "odata.maxpagesize=1"},
        {"Prefer": "odata.maxpagesize=10000"},
        {"OData-MaxVersion": "4.0"},
        {"OData-MaxVersion": "3.0"},
        {"Host": "other.example"},
    ]
    hits = 0
    for step in range(600):
        path, method = chance.choice(paths), chance.choice(["GET"] * 5 + ["HEAD"])
        chosen: dict[str, str] = {}
        for extra in chance.sample(headers, chance.choice([0, 0, 1, 1, 2])):
            chosen |= extra
        answers = [each.request(method, path, headers=chosen) for each in (client, forgetful)]
        hits += was_hit(answers[0])
        assert not was_hit(answers[1])
        assert said(answers[0]) == said(answers[1]), (method, path, chosen)
        if step % 40 == 39:
            lake.write(document(step))
    assert hits > 60


def test_what_is_kept_is_bounded_in_bytes() -> None:
    answers = Answers(20_000)
    for number in range(50):
        answers.keep(bytes([number]), "1", Stored((), b"x" * 1_000), packs=False)
    held = [number for number in range(50) if answers.find(bytes([number]), "1", packs=False)]
    assert held == list(range(40, 50))
    answers.keep(b"large", "1", Stored((), b"x" * 2_000), packs=False)
    assert answers.find(b"large", "1", packs=False) is None


def test_a_digest_tells_where_parts_end() -> None:
    assert digest(b"ab", b"c") != digest(b"a", b"bc")


def test_the_watch_tells_commits_of_others(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake", MODEL)
    other = Lake(tmp_path / "lake", MODEL)
    watch = CatalogWatch(tmp_path / "lake" / "catalog.db")
    stamps = [watch.stamp()]
    assert watch.stamp() == stamps[0]
    Tags(lake, characters_max=20, tags_max=5).make("one")
    stamps.append(watch.stamp())
    Tags(other, characters_max=20, tags_max=5).make("two")
    stamps.append(watch.stamp())
    assert len(set(stamps)) == 3
    watch.close()
    assert watch.stamp() != watch.stamp()
    lake.close()
    other.close()
