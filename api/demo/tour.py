"""Loads the demonstration into an empty lake, and says what to open and what to ask."""

from __future__ import annotations

from dataclasses import dataclass

from api.client import Client
from api.demo import gdp, vega


@dataclass(frozen=True, slots=True)
class Loaded:
    """`points` is how many were stored, 0 where the lake held series already."""

    points: int
    with_package: bool


@dataclass(frozen=True, slots=True)
class Question:
    title: str
    command: str


PAGES = ("/", "/graphql", "/odata/", "/docs", "/health")


def load_if_empty(client: Client) -> Loaded:
    """Post the demonstration unless the lake has a series. Raises ClientError."""
    if client.entities("Series", select="id", top=1):
        return Loaded(0, vega.installed())
    documents = (gdp.document(), *vega.documents())
    return Loaded(sum(_points(client, document) for document in documents), vega.installed())


def questions(client: Client) -> tuple[Question, ...]:
    """Three commands that work as they stand, or none where the lake holds other series. Raises ClientError."""
    wanted = f"source eq '{gdp.SOURCE}' and external_id eq '{gdp.EXTERNAL_ID}'"
    found = client.entities("Series", select="id", filter=wanted)
    return _questions(client.url, str(found[0]["id"])) if found else ()


def _points(client: Client, document: dict[str, object]) -> int:
    receipt = client.post(document, mode="atomic")
    return receipt.successful


def _questions(url: str, series_id: str) -> tuple[Question, ...]:
    points = f"{url}/odata/Series({series_id})/DataPoints"
    revisions = (
        f'{{ series(id: \\"{series_id}\\") {{ title revisions(date: \\"2023-07-01\\") {{ revisionDate value }} }} }}'
    )
    return (
        Question("US real GDP growth as known today (OData)", f"curl '{points}?$select=date,value'"),
        Question(
            "The same as a reader knew it on 1 December 2023 (OData)",
            f"curl '{points}?asOf=2023-12-01&$select=date,value,revision_date'",
        ),
        Question(
            "Every estimate of the third quarter of 2023 (GraphQL)",
            f"curl {url}/graphql -H 'Content-Type: application/json' -d '{{\"query\": \"{revisions}\"}}'",
        ),
    )
