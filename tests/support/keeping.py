"""Passes of expiry over a lake on a clock of the test's own."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from catalog.expiry import Expiry, Pass, Retention
from catalog.garbage import Periods
from catalog.iceberg import Lake
from catalog.ledger import Tag
from catalog.model import MODEL
from catalog.tags import Tags

HOUR = 3_600.0
DAY = 24 * HOUR


class Machine:
    """A monotonic clock that stands still until it is moved, and a machine that can be started anew."""

    def __init__(self) -> None:
        self.boot = "first"
        self.seconds = 1_000.0

    def __call__(self) -> tuple[str, float]:
        return self.boot, self.seconds

    def restart(self) -> None:
        self.boot, self.seconds = f"after {self.boot}", 5.0


class Keeper:
    """Expiry of a lake: keeps 2 snapshots listed, others for an hour; an hour of grace, a day of trash."""

    def __init__(self, lake: Lake, machine: Machine | None = None, **options: Any) -> None:
        self.machine = machine or Machine()
        self.expiry = Expiry(
            lake,
            Retention(
                options.pop("kept", 2),
                options.pop("seconds", HOUR),
                Periods(options.pop("grace", HOUR), options.pop("trash", DAY), options.pop("orphan", DAY)),
            ),
            witness=self.machine,
            **options,
        )

    def after(self, seconds: float, *, sweep: bool = False) -> Pass:
        """The pass after a time."""
        self.machine.seconds += seconds
        done = self.expiry.run(sweep=sweep)
        assert done is not None
        return done


PASSES = 5  # retire; expire; find unneeded; trash; delete


def one_pass(folder: Path, done: int) -> None:
    """The pass after `done` of them, half a day after the one before."""
    lake = Lake(folder, MODEL)
    machine = Machine()
    machine.seconds += done * DAY / 2
    Keeper(lake, machine, trash=DAY / 4).after(0, sweep=True)
    lake.close()


def stored(lake: Lake) -> set[str]:
    """The files of the tables, below the data folder."""
    folder = lake.data_dir / "warehouse"
    return {str(path.relative_to(lake.data_dir)) for path in folder.rglob("*") if path.is_file()}


def trashed(lake: Lake) -> set[str]:
    folder = lake.data_dir / "trash"
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def make_old(path: Path, seconds: float = 2 * DAY) -> None:
    os.utime(path, (time.time() - seconds, time.time() - seconds))


def tags_of(lake: Lake) -> Tags:
    return Tags(lake, characters_max=100, tags_max=100)


def make_tag(lake: Lake, name: str) -> Tag:
    return tags_of(lake).make(name)


def delete_tag(lake: Lake, name: str) -> None:
    tags_of(lake).delete(name)
