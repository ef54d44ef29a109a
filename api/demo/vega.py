"""Daily, monthly and annual series out of the optional package vega_datasets.

The package's numbers are one state of each source, so every point has one revision date: the day that state was taken,
as the package documents it, or the date of the file inside the package where it documents none.
"""

from __future__ import annotations

import csv
import datetime as dt
import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

Reading: TypeAlias = tuple[str, dt.date, str]  # external id, first day of the period, the value's text
Row: TypeAlias = dict[str, str]

_PACKAGE_TERMS = "As shipped in vega_datasets (MIT)."


@dataclass(frozen=True, slots=True)
class _Dataset:
    """One file of the package. `series` holds title and units by external id."""

    file: str
    taken_on: str
    source: dict[str, str]
    frequency: str
    seasonal_adjustment: str
    series: dict[str, tuple[str, str]]
    readings: Callable[[Row], Iterator[Reading]]


def documents() -> Iterator[dict[str, Any]]:
    """One bulk document a file, about 8,900 points in all; none where the package is absent."""
    folder = _folder()
    if folder is not None:
        for dataset in _DATASETS:
            yield _document(dataset, folder / dataset.file)


def installed() -> bool:
    return _folder() is not None


def _folder() -> Path | None:
    """The package's data folder, found without importing the package, which would import pandas."""
    spec = importlib.util.find_spec("vega_datasets")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).with_name("_data")


def _document(dataset: _Dataset, path: Path) -> dict[str, Any]:
    with path.open(encoding="utf-8", newline="") as file:
        readings = [reading for row in csv.DictReader(file) for reading in dataset.readings(row)]
    return {
        "source": dataset.source,
        "series": [
            {
                "external_id": external_id,
                "title": title,
                "units": units,
                "frequency": dataset.frequency,
                "seasonal_adjustment": dataset.seasonal_adjustment,
                "description": f"From {dataset.file} of vega_datasets; the source's state of {dataset.taken_on}.",
            }
            for external_id, (title, units) in dataset.series.items()
        ],
        "data_points": [
            {
                "external_id": external_id,
                "date": date.isoformat(),
                "value": value,
                "revision_date": dataset.taken_on,
                "is_original_release": False,
            }
            for external_id, date, value in readings
        ],
    }


_EMPLOYMENT = {
    "nonfarm": "Total nonfarm",
    "private": "Total private",
    "goods_producing": "Goods-producing",
    "service_providing": "Service-providing",
    "mining_and_logging": "Mining and logging",
    "construction": "Construction",
    "manufacturing": "Manufacturing",
    "durable_goods": "Durable goods",
    "nondurable_goods": "Nondurable goods",
    "wholesale_trade": "Wholesale trade",
    "retail_trade": "Retail trade",
    "transportation_and_warehousing": "Transportation and warehousing",
    "utilities": "Utilities",
    "information": "Information",
    "financial_activities": "Financial activities",
    "professional_and_business_services": "Professional and business services",
    "education_and_health_services": "Education and health services",
    "leisure_and_hospitality": "Leisure and hospitality",
    "other_services": "Other services",
    "government": "Government",
}
_WEATHER = {
    "precipitation": ("Precipitation", "millimetres a day"),
    "temp_max": ("Highest temperature", "degrees Celsius"),
    "temp_min": ("Lowest temperature", "degrees Celsius"),
    "wind": ("Wind speed", "metres a second"),
}
_ELECTRICITY = {"Fossil Fuels": "FOSSIL", "Nuclear Energy": "NUCLEAR", "Renewables": "RENEWABLE"}
_STOCKS = {"AAPL": "Apple", "AMZN": "Amazon", "GOOG": "Google", "IBM": "IBM", "MSFT": "Microsoft"}


def _employment(row: Row) -> Iterator[Reading]:
    for column in _EMPLOYMENT:
        yield f"EMPLOYMENT-{column.upper()}", dt.date.fromisoformat(row["month"]), row[column]


def _weather(row: Row) -> Iterator[Reading]:
    for column in _WEATHER:
        yield f"SEATTLE-{column.upper()}", dt.date.fromisoformat(row["date"].replace("/", "-")), row[column]


def _electricity(row: Row) -> Iterator[Reading]:
    yield f"IOWA-{_ELECTRICITY[row['source']]}", dt.date.fromisoformat(row["year"]), row["net_generation"]


def _stock(row: Row) -> Iterator[Reading]:
    month, _, year = row["date"].split()
    yield row["symbol"], dt.date(int(year), _MONTHS.index(month) + 1, 1), row["price"]


# Not strptime: its month names follow the user's locale.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_DATASETS = (
    _Dataset(
        file="us-employment.csv",
        taken_on="2018-11-11",  # "downloaded on Nov. 11, 2018"
        source={
            "name": "BLS",
            "title": "U.S. Bureau of Labor Statistics",
            "description": "Current Employment Statistics.",
            "url": "https://www.bls.gov/ces/",
            "license": f"Public domain (work of the United States government). {_PACKAGE_TERMS}",
        },
        frequency="monthly",
        seasonal_adjustment="seasonally adjusted",
        series={
            f"EMPLOYMENT-{column.upper()}": (f"US employment: {title}", "thousands of persons")
            for column, title in _EMPLOYMENT.items()
        },
        readings=_employment,
    ),
    _Dataset(
        file="seattle-weather.csv",
        taken_on="2018-05-15",  # the file's date in the package
        source={
            "name": "NOAA",
            "title": "National Oceanic and Atmospheric Administration",
            "description": "Weather observations.",
            "url": "https://www.weather.gov",
            "license": f"Public domain (work of the United States government). {_PACKAGE_TERMS}",
        },
        frequency="daily",
        seasonal_adjustment="not seasonally adjusted",
        series={
            f"SEATTLE-{column.upper()}": (f"Seattle: {title}", units) for column, (title, units) in _WEATHER.items()
        },
        readings=_weather,
    ),
    _Dataset(
        file="iowa-electricity.csv",
        taken_on="2018-05-06",  # "downloaded on May 6, 2018"
        source={
            "name": "EIA",
            "title": "U.S. Energy Information Administration",
            "description": "Electricity data.",
            "url": "https://www.eia.gov/electricity/data.php",
            "license": f"Public domain (work of the United States government). {_PACKAGE_TERMS}",
        },
        frequency="annual",
        seasonal_adjustment="not seasonally adjusted",
        series={
            f"IOWA-{suffix}": (f"Iowa net electricity generation: {title}", "thousand megawatthours")
            for title, suffix in _ELECTRICITY.items()
        },
        readings=_electricity,
    ),
    _Dataset(
        file="stocks.csv",
        taken_on="2018-05-15",  # the file's date in the package
        source={
            "name": "VEGA-STOCKS",
            "title": "Share prices of vega_datasets",
            "description": "Share prices of five companies; the package names no publisher.",
            "url": "https://github.com/vega/vega-datasets",
            "license": _PACKAGE_TERMS,
        },
        frequency="monthly",
        seasonal_adjustment="not seasonally adjusted",
        series={symbol: (f"{name} share price ({symbol})", "US dollars") for symbol, name in _STOCKS.items()},
        readings=_stock,
    ),
)
