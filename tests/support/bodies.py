"""The same rows of points as a body of every format, made by other means than those that read them."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from api.ingest.media import Format, Packing

Rows = Sequence[Mapping[str, Any]]
TABULAR = (Format.NDJSON, Format.CSV, Format.ARROW, Format.PARQUET)


def body_of(format_: Format, rows: Rows) -> bytes:
    """Rows of texts, booleans and nulls. Columns are those of the first row and of the others, in order."""
    match format_:
        case Format.JSON:
            return json.dumps({"data_points": list(rows)}).encode()
        case Format.NDJSON:
            return "".join(json.dumps(row) + "\n" for row in rows).encode()
        case Format.CSV:
            return csv_of(rows)
        case Format.ARROW:
            return arrow_of(table_of(rows))
        case Format.PARQUET:
            return parquet_of(table_of(rows))


def table_of(rows: Rows) -> pa.Table:
    columns = {name: [row.get(name) for row in rows] for name in names_of(rows)}
    return pa.table({name: pa.array(cells, _kind(name)) for name, cells in columns.items()})


def names_of(rows: Rows) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def csv_of(rows: Rows) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    names = names_of(rows)
    writer.writerow(names)
    writer.writerows([_cell(row.get(name)) for name in names] for row in rows)
    return text.getvalue().encode()


def arrow_of(table: pa.Table, compression: str | None = None, batch_rows: int = 300) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table, max_chunksize=batch_rows)
    return sink.getvalue()


def parquet_of(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def packed(body: bytes, packing: Packing) -> bytes:
    match packing:
        case Packing.NONE:
            return body
        case Packing.GZIP:
            return gzip.compress(body)
        case Packing.ZSTD:
            return pa.Codec("zstd").compress(body).to_pybytes()


def _kind(name: str) -> pa.DataType:
    return pa.bool_() if name == "is_original_release" else pa.string()


def _cell(cell: Any) -> str:
    if cell is None:
        return ""
    return str(cell).lower() if isinstance(cell, bool) else str(cell)
