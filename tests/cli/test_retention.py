"""`finlake expire`, `tag` and `verify`, beside a running service and without one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias

import httpx
import pytest
from typer.testing import CliRunner

from api import logging, retention
from api.cli import app
from catalog.ledger import LOCK_FILE
from catalog.locks import owned
from tests.support.server import running_server
from tests.support.tree import ROOT
from tests.support.warehouse import warehouse

BULK = "/api/v1/financial-data/bulk"
HEADER = "X-Finlake-Snapshot"
Run: TypeAlias = Callable[..., tuple[int, str, str]]


def finlake(folder: Path, *arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
    fields = {"data_dir": folder, "log_level": "error", **settings}
    environment = os.environ | {f"FINLAKE_{name.upper()}": str(value) for name, value in fields.items()}
    command = [sys.executable, "-m", "api.cli", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def point(number: int) -> dict[str, object]:
    row = {"source": "S", "external_id": "A", "date": "2020-01-01", "value": number, "revision_date": "2020-02-01"}
    return {"data_points": [row]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A lake of six commits, closed."""
    with warehouse(tmp_path / "lake") as lake:
        for number in range(6):
            lake.write(point(number))
    return tmp_path / "lake"


def here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path, *arguments: str, **settings: int
) -> tuple[int, str, str]:
    """The program behind the commands, in this process: exit status, output, complaints."""
    for name, value in {"data_dir": folder, "log_level": "error", **settings}.items():
        monkeypatch.setenv(f"FINLAKE_{name.upper()}", str(value))
    monkeypatch.setattr(logging, "configure", lambda _: None)
    status = retention.main(arguments)
    told = capsys.readouterr()
    return status, told.out, told.err


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Takes the folder first."""
    return partial(here, monkeypatch, capsys)


@pytest.fixture
def run(command: Run, folder: Path) -> Run:
    return partial(command, folder)


def test_both_doors_travel_by_token_tag_and_instant_until_they_expire(tmp_path: Path, command: Run) -> None:
    folder = tmp_path / "lake"
    with running_server(folder) as url, httpx.Client(base_url=url, timeout=60) as client:
        tokens = [client.post(BULK, json=point(number)).raise_for_status().headers[HEADER] for number in range(4)]
        assert command(folder, "tag", "kept")[0] == 0
        client.post(BULK, json=point(9)).raise_for_status()

        def odata(snapshot: str) -> tuple[int, str, object]:
            answer = client.get("/odata/DataPoints", params={"snapshot": snapshot, "$select": "value"})
            body = answer.json()
            told = body["value"][0]["value"] if answer.is_success else body["error"]["code"]
            return answer.status_code, answer.headers.get(HEADER, ""), told

        def graphql(snapshot: str) -> tuple[str, object]:
            document = "query($s: String) { seriesList(snapshot: $s) { edges { node { dataPoints { value } } } } }"
            body = client.post("/graphql", json={"query": document, "variables": {"s": snapshot}}).json()
            if "errors" in body:
                return "", body["errors"][0]["extensions"]["code"]
            return body["extensions"]["snapshot"], body["data"]["seriesList"]["edges"][0]["node"]["dataPoints"][0][
                "value"
            ]

        before = [(odata(token), graphql(token)) for token in tokens]
        assert [each[0][:2] for each in before] == [(200, token) for token in tokens]
        assert [each[1][0] for each in before] == tokens
        assert odata("kept") == odata(tokens[3])
        assert graphql("kept") == graphql(tokens[3])
        assert odata("2999-01-01T00:00:00+00:00")[2] == client.get("/odata/DataPoints").json()["value"][0]["value"]
        early = client.get("/odata/DataPoints/$count", params={"snapshot": "2000-01-01T00:00:00Z"})
        assert (early.text, early.headers[HEADER]) == ("0", "0-0-0-0")
        for bad in ("2024-06-15", "nothing", "2024-06-15T12:00:00"):
            assert odata(bad)[0::2] == (404, "unknown_snapshot")
            assert graphql(bad) == ("", "unknown_snapshot")

        for _ in range(2):
            assert command(folder, "expire", snapshots_kept_min=1, snapshot_retention_seconds=0)[0] == 0
        assert odata(tokens[0])[0::2] == (410, "snapshot_expired")
        assert graphql(tokens[0]) == ("", "snapshot_expired")
        assert odata("kept") == before[3][0]
        assert graphql("kept") == before[3][1]
        assert "No faults." in finlake(folder, "verify", "--all").stdout


def test_a_page_behind_a_tag_goes_on_when_the_tag_is_gone(tmp_path: Path, command: Run) -> None:
    folder = tmp_path / "lake"
    with running_server(folder, page_rows_max=2) as url, httpx.Client(base_url=url, timeout=60) as client:
        rows = [{"source": "S", "external_id": f"A{n}", "date": "2020-01-01", "value": n} for n in range(5)]
        client.post(BULK, json={"data_points": rows}).raise_for_status()
        command(folder, "tag", "kept")
        page = client.get("/odata/DataPoints?snapshot=kept").json()
        command(folder, "tag", "--delete", "--", "kept")
        seen = len(page["value"])
        while "@odata.nextLink" in page:
            assert "snapshot=" not in page["@odata.nextLink"]
            page = client.get(page["@odata.nextLink"]).raise_for_status().json()
            seen += len(page["value"])
        assert seen == 5


def test_expire_tells_what_it_would_do_and_does_it(run: Run) -> None:
    settings = {"snapshots_kept_min": 2, "snapshot_retention_seconds": 0}
    _, dry, _ = run("expire", "--dry-run", **settings)
    assert dry.startswith("Dry run, nothing is changed.")
    assert "4 taken from the metadata" in dry
    assert run("expire", "--dry-run", **settings)[1] == dry
    assert "4 taken from the metadata; 4 of earlier ones expired" in run("expire", **settings)[1]
    assert "Snapshots: 0 taken from the metadata; 0 " in run("expire", **settings)[1]


def test_expire_says_that_another_one_is_at_it(run: Run, folder: Path) -> None:
    with owned(folder / LOCK_FILE, wait=False):
        status, told, complaint = run("expire")
    assert (status, told) == (0, "")
    assert complaint.startswith("Nothing was done")


def test_tags_are_made_listed_and_deleted(run: Run) -> None:
    assert run("tag") == (0, "There are no tags.\n", "")
    assert run("tag", "v1")[1].startswith("The tag v1 names the state ")
    status, _, complaint = run("tag", "v1")
    assert (status, complaint.split(":")[0]) == (1, "already_exists")
    assert run("tag")[1].split()[0] == "v1"
    assert run("tag", "--delete", "--", "v1") == (0, "The tag v1 is deleted.\n", "")
    status, _, complaint = run("tag", "--delete", "--", "v1")
    assert (status, complaint.split(":")[0]) == (1, "unknown_snapshot")
    for name in ("0-0-0", "--x"):
        status, _, complaint = run("tag", "--", name)
        assert (status, complaint.split(":")[0]) == (1, "invalid_tag")


def test_the_command_line_hands_on_what_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    handed: list[list[str]] = []

    def started(command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        handed.append(command[3:])
        return subprocess.CompletedProcess(command, 1)

    monkeypatch.setattr(subprocess, "run", started)
    lines = ["expire", "expire --dry-run", "tag a", "tag --list", "tag --delete a", "tag a --delete", "verify --all"]
    assert [CliRunner().invoke(app, line).exit_code for line in lines] == [1] * len(lines)
    assert [" ".join(command) for command in handed] == [
        "expire",
        "expire --dry-run",
        "tag -- a",
        "tag",
        "tag --delete -- a",
        "tag --delete -- a",
        "verify --all",
    ]
    wrong = ["tag", "tag a --list", "tag --delete", "tag --list --delete"]
    assert [CliRunner().invoke(app, line).exit_code for line in wrong] == [2] * len(wrong)


def test_verify_tells_faults_by_its_exit_status(run: Run, folder: Path) -> None:
    status, told, _ = run("verify")
    assert (status, told.splitlines()[-1]) == (0, "No faults.")
    victim = next((folder / "warehouse/finlake/sources/data").glob("*.parquet"))
    victim.write_bytes(b"")
    status, told, _ = run("verify")
    assert (status, told.splitlines()[-1]) == (1, "Faults: 1.")
    assert victim.name in told
