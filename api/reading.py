"""How the doors read: a bounded pool of threads over the engine, and the facts that every answer carries.

Queries block, so none runs on the event loop. A request takes a place in the pool, does its database work and its
rendering there, and gives the place back; when the waiting line is full it is told to come back.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Protocol, TypeVar

import anyio
import anyio.to_thread
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from api.limits import Limits
from api.problems import Problem
from api.streaming import Streams, busy
from engine.errors import EngineError
from engine.interrupts import Interrupts
from engine.pipeline import Engine

T = TypeVar("T")
P = TypeVar("P")

TIMING_HEADER = "Server-Timing"
SNAPSHOT_HEADER = "X-Finlake-Snapshot"
AS_OF_HEADER = "X-Finlake-As-Of"
# Most answers are there by then: to look out for clients that go would cost each of them a task of the event loop.
WATCH_AFTER_SECONDS = 0.1


class Reader:
    """The doors' way to the engine."""

    def __init__(self, engine: Engine, limits: Limits) -> None:
        self.engine = engine
        self._limiter = anyio.CapacityLimiter(limits.concurrent_queries_max)
        self._waiting_max = limits.waiting_queries_max
        self.streams = Streams(limits)
        self._held = 0
        self._held_max = limits.concurrent_queries_max + limits.waiting_queries_max

    async def run(self, work: Callable[[], T]) -> T:
        """`work()` in a thread of the pool. Raises Problem `busy` where too many wait already."""
        if self._held >= self._held_max:
            raise busy("Too many queries are waiting.", "waiting_queries_max", self._waiting_max)
        self._held += 1
        try:
            return await anyio.to_thread.run_sync(work, limiter=self._limiter)
        finally:
            self._held -= 1


@contextmanager
def listening(receive: Receive) -> Generator[None]:
    """What is read inside is broken off where the client goes, as `receive` tells once the request's body is read.

    Raises ClientDisconnect in the place of the error that comes of it.
    """
    interrupts = Interrupts()
    watch = _Watch(receive, interrupts)
    try:
        with interrupts.within():
            yield
    except EngineError as error:
        if interrupts.is_fired:
            raise ClientDisconnect from error
        raise
    finally:
        watch.end()


class _Watch:
    """Looks out for a client that goes before its answer has begun."""

    def __init__(self, receive: Receive, interrupts: Interrupts) -> None:
        self._receive = receive
        self._interrupts = interrupts
        self._task: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._start = self._loop.call_later(WATCH_AFTER_SECONDS, self._begin)

    def _begin(self) -> None:
        self._task = self._loop.create_task(self._look())

    async def _look(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._interrupts.fire()

    def end(self) -> None:
        self._start.cancel()
        if self._task is not None:
            self._task.cancel()


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


class Timed(Protocol):
    """What tells how long its steps have taken so far, in milliseconds."""

    @property
    def timings(self) -> Mapping[str, float]: ...


class Stopwatch:
    """Named durations of one request, in milliseconds, in the order they began."""

    def __init__(self) -> None:
        self._spent: dict[str, float] = {}
        self._followed: list[tuple[Timed, Mapping[str, float]]] = []

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

    def each(self, name: str, pieces: Iterable[P], timed: Timed) -> Generator[P]:
        """The pieces as they are made, which takes the time that the database does not work for `timed` meanwhile."""
        making = iter(pieces)
        while True:
            started, executed = time.perf_counter(), timed.timings["execute"]
            piece = next(making, None)
            spent = (time.perf_counter() - started) * 1000
            self.add(name, spent - (timed.timings["execute"] - executed))
            if piece is None:
                return
            yield piece

    def follow(self, timed: Timed) -> None:
        """Add what its steps have taken, and when the header is written what they have taken since."""
        known = dict(timed.timings)
        self.add_all(known)
        self._followed.append((timed, known))

    def header(self) -> str:
        """The value of a Server-Timing header: what has been spent so far."""
        while self._followed:
            timed, known = self._followed.pop()
            self.add_all({name: spent - known[name] for name, spent in timed.timings.items()})
        return ", ".join(f"{name};dur={spent:.2f}" for name, spent in self._spent.items())


def read_headers(stopwatch: Stopwatch, snapshot: str, as_of: dt.date | None = None) -> dict[str, str]:
    """The headers of every answer to a read: how long it took, which snapshot it saw, which knowledge date it used."""
    headers = {TIMING_HEADER: stopwatch.header(), SNAPSHOT_HEADER: snapshot}
    if as_of is not None:
        headers[AS_OF_HEADER] = as_of.isoformat()
    return headers
