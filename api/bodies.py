"""Request bodies, read no further than a limit."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request

from api.problems import Problem


async def read_body(request: Request, bytes_max: int, limit: str, count: Callable[[int], None] | None = None) -> bytes:
    """The body. `limit` is the setting that `bytes_max` comes from; `count` is told each chunk's size.

    Raises Problem `body_too_large`, before anything is read where the declared length says so.
    """
    too_large = Problem(
        "body_too_large", f"The body is larger than {bytes_max} bytes.", details={"limit": limit, "value": bytes_max}
    )
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > bytes_max:
        raise too_large
    # Joined once: a body that grows is copied again and again, on the event loop.
    chunks: list[bytes] = []
    room = bytes_max
    async for chunk in request.stream():
        if count is not None:
            count(len(chunk))
        chunks.append(chunk)
        room -= len(chunk)
        if room < 0:
            raise too_large
    return b"".join(chunks)
