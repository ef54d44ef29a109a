"""Stopped in the middle: SIGKILL loses nothing acknowledged and tears no batch; SIGTERM finishes what runs."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.support.server import start_server

BULK = "/api/v1/financial-data/bulk"
ROUNDS = 20
ROWS = 60
CRAWLERS = 3


@dataclass
class Crawler:
    """Posts numbered batches until the service is gone; a batch is one series of ROWS points."""

    name: str
    sent: list[str] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)

    def run(self, url: str) -> None:
        with httpx.Client(base_url=url, timeout=30) as client:
            while True:
                batch = f"{self.name}-{len(self.sent)}"
                self.sent.append(batch)
                try:
                    answer = client.post(BULK, json=document(batch))
                except httpx.TransportError:
                    return
                if answer.status_code == 503:
                    return
                assert answer.json()["successful"] == ROWS, answer.text
                self.acknowledged.append(batch)


def document(batch: str) -> dict[str, Any]:
    points = [
        {"external_id": batch, "date": f"20{n:02d}-01-01", "value": str(n), "revision_date": "2024-01-01"}
        for n in range(ROWS)
    ]
    return {"source": {"name": "CRASH"}, "data_points": points}


def stored(url: str) -> dict[str, int]:
    """Rows by batch."""
    with httpx.Client(base_url=url, timeout=60) as client:
        series = client.get("/odata/Series", params={"$select": "id,external_id"}).json()["value"]
        names = {row["id"]: row["external_id"] for row in series}
        rows = client.get("/odata/Revisions", params={"$select": "series_id"}).json()
        assert "@odata.nextLink" not in rows
        return Counter(names[row["series_id"]] for row in rows["value"])


def test_sigkill_loses_nothing_acknowledged_and_tears_no_batch(tmp_path: Path) -> None:
    chance = random.Random(20)
    crawlers: list[Crawler] = []
    for turn in range(ROUNDS):
        service = start_server(tmp_path / "lake", page_rows_max=1_000_000)
        fresh = [Crawler(f"{turn}-{n}") for n in range(CRAWLERS)]
        threads = [threading.Thread(target=crawler.run, args=(service.url,)) for crawler in fresh]
        for thread in threads:
            thread.start()
        time.sleep(chance.uniform(0.3, 1.2))
        service.kill()
        for thread in threads:
            thread.join()
        crawlers += fresh
    service = start_server(tmp_path / "lake", page_rows_max=1_000_000)
    rows = stored(service.url)
    service.stop()
    acknowledged = [batch for crawler in crawlers for batch in crawler.acknowledged]
    assert len(acknowledged) >= ROUNDS
    assert {batch: rows.get(batch, 0) for batch in acknowledged} == dict.fromkeys(acknowledged, ROWS)
    assert set(rows) <= {batch for crawler in crawlers for batch in crawler.sent}
    assert set(rows.values()) == {ROWS}, "a batch is torn or doubled"


def test_sigterm_finishes_what_runs(tmp_path: Path) -> None:
    service = start_server(tmp_path / "lake", page_rows_max=1_000_000)
    crawlers = [Crawler(f"{n}") for n in range(8)]
    threads = [threading.Thread(target=crawler.run, args=(service.url,)) for crawler in crawlers]
    for thread in threads:
        thread.start()
    time.sleep(1.5)
    assert service.stop() == 0, service.log.read_text()[-2000:]
    for thread in threads:
        thread.join()
    service = start_server(tmp_path / "lake", page_rows_max=1_000_000)
    rows = stored(service.url)
    service.stop()
    acknowledged = {batch for crawler in crawlers for batch in crawler.acknowledged}
    assert acknowledged
    assert acknowledged <= set(rows)
    assert set(rows.values()) == {ROWS}
