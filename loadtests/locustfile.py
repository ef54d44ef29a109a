"""The audiences as locust users: `make loadtest`, or locust with its own options and the names of classes.

Crawlers write: their series are called LOADTEST and stay in the lake, so point them at a lake that may be thrown away.
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
PAGE_ROWS = 1_000
LIST_SERIES = 50
TILES = 12
FIRST_DAY = dt.date(2000, 1, 1)
LIST_QUERY = """
query List($first: Int!) {
  seriesList(first: $first) { edges { node { id title dataPoints(last: 1) { date value } } } }
}
"""
POINTS_QUERY = """
query Points($id: ID!, $asOf: Date) { series(id: $id) { title dataPoints(asOf: $asOf) { date value } } }
"""

_crawlers = itertools.count()


class Refresher(HttpUser):
    """A BI tool: the metadata, the list of series, whole tables page by page, and single series as of a day."""

    weight = 2
    wait_time = between(0.1, 0.4)
    series: list[str]

    def on_start(self) -> None:
        answer = self.client.get(
            "/odata/Series", params={"$select": "id", "$top": SERIES_READ_MAX}, name="odata: list of series"
        )
        answer.raise_for_status()
        self.series = _some([row["id"] for row in answer.json()["value"]])

    @task(1)
    def metadata(self) -> None:
        self.client.get("/odata/$metadata", name="odata: metadata")

    @task(1)
    def refresh(self) -> None:
        link: str | None = "/odata/DataPoints?$select=series_id,date,value"
        while link:
            prefer = {"Prefer": f"odata.maxpagesize={PAGE_ROWS}"}
            answer = self.client.get(link, headers=prefer, name=f"odata: page of {PAGE_ROWS:,} points")
            link = answer.json().get("@odata.nextLink") if answer.ok else None

    @task(3)
    def latest(self) -> None:
        self._points("odata: one series, latest", {"$select": "date,value"})

    @task(2)
    def as_of(self) -> None:
        self._points("odata: one series, as of a day", {"asOf": _day().isoformat(), "$select": "date,value"})

    def _points(self, name: str, params: dict[str, str]) -> None:
        self.client.get(f"/odata/Series({random.choice(self.series)})/DataPoints", params=params, name=name)


class Dashboard(HttpUser):
    """A page of tiles over GraphQL: a list with last values, twelve series in one document, one series as of a day."""

    weight = 3
    wait_time = between(0.05, 0.2)
    series: list[str]

    def on_start(self) -> None:
        data = self._ask("graphql: list with last values", LIST_QUERY, {"first": LIST_SERIES})
        self.series = _some([edge["node"]["id"] for edge in data["seriesList"]["edges"]])

    @task(1)
    def overview(self) -> None:
        self._ask("graphql: list with last values", LIST_QUERY, {"first": LIST_SERIES})

    @task(1)
    def tiles(self) -> None:
        chosen = random.sample(self.series, min(TILES, len(self.series)))
        fields = (
            f'tile{at}: series(id: "{each}") {{ title dataPoints(last: 24) {{ date value }} }}'
            for at, each in enumerate(chosen)
        )
        self._ask(f"graphql: {TILES} tiles", f"{{ {' '.join(fields)} }}", {})

    @task(3)
    def latest(self) -> None:
        self._ask("graphql: one series, latest", POINTS_QUERY, {"id": random.choice(self.series)})

    @task(2)
    def as_of(self) -> None:
        variables = {"id": random.choice(self.series), "asOf": _day().isoformat()}
        self._ask("graphql: one series, as of a day", POINTS_QUERY, variables)

    def _ask(self, name: str, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        body = {"query": query, "variables": variables}
        with self.client.post("/graphql", json=body, name=name, catch_response=True) as answer:
            document = answer.json() if answer.ok else {}
            if "errors" in document:
                answer.failure(str(document["errors"])[:200])
            return document.get("data") or {}


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


def _some(series: list[str]) -> list[str]:
    if not series:
        raise RuntimeError("The lake is empty: run finlake demo first.")
    return series


def _day() -> dt.date:
    return dt.date(2019, 1, 1) + dt.timedelta(days=random.randrange(2_000))
