"""The commands as a user runs them: exit statuses, and what is said when something is wrong."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.tree import ROOT


def _finlake(*arguments: str | Path, **settings: object) -> subprocess.CompletedProcess[str]:
    environment = {f"FINLAKE_{name.upper()}": str(value) for name, value in settings.items()}
    return subprocess.run(
        [sys.executable, "-m", "api.cli", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def points(tmp_path: Path) -> Path:
    path = tmp_path / "points.csv"
    path.write_text(
        "external_id,date,value,revision_date\n"
        "RATE,2024-01-01,5.25,2024-01-02\n"
        "RATE,2024-13-01,5.25,2024-01-02\n"
        "RATE,2024-02-01,,2024-02-02\n"
    )
    return path


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"port": "http"}, "FINLAKE_PORT: Input should be a valid integer"),
        ({"port": 0}, "FINLAKE_PORT: Input should be greater than or equal to 1"),
        ({"page_rows_max": -1}, "FINLAKE_PAGE_ROWS_MAX: "),
        ({"log_level": "loud"}, "FINLAKE_LOG_LEVEL: "),
    ],
)
def test_a_wrong_setting_is_told_before_anything_starts(settings: dict[str, object], told: str, tmp_path: Path) -> None:
    done = _finlake("serve", data_dir=tmp_path / "lake", **settings)
    assert done.returncode == 2
    assert told in done.stderr
    assert not (tmp_path / "lake").exists()


def test_a_busy_port_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = _finlake("serve", port=port, data_dir=tmp_path / "lake")
    assert done.returncode == 1
    assert f"Port {port} of 127.0.0.1 is in use." in done.stderr
    assert not (tmp_path / "lake").exists()


def test_ingest_reports_failed_rows_and_ends_with_status_1(demo_url: str, points: Path, tmp_path: Path) -> None:
    arguments = ("ingest", points, "--source", "CLI-TEST", "--url", demo_url, "--state-dir", tmp_path / "state")
    first = _finlake(*arguments)
    assert first.returncode == 1
    assert "2 rows stored; 1 failed." in first.stdout
    assert re.search(r"│ 2 +│ date +│ invalid_date", first.stderr)
    second = _finlake(*arguments)
    assert second.returncode == 1
    assert "2 rows stored, 3 of them by an earlier run; 1 failed." in second.stdout


def test_ingest_of_good_rows_ends_with_status_0(demo_url: str, tmp_path: Path) -> None:
    path = tmp_path / "points.ndjson"
    path.write_text('{"src": "CLI-TEST", "external_id": "B", "date": "2024-01-01", "value": 1.10, "extra": 1}\n')
    done = _finlake(
        "ingest", path, "--url", demo_url, "--state-dir", tmp_path, "--rename", "src=source", "--ignore", "extra"
    )
    assert (done.returncode, done.stderr.count("failed")) == (0, 0), done.stderr
    assert "1 rows stored; 0 failed." in done.stdout


def test_a_question_is_explained(demo_url: str) -> None:
    question = "DataPoints?$filter=date ge 2020-01-01&$select=date,value"
    done = _finlake("explain", question, "--url", demo_url)
    assert done.returncode == 0, done.stderr
    (told,) = httpx.get(f"{demo_url}/odata/{question}&explain=true").json()["explain"]
    assert f"data_points, latest, at snapshot {told['snapshot']}" in done.stdout
    assert f"files: {told['files']['considered']} considered; pruned" in done.stdout
    assert f" {told['files']['read']} read, " in done.stdout
    assert "  stored_where: true -> date ge 2020-01-01\n" in done.stdout
    assert f"SQL: {told['sql']}\n" in done.stdout
    assert _finlake("explain", f"/odata/{question}".replace(" ", "%20"), "--url", demo_url).stdout == done.stdout


def test_what_cannot_be_explained_is_told(demo_url: str) -> None:
    done = _finlake("explain", "DataPoints?$filter=dat eq 1", "--url", demo_url)
    assert done.returncode == 1
    assert "date" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (("ingest",), 2, "Missing argument"),
        (("ingest", "absent.csv"), 2, "does not exist"),
        (("ingest", "README.md"), 1, "unknown format: .md"),
        (("ingest", "README.md", "--rename", "value"), 2, "COLUMN=FIELD"),
        (("fly",), 2, "No such command"),
    ],
)
def test_a_wrong_command_is_told(arguments: tuple[str, ...], status: int, told: str) -> None:
    done = _finlake(*arguments)
    assert done.returncode == status
    assert told in done.stderr
