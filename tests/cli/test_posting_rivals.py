"""Several processes post one job at once: one does, the others are told, and what is killed is made up for."""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from api.client import Client, JobRunning
from api.posting import post_points
from api.resume import journal_of
from catalog.identity import series_id
from tests.support.killed_client import points
from tests.support.tree import ROOT

ROWS = 600
TOLD = "The job is being posted by another process"


class Ingest:
    """`finlake ingest` of one file for one source, in small batches: runs of it share their progress."""

    def __init__(self, url: str, folder: Path, source: str) -> None:
        self.url, self.source, self._folder = url, source, folder
        self._file = folder / "points.csv"
        with self._file.open("w", newline="") as out:
            rows = csv.writer(out)
            rows.writerow(("external_id", "date", "value", "revision_date"))
            rows.writerows(("A", f"{1400 + n}-01-01", n, "2024-01-01") for n in range(ROWS))

    def start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "api.cli", "ingest", str(self._file), "--source", self.source]
        options = ["--url", self.url, "--batch-rows", "10", "--state-dir", str(self._folder / "state")]
        return subprocess.Popen(
            [*command, *options], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def stored(self, client: Client) -> list[Decimal]:
        wanted = f"series_id eq {series_id(self.source, 'A')}"
        return sorted(Decimal(row["value"]) for row in client.entities("Revisions", filter=wanted, top=10_000))

    def until_under_way(self, client: Client) -> None:
        deadline = time.monotonic() + 60
        while not self.stored(client):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, complaints = process.communicate(timeout=120)
    return process.returncode, out, complaints


def check_told(statuses: list[tuple[int, str, str]], done: int) -> None:
    """Some did their work, in part what was left of it; all others were told, and none came to grief."""
    assert not [complaints for _, _, complaints in statuses if "Traceback" in complaints]
    assert all(status == 0 or (status == 1 and TOLD in complaints) for status, _, complaints in statuses)
    assert Counter(status for status, _, _ in statuses)[0] >= done


def test_at_once(demo_url: str, tmp_path: Path) -> None:
    ingest = Ingest(demo_url, tmp_path, "AT-ONCE")
    check_told([ended(process) for process in [ingest.start() for _ in range(3)]], done=1)
    with Client(demo_url) as client:
        assert ingest.stored(client) == list(range(ROWS))
    status, out, _ = ended(ingest.start())
    assert (status, f"{ROWS} rows stored, {ROWS} of them by an earlier run; 0 failed." in out) == (0, True)


def test_one_is_killed_and_started_again_beside_another(demo_url: str, tmp_path: Path) -> None:
    ingest = Ingest(demo_url, tmp_path, "KILLED-BESIDE")
    with Client(demo_url) as client:
        first = ingest.start()
        ingest.until_under_way(client)
        first.kill()
        others = [ingest.start() for _ in range(2)]
        assert ended(first)[0] == -signal.SIGKILL
        check_told([ended(process) for process in others], done=1)
        assert ingest.stored(client) == list(range(ROWS))


def test_a_job_that_runs_is_left_alone(demo_url: str, tmp_path: Path) -> None:
    with Client(demo_url) as client:
        journal = journal_of("taken", tmp_path, "")
        with journal.alone(), pytest.raises(JobRunning), journal.alone():
            pass
        with journal.alone():
            pass
        told: list[int] = []
        post_points(client, points(), source="TAKEN", job="taken", state_dir=tmp_path, on_progress=told.append)

        def again(_: int) -> None:
            with pytest.raises(JobRunning):
                post_points(client, points(), source="TAKEN", job="taken", state_dir=tmp_path, again=True)

        post_points(client, points(), source="TAKEN", job="taken", state_dir=tmp_path, on_progress=again)
