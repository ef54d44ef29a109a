"""Arrow rows -> sorted, durable Parquet files, one a touched partition, not yet part of any snapshot."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import Executor, wait
from contextlib import suppress

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.io import FileIO
from pyiceberg.table import Table as IcebergTable

from catalog.iceberg import PARTITION_WIDTH, translated
from catalog.model import Table
from catalog.schemas import arrow_schema

# Small row groups make point reads fast: DuckDB prunes row groups and reads whole ones.
ROW_GROUP_ROWS = 32_768
COMPRESSION = "zstd"
COMPRESSION_LEVEL = 3


def stage(table: Table, rows: pa.Table, target: IcebergTable, executor: Executor) -> tuple[str, ...]:
    """Write rows as files of a table and return their locations.

    `rows` has the table's columns, in any order of rows. Raises StorageFull, StorageFailed; the files that were
    written until then are removed.
    """
    ordered = rows.select([column.name for column in table.columns]).cast(arrow_schema(table))
    ordered = ordered.sort_by([(name, "ascending") for name in table.sort])
    folder = f"{target.location()}/data"
    parts = {f"{folder}/{uuid.uuid4()}.parquet": part for part in _partitions(table, ordered)}
    futures = [executor.submit(_write, target.io, location, part, table) for location, part in parts.items()]
    wait(futures)  # also after a failure: a file still being written could not be removed
    try:
        with translated():
            for future in futures:
                future.result()
    except BaseException:
        discard(target.io, tuple(parts))
        raise
    return tuple(parts)


def discard(io: FileIO, locations: tuple[str, ...]) -> None:
    """Remove files that no snapshot will ever reach; what cannot be removed is left to the orphan sweep."""
    for location in locations:
        with suppress(OSError):
            io.delete(location)


def _partitions(table: Table, ordered: pa.Table) -> Iterator[pa.Table]:
    """The runs of rows that share a partition value. The sort order begins with the partition column."""
    if table.partition is None or ordered.num_rows == 0:
        yield ordered
        return
    prefixes = pc.utf8_slice_codeunits(ordered.column(table.partition), 0, PARTITION_WIDTH)
    start = 0
    for run in pc.run_end_encode(prefixes.combine_chunks()).run_ends.to_pylist():
        yield ordered.slice(start, run - start)
        start = run


def _write(io: FileIO, location: str, rows: pa.Table, table: Table) -> None:
    sorting = [pq.SortingColumn(rows.schema.get_field_index(name)) for name in table.sort]
    # Without the number of values the writer sets up for a million: 64 MB and 90 ms a file.
    bloom = {table.key[0]: {"ndv": max(1, pc.count_distinct(rows.column(table.key[0])).as_py())}}
    with (
        io.new_output(location).create() as stream,
        pq.ParquetWriter(
            stream,
            rows.schema,
            compression=COMPRESSION,
            compression_level=COMPRESSION_LEVEL,
            sorting_columns=sorting,
            write_page_index=True,
            bloom_filter_options=bloom,
        ) as writer,
    ):
        writer.write_table(rows, row_group_size=ROW_GROUP_ROWS)
