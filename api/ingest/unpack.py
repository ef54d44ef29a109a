"""Packed bodies -> their bytes, never more of them than a limit."""

from __future__ import annotations

import pyarrow as pa

from api.ingest.media import Packing
from api.limits import Limits
from api.problems import Problem

_CHUNK_BYTES = 2**20


def unpacked(body: bytes, packing: Packing, limits: Limits) -> bytes:
    """The body without its Content-Encoding.

    Raises Problem `malformed_body` where it is damaged or cut short, `body_too_large` where more than `body_bytes_max`
    comes out of it; what comes after that is not unpacked.
    """
    if packing is Packing.NONE:
        return body
    try:
        return _read(pa.CompressedInputStream(pa.BufferReader(body), packing.value), limits.body_bytes_max)
    except OSError as error:
        raise Problem("malformed_body", f"The body cannot be unpacked as {packing.value}: {error}.") from error


def too_many_bytes(limit: int) -> Problem:
    return Problem(
        "body_too_large",
        f"The body is larger than {limit} bytes once it is unpacked.",
        details={"limit": "body_bytes_max", "value": limit},
    )


def too_many_rows(limits: Limits) -> Problem:
    limit = limits.bulk_rows_max
    return Problem(
        "body_too_large",
        f"The request has more than {limit} rows.",
        details={"limit": "bulk_rows_max", "value": limit},
    )


def _read(stream: pa.NativeFile, bytes_max: int) -> bytes:
    chunks: list[bytes] = []
    room = bytes_max
    while chunk := stream.read(_CHUNK_BYTES):
        chunks.append(chunk)
        room -= len(chunk)
        if room < 0:
            raise too_many_bytes(bytes_max)
    return b"".join(chunks)
