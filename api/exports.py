"""Rows as CSV, Arrow and Parquet, piece by piece as the batches come: whole results, for programs that take tables."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import assert_never

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from typing_extensions import Buffer, override

from api.formats import Form
from api.json_rows import Encoder, Line, bare, written
from api.kinds import STRING, Kind, kinds_of

# A batch has few rows for a row group, which readers skip and unpack as one.
ROW_GROUP_ROWS = 120_000
_LINE = Line("", "\r\n", "")
# What a body ends in that fails after rows were sent, so that a reader fails as well: in CSV a text without its end, in
# Arrow a message that is longer than what follows. Parquet ends in its footer, or is none.
ENDINGS = {Form.CSV: b'"', Form.ARROW: b"\xff\xff\xff\xff\xff\xff\xff\x7f", Form.PARQUET: b""}


def exported(form: Form, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes | memoryview]:
    """The pieces of a body, which is whole with the last of them.

    Raises Problem `wrong_type` for a column of a type that no form has, and what reading the batches raises.
    """
    kinds = kinds_of(schema)
    match form:
        case Form.CSV:
            yield from _csv(schema, kinds, batches)
        case Form.ARROW:
            yield from _arrow(schema, batches)
        case Form.PARQUET:
            yield from _parquet(schema, batches)
        case Form.JSON:
            raise ValueError(form)
        case _:
            assert_never(form)


def _csv(schema: pa.Schema, kinds: list[Kind], batches: Iterable[pa.RecordBatch]) -> Iterator[bytes | memoryview]:
    encoders = [_QUOTED if kind is STRING else Encoder(kind.json.text) for kind in kinds]
    yield (",".join(_csv_quoted(name) for name in schema.names) + "\r\n").encode()
    for batch in batches:
        columns = [("", batch.column(at), encoder) for at, encoder in enumerate(encoders)]
        yield written(columns, batch.num_rows, _LINE)


def _csv_quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


# Texts are always in quotes: so an empty text is not a null.
_QUOTED = Encoder(lambda values: pc.replace_substring(bare(values), '"', '""'), quoted=True)


def _arrow(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    sink = _Sink()
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
            yield sink.taken()
    yield sink.taken()


def _parquet(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    sink = _Sink()
    with pq.ParquetWriter(sink, schema) as writer:
        group: list[pa.RecordBatch] = []
        for batch in batches:
            group.append(batch)
            if sum(each.num_rows for each in group) >= ROW_GROUP_ROWS:
                writer.write_table(pa.Table.from_batches(group, schema))
                group = []
                yield sink.taken()
        if group:
            writer.write_table(pa.Table.from_batches(group, schema))
    yield sink.taken()


class _Sink(io.RawIOBase):
    """A file that is written once, from front to end, and taken away meanwhile."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._written = 0

    @override
    def writable(self) -> bool:
        return True

    @override
    def write(self, data: Buffer, /) -> int:
        piece = bytes(data)
        self._pieces.append(piece)
        self._written += len(piece)
        return len(piece)

    @override
    def tell(self) -> int:
        return self._written

    def taken(self) -> bytes:
        """What was written since it was asked last."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)
