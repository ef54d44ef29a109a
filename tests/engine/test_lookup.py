"""The look-up of what is stored: reading little says the same as reading everything."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from catalog.identity import series_id
from catalog.scan import every_file
from engine import keys
from engine.held import HeldPoints, SeriesPoints
from engine.lookup import Lookup
from tests.support.warehouse import Warehouse, warehouse

NAMES = tuple("ABCDEFGH")
FIRST = dt.date(2020, 1, 1)


def day(number: int) -> dt.date:
    return FIRST + dt.timedelta(days=number)


def point(chance: random.Random, revision: int) -> dict[str, Any]:
    value = chance.choice([None, *range(5)])
    name, date = chance.choice(NAMES), day(chance.randrange(10))
    return {
        "source": "S",
        "external_id": name,
        "date": str(date),
        "value": value,
        "revision_date": str(day(50 + revision)),
    }


def fill(lake: Warehouse, chance: random.Random) -> None:
    """Base files and deltas of old revisions, deltas of new ones, points and series that were deleted."""
    for revisions in (range(20), range(10, 25), range(25, 30), range(28, 32)):
        lake.write({"data_points": [point(chance, chance.choice(revisions)) for _ in range(60)]})
        if revisions.stop == 20:
            lake.compact()
    lake.delete_points(series_id("S", "B"), day(0), day(4))
    lake.delete_series(series_id("S", "C"))
    lake.write({"data_points": [point(chance, 40) | {"external_id": "C"} for _ in range(3)]})


def lookup(lake: Warehouse, chance: random.Random, revisions: range) -> Lookup:
    wanted = sorted(chance.sample(sorted(series_id("S", name) for name in NAMES), 3))
    # Of one series the revisions are later, so that it matters which is which.
    rows = [
        (code, day(date), day(50 + 9 * (code == 2) + chance.choice(revisions)))
        for code in reversed(range(3))
        for date in range(0, 10, 2)
    ]
    columns = [pa.array(column) for column in zip(*rows, strict=True)]
    points = pa.table([columns[0].cast(pa.int32()), *columns[1:]], ["code", "date", "revision_date"])
    stored = every_file(lake.engine.snapshots.current(), "data_points")
    return Lookup(lake.services.database, points, pa.array(wanted), pa.array(wanted[:2]), stored)


def of_keys(rows: list[dict[str, Any]], wanted: set[int]) -> list[dict[str, Any]]:
    return sorted((row for row in rows if row["key"] in wanted), key=lambda row: row["key"])


def held_of(lake: Warehouse, ids: Sequence[str]) -> Mapping[str, SeriesPoints]:
    held, snapshot = HeldPoints(lake.services.database, 10_000), lake.engine.snapshots.current()
    return [held.of(snapshot, ids) for _ in range(2)][-1]


@pytest.mark.parametrize("held_series", [(), (0,), (1,), (0, 1)])
@pytest.mark.parametrize("seed", range(2))
def test_rows_of_the_stated_revisions_are_those_among_all(
    tmp_path: Path, seed: int, held_series: Sequence[int]
) -> None:
    """Whichever of the series are held in memory."""
    chance = random.Random(seed)
    narrow = 0
    with warehouse(tmp_path) as lake:
        fill(lake, chance)
        for low in (0, 10, 24, 28, 30, 31, 40, 60):
            asked = lookup(lake, chance, range(low, low + 3))
            on_record = asked._wanted.column("series_id").to_pylist()
            held = held_of(lake, [on_record[place] for place in held_series])
            assert len(held) == len(held_series)
            everything, some = asked.every_revision(), asked.same_revisions(held)
            incoming = set(asked._incoming.column("point").to_pylist())
            assert set(some.points.to_pylist()) & incoming == set(everything.points.to_pylist())
            stated = set(keys.packed(asked._points).to_pylist())
            found = some.rows.to_pylist()
            narrow += len(found) < everything.rows.num_rows
            assert of_keys(found, stated) == of_keys(everything.rows.to_pylist(), stated)
    assert narrow, "no case read less than everything"
