"""Crawlers that post to a service over HTTP until it is gone, and what must be there of it afterwards."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx

BULK = "/api/v1/financial-data/bulk"
ROWS = 60


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
                    answer = client.post(BULK, json=document(batch), headers={"Idempotency-Key": batch})
                except httpx.TransportError:
                    return
                if answer.status_code == 503:
                    return
                assert answer.json()["successful"] == ROWS, answer.text
                self.acknowledged.append(batch)

    def send_again(self, url: str) -> None:
        """What was not acknowledged, to a service that is up."""
        with httpx.Client(base_url=url, timeout=30) as client:
            for batch in self.sent:
                if batch not in self.acknowledged:
                    answer = client.post(BULK, json=document(batch), headers={"Idempotency-Key": batch})
                    assert answer.json()["successful"] == ROWS, answer.text


def document(batch: str) -> dict[str, Any]:
    points = [
        {"external_id": batch, "date": f"20{n:02d}-01-01", "value": str(n), "revision_date": "2024-01-01"}
        for n in range(ROWS)
    ]
    return {"source": {"name": "CRASH"}, "data_points": points}


def crawling(crawlers: Iterable[Crawler], url: str) -> list[threading.Thread]:
    """The threads of crawlers that have begun."""
    threads = [threading.Thread(target=crawler.run, args=(url,)) for crawler in crawlers]
    for thread in threads:
        thread.start()
    return threads


def stored(url: str) -> dict[str, int]:
    """Rows by batch."""
    with httpx.Client(base_url=url, timeout=60) as client:
        series = client.get("/odata/Series", params={"$select": "id,external_id"}).json()["value"]
        names = {row["id"]: row["external_id"] for row in series}
        rows = client.get("/odata/Revisions", params={"$select": "series_id"}).json()
        assert "@odata.nextLink" not in rows
        return Counter(names[row["series_id"]] for row in rows["value"])


def check_stored(url: str, crawlers: Iterable[Crawler]) -> None:
    rows, listed = stored(url), list(crawlers)
    acknowledged = [batch for crawler in listed for batch in crawler.acknowledged]
    assert {batch: rows.get(batch, 0) for batch in acknowledged} == dict.fromkeys(acknowledged, ROWS)
    assert set(rows) <= {batch for crawler in listed for batch in crawler.sent}
    assert set(rows.values()) <= {ROWS}, "a batch is torn or doubled"
