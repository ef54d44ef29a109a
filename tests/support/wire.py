"""Bodies of a bulk post, read back row by row, and a service that keeps what it is sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec
import pyarrow as pa

from api.wire import ARROW, JSON, NDJSON, Body

_lines = msgspec.json.Decoder(dict[str, Any], float_hook=str)


def rows_of(bodies: Iterable[Body]) -> list[dict[str, Any]]:
    """The rows as the service reads them: of a table all but booleans as text, and nulls as absent but for values."""
    return [row for body in bodies for row in _rows(body.content, body.media_type)]


def _rows(content: bytes, media_type: str) -> list[dict[str, Any]]:
    if media_type == NDJSON:
        return _lines.decode_lines(content)
    assert media_type == ARROW
    table = pa.ipc.open_stream(content).read_all()
    columns = [_texts(column) for column in table.columns]
    return [
        {name: cell for name, cell in zip(table.schema.names, row, strict=True) if cell is not None or name == "value"}
        for row in zip(*columns, strict=True)
    ]


def _texts(column: pa.ChunkedArray) -> list[Any]:
    return (column if pa.types.is_boolean(column.type) else column.cast(pa.string())).to_pylist()


@dataclass(frozen=True)
class Post:
    """One request that arrived."""

    key: str
    params: dict[str, str]
    media_type: str
    content: bytes

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [] if self.media_type == JSON else _rows(self.content, self.media_type)


@dataclass
class Keeper(httpx.BaseTransport):
    """Acknowledges posts until it has had enough of them; rows whose value ends in 7 fail."""

    patience: int = 1_000
    posts: list[Post] = field(default_factory=list)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if len(self.posts) >= self.patience:
            raise httpx.ConnectError("gone")
        assert request.headers["Content-Encoding"] == "zstd"
        content = pa.CompressedInputStream(pa.BufferReader(request.read()), "zstd").read()
        headers = request.headers
        post = Post(headers["Idempotency-Key"], dict(request.url.params), headers["Content-Type"], content)
        self.posts.append(post)
        return self.answer(post)

    def answer(self, post: Post) -> httpx.Response:
        failed = [index for index, row in enumerate(post.rows) if str(row["value"]).endswith("7")]
        told = {"part": "data_points", "field": "value", "code": "invalid_number", "message": "Seven."}
        verdicts = {"inserted": len(post.rows) - len(failed), "rejected": len(failed)}
        receipt = {
            "total_processed": len(post.rows),
            "successful": len(post.rows) - len(failed),
            "failed": len(failed),
            "snapshot": f"s{len(self.posts)}",
            "failures": [{"index": index, **told} for index in failed],
            "verdicts": verdicts,
        }
        return httpx.Response(200, json=receipt)

    @property
    def values(self) -> list[int]:
        return [int(row["value"]) for post in self.posts for row in post.rows]
