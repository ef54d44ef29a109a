"""Request bodies: what they are declared as, and their bytes, read no further than a limit."""

from __future__ import annotations

from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.requests import Request

from api.problems import Problem

_CHARSETS = ("utf-8", "utf8", "us-ascii")


def media_type(headers: Headers, default: str = "") -> str:
    """What a body is declared as, in lower case. Raises Problem `unsupported_media_type` where it is in no UTF-8."""
    declared, *parameters = (part.strip().lower() for part in headers.get("content-type", default).split(";"))
    for name, _, value in (parameter.partition("=") for parameter in parameters):
        charset = value.strip('"')
        if name == "charset" and charset not in _CHARSETS:
            raise Problem("unsupported_media_type", f"The body's charset is {charset[:40]!r}.", "Send it in UTF-8.")
    return declared


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
