"""Readers and crawlers against a running service: `make loadtest`, or locust with its own options.

Crawlers write: their series are called LOADTEST and stay in the lake, so point it at a lake that may be thrown away.
"""

from __future__ import annotations

import datetime as dt
import itertools
import random
from typing import Any

from locust import HttpUser, between, task

SOURCE = "LOADTEST"
BATCH_POINTS = 200
SERIES_READ_MAX = 200
FIRST_DAY = dt.date(2000, 1, 1)
POINTS_QUERY = """
query Points($id: ID!, $asOf: Date) { series(id: $id) { title dataPoints(asOf: $asOf) { date value } } }
"""

_crawlers = itertools.count()


class Reader(HttpUser):
    """Asks for one series at a time, through either door, as of now or of a day."""

    weight = 5
    wait_time = between(0.05, 0.2)
    series: list[str]

    def on_start(self) -> None:
        answer = self.client.get(
            "/odata/Series", params={"$select": "id", "$top": SERIES_READ_MAX}, name="odata: list of series"
        )
        answer.raise_for_status()
        self.series = [row["id"] for row in answer.json()["value"]]
        if not self.series:
            raise RuntimeError("The lake is empty: run finlake demo first.")

    @task(3)
    def odata_latest(self) -> None:
        self._points("odata: one series, latest", {"$select": "date,value"})

    @task(2)
    def odata_as_of(self) -> None:
        self._points("odata: one series, as of a day", {"asOf": _day().isoformat(), "$select": "date,value"})

    @task(3)
    def graphql_latest(self) -> None:
        self._ask("graphql: one series, latest", {"id": random.choice(self.series)})

    @task(2)
    def graphql_as_of(self) -> None:
        self._ask("graphql: one series, as of a day", {"id": random.choice(self.series), "asOf": _day().isoformat()})

    def _points(self, name: str, params: dict[str, str]) -> None:
        self.client.get(f"/odata/Series({random.choice(self.series)})/DataPoints", params=params, name=name)

    def _ask(self, name: str, variables: dict[str, Any]) -> None:
        body = {"query": POINTS_QUERY, "variables": variables}
        with self.client.post("/graphql", json=body, name=name, catch_response=True) as answer:
            if answer.ok and "errors" in answer.json():
                answer.failure(str(answer.json()["errors"])[:200])


class Crawler(HttpUser):
    """Posts a batch of fresh revisions of its own series, waits, and posts the next day's."""

    weight = 1
    wait_time = between(0.5, 1.5)
    published: dt.date

    def on_start(self) -> None:
        self.external_id = f"CRAWLER-{next(_crawlers)}"
        self.published = FIRST_DAY + dt.timedelta(days=BATCH_POINTS)

    @task
    def post(self) -> None:
        self.published += dt.timedelta(days=1)
        points = [
            {
                "external_id": self.external_id,
                "date": (FIRST_DAY + dt.timedelta(days=day)).isoformat(),
                "value": f"{random.uniform(90, 110):.4f}",
                "revision_date": self.published.isoformat(),
            }
            for day in range(BATCH_POINTS)
        ]
        document = {"source": {"name": SOURCE}, "data_points": points}
        with self.client.post(
            "/api/v1/financial-data/bulk", json=document, name=f"bulk: {BATCH_POINTS} points", catch_response=True
        ) as answer:
            if answer.ok and answer.json()["failed"]:
                answer.failure(answer.text[:200])


def _day() -> dt.date:
    return dt.date(2019, 1, 1) + dt.timedelta(days=random.randrange(2_000))
