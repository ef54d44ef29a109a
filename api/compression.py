"""Gzip for clients that take it. A body that comes in one piece is packed, one that streams passes as it is."""

from __future__ import annotations

import gzip
import re

import anyio.to_thread
from anyio import CapacityLimiter
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# The first level packs JSON to about a tenth as well; each further one costs more time than the bytes it saves.
LEVEL = 1
# Below the one it is not worth it; from the other on it would hold up the event loop.
PACKED_BYTES_MIN = 1_000
THREADED_BYTES_MIN = 100_000
THREADS_MAX = 2
_ENCODING = re.compile(r"(gzip|x-gzip|\*)(?:;q=([01](?:\.\d{0,3})?))?", re.IGNORECASE)


class Compressed:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._limiter = CapacityLimiter(THREADS_MAX)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        packs = takes_gzip(Headers(scope=scope).getlist("Accept-Encoding")) and scope["method"] != "HEAD"
        held: Message | None = None

        async def packed(message: Message) -> None:
            nonlocal held
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).add_vary_header("Accept-Encoding")
                held = message
                return
            if held is not None:
                start, held = held, None
                if packs and _is_worth_it(start, message):
                    message = {**message, "body": await self._pack(message["body"])}
                    headers = MutableHeaders(scope=start)
                    headers["Content-Encoding"] = "gzip"
                    headers["Content-Length"] = str(len(message["body"]))
                await send(start)
            await send(message)

        await self._app(scope, receive, packed)

    async def _pack(self, body: bytes) -> bytes:
        if len(body) < THREADED_BYTES_MIN:
            return gzip.compress(body, LEVEL, mtime=0)
        return await anyio.to_thread.run_sync(lambda: gzip.compress(body, LEVEL, mtime=0), limiter=self._limiter)


def takes_gzip(accept_encoding: list[str]) -> bool:
    """Whether the values of the header name gzip, or a star, with a quality above zero; a name counts before a star."""
    found: dict[str, float] = {}
    for text in ",".join(accept_encoding).split(","):
        if match := _ENCODING.fullmatch(text.replace(" ", "")):
            found["*" if match[1] == "*" else "gzip"] = float(match[2] or 1)
    return found.get("gzip", found.get("*", 0)) > 0


def _is_worth_it(start: Message, message: Message) -> bool:
    whole = not message.get("more_body") and len(message.get("body", b"")) >= PACKED_BYTES_MIN
    return whole and "Content-Encoding" not in Headers(scope=start)
