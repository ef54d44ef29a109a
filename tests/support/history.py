"""Registers that one process each writes and others read: whether there is an order of it all that clocks agree with.

A register's values grow from write to write, and it has one writer. Then a history is linearisable just where each read
shows no less than any write or read that ended before it began, and no more than was begun before it ended.
"""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from decimal import Decimal
from pathlib import Path

from catalog.identity import series_id
from catalog.model import Type
from engine.query import Field, Literal, Op, Query, compare
from tests.support.oracle import Point
from tests.support.warehouse import Warehouse, warehouse

SOURCE = "HISTORY"
DAY = dt.date(2024, 1, 1)


@dataclass(frozen=True)
class Event:
    """A write or a read of a register, between two instants of the machine's monotonic clock. `token` is what a write
    was told."""

    kind: str
    register: int
    value: int
    begun: float
    ended: float
    token: str = ""


def check_history(events: Iterable[Event]) -> None:
    listed = list(events)
    for read in (event for event in listed if event.kind == "read"):
        others = [event for event in listed if event.register == read.register and event is not read]
        least = max((event.value for event in others if event.ended < read.begun), default=0)
        most = max((event.value for event in others if event.kind == "write" and event.begun < read.ended), default=0)
        assert least <= read.value <= most, f"{read} shows {read.value}, not {least} to {most}"


def converse(folder: Path, events: Path, register: int, turns: int) -> None:
    """Write one register and read the other, which another process writes. The file of events of this process and that
    of the other lie side by side."""
    with warehouse(folder) as lake, _file(events, register).open("w") as out:
        for value in range(1, turns + 1):
            for event in (_write(lake, register, value), _read(lake, 1 - register)):
                out.write(json.dumps(astuple(event)) + "\n")
                out.flush()
            _check_last_token(lake, events, 1 - register)


def told(events: Path, register: int) -> list[Event]:
    """What the process that writes a register has told until now."""
    file = _file(events, register)
    lines = file.read_text().splitlines(keepends=True) if file.exists() else []
    return [Event(*json.loads(line)) for line in lines if line.endswith("\n")]


def _file(events: Path, register: int) -> Path:
    return events / f"{register}.events"


def _write(lake: Warehouse, register: int, value: int) -> Event:
    begun = time.monotonic()
    point = Point(f"{register}", DAY, Decimal(value), DAY)
    receipt = lake.write({"data_points": [point.document(SOURCE)]})
    return Event("write", register, value, begun, time.monotonic(), receipt.snapshot)


def _read(lake: Warehouse, register: int) -> Event:
    begun = time.monotonic()
    value = _value(lake, register)
    return Event("read", register, value, begun, time.monotonic())


def _value(lake: Warehouse, register: int, token: str | None = None) -> int:
    mine = Literal(series_id(SOURCE, f"{register}"), Type.UUID)
    query = Query("data_points", ("value",), where=compare(Op.EQ, Field("series_id"), mine))
    rows = lake.rows(query if token is None else query.pinned(token))
    return int(rows[0]["value"]) if rows else 0


def _check_last_token(lake: Warehouse, events: Path, register: int) -> None:
    """What another process was told can be read here at once."""
    writes = [event for event in told(events, register) if event.kind == "write"]
    if writes:
        assert _value(lake, register, writes[-1].token) == writes[-1].value, "a token shows another state here"
