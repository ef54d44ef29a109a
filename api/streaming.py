"""Answers that leave as they are produced: a body is pieces, and a large one is sent while the next piece is made.

A small body goes out whole, with its length, so that it can be packed and kept. Of a large one never more than a few
pieces are in memory: the thread that makes them waits for the client. A client that goes breaks off the query. What
fails after the first byte ends in a broken transfer, which no client takes for a short answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass

import anyio
import anyio.to_thread
import structlog
from anyio.streams.memory import MemoryObjectSendStream
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send
from typing_extensions import override

from api.answers import is_held
from api.limits import Limits
from api.problems import Problem, problem_from
from engine.interrupts import Interrupts, current_interrupts

# Bodies up to this size are sent whole. The largest that is kept to be given again is no larger, unless it is set so.
WHOLE_BYTES_MAX = 8 * 2**20
# Pieces that are made before the client has taken the one before them.
PIECES_AHEAD = 1
# The server drops what it has not written when the connection is broken.
ENDING_SECONDS = 0.05
RETRY_AFTER_SECONDS = 1

Pieces = Generator[bytes | memoryview]
_log = structlog.get_logger(__name__)


class BrokenOff(Exception):
    """Leaves the application after an answer has begun: the server closes the connection without the last chunk."""


def busy(message: str, limit: str, value: int) -> Problem:
    """What whoever finds no place is told: to come back."""
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return Problem("busy", message, details={"limit": limit, "value": value}, headers=headers)


class Streams:
    """The places for large answers that are under way. Safe to share between threads."""

    def __init__(self, limits: Limits) -> None:
        self.seconds_max = limits.stream_ms_max / 1000
        self._most = limits.concurrent_streams_max
        self._free = threading.Semaphore(self._most)
        self._limiter = anyio.CapacityLimiter(self._most)

    def begin(self, pieces: Pieces) -> Body:
        """As much of a body as tells whether it is small. Blocks; whoever gets one that is not whole sends it.

        Raises what making the pieces raises, and Problem `busy` where it is large and there is no place for it.
        """
        made: list[bytes | memoryview] = []
        room = WHOLE_BYTES_MAX
        for piece in pieces:
            made.append(piece)
            room -= len(piece)
            if room < 0:
                self._take_place(pieces)
                return Body(b"".join(made), Rest(self, pieces, current_interrupts()))
        return Body(b"".join(made))

    def _take_place(self, pieces: Pieces) -> None:
        if not self._free.acquire(blocking=False):
            pieces.close()
            raise busy("Too many large answers are under way.", "concurrent_streams_max", self._most)

    async def next_of(self, pieces: Pieces, interrupts: Interrupts) -> bytes | None:
        """The next piece, made in a thread; none at the end."""

        def make() -> bytes | None:
            with interrupts.within():
                piece = next(pieces, None)
            return None if piece is None else bytes(piece)

        return await anyio.to_thread.run_sync(make, limiter=self._limiter)

    async def end(self, pieces: Pieces) -> None:
        """Let go of what makes the pieces, and of the place."""
        try:
            await anyio.to_thread.run_sync(pieces.close)
        finally:
            self._free.release()


@dataclass(frozen=True, slots=True)
class Rest:
    """What follows the beginning of a large body."""

    streams: Streams
    pieces: Pieces
    interrupts: Interrupts


@dataclass(frozen=True, slots=True)
class Body:
    """`first` is all of it where there is no rest."""

    first: bytes
    rest: Rest | None = None

    def response(self, headers: Mapping[str, str], media_type: str, fault: Callable[[Problem], bytes]) -> Response:
        """`fault` is what a body ends in that fails after its beginning: it must not make it whole."""
        if self.rest is None:
            return Response(self.first, headers=dict(headers) | {"Content-Type": media_type})
        return _Streamed(self.first, self.rest, dict(headers) | {"Content-Type": media_type}, fault)


class _Streamed(Response):
    def __init__(self, first: bytes, rest: Rest, headers: Mapping[str, str], fault: Callable[[Problem], bytes]) -> None:
        super().__init__(headers=headers)
        del self.headers["Content-Length"]
        self._first = first
        self._rest = rest
        self._fault = fault

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        rest = self._rest
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if scope["method"] == "HEAD" or is_held(scope):
                # Not in one piece: `api.front` would keep it as the answer.
                await send(_chunk(b""))
                await send({"type": "http.response.body", "body": b""})
            else:
                await self._send_all(receive, send)
        finally:
            rest.interrupts.fire()
            with anyio.CancelScope(shield=True):
                await rest.streams.end(rest.pieces)

    async def _send_all(self, receive: Receive, send: Send) -> None:
        """Raises BrokenOff where the body did not come to its end."""
        made, taken = anyio.create_memory_object_stream[bytes](PIECES_AHEAD)
        sending = _Sending(self._rest, made)
        with anyio.move_on_after(self._rest.streams.seconds_max) as limit:
            async with anyio.create_task_group() as group:
                group.start_soon(sending.listen, receive, group.cancel_scope)
                group.start_soon(sending.make)
                await send(_chunk(self._first))
                async for piece in taken:
                    await send(_chunk(piece))
                group.cancel_scope.cancel()
        problem = sending.problem
        if sending.is_gone:
            return
        if limit.cancelled_caught:
            # A client that does not take what was sent would not take an ending.
            _log.warning("answer_broken_off", code="stream_ms_max")
            raise BrokenOff("stream_ms_max")
        if problem is not None:
            _log.error("answer_broken_off", code=problem.code, message=problem.message)
            await send(_chunk(self._fault(problem)))
            await anyio.sleep(ENDING_SECONDS)
            raise BrokenOff(problem.code)
        await send({"type": "http.response.body", "body": b""})


class _Sending:
    """The two that work beside the sender: one makes pieces, one listens whether the client is still there."""

    def __init__(self, rest: Rest, made: MemoryObjectSendStream[bytes]) -> None:
        self._rest = rest
        self._made = made
        self.problem: Problem | None = None
        self.is_gone = False

    async def make(self) -> None:
        rest = self._rest
        async with self._made:
            try:
                while (piece := await rest.streams.next_of(rest.pieces, rest.interrupts)) is not None:
                    await self._made.send(piece)
            except Exception as error:  # noqa: BLE001 - whatever fails breaks the answer off
                self.problem = problem_from(error)
                if self.problem.code == "internal":
                    _log.error("answer_failed", exc_info=error)

    async def listen(self, receive: Receive, scope: anyio.CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.is_gone = True
        self._rest.interrupts.fire()
        scope.cancel()


def _chunk(body: bytes) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": True}
