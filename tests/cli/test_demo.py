"""The demonstration data: the GDP table as the BEA published it, and honest series out of the package."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from decimal import Decimal

import pytest

from api.demo import gdp, vega
from catalog.model import FREQUENCIES

# quarter, then (release date, value) of the advance, second and third estimate
RELEASES = {
    "2023-01-01": (("2023-04-27", "1.1"), ("2023-05-25", "1.3"), ("2023-06-29", "2.0")),
    "2023-04-01": (("2023-07-27", "2.4"), ("2023-08-30", "2.1"), ("2023-09-28", "2.1")),
    "2023-07-01": (("2023-10-26", "4.9"), ("2023-11-29", "5.2"), ("2023-12-21", "4.9")),
    "2023-10-01": (("2024-01-25", "3.3"), ("2024-02-28", "3.2"), ("2024-03-28", "3.4")),
    "2024-01-01": (("2024-04-25", "1.6"), ("2024-05-30", "1.3"), ("2024-06-27", "1.4")),
    "2024-04-01": (("2024-07-25", "2.8"), ("2024-08-29", "3.0"), ("2024-09-26", "3.0")),
    "2024-07-01": (("2024-10-30", "2.8"), ("2024-11-27", "2.8"), ("2024-12-19", "3.1")),
    "2024-10-01": (("2025-01-30", "2.3"), ("2025-02-27", "2.3"), ("2025-03-27", "2.4")),
}


def test_every_release_of_gdp_is_there() -> None:
    points = [
        (point["date"], point["revision_date"], point["value"], point["is_original_release"])
        for point in gdp.document()["data_points"]
    ]
    assert points == [
        (quarter, released, value, number == 0)
        for quarter, releases in RELEASES.items()
        for number, (released, value) in enumerate(releases)
    ]


def test_the_package_gives_thousands_of_well_formed_points() -> None:
    if not vega.installed():
        pytest.skip("The optional package vega_datasets is not installed.")
    total = 0
    for document in vega.documents():
        series = {entry["external_id"]: entry for entry in document["series"]}
        points = document["data_points"]
        keys = Counter((point["external_id"], point["date"]) for point in points)
        assert {external_id for external_id, _ in keys} == set(series)
        assert max(keys.values()) == 1
        assert all(entry["title"] and entry["units"] and entry["frequency"] in FREQUENCIES for entry in series.values())
        assert document["source"]["license"]
        for point in points:
            assert Decimal(point["value"]).is_finite()
            assert dt.date.fromisoformat(point["date"]) < dt.date.fromisoformat(point["revision_date"])
        total += len(points)
    assert total > 5_000


def test_without_the_package_there_is_gdp_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vega.importlib.util, "find_spec", lambda _name: None)
    assert list(vega.documents()) == []
    assert not vega.installed()
