"""How much an Arrow IPC stream holds once its buffers are unpacked, worked out before Arrow makes room for it.

Arrow shows the headers of its messages as the flatbuffers they are. Four of their fields are read here: a table begins
with the distance back to its vtable, which holds, after two sizes, the place of each field in the table or 0.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.ipc as ipc

_HEADER = 2  # of a Message: the union's table
_DATA = 1  # of a DictionaryBatch: the RecordBatch in it
_BUFFERS, _COMPRESSION = 2, 3  # of a RecordBatch
_BUFFER_BYTES = 16
_AS_IT_IS = -1


def unpacked_bytes(body: bytes) -> int:
    """The size of all buffers of the stream, where packed ones count as what comes out of them.

    Raises ArrowInvalid where the body is no such stream.
    """
    total = 0
    for message in ipc.MessageReader.open_stream(pa.BufferReader(body)):
        total += _unpacked_bytes(message) if message.type in {"record batch", "dictionary"} else 0
    return total


def _unpacked_bytes(message: ipc.Message) -> int:
    header: bytes = message.metadata.to_pybytes()
    try:
        batch = _pointed(header, _field(header, _pointed(header, 0), _HEADER))
        if message.type == "dictionary":
            batch = _pointed(header, _field(header, batch, _DATA))
        if not _field(header, batch, _COMPRESSION):
            return int(message.body.size)
        return sum(_sizes(header, batch, memoryview(message.body)))
    except struct.error as error:
        raise pa.ArrowInvalid("a message's header is cut short") from error


def _sizes(header: bytes, batch: int, content: memoryview) -> Iterator[int]:
    buffers = _pointed(header, _field(header, batch, _BUFFERS))
    (count,) = struct.unpack_from("<I", header, buffers)
    for at in range(buffers + 4, buffers + 4 + count * _BUFFER_BYTES, _BUFFER_BYTES):
        offset, length = struct.unpack_from("<qq", header, at)
        if length:
            (size,) = struct.unpack_from("<q", content, offset)
            yield length if size == _AS_IT_IS else max(size, 0)


def _field(header: bytes, table: int, number: int) -> int:
    """Where a field of a table is, or 0 where it is not given."""
    (back,) = struct.unpack_from("<i", header, table)
    (vtable_bytes,) = struct.unpack_from("<H", header, table - back)
    slot = 4 + 2 * number
    if slot >= vtable_bytes:
        return 0
    (place,) = struct.unpack_from("<H", header, table - back + slot)
    return table + place if place else 0


def _pointed(header: bytes, at: int) -> int:
    (distance,) = struct.unpack_from("<I", header, at)
    return at + distance
