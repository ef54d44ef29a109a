"""`finlake compact`: fewer files, the same answers, beside a running service."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx

from tests.support.server import running_server
from tests.support.tree import ROOT
from tests.support.vintages import generated


def test_compact_beside_a_running_service_changes_no_answer(tmp_path: Path) -> None:
    folder = tmp_path / "lake"
    vintages = generated(tmp_path / "vintages.parquet")
    with running_server(folder, page_rows_max=100_000) as url, httpx.Client(base_url=url, timeout=60) as client:
        for document in vintages.documents(2_000):
            client.post("/api/v1/financial-data/bulk", json=document).raise_for_status()
        asked = ["/odata/DataPoints", "/odata/DataPoints?asOf=2004-06-15", "/odata/Revisions"]
        before = [client.get(question).json()["value"] for question in asked]
        environment = os.environ | {"FINLAKE_DATA_DIR": str(folder)}
        command = [sys.executable, "-m", "api.cli", "compact"]
        first = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        second = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        after = [client.get(question).json()["value"] for question in asked]
        files = client.get("/health/detailed").json()["tables"]["data_points"]["files"]
    assert "partitions merged" in first.stdout
    assert second.stdout.startswith("0 partitions merged")
    assert after == before
    assert all(before)
    assert files <= 12
