"""How the doors read: a bounded pool of threads over the engine, and the facts that every answer carries.

Queries block, so none runs on the event loop. A request takes a place in the pool, does its database work and its
rendering there, and gives the place back; when the waiting line is full it is told to come back.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import TypeVar

import anyio
import anyio.to_thread

from api.limits import Limits
from api.problems import Problem
from engine.pipeline import Engine

T = TypeVar("T")

TIMING_HEADER = "Server-Timing"
SNAPSHOT_HEADER = "X-Finlake-Snapshot"
AS_OF_HEADER = "X-Finlake-As-Of"
RETRY_AFTER_SECONDS = 1


class Reader:
    """The doors' way to the engine."""

    def __init__(self, engine: Engine, limits: Limits) -> None:
        self.engine = engine
        self._limiter = anyio.CapacityLimiter(limits.concurrent_queries_max)
        self._waiting_max = limits.waiting_queries_max
        self._held = 0
        self._held_max = limits.concurrent_queries_max + limits.waiting_queries_max

    async def run(self, work: Callable[[], T]) -> T:
        """`work()` in a thread of the pool. Raises Problem `busy` where too many wait already."""
        if self._held >= self._held_max:
            raise Problem(
                "busy",
                "Too many queries are waiting.",
                details={"limit": "waiting_queries_max", "value": self._waiting_max},
                headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
            )
        self._held += 1
        try:
            return await anyio.to_thread.run_sync(work, limiter=self._limiter)
        finally:
            self._held -= 1


def one_snapshot(engine: Engine, named: Iterable[str]) -> str:
    """The token of the one snapshot that a request names, or of the newest: what it reads from start to end. Blocks.

    `named` are tokens, tags or instants. Raises UnknownSnapshot, SnapshotExpired, and Problem `invalid_parameter` where
    two are named.
    """
    tokens = {engine.snapshots.at(token).token for token in named}
    if len(tokens) > 1:
        raise Problem(
            "invalid_parameter",
            "More than one snapshot is named.",
            "Use one snapshot, and page marks of one snapshot, in a request.",
            {"target": "snapshot", "snapshots": sorted(tokens)},
        )
    return tokens.pop() if tokens else engine.current()


class Stopwatch:
    """Named durations of one request, in milliseconds, in the order they began."""

    def __init__(self) -> None:
        self._spent: dict[str, float] = {}

    @contextmanager
    def measure(self, name: str) -> Generator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.add(name, (time.perf_counter() - started) * 1000)

    def add(self, name: str, milliseconds: float) -> None:
        self._spent[name] = self._spent.get(name, 0.0) + milliseconds

    def add_all(self, timings: Mapping[str, float]) -> None:
        for name, milliseconds in timings.items():
            self.add(name, milliseconds)

    def header(self) -> str:
        """The value of a Server-Timing header."""
        return ", ".join(f"{name};dur={spent:.2f}" for name, spent in self._spent.items())


def read_headers(stopwatch: Stopwatch, snapshot: str, as_of: dt.date | None = None) -> dict[str, str]:
    """The headers of every answer to a read: how long it took, which snapshot it saw, which knowledge date it used."""
    headers = {TIMING_HEADER: stopwatch.header(), SNAPSHOT_HEADER: snapshot}
    if as_of is not None:
        headers[AS_OF_HEADER] = as_of.isoformat()
    return headers
