"""Numbered batches, and whether each of them is in the lake once and whole.

A batch is ROWS points: some in a series of its own and in others that all batches share, and one, the register, that
every batch corrects to its number, so that the order of batches shows. Batch numbers count from 1.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.verification import inspected
from api.writing import Receipt
from catalog.garbage import Garbage, Periods
from catalog.ledger import Ledger
from catalog.reach import Reach
from catalog.verify import Fault
from engine.query import Query, View
from tests.support.keeping import DAY, Keeper, Machine
from tests.support.warehouse import Warehouse, warehouse

ROWS = 12
OWN, SHARED, REGISTER = "BATCH-", "SHARED-", "REGISTER"
_STAMP = "2020-06-01"


def document(batch: int) -> dict[str, Any]:
    own = [_point(f"{OWN}{batch}", f"20{n:02d}-01-01", batch) for n in range(ROWS - 4)]
    # A batch has dates of its own in the series that it shares with others.
    shared = [_point(f"{SHARED}{n}", f"{1000 + batch}-01-01", batch) for n in range(3)]
    return {"source": {"name": "TEST"}, "data_points": [*own, *shared, _point(REGISTER, "2020-01-01", batch)]}


def _point(series: str, date: str, value: int) -> dict[str, Any]:
    return {"external_id": series, "date": date, "value": str(value), "revision_date": _STAMP}


def write(lake: Warehouse, batch: int) -> Receipt:
    """Under the key of the batch."""
    receipt = asyncio.run(lake.writer.write(document(batch), "atomic", f"batch-{batch}"))
    assert receipt.successful == ROWS
    return receipt


def post(folder: Path, acks: Path, batches: Iterable[int]) -> None:
    """Post batches one after another; the number of each is noted once it is acknowledged."""
    with warehouse(folder) as lake, acks.open("a") as out:
        for batch in batches:
            write(lake, batch)
            out.write(f"{batch}\n")
            out.flush()


def merge(folder: Path) -> None:
    """A delta merge, then base merges, of all that is due or not."""
    with warehouse(folder) as lake:
        lake.delta_merge()
        lake.compact()


def expire(folder: Path, done: int) -> None:
    """The pass of expiry after `done` of them, half a day after the one before."""
    with warehouse(folder) as lake:
        machine = Machine()
        machine.seconds += done * DAY / 2
        Keeper(lake.services.lake, machine, trash=DAY / 4).after(0, sweep=True)


def acknowledged(acks: Path) -> list[int]:
    return [int(line) for line in acks.read_text().splitlines()] if acks.exists() else []


def batches_in(lake: Warehouse) -> Mapping[int, int]:
    """The points of each batch that the lake holds, but for the register."""
    names = {row["id"]: row["external_id"] for row in lake.rows(Query("series", ("id", "external_id")))}
    rows = lake.rows(Query("data_points", ("series_id", "value"), view=View.EVERY))
    return Counter(int(row["value"]) for row in rows if names[row["series_id"]] != REGISTER)


def register(lake: Warehouse) -> int:
    """The number of the batch that corrected the register last; 0 before the first."""
    names = {row["id"]: row["external_id"] for row in lake.rows(Query("series", ("id", "external_id")))}
    rows = lake.rows(Query("data_points", ("series_id", "value")))
    return next((int(row["value"]) for row in rows if names[row["series_id"]] == REGISTER), 0)


@dataclass(frozen=True)
class Checked:
    """What the last check left: the batches that it saw to be in the lake, 1 to `batches`, and what the register said
    after it. A batch that was lost and sent again is newer than those that had been sent after it."""

    batches: int = 0
    register: int = 0


def check(
    folder: Path, acks: Path, batches: Iterable[int], *, ordered: bool = True, before: Checked = Checked()
) -> Checked:
    """After a crash of whoever posted `batches`: what was acknowledged is there, nothing in part, and all of it once
    after the crawler has sent everything again. `ordered` says that it was posted in this order since the check
    before."""
    sent = list(batches)
    told = acknowledged(acks)
    with warehouse(folder) as lake:
        assert faults(lake) == ()
        held = batches_in(lake)
        assert set(held.values()) <= {ROWS - 1}, f"a batch is torn or doubled: {held}"
        assert set(told) <= set(held) <= set(sent)
        last = register(lake)
        assert last == max((batch for batch in held if batch > before.batches), default=before.register) or not ordered
        for batch in sent:
            write(lake, batch)
        assert batches_in(lake) == dict.fromkeys(sent, ROWS - 1)
        missing = [batch for batch in sent if batch not in held]
        settled = Checked(max(sent), register(lake))
        assert settled.register == [last, *missing][-1], "an old batch that was sent again outranks a newer one"
        return settled


def faults(lake: Warehouse) -> tuple[Fault, ...]:
    """What `finlake verify` would tell of every state that can be read."""
    opened, ledger = lake.services.lake, Ledger(lake.services.lake)
    garbage = Garbage(opened, ledger, Reach(opened), Periods(0, 0, 0))
    return inspected(opened, lake.services.database, ledger, garbage, _nobody, every=True).faults


def _nobody(*_: int) -> None:
    pass
