"""The crawler, the service and the line between them fail: every row once, and a later correction stands."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from api.app import build_app
from api.client import Client, Unreachable
from api.posting import Outcome, post_points
from api.resume import Journal, Progress
from catalog.identity import series_id
from engine.query import Query, View
from tests.support.killed_client import BATCH_ROWS, ROWS, points, post
from tests.support.server import free_port, running_server, start_server
from tests.support.tree import ROOT
from tests.support.warehouse import Warehouse, warehouse

# Its run is put on record, then each of three batches before it leaves and after its receipt, then the end.
STEPS = 8


class Killed(BaseException):
    """Stands for a SIGKILL: nothing catches it, so that nothing is cleaned up."""


@dataclass
class Line(httpx.BaseTransport):
    """A line to the application; `cut` is the number of the post whose reply is lost."""

    whole: httpx.BaseTransport
    cut: int = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self.whole.handle_request(request)
        self.cut -= 1
        if not self.cut:
            raise httpx.ReadError("The reply is lost.")
        return answer


@dataclass(frozen=True)
class Lines:
    """Clients of one application in this process."""

    whole: httpx.BaseTransport

    def client(self, cut: int = 0, attempts_max: int = 1) -> Client:
        return Client("http://testserver", Line(self.whole, cut), lambda _: None, attempts_max)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    with warehouse(tmp_path_factory.mktemp("lines") / "lake") as opened:
        yield opened


@pytest.fixture(scope="module")
def lines(lake: Warehouse) -> Lines:
    app = build_app(lake.settings, lake.limits, lake.services)
    return Lines(TestClient(app, raise_server_exceptions=False)._transport)


@pytest.fixture
def source() -> str:
    """One of the test's own, as all share the lake."""
    return str(uuid.uuid4())


def stored(lake: Warehouse, source: str, view: View = View.LATEST) -> list[Any]:
    rows = lake.rows(Query("data_points", ("series_id", "date", "value"), view=view))
    return [row["value"] for row in rows if row["series_id"] == series_id(source, "A")]


def each_stored_once(lake: Warehouse, source: str, outcome: Outcome) -> bool:
    counted = (outcome.rows, outcome.verdicts.inserted, outcome.verdicts.unchanged)
    return (counted, len(stored(lake, source, View.EVERY))) == ((ROWS, ROWS, 0), ROWS)


@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_killed_before_its_progress_is_on_record(
    lake: Warehouse,
    lines: Lines,
    source: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: int,
) -> None:
    real, left = Journal.write, [step]

    def write(journal: Journal, progress: Progress) -> None:
        left[0] -= 1
        if not left[0]:
            raise Killed
        real(journal, progress)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "write", write)
        with pytest.raises(Killed):
            post(lines.client(), tmp_path, source)
    assert each_stored_once(lake, source, post(lines.client(), tmp_path, source, batch_rows=7))


def test_there_are_no_more_steps(
    lake: Warehouse, lines: Lines, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Progress] = []
    monkeypatch.setattr(Journal, "write", lambda _, progress: written.append(progress))
    post(lines.client(), tmp_path, source)
    assert len(written) == STEPS


@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize("batch_rows", [BATCH_ROWS, 7, 50])
def test_a_correction_made_meanwhile_outlives_the_batch_that_is_sent_again(
    lake: Warehouse, lines: Lines, source: str, tmp_path: Path, batch: int, batch_rows: int
) -> None:
    with pytest.raises(Unreachable):
        post(lines.client(cut=batch), tmp_path, source)
    corrected = [point | {"value": "1000"} for point in points()[: batch * BATCH_ROWS]]
    lake.write({"source": {"name": source}, "data_points": corrected})
    outcome = post(lines.client(), tmp_path, source, batch_rows)
    assert stored(lake, source) == [1000] * len(corrected) + list(range(len(corrected), ROWS))
    assert (outcome.verdicts.inserted, outcome.verdicts.corrected, outcome.verdicts.unchanged) == (ROWS, 0, 0)


def test_a_lost_reply_is_made_up_for_within_one_run(lake: Warehouse, lines: Lines, source: str, tmp_path: Path) -> None:
    client = lines.client(cut=2, attempts_max=2)
    assert each_stored_once(lake, source, post(client, tmp_path, source))


def test_other_rows_under_the_job_are_refused_where_the_batch_had_arrived(
    lake: Warehouse, lines: Lines, source: str, tmp_path: Path
) -> None:
    with pytest.raises(Unreachable):
        post(lines.client(1), tmp_path, source)
    with pytest.raises(Exception, match=r"Rows 1 to 20 were refused.*409"):
        post_points(lines.client(), points(5), source=source, job="killed", state_dir=tmp_path)
    assert stored(lake, source) == list(range(BATCH_ROWS))


@pytest.mark.parametrize("step", [3, 5])
def test_a_crawler_killed_for_real(demo_url: str, tmp_path: Path, step: int) -> None:
    crawler = [sys.executable, "-m", "tests.support.killed_client", demo_url, str(tmp_path), str(step)]
    assert subprocess.run(crawler, cwd=ROOT, check=False, timeout=60).returncode == -signal.SIGKILL
    with Client(demo_url) as client:
        outcome = post(client, tmp_path, f"KILLED-{step}", batch_rows=13)
        assert (outcome.verdicts.inserted, outcome.verdicts.unchanged) == (ROWS, 0)
        assert outcome.resumed_at == BATCH_ROWS * ((step - 2) // 2)
        rows = client.entities("Revisions", filter=f"series_id eq {series_id(f'KILLED-{step}', 'A')}", top=1_000)
        assert len(rows) == ROWS


def test_a_service_killed_in_the_middle_is_waited_for(tmp_path: Path) -> None:
    port = free_port()
    first = start_server(tmp_path / "lake", port)
    outcomes: list[Outcome] = []

    def crawl() -> None:
        with Client(first.url) as client:
            outcomes.append(post_points(client, points(), source="S", batch_rows=1))

    crawler = threading.Thread(target=crawl)
    crawler.start()
    time.sleep(0.6)
    first.kill()
    with running_server(tmp_path / "lake", port) as url, Client(url) as client:
        crawler.join(60)
        rows = client.entities("Revisions", top=1_000)
    (outcome,) = outcomes
    assert (outcome.rows, outcome.verdicts.inserted, outcome.verdicts.unchanged, len(rows)) == (ROWS, ROWS, 0, ROWS)
