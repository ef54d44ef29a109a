"""Arrow rows -> sorted, durable Parquet files, one a touched partition, not yet part of any snapshot."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, wait
from contextlib import ExitStack, suppress
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.io import FileIO
from pyiceberg.table import Table as IcebergTable

from catalog.data_files import WrittenFile
from catalog.errors import CommitFailed
from catalog.iceberg import translated
from catalog.members import Members
from catalog.model import Table, Type
from catalog.schemas import arrow_schema
from catalog.shapes import check_writable, partition_width

# Small row groups make point reads fast: DuckDB prunes row groups and reads whole ones.
ROW_GROUP_ROWS = 16_384
# Beside zstd files are a fifth larger, 9 bytes a row, and a read of one series, which unpacks a row group for a few of
# its rows, takes a quarter less.
COMPRESSION = "lz4"
FLUSHED_ROWS = 4 * ROW_GROUP_ROWS


def stage(
    table: Table, rows: pa.Table, target: IcebergTable, executor: Executor, members: Members
) -> tuple[WrittenFile, ...]:
    """Write rows as files of a table; `members` learns what they hold.

    `rows` has the table's columns, in any order of rows; one of texts may be a dictionary array. Raises StorageFull,
    StorageFailed, SchemaMismatch; the files that were written until then are removed.
    """
    check_writable(table, target.metadata)
    width = partition_width(table, target.metadata)
    ordered = _ordered(table, rows.select([column.name for column in table.columns]))
    folder = f"{target.location()}/data"
    parts = {f"{folder}/{uuid.uuid4()}.parquet": part for part in _partitions(table, ordered, width)}
    futures = [executor.submit(_write, target.io, location, part, table) for location, part in parts.items()]
    wait(futures)  # also after a failure: a file still being written could not be removed
    try:
        with translated():
            files = tuple(future.result() for future in futures)
    except BaseException:
        discard(target.io, parts)
        raise
    members.learn({file.path: file.members for file in files})
    return files


def discard(io: FileIO, locations: Iterable[str]) -> None:
    """Remove files that no snapshot will ever reach; what cannot be removed is left to the orphan sweep."""
    for location in locations:
        with suppress(OSError):
            io.delete(location)


def check_staged(io: FileIO, files: Iterable[WrittenFile]) -> None:
    """Just before a commit: raises CommitFailed where a file is gone, as after a long stop it was taken for garbage."""
    if not all(io.new_input(file.location).exists() for file in files):
        raise CommitFailed("The commit stood still so long that its files are gone; nothing was stored.")


def _ordered(table: Table, rows: pa.Table) -> pa.Table:
    """The rows as the table sorts them; those that come sorted are not sorted again."""
    if _is_sorted([_comparable(rows.column(name)) for name in table.sort]):
        return rows
    return rows.cast(arrow_schema(table)).sort_by([(name, "ascending") for name in table.sort])


def _sorted_dictionary(column: pa.ChunkedArray) -> pa.Array | None:
    """The dictionary that all chunks of a column share, where it is sorted: its texts compare as their numbers do."""
    if not pa.types.is_dictionary(column.type) or not column.num_chunks:
        return None
    first = column.chunk(0).dictionary
    shared = all(chunk.dictionary is first or chunk.dictionary.equals(first) for chunk in column.chunks)
    return first if shared and _is_sorted([pa.chunked_array([first])]) else None


def _comparable(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """What compares as the column does: numbers rather than texts, where there are some."""
    if not pa.types.is_dictionary(column.type):
        return column
    if _sorted_dictionary(column) is None:
        return column.cast(pa.string())
    return pa.chunked_array([chunk.indices for chunk in column.chunks], column.type.index_type)


def _is_sorted(columns: list[pa.ChunkedArray]) -> bool:
    """Whether rows come in the order of their columns, none of which holds a null."""
    ties: pa.ChunkedArray | None = None
    for column in columns:
        before, after = column[:-1], column[1:]
        falls = pc.greater(before, after)
        if pc.any(falls if ties is None else pc.and_(ties, falls), min_count=0).as_py():
            return False
        same = pc.equal(before, after)
        ties = same if ties is None else pc.and_(ties, same)
    return True


def _partitions(table: Table, ordered: pa.Table, width: int | None) -> Iterator[pa.Table]:
    """The runs of rows that share a partition value. The sort order begins with the partition column."""
    if table.partition is None or width is None or ordered.num_rows == 0:
        yield ordered
        return
    start = 0
    for run in pc.run_end_encode(_prefixes(ordered.column(table.partition), width)).run_ends.to_pylist():
        yield ordered.slice(start, run - start)
        start = run


def _prefixes(column: pa.ChunkedArray, width: int) -> pa.Array:
    """What partitions go by, for each row: of a dictionary array the number of the prefix."""
    dictionary = _sorted_dictionary(column)
    if dictionary is None:
        return pc.utf8_slice_codeunits(column.cast(pa.string()), 0, width).combine_chunks()
    numbers = pc.utf8_slice_codeunits(dictionary, 0, width).dictionary_encode().indices
    return numbers.take(_comparable(column).combine_chunks())


def _write(io: FileIO, location: str, rows: pa.Table, table: Table) -> WrittenFile:
    members = frozenset(pc.unique(rows.column(table.partition)).to_pylist()) if table.partition else frozenset[str]()
    # Only here, where threads share the work: a dictionary array would put all its texts into every file.
    rows = rows.cast(arrow_schema(table))
    stream: Any
    with io.new_output(location).create() as stream:
        writer = _open(stream, rows, table)
        with writer:
            writer.write_table(rows, row_group_size=ROW_GROUP_ROWS)
        size_bytes = stream.tell()
    return WrittenFile(location, writer.writer.metadata, size_bytes, members)


def _open(stream: Any, first: pa.Table, table: Table) -> pq.ParquetWriter:
    """A writer of a file whose first rows are `first`."""
    delta_coded = {column.name: "DELTA_BINARY_PACKED" for column in table.columns if column.type is Type.DATE}
    # Decimals take 16 bytes: a dictionary of them is longer than the values themselves are when they are packed.
    plain = {column.name for column in table.columns if column.type is Type.DECIMAL}
    # Without the number of values the writer sets up for a million: 64 MB and 90 ms a file.
    values = pc.count_distinct(first.column(table.key[0])).as_py()
    return pq.ParquetWriter(
        stream,
        first.schema,
        compression=COMPRESSION,
        use_dictionary=[name for name in table.by_name if name not in delta_coded and name not in plain],
        column_encoding=delta_coded,
        sorting_columns=[pq.SortingColumn(first.schema.get_field_index(name)) for name in table.sort],
        write_page_index=True,
        write_page_checksum=True,
        bloom_filter_options={table.key[0]: {"ndv": max(1, values)}},
    )


class SortedFiles:
    """Rows in the order of a table's files, as they come -> durable files of about `rows_max` rows.

    A file ends between two values of the first key column, so that the spans of files do not overlap, and where the
    partition does. Of a failure `locations` tells every file that was begun; `files` are those that are whole.
    """

    def __init__(self, table: Table, target: IcebergTable, rows_max: int) -> None:
        """Raises SchemaMismatch."""
        check_writable(table, target.metadata)
        self._width = partition_width(table, target.metadata)
        self.locations: list[str] = []
        self.files: list[WrittenFile] = []
        self.rows = 0
        self._table = table
        self._target = target
        self._rows_max = rows_max
        self._stack = ExitStack()
        self._stream: Any = None
        self._writer: pq.ParquetWriter | None = None
        self._pending: list[pa.Table] = []
        self._pending_rows = 0
        self._file_rows = 0
        self._members: set[str] = set()
        self._last = ""

    def add(self, rows: pa.Table) -> None:
        """Rows that follow all earlier ones, in the table's schema. Raises StorageFull, StorageFailed."""
        keys = rows.column(self._table.key[0]).combine_chunks()
        runs = pc.run_end_encode(keys)
        start = end = 0
        for key, run_end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
            if self._ends_before(key):
                self._take(rows.slice(start, end - start))
                self.end_file()
                start = end
            self._file_rows += run_end - end
            self._members.add(key)
            self._last, end = key, run_end
        self._take(rows.slice(start))
        self.rows += rows.num_rows

    def end_file(self) -> None:
        """Make what was added until now whole and durable."""
        with translated():
            self._flush(self._pending_rows)
            if self._writer is not None:
                self._writer.close()
                size_bytes = self._stream.tell()
                self._stack.close()
                members = frozenset(self._members if self._table.partition else ())
                self.files.append(WrittenFile(self.locations[-1], self._writer.writer.metadata, size_bytes, members))
        self._writer, self._file_rows, self._members = None, 0, set()

    def abort(self) -> None:
        """Let go of an unfinished file; whatever it holds is not to be trusted."""
        with suppress(OSError, pa.ArrowException):
            self._stack.close()

    def _ends_before(self, key: str) -> bool:
        if not self._file_rows or key == self._last:
            return False
        crosses = self._width is not None and key[: self._width] != self._last[: self._width]
        return crosses or self._file_rows >= self._rows_max

    def _take(self, rows: pa.Table) -> None:
        if not rows.num_rows:
            return
        self._pending.append(rows)
        self._pending_rows += rows.num_rows
        if self._pending_rows >= FLUSHED_ROWS:
            with translated():
                self._flush(self._pending_rows - self._pending_rows % ROW_GROUP_ROWS)

    def _flush(self, count: int) -> None:
        if not count:
            return
        rows = pa.concat_tables(self._pending)
        if self._writer is None:
            self._writer = self._begin(rows)
        self._writer.write_table(rows.slice(0, count), row_group_size=ROW_GROUP_ROWS)
        self._pending, self._pending_rows = [rows.slice(count)], rows.num_rows - count

    def _begin(self, first: pa.Table) -> pq.ParquetWriter:
        location = f"{self._target.location()}/data/{uuid.uuid4()}.parquet"
        self.locations.append(location)
        self._stream = self._stack.enter_context(self._target.io.new_output(location).create())
        return self._stack.enter_context(_open(self._stream, first, self._table))
