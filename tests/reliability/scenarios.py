"""What the reliability tests do for seconds and `make torture` for hours: scenarios whose course is drawn by chance.

A scenario gets a random generator and an empty folder, raises where something is lost, doubled, torn or out of order,
and returns a line that says what it did.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.crashing import killed_at
from tests.support.keeping import PASSES
from tests.support.posting import acknowledged, check, expire, merge, post
from tests.support.power import cut, lose

STEPS_MAX = 300


@dataclass
class _Crawler:
    """Whose batches are numbered, and who sends what was not acknowledged again."""

    folder: Path
    sent: int = 0

    @property
    def acks(self) -> Path:
        return self.folder / "acks"

    @property
    def lake(self) -> Path:
        return self.folder / "lake"

    def next(self, chance: random.Random) -> tuple[Callable[..., None], tuple[Any, ...]]:
        """A piece of work on the lake, and its arguments after the folder."""
        kind = chance.choice(("post", "post", "merge", "pass"))
        if kind == "merge" and self.sent:
            return merge, ()
        if kind == "pass" and self.sent:
            return expire, (chance.randrange(PASSES),)
        first = self.sent + 1
        self.sent += chance.randint(1, 3)
        return post, (self.acks, tuple(range(first, self.sent + 1)))

    def check(self) -> None:
        """Where nothing was sent yet there is nothing to look for."""
        if self.sent:
            check(self.lake, self.acks, range(1, self.sent + 1))


def crash_points(chance: random.Random, folder: Path, turns: int = 12) -> str:
    """Posts, merges and passes of expiry on one lake, each killed at one of its steps."""
    crawler, crashed = _crawler(folder), 0
    for _ in range(turns):
        work, given = crawler.next(chance)
        crashed += killed_at(chance.randint(1, STEPS_MAX), work, crawler.lake, *given)
        crawler.check()
    return f"crash points: {turns} works, {crashed} killed, {crawler.sent} batches"


def power_loss(chance: random.Random, folder: Path, turns: int = 10) -> str:
    """The same with power cuts: what was not fsynced is lost in part, or all of it."""
    crawler, cuts, lost, acknowledged_batches = _crawler(folder), 0, 0, 0
    for _ in range(turns):
        work, given = crawler.next(chance)
        cuts += cut(chance.randint(1, STEPS_MAX), (), crawler.lake, folder / "record", work, *given)
        if chance.random() < 0.3:
            continue  # a kill alone: what it left unsynced is for the next one to sync, or to leave alone
        lost += lose(crawler.lake, folder / "record", chance, chance.choice((1.0, 0.5)))
        acknowledged_batches = len(acknowledged(crawler.acks))
        crawler.check()
    return f"power loss: {cuts} cuts, {lost} files lost or torn, {acknowledged_batches} batches acknowledged"


def _crawler(folder: Path) -> _Crawler:
    (folder / "lake").mkdir()
    return _Crawler(folder)
