"""The service as a process: it stops cleanly, leaves no orphan, and answers what README.md and the demo promise."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import orjson
import psutil
import pytest

from api.client import Client
from api.demo import tour
from tests.support.server import start_server
from tests.support.tree import ROOT

DEFAULT_URL = "http://127.0.0.1:8001"


def test_it_stops_on_sigterm_and_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    service = start_server(tmp_path / "lake")
    with Client(service.url) as client:
        receipt = client.post({"source": {"name": "S"}, "data_points": [_point("1.5")]})
    assert service.stop() == 0
    _check_log(service.log)
    again = start_server(tmp_path / "lake")
    try:
        with Client(again.url) as client:
            rows = client.entities("DataPoints", select="date,value")
    finally:
        again.stop()
    assert (receipt.successful, rows) == (1, [{"date": "2024-01-01", "value": 1.5}])


def _check_log(log: Path) -> None:
    """Every line, the HTTP server's own too, is one JSON object with the same first facts."""
    lines = [orjson.loads(line) for line in log.read_bytes().splitlines()]
    assert {"time", "level", "logger", "event"} <= set.intersection(*(set(line) for line in lines))
    assert any(line["event"] == "request" and line["path"] == "/health" for line in lines)


def _point(value: str) -> dict[str, str]:
    return {"external_id": "A", "date": "2024-01-01", "value": value, "revision_date": "2024-01-02"}


def test_a_killed_supervisor_leaves_no_worker_and_a_free_port(tmp_path: Path) -> None:
    service = start_server(tmp_path / "lake")
    family = psutil.Process(service.process.pid).children(recursive=True)
    service.process.kill()
    service.process.wait()
    try:
        _, alive = psutil.wait_procs(family, timeout=20)
        assert not alive
        socket.create_server(("127.0.0.1", int(service.url.rsplit(":", 1)[1]))).close()
    finally:
        service.kill()


def test_the_demo_command_uses_a_service_that_runs(demo_url: str) -> None:
    port = demo_url.rsplit(":", 1)[1]
    done = subprocess.run(
        [sys.executable, "-m", "api.cli", "demo"],
        cwd=ROOT,
        env={"FINLAKE_PORT": port, "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "holds series already" in done.stdout
    assert [page for page in tour.PAGES if f"{demo_url}{page}\n" not in done.stdout] == []
    assert done.stdout.count("\ncurl ") == 3


def _run(command: str) -> dict[str, object]:
    if not shutil.which("curl") or not shutil.which("bash"):
        pytest.skip("curl and bash are needed to run the commands as they are printed.")
    done = subprocess.run(["bash", "-euc", command], capture_output=True, timeout=60, check=True)
    answer = orjson.loads(done.stdout)
    assert "code" not in answer, answer
    assert "errors" not in answer, answer
    return answer


def test_the_printed_questions_work(demo_url: str) -> None:
    with Client(demo_url) as client:
        today, then, revisions = (_run(question.command) for question in tour.questions(client))
    quarter = "2023-07-01"
    assert {row["date"]: row["value"] for row in today["value"]}[quarter] == 4.9
    assert {row["date"]: row["value"] for row in then["value"]}[quarter] == 5.2
    published = [(row["revisionDate"], row["value"]) for row in revisions["data"]["series"]["revisions"]]
    assert sorted(published) == [("2023-10-26", "4.9"), ("2023-11-29", "5.2"), ("2023-12-21", "4.9")]


def _readme_commands() -> list[str]:
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    return [block.strip() for block in blocks]


@pytest.mark.parametrize("command", _readme_commands(), ids=lambda command: command.split("'")[0][:20])
def test_the_commands_of_the_readme_work(demo_url: str, command: str) -> None:
    answer = _run(command.replace(DEFAULT_URL, demo_url))
    assert answer.get("value") or answer.get("data", {}).get("series") or answer.get("successful") == 2


def test_the_pages_can_be_opened(demo_url: str) -> None:
    for page in tour.PAGES:
        answer = httpx.get(demo_url + page, headers={"Accept": "text/html,application/json;q=0.9,*/*;q=0.8"})
        assert answer.is_success, (page, answer.text[:200])
