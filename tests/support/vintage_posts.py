"""A post of whole vintages on a lake that knows some, and the process that dies while it posts."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import msgspec

from api.ingest.media import BodyKind
from api.ingest.service import Terms
from api.writing import Receipt
from tests.support.crashing import killed_at
from tests.support.oracle import Oracle, Point
from tests.support.views import document
from tests.support.warehouse import Warehouse, warehouse

TODAY = dt.date(2024, 6, 15)
JAN, FEB, MAR = (dt.date(2024, month, 28) for month in (1, 2, 3))
EARLY_FEB = dt.date(2024, 2, 10)
DAYS = (JAN, EARLY_FEB, FEB, MAR, TODAY)


@dataclass(frozen=True)
class Moment:
    """A step of the commit of series, data_points and vintages (the source is there): the process dies before it, where
    it is past tense after it. `stored` says whether that is late enough."""

    kind: str
    nth: int = 1
    stored: bool = False


MOMENTS = (
    Moment("close metadata", 1),
    Moment("close metadata", 3),
    Moment("write iceberg_tables", 1),
    Moment("write iceberg_tables", 2),
    Moment("write iceberg_tables", 3),
    Moment("write finlake_batches"),
    Moment("commit iceberg_tables"),
    Moment("committed iceberg_tables", stored=True),
    Moment("reply batch", stored=True),
)


def vintage(day: dt.date, *values: int, series: str = "A") -> list[Point]:
    """A value a month."""
    return [Point(series, dt.date(2020, month, 1), Decimal(value), day) for month, value in enumerate(values, 1)]


BEFORE = (vintage(JAN, 10, 5, 7), vintage(MAR, 10, 5, 8))
# Changes one value, repeats another, comes in front of March, and brings a series that is new.
KILLED = [*vintage(FEB, 11, 5, 7), *vintage(FEB, 1, 2, series="B")]
# In front of what was killed: closed by February, if February is known to have been seen.
LATE = vintage(EARLY_FEB, 12, 6, 7)


def post(lake: Warehouse, points: list[Point], key: str = "", *, changes_only: bool = True) -> Receipt:
    body = msgspec.json.encode(document(points))
    return asyncio.run(lake.writer.write_body(body, BodyKind(), Terms("atomic", changes_only, key)))


def post_killed(folder: Path) -> None:
    with warehouse(folder, TODAY) as lake:
        post(lake, KILLED, "killed")


def killed_lake(folder: Path, moment: Moment) -> Oracle:
    """A lake on which the post was killed at a moment; what is known of it without that post."""
    oracle = Oracle()
    with warehouse(folder, TODAY) as lake:
        for points in BEFORE:
            post(lake, points)
            oracle.post(points, TODAY, changes_only=True)
    assert killed_at(moment.nth, post_killed, folder, kinds=(moment.kind,))
    return oracle
