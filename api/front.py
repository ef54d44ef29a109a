"""In front of the framework: what was asked before is answered from memory, in microseconds.

A request is known by everything in it that any door looks at. What it came to the last time tells which question it is
(`api.answers`); whether that has been answered at the newest snapshot is then a look into memory, and so is which
snapshot is the newest. Everything else goes through to the framework, and is listened to on its way back.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import TypeAlias

from cachetools import LRUCache
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.answers import Answers, Repeatable, Stored, if_none_match, packed_etag, repeatable_of
from api.compression import takes_gzip
from api.graphql.router import PATH as GRAPHQL_PATH
from api.reading import AS_OF_HEADER, SNAPSHOT_HEADER, TIMING_HEADER
from api.writing import KEY_HEADER
from catalog.snapshot import Snapshots
from catalog.watch import Stamp

ROUTES_BYTES_MAX = 16 * 2**20
# What a route takes beside the request.
ROUTE_BYTES = 500
# Longer documents are looked at by the door alone.
BODY_BYTES_MAX = 65_536
POSTED_QUESTIONS = frozenset({GRAPHQL_PATH})
# The headers that doors look at where they answer questions. Who asks is among them: answers are not for everybody.
RELEVANT_HEADERS = frozenset(
    {
        b"accept",
        b"accept-encoding",
        b"authorization",
        b"content-type",
        b"cookie",
        b"host",
        b"odata-maxversion",
        b"odata-version",
        b"prefer",
    }
)


def _raw(header: str) -> bytes:
    """The name of a header as ASGI has it."""
    return header.lower().encode()


TIMING = _raw(TIMING_HEADER)
NOT_REPEATED = frozenset({TIMING, b"date"})
IN_304 = frozenset({b"etag", b"vary", b"cache-control", b"odata-version", _raw(SNAPSHOT_HEADER), _raw(AS_OF_HEADER)})
FROM_MEMORY = (TIMING, b'cache;desc="hit"')

Count = Callable[[Scope, int], None]


# All of a request that matters.
Asked: TypeAlias = tuple[bytes | str, ...]


@dataclass(frozen=True, slots=True)
class _Route:
    """What a request came to: which question, and of which snapshot where it names one. `stamp` is that of the catalog
    before it was looked up: names of snapshots may come to mean something else. `kept_as` is the question as its
    answers are kept."""

    said: Repeatable
    kept_as: bytes
    packs: bool
    stamp: Stamp
    size_bytes: int


class Front:
    """ASGI middleware, outermost. Runs on the event loop alone. `count` is told of what is answered here."""

    def __init__(self, app: ASGIApp, snapshots: Snapshots, answers: Answers, count: Count) -> None:
        self._app = app
        self._snapshots = snapshots
        self._answers = answers
        self._count = count
        self._routes: MutableMapping[Asked, _Route] = LRUCache(
            ROUTES_BYTES_MAX, getsizeof=lambda route: route.size_bytes
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD", "POST"}:
            await self._app(scope, receive, send)
            return
        body = b""
        if scope["method"] == "POST":
            if not _is_short_question(scope):
                await self._app(scope, receive, send)
                return
            body, receive = await _read_ahead(receive)
        asked = _asked(scope, body)
        route = self._routes.get(asked)
        found = None if route is None else self._known(route)
        if found is None:
            await self._fresh(asked, scope, receive, send)
        else:
            status = await _give(*found, if_none_match(scope), send)
            self._count(scope, status)

    def _known(self, route: _Route) -> tuple[Repeatable, Stored] | None:
        """The answer that is right at this moment, if it is in memory."""
        stamp = self._snapshots.stamp()
        said = route.said
        if not said.pinned:
            newest = self._snapshots.known(stamp)
            if newest is None:
                return None
            if newest.token != said.snapshot:
                said = Repeatable(said.question, newest.token, pinned=False)
        elif stamp != route.stamp:
            return None
        stored = self._answers.find(route.kept_as, said.snapshot, packs=route.packs)
        return None if stored is None else (said, stored)

    async def _fresh(self, asked: Asked, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the framework answer, and keep what it says is the same each time."""
        stamp = self._snapshots.stamp()

        def keep(said: Repeatable, stored: Stored) -> None:
            packs = takes_gzip(Headers(scope=scope).getlist("Accept-Encoding"))
            kept_as = _kept_as(said.question, scope["method"])
            self._routes[asked] = _Route(said, kept_as, packs, stamp, _size_bytes(asked))
            self._answers.keep(kept_as, said.snapshot, stored, packs=packs)

        await self._app(scope, receive, _Heard(scope, send, keep))


class _Heard:
    """The way back of one answer. What is the same each time gets its ETag, or is told to be what the client holds."""

    def __init__(self, scope: Scope, send: Send, keep: Callable[[Repeatable, Stored], None]) -> None:
        self._scope = scope
        self._send = send
        self._keep = keep
        self._start: Message | None = None
        self._is_silent = False

    async def __call__(self, message: Message) -> None:
        said = repeatable_of(self._scope)
        if said is not None and message["type"] == "http.response.start" and message["status"] == 200:
            await self._begin(said, message)
            return
        if said is not None and self._start is not None:
            # Only what comes in one piece is kept.
            if self._scope["method"] != "HEAD" and not message.get("more_body", False):
                self._keep(said, _stored(self._start, message.get("body", b"")))
            self._start = None
        if not self._is_silent:
            await self._send(message)

    async def _begin(self, said: Repeatable, message: Message) -> None:
        self._start = _tagged(message, said) if self._scope["method"] != "POST" else message
        self._is_silent = _has_etag(self._start) and said.is_held_by(if_none_match(self._scope))
        if self._is_silent:
            await self._send(_not_modified(self._start))
            await self._send({"type": "http.response.body", "body": b""})
        else:
            await self._send(self._start)


async def _give(said: Repeatable, stored: Stored, held: str, send: Send) -> int:
    """Send an answer, or that it is the one that the client holds; the status that it got."""
    start: Message = {"type": "http.response.start", "status": 200, "headers": stored.headers}
    body = stored.body
    if held and _has_etag(start) and said.is_held_by(held):
        start, body = _not_modified(start), b""
    await send(start)
    await send({"type": "http.response.body", "body": body})
    return start["status"]


def _kept_as(question: bytes, method: str) -> bytes:
    """An answer to a POST has no ETag, so it is another one."""
    return b"POST" + question if method == "POST" else question


def _is_short_question(scope: Scope) -> bool:
    """Whether a POST may ask a question, in a body that can be held. A key is for what is written."""
    if scope["path"] not in POSTED_QUESTIONS:
        return False
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"")
    return length.isdigit() and int(length) <= BODY_BYTES_MAX and _raw(KEY_HEADER) not in headers


async def _read_ahead(receive: Receive) -> tuple[bytes, Receive]:
    """The body, and what to receive in its place: the same messages again, then what follows them."""
    messages: list[Message] = []
    while True:
        message = await receive()
        messages.append(message)
        if message["type"] != "http.request" or not message.get("more_body", False):
            break
    pending = iter(messages)

    async def again() -> Message:
        held = next(pending, None)
        return await receive() if held is None else held

    return b"".join(message.get("body", b"") for message in messages), again


def _asked(scope: Scope, body: bytes) -> Asked:
    relevant: list[bytes] = []
    for header in scope["headers"]:
        if header[0] in RELEVANT_HEADERS:
            relevant += header
    path = scope.get("raw_path") or scope["path"]
    return (scope["method"], scope["scheme"], path, scope["query_string"], body, *relevant)


def _size_bytes(asked: Asked) -> int:
    return sum(map(len, asked)) + ROUTE_BYTES


def _tagged(start: Message, said: Repeatable) -> Message:
    """The start of an answer with its ETag. Whoever keeps it asks before it shows it again."""
    packed = any(name.lower() == b"content-encoding" for name, _ in start["headers"])
    etag = packed_etag(said.etag) if packed else said.etag
    headers = [*start["headers"], (b"etag", etag.encode()), (b"cache-control", b"no-cache")]
    return {**start, "headers": headers}


def _has_etag(start: Message) -> bool:
    return any(name == b"etag" for name, _ in start["headers"])


def _stored(start: Message, body: bytes) -> Stored:
    headers = [(name.lower(), value) for name, value in start["headers"]]
    kept = [header for header in headers if header[0] not in NOT_REPEATED]
    return Stored((*kept, FROM_MEMORY), body)


def _not_modified(start: Message) -> Message:
    headers = [(name, value) for name, value in start["headers"] if name.lower() in IN_304]
    return {"type": "http.response.start", "status": 304, "headers": headers}
