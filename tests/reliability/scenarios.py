"""What the reliability tests do for seconds and `make torture` for hours: scenarios whose course is drawn by chance.

A scenario gets a random generator and an empty folder, raises where something is lost, doubled, torn or out of order,
and returns a line that says what it did.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.crashing import ended, killed_at, paused, started, stopped_at
from tests.support.history import check_history, converse, told
from tests.support.keeping import PASSES
from tests.support.posting import Checked, acknowledged, check, expire, faults, merge, post
from tests.support.power import cut, lose
from tests.support.storming import beside, expire_until, merge_until, states_still_hold, write_until_done
from tests.support.warehouse import warehouse

STEPS_MAX = 300
WRITERS = 4
# Who stands still inside a transaction of the catalog's database keeps all others waiting, as it must be.
OUTSIDE_TRANSACTIONS = ("create", "close", "closed", "fsync", "committed", "reply", "rename", "unlink")


@dataclass
class _Crawler:
    """Whose batches are numbered, and who sends what was not acknowledged again."""

    folder: Path
    sent: int = 0
    checked: Checked = field(default_factory=Checked)

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

    def check(self, *, ordered: bool = True) -> None:
        """Where nothing was sent yet there is nothing to look for."""
        if self.sent:
            batches = range(1, self.sent + 1)
            self.checked = check(self.lake, self.acks, batches, ordered=ordered, before=self.checked)


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


def stopped(chance: random.Random, folder: Path, turns: int = 6) -> str:
    """A process stands still in the middle of its work, while another one does all kinds of work, its locks ignored."""
    crawler, stood = _crawler(folder), 0
    for _ in range(turns):
        work, given = crawler.next(chance)
        with stopped_at(chance.randint(1, STEPS_MAX), work, crawler.lake, *given, kinds=OUTSIDE_TRANSACTIONS) as stands:
            stood += stands
            for lock in crawler.lake.glob("*.lock"):
                lock.unlink()
            for _ in range(2):
                other, more = crawler.next(chance)
                other(crawler.lake, *more)
        crawler.check(ordered=False)
    return f"stopped: {stood} stood still, {crawler.sent} batches"


def storm(chance: random.Random, folder: Path, batches: int = 25) -> str:
    """Four writers, two mergers and expiry at once."""
    lake, states = folder / "lake", 0
    outs = [folder / f"{writer}.states" for writer in range(WRITERS)]
    writers = [(write_until_done, lake, out, n, chance.random(), batches) for n, out in enumerate(outs)]
    beside(folder / "stop", [(merge_until, lake), (merge_until, lake), (expire_until, lake)], writers)
    with warehouse(lake) as opened:
        states = sum(states_still_hold(opened, out, writer) for writer, out in enumerate(outs))
        assert faults(opened) == ()
    return f"storm: {WRITERS} writers, {batches} batches each, {states} states still there"


def two_that_talk(chance: random.Random, folder: Path, turns: int = 20) -> str:
    """Two processes write and read, and each is stopped now and then: their history must have one order."""
    processes = [started(converse, folder / "lake", folder, register, turns) for register in range(2)]
    pauses = 0
    while any(process.is_alive() for process in processes):
        time.sleep(chance.uniform(0.01, 0.2))
        pauses += paused(chance.choice(processes), chance.uniform(0.01, 0.3))
    assert [ended(process) for process in processes] == [True, True]
    events = [event for register in range(2) for event in told(folder, register)]
    assert len(events) == 4 * turns
    check_history(events)
    return f"two that talk: {len(events)} events, {pauses} pauses"


def _crawler(folder: Path) -> _Crawler:
    (folder / "lake").mkdir()
    return _Crawler(folder)
