"""Several workers on one lake and one port: whichever answers, it is one service, and what dies is started again."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.background import NICENESS
from catalog.identity import series_id
from tests.support.crawling import Crawler, check_stored, crawling
from tests.support.server import Service, start_server

BULK = "/api/v1/financial-data/bulk"
SOURCE = "W"
SECONDS_MAX = 180.0
QUESTIONS = (
    "/odata/DataPoints",
    "/odata/Series?$filter=external_id in ('A','B') or startswith(title,'x')&$orderby=external_id desc",
    "/odata/Revisions?$filter=year(date) eq 2024 and value ge 1&$select=series_id,value&$count=true",
)


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def health(url: str) -> dict[str, Any]:
    return httpx.get(f"{url}/health/detailed", timeout=30).json()


def is_whole(service: Service) -> bool:
    try:
        return health(service.url)["status"] == "ok"
    except httpx.TransportError:
        return False


def one_a_worker(service: Service, workers: int = 2) -> dict[int, httpx.Client]:
    """A client of each worker: a connection stays with the one that took it."""
    found: dict[int, httpx.Client] = {}
    deadline = time.monotonic() + SECONDS_MAX
    while len(found) < workers:
        assert time.monotonic() < deadline, "one worker answers everything"
        client = httpx.Client(base_url=service.url, timeout=30)
        worker = client.get("/health/detailed").json()["workers"]["answering"]
        if worker in found:
            client.close()
        else:
            found[worker] = client
    return found


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    started = start_server(tmp_path_factory.mktemp("workers") / "lake", workers=2, delta_files_max=2)
    try:
        until(lambda: is_whole(started))
        yield started
    finally:
        started.stop()


@pytest.fixture
def workers(service: Service) -> Iterator[list[httpx.Client]]:
    clients = list(one_a_worker(service).values())
    yield clients
    for client in clients:
        client.close()


def document(name: str, value: int, revision: str | None = "2024-01-02") -> dict[str, Any]:
    point = {"external_id": name, "date": "2024-01-01", "value": value}
    return {"source": {"name": SOURCE}, "data_points": [point | ({"revision_date": revision} if revision else {})]}


def post(client: httpx.Client, body: dict[str, Any], key: str = "") -> httpx.Response:
    return client.post(BULK, json=body, headers={"Idempotency-Key": key} if key else {})


def read(client: httpx.Client, name: str, view: str = "DataPoints", **options: str) -> list[dict[str, Any]]:
    asked = {"$filter": f"series_id eq {series_id(SOURCE, name)}", "$select": "date,value"} | options
    answer = client.get(f"/odata/{view}", params=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()["value"]


def value_of(name: str, value: int) -> list[dict[str, Any]]:
    return [{"date": "2024-01-01", "value": value}]


def test_what_one_was_told_is_read_from_the_other(workers: list[httpx.Client]) -> None:
    tokens: list[tuple[int, str]] = []
    for value, (writer, reader) in enumerate(itertools.islice(itertools.cycle(itertools.permutations(workers)), 30)):
        receipt = post(writer, document("RYW", value)).json()
        assert read(reader, "RYW") == value_of("RYW", value)
        assert read(reader, "RYW", snapshot=receipt["snapshot"]) == value_of("RYW", value)
        tokens.append((value, receipt["snapshot"]))
    for value, token in tokens:
        for reader in workers:
            assert read(reader, "RYW", snapshot=token) == value_of("RYW", value)


def test_a_key_that_both_get_at_once_is_stored_once(workers: list[httpx.Client]) -> None:
    together, start = ThreadPoolExecutor(2), Barrier(2)

    def send(client: httpx.Client, number: int) -> dict[str, Any]:
        start.wait()
        return post(client, document("ONCE", number, None), f"once-{number}").json()

    for number in range(12):
        first, second = together.map(send, workers, (number, number))
        assert first["batch_id"] == second["batch_id"]
        # Judged a second time it would be told that there is nothing new.
        verdict = {"inserted": int(number == 0), "revised": 0, "corrected": int(number > 0), "unchanged": 0}
        assert [{name: each["verdicts"][name] for name in verdict} for each in (first, second)] == [verdict, verdict]
        for client in workers:
            again = post(client, document("ONCE", number, None), f"once-{number}").json()
            assert (again["batch_id"], again["verdicts"]) == (first["batch_id"], first["verdicts"])
    assert read(workers[0], "ONCE") == value_of("ONCE", 11)
    for client in workers:
        assert post(client, document("ONCE", 99, None), "once-3").status_code == 409


@pytest.mark.parametrize("question", QUESTIONS)
def test_both_give_one_answer_one_name(workers: list[httpx.Client], question: str) -> None:
    post(workers[0], document("A", 1))
    post(workers[1], document("B", 2))
    first, second, *again = between_merges(workers, question)
    assert first.status_code == 200, first.text
    assert (first.content, first.headers["ETag"]) == (second.content, second.headers["ETag"])
    assert [each.status_code for each in again] == [304, 304]


def between_merges(workers: list[httpx.Client], question: str) -> list[httpx.Response]:
    """What each of them answers, then what each says to who holds the other's answer. A merge that is committed
    meanwhile gives answers another name: then they are asked once more."""
    while True:
        before = snapshot_of(workers[0])
        answers = [client.get(question) for client in workers]
        tags = [answer.headers["ETag"] for answer in answers]
        for client, tag in zip(workers, reversed(tags), strict=True):
            answers.append(client.get(question, headers={"If-None-Match": tag}))
        if snapshot_of(workers[0]) == before:
            return answers


def snapshot_of(client: httpx.Client) -> str:
    return client.get("/odata/Sources").headers["X-Finlake-Snapshot"]


def samples(client: httpx.Client) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {(s.name, *sorted(s.labels.values())): s.value for family in families for s in family.samples}


def test_whoever_is_asked_tells_of_both(workers: list[httpx.Client]) -> None:
    counted = ("finlake_requests_total", "200", "GET", "odata")
    before = samples(workers[0]).get(counted, 0)
    for client, times in zip(workers, (3, 5), strict=True):
        for _ in range(times):
            client.get("/odata/Sources")
    told = [samples(client) for client in workers]
    assert [each[counted] for each in told] == [before + 8] * 2
    assert [each["finlake_processes", "worker"] for each in told] == [2, 2]
    assert [each["finlake_processes", "maintenance"] for each in told] == [1, 1]


def test_the_merges_of_the_other_process_are_told_by_both(service: Service, workers: list[httpx.Client]) -> None:
    before = health(service.url)["maintenance"]["merges"]
    for value in range(6):
        post(workers[value % 2], document("MERGED", value))

    def told() -> list[int]:
        return [client.get("/health/detailed").json()["maintenance"]["merges"] for client in workers]

    until(lambda: min(told()) > before)
    metrics = [samples(client)["finlake_merges_total",] for client in workers]
    assert min(metrics) > before


def pids(service: Service, role: str) -> list[int]:
    family = psutil.Process(service.process.pid).children(recursive=True)
    wanted = {"worker": "multiprocessing.spawn", "maintenance": "api.background"}[role]
    return [process.pid for process in family if wanted in " ".join(process.cmdline())]


def kill(service: Service, role: str) -> int:
    """The process that is gone now."""
    victim = psutil.Process(pids(service, role)[0])
    victim.kill()
    victim.wait(SECONDS_MAX)
    return victim.pid


def test_a_killed_worker_is_missed_and_replaced(service: Service) -> None:
    clients = one_a_worker(service)
    count = ("finlake_requests_total", "200", "GET", "odata")
    for client in clients.values():
        client.get("/odata/Sources")
    counted = samples(next(iter(clients.values())))[count]
    victim = kill(service, "worker")
    left = next(client for worker, client in clients.items() if worker != victim)
    missed = left.get("/health/detailed").json()
    assert (missed["status"], missed["workers"]["alive"]) == ("degraded", 1)
    assert samples(left)[count] >= counted, "what it had counted is forgotten"
    assert post(left, document("LEFT", 7)).status_code == 200
    until(lambda: is_whole(service))
    after = one_a_worker(service)
    assert victim not in after
    assert [read(client, "LEFT") for client in after.values()] == [value_of("LEFT", 7)] * 2
    assert {samples(client)["finlake_processes", "worker"] for client in after.values()} == {2}


def test_killed_maintenance_is_missed_and_started_again(service: Service) -> None:
    victim = kill(service, "maintenance")
    missed = health(service.url)
    assert (missed["status"], missed["maintenance"]["alive"]) == ("degraded", False)
    until(lambda: is_whole(service))
    (again,) = pids(service, "maintenance")
    assert again != victim
    assert psutil.Process(again).nice() == min(19, psutil.Process(service.process.pid).nice() + NICENESS)


def test_a_killed_worker_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """Crawlers post to both; one is killed, then the service stops amid their posts."""
    # On a busy machine merges may not follow; that posts then wait is no part of this.
    running = start_server(tmp_path / "lake", workers=2, page_rows_max=1_000_000, debt_files_max=10_000)
    try:
        until(lambda: is_whole(running))
        crawlers = [Crawler(f"{number}") for number in range(4)]
        threads = crawling(crawlers, running.url)
        until(lambda: all(crawler.acknowledged for crawler in crawlers))
        kill(running, "worker")
        until(lambda: is_whole(running))
        family = psutil.Process(running.process.pid).children(recursive=True)
        assert running.stop() == 0
    finally:
        running.kill()
    for thread in threads:
        thread.join(SECONDS_MAX)
    assert not [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    again = start_server(tmp_path / "lake", workers=2, page_rows_max=1_000_000)
    try:
        check_stored(again.url, crawlers)
        for crawler in crawlers:
            crawler.send_again(again.url)
        check_stored(again.url, crawlers)
    finally:
        again.stop()


def test_a_service_whose_workers_cannot_start_ends(tmp_path: Path) -> None:
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "catalog.db").write_bytes(b"no database" * 1_000)
    with pytest.raises(AssertionError, match="ended at its start"):
        start_server(tmp_path / "lake", workers=2)
