"""A small lake for the tests of this door: 40 series of two sources, revised and withdrawn points among them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest

from catalog.identity import series_id
from tests.support.graphql_door import GraphQLDoor
from tests.support.warehouse import Warehouse, warehouse

SERIES = 40
MONTHS = 6


def id_of(number: int) -> str:
    return series_id("A", f"S{number:02d}")


def points(number: int) -> Iterator[dict[str, Any]]:
    """Six months, the even ones revised twice; the last month of every third series is withdrawn."""
    for month in range(1, MONTHS + 1):
        day = dt.date(2020, month, 1)
        versions = 3 if month % 2 == 0 else 1
        for version in range(versions):
            withdrawn = number % 3 == 0 and month == MONTHS and version == versions - 1
            yield {
                "external_id": f"S{number:02d}",
                "date": day.isoformat(),
                "value": None if withdrawn else f"{number}.{month}{version}",
                "revision_date": dt.date(2021, 1 + version, 1).isoformat(),
            }


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """Tests only read from it."""
    with warehouse(tmp_path_factory.mktemp("graphql") / "lake") as opened:
        series = [
            {
                "external_id": f"S{n:02d}",
                "title": f"Series {n:02d}" if n % 2 else f"INDEX {n:02d}",
                "units": None if n % 4 == 0 else "Percent",
                "frequency": "monthly" if n % 5 else "daily",
            }
            for n in range(SERIES)
        ]
        opened.write(
            {
                "source": {"name": "A", "title": "Source A"},
                "series": series,
                "data_points": [point for n in range(SERIES) for point in points(n)],
            }
        )
        opened.write(
            {
                "source": {"name": "B"},
                "series": [{"external_id": "X", "title": "Exact"}, {"external_id": "EMPTY", "title": "No points"}],
                "data_points": [
                    {"external_id": "X", "date": f"2020-01-0{n}", "value": value, "revision_date": "2020-02-01"}
                    for n, value in enumerate(EXACT, 1)
                ],
            }
        )
        yield opened


EXACT = (
    "9007199254740993",
    "0.000000000000000001",
    "99999999999999999999.999999999999999999",
    "-1.10",
    "0",
    None,
    "100",
)


@pytest.fixture(scope="session")
def door(lake: Warehouse) -> GraphQLDoor:
    return GraphQLDoor(lake.engine, lake.writer)
