"""Writers on one lake, each a process of its own that knows what its series must show, beside mergers and expiry.

Clocks are real here, and short: what expiry lets go of is gone within seconds.
"""

from __future__ import annotations

import datetime as dt
import json
import random
import time
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from catalog.errors import SnapshotExpired
from catalog.expiry import Expiry, Retention
from catalog.garbage import Periods
from catalog.identity import series_id
from engine.query import Query, View
from tests.support.crashing import ended, started
from tests.support.oracle import Oracle, Point
from tests.support.warehouse import Warehouse, warehouse

SOURCE = "STORM"
TODAY = dt.date(2024, 6, 15)
SHORT = Retention(2, 5.0, Periods(grace=10, trash=1, orphan=3_600))
REST_SECONDS = 0.2
COLUMNS = ("series_id", "date", "revision_date", "value", "is_original_release")


def together(*works: tuple[Any, ...]) -> None:
    """Functions with their arguments, each in a process of its own; waits for all."""
    processes = [started(*work) for work in works]
    assert [ended(process) for process in processes] == [True] * len(processes)


def write_until_done(folder: Path, out: Path, writer: int, seed: int, batches: int) -> None:
    """Post, correct, withdraw and delete at random in series of this writer's own. After each receipt the state it
    names must show what the writer knows; the states are listed in `out`, to be looked at again in the end."""
    chance, oracle = random.Random(seed), Oracle()
    names = {series_id(SOURCE, f"{writer}-{n}"): f"{writer}-{n}" for n in range(3)}
    with warehouse(folder, TODAY) as lake, out.open("w") as told:
        for batch in range(batches):
            token = _write(lake, oracle, chance, list(names.values()), batch)
            told.write(json.dumps([token, known(oracle)]) + "\n")
            assert state(lake, names) == known(oracle), "the newest state is older than a receipt"
            _check_now(lake, names, token, oracle)


def _check_now(lake: Warehouse, names: Mapping[str, str], token: str, oracle: Oracle) -> None:
    began = time.monotonic()
    try:
        assert state(lake, names, token) == known(oracle), "a writer does not read what it wrote"
    except SnapshotExpired:
        assert time.monotonic() - began > SHORT.seconds / 2, "a fresh receipt names a state that has expired"


def _write(lake: Warehouse, oracle: Oracle, chance: random.Random, names: list[str], batch: int) -> str:
    name = chance.choice(names)
    if batch and chance.random() < 0.15 and any(key[0] == name for key in oracle.revisions):
        first = dt.date(2020, chance.randint(1, 12), 1)
        oracle.delete_points(name, first, dt.date.max, TODAY)
        return lake.delete_points(series_id(SOURCE, name), first, dt.date.max).snapshot
    points = [_point(chance, chance.choice(names)) for _ in range(chance.randint(1, 12))]
    oracle.post(points, TODAY)
    return lake.write({"data_points": [point.document(SOURCE) for point in points]}).snapshot


def _point(chance: random.Random, name: str) -> Point:
    value = None if chance.random() < 0.1 else Decimal(chance.randint(1, 5))
    revision = dt.date(2024, chance.randint(1, 8), 1) if chance.random() < 0.8 else None
    return Point(name, dt.date(2020, chance.randint(1, 12), 1), value, revision)


def state(lake: Warehouse, names: Mapping[str, str], token: str | None = None) -> list[list[Any]]:
    """Every revision and the latest values of some series, as JSON holds them."""
    shown: list[list[Any]] = []
    for view in (View.EVERY, View.LATEST):
        query = Query("data_points", COLUMNS, view=view)
        rows = lake.rows(query if token is None else query.pinned(token))
        mine = [row for row in rows if row["series_id"] in names]
        shown += sorted(_row(names[row["series_id"]], *(row[name] for name in COLUMNS[1:])) for row in mine)
    return shown


def known(oracle: Oracle) -> list[list[Any]]:
    return [_row(*row) for rows in (oracle.every(), oracle.latest()) for row in sorted(rows, key=lambda row: row[:3])]


def _row(name: str, date: dt.date, revision: dt.date, value: Decimal | None, original: bool) -> list[Any]:
    return [name, str(date), str(revision), None if value is None else str(int(value)), original]


def merge_until(stop: Path, folder: Path) -> None:
    """Delta merges and base merges, one after another."""
    with warehouse(folder, TODAY) as lake:
        while not stop.exists():
            lake.delta_merge()
            lake.compact()
            time.sleep(REST_SECONDS)


def expire_until(stop: Path, folder: Path) -> None:
    """Passes of expiry, with the sweep for orphans, on the machine's own clock."""
    with warehouse(folder, TODAY) as lake:
        expiry = Expiry(lake.services.lake, SHORT)
        while not stop.exists():
            expiry.run(sweep=True)
            time.sleep(REST_SECONDS)


def states_still_hold(lake: Warehouse, out: Path, writer: int) -> int:
    """Each state that a writer listed is what it was, or has expired; how many are still there."""
    names = {series_id(SOURCE, f"{writer}-{n}"): f"{writer}-{n}" for n in range(3)}
    listed = [json.loads(line) for line in out.read_text().splitlines()]
    held = 0
    for token, shown in listed:
        try:
            now = state(lake, names, token)
        except SnapshotExpired:
            continue
        assert now == shown, f"the state {token} is not what it was"
        held += 1
    assert state(lake, names) == listed[-1][1], "acknowledged rows are lost or doubled"
    return held


def beside(stop: Path, works: list[tuple[Any, ...]], writers: list[tuple[Any, ...]]) -> None:
    """Works that go on until the writers are done."""
    others = [started(work, stop, *given) for work, *given in works]
    try:
        together(*writers)
    finally:
        stop.touch()
    assert [ended(process) for process in others] == [True] * len(others)
