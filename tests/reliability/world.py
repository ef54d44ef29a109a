"""What a random run holds: a lake that is opened and closed, the oracle of what it should answer, and states to go
back to."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from starlette.testclient import TestClient

from api.app import build_app
from api.writing import Verdicts
from catalog.identity import series_id
from tests.support.keeping import Machine
from tests.support.oracle import Oracle
from tests.support.warehouse import Warehouse, warehouse

SOURCE = "TEST"
NAMES = tuple("ABCDEFGHIJ")  # their ids lie in six partitions
IDS = {name: series_id(SOURCE, name) for name in NAMES}
BEGIN = dt.date(2024, 6, 12)
MOMENTS_MAX = 12
KEYS_MAX = 60
LOGGED_MAX = 15

T = TypeVar("T")


@dataclass
class Moment:
    """A state that was the newest until `until`, in seconds of the run, and what it should answer as long as it can be
    read. `expired` says that it certainly cannot. `instant` is one at which it was the newest."""

    token: str
    oracle: Oracle
    until: float
    instant: str
    expired: bool = False


@dataclass(frozen=True)
class Sent:
    """What was sent under a key, and what it was told."""

    fingerprint: tuple[Any, ...]
    batch_id: str
    verdicts: Verdicts


@dataclass
class World:
    chance: random.Random
    folder: Path
    oracle: Oracle = field(default_factory=Oracle)
    machine: Machine = field(default_factory=Machine)
    moments: deque[Moment] = field(default_factory=lambda: deque(maxlen=MOMENTS_MAX))
    tags: dict[str, tuple[str, Oracle]] = field(default_factory=dict)
    keys: dict[str, Sent] = field(default_factory=dict)
    log: deque[str] = field(default_factory=lambda: deque(maxlen=LOGGED_MAX))
    steps: Counter[str] = field(default_factory=Counter)
    reads: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self._now = dt.datetime(BEGIN.year, BEGIN.month, BEGIN.day, 12, tzinfo=dt.UTC)
        self.open()

    def open(self) -> None:
        """Settings are drawn anew, so that what one left the other must read; the lake evolves to another width."""
        self._context: AbstractContextManager[Warehouse] = warehouse(
            self.folder,
            history_cut_days=self.chance.choice([0, 20, 89, 366]),
            delta_files_max=self.chance.choice([1, 4]),
            base_merge_seconds=self.chance.choice([0, 900]),
            engine_threads=1,
            partition_width=self.chance.choice([1, 1, 2]),
        )
        self.lake = self._context.__enter__()
        self.lake.clock.now = self._now
        self._client: TestClient | None = None

    def close(self) -> None:
        self._now = self.lake.clock.now
        self._context.__exit__(None, None, None)

    @property
    def client(self) -> TestClient:
        """Of the whole service over the open lake."""
        if self._client is None:
            self._client = TestClient(build_app(self.lake.settings, self.lake.limits, self.lake.services))
        return self._client

    @property
    def today(self) -> dt.date:
        return self.lake.clock.now.date()

    def note(self, text: str) -> None:
        self.log.append(f"{sum(self.steps.values())} {text}")

    def one(self, items: Sequence[T]) -> T:
        return self.chance.choice(items)

    def happens(self, probability: float) -> bool:
        return self.chance.random() < probability

    def day(self) -> dt.date:
        """A knowledge date around today."""
        return self.today + dt.timedelta(days=self.chance.randint(-60, 20))

    def date(self) -> dt.date:
        """A date that a point may have: one of nine, which move on by one in thirty days."""
        return dt.date.fromordinal((self.today.toordinal() // 30 - self.chance.randrange(9)) * 30)

    def remember(self) -> None:
        """Keep the newest state as one to go back to."""
        token = self.lake.engine.current()
        if self.moments and self.moments[-1].token == token:
            self.moments[-1].until = self.seconds
        else:
            instant = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
            self.moments.append(Moment(token, self.oracle.frozen(), self.seconds, instant))
