"""CSV, Arrow and Parquet bodies -> points. Sizes are looked at before anything of that size is made."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

from api.cells import FIELDS
from api.ingest.arrow_sizes import unpacked_bytes
from api.ingest.points import Points, check_columns, points_of
from api.ingest.unpack import too_many_bytes, too_many_rows
from api.limits import Limits
from api.problems import Problem
from api.writing import Failure

_BOM = b"\xef\xbb\xbf"
# A quote opens a cell, closes it, or stands beside another: never amid other characters. Looked for by its quote, which
# is twice as fast as by what is around it.
_BAD_QUOTE = re.compile(rb'"(?<=[^",\r\n]")[^",\r\n]')


def csv_points(body: bytes, limits: Limits) -> Points:
    """Points of RFC 4180 text in UTF-8 under a header. Rows are counted without the header and blank lines.

    Raises Problem `malformed_body`, `invalid_body`, `body_too_large`.
    """
    body = body.removeprefix(_BOM)
    _check_csv(body, limits)
    odd: dict[int, str] = {}

    def skip(row: pcsv.InvalidRow) -> str:
        odd[row.number - 2] = f"The row has {row.actual_columns} cells under {row.expected_columns} columns."
        return "skip"

    with _reading("CSV"):
        table = pcsv.read_csv(
            # A header alone is no CSV to Arrow where its line does not end.
            pa.BufferReader(body if body.endswith((b"\n", b"\r")) else body + b"\n"),
            # Threads would not tell which row it is that is odd.
            pcsv.ReadOptions(use_threads=False, block_size=len(body) + 1),
            pcsv.ParseOptions(newlines_in_values=True, invalid_row_handler=skip),
            pcsv.ConvertOptions(
                column_types=dict.fromkeys(FIELDS, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )
    check_columns(table.schema.names)
    return _points(table, limits, odd)


def arrow_points(body: bytes, limits: Limits) -> Points:
    """Points of an Arrow IPC stream. Raises Problem `malformed_body`, `invalid_body`, `body_too_large`."""
    batches: list[pa.RecordBatch] = []
    rows = 0
    with _reading("Arrow IPC stream"):
        if unpacked_bytes(body) > limits.body_bytes_max:
            raise too_many_bytes(limits.body_bytes_max)
        reader = ipc.open_stream(pa.BufferReader(body))
        _check_schema(reader.schema)
        for batch in reader:
            rows += batch.num_rows
            if rows > limits.bulk_rows_max:
                raise too_many_rows(limits)
            batch.validate(full=True)
            batches.append(batch)
        table = pa.Table.from_batches(batches, reader.schema)
        return _points(table, limits)


def parquet_points(body: bytes, limits: Limits) -> Points:
    """Points of a Parquet file. Raises Problem `malformed_body`, `invalid_body`, `body_too_large`."""
    with _reading("Parquet file"):
        schema = pq.read_schema(pa.BufferReader(body))
        _check_schema(schema)
        # A text that a million rows share is kept once.
        texts = [each.name for each in schema if _is_text(each.type)]
        file = pq.ParquetFile(pa.BufferReader(body), read_dictionary=texts, page_checksum_verification=True)
        groups = [file.metadata.row_group(at) for at in range(file.metadata.num_row_groups)]
        if sum(group.num_rows for group in groups) > limits.bulk_rows_max:
            raise too_many_rows(limits)
        if sum(group.total_byte_size for group in groups) > limits.body_bytes_max:
            raise too_many_bytes(limits.body_bytes_max)
        table = file.read(use_threads=False)
        table.validate(full=True)
        return _points(table, limits)


def _check_csv(body: bytes, limits: Limits) -> None:
    """What Arrow would pass over, and a bound on rows before any is made."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise malformed("CSV in UTF-8", f"{error.reason} at byte {error.start}") from error
    # Blank lines are no rows; so many of them are no table either.
    if body.count(b"\n") + body.count(b"\r") - body.count(b"\r\n") > 2 * limits.bulk_rows_max + 1:
        raise too_many_rows(limits)
    if b'"' in body and (body.count(b'"') % 2 or _BAD_QUOTE.search(body)):
        raise malformed("CSV", "a quote is not closed, or stands in the middle of a cell")


def _points(table: pa.Table, limits: Limits, odd: dict[int, str] | None = None) -> Points:
    """The points of a table from which the rows of `odd` were left out already: their index, and what was wrong."""
    odd = odd or {}
    total = table.num_rows + len(odd)
    if total > limits.bulk_rows_max:
        raise too_many_rows(limits)
    indexes = pa.arange(0, total)
    if odd:
        indexes = pa.array([index for index in range(total) if index not in odd], pa.int64())
    table = table.unify_dictionaries().combine_chunks()
    read = points_of({name: _one_chunk(table.column(name)) for name in table.schema.names}, indexes)
    failures = [Failure("data_points", index, None, "malformed_row", message) for index, message in odd.items()]
    return Points(read.table, total, (*failures, *read.failures))


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks else pa.nulls(0, column.type)


def _check_schema(schema: pa.Schema) -> None:
    """Raises Problem `invalid_body` where points cannot have such columns: before any row of them is read."""
    check_columns(schema.names)
    points_of({each.name: pa.nulls(0, each.type) for each in schema}, pa.arange(0, 0))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def malformed(what: str, why: str) -> Problem:
    return Problem("malformed_body", f"The body is no {what}: {why[:300]}.")


@contextmanager
def _reading(what: str) -> Generator[None]:
    """Translates what Arrow raises over a body that is not what it should be."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise malformed(what, str(error)) from error
