"""Series, date and revision date packed into one integer that sorts as the three do, and what can be read off a sorted
run of them. A code of 19 bits numbers the sorted series; each date takes the 22 bits that all Python dates fit in."""

from __future__ import annotations

import datetime as dt
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

CODE_BITS = 19
DATE_BITS = 22
CODES_MAX = 2**CODE_BITS
_DAYS_BEFORE_EPOCH = dt.date(1970, 1, 1).toordinal()

# `points` in SQL, of columns `code` and `date`.
POINT = f"((CAST(code AS BIGINT) << {DATE_BITS}) | CAST(date - DATE '1970-01-01' + {_DAYS_BEFORE_EPOCH} AS BIGINT))"


def codes(series: pa.ChunkedArray) -> pa.ChunkedArray:
    """The positions in the dictionary that all chunks share. Raises OverflowError where it is too long."""
    for chunk in series.chunks:
        if len(chunk.dictionary) > CODES_MAX:
            raise OverflowError(f"{len(chunk.dictionary)} series are more than a key has room for.")
    return pa.chunked_array([chunk.indices for chunk in series.chunks], pa.int32())


def points(rows: pa.Table) -> pa.ChunkedArray:
    """Series and date of each row, from `code` and `date`, none of which may be null."""
    return pc.bit_wise_or(pc.shift_left(rows.column("code").cast(pa.int64()), DATE_BITS), _days(rows.column("date")))


def packed(rows: pa.Table) -> pa.ChunkedArray:
    """The key of each row, from `code`, `date` and `revision_date`, none of which may be null."""
    return pc.bit_wise_or(pc.shift_left(points(rows), DATE_BITS), _days(rows.column("revision_date")))


def without_revision(key: pa.ChunkedArray) -> pa.ChunkedArray:
    """Series and date alone."""
    return pc.shift_right(key, DATE_BITS)


def previous(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Each row's predecessor; null for the first."""
    nothing = pa.nulls(min(1, len(values)), values.type)
    return pa.chunked_array([nothing, *values[:-1].chunks], values.type)


def following(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Each row's successor; null for the last."""
    nothing = pa.nulls(min(1, len(values)), values.type)
    return pa.chunked_array([*values[1:].chunks, nothing], values.type)


def equals_previous(key: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.fill_null(pc.equal(key, previous(key)), False)


def ends_run(*columns: pa.ChunkedArray) -> pa.ChunkedArray:
    """Whether the next row differs in one of the columns, none of which holds a null."""
    changes = [_changes_next(column) for column in columns]
    return reduce(pc.or_, changes)


def last_of_each(key: pa.ChunkedArray) -> pa.ChunkedArray:
    """The positions of the last row of each key, ascending."""
    placed = pa.table({"key": key, "position": pa.arange(0, len(key))})
    # Here as elsewhere on the writer's way: a pool of threads costs more than it saves, and more yet beside others.
    last = placed.group_by("key", use_threads=False).aggregate([("position", "max")]).column("position_max")
    return last.take(pc.sort_indices(last))


def _changes_next(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.fill_null(pc.not_equal(column, following(column)), True)


def _days(dates: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.add(dates.cast(pa.int32()), _DAYS_BEFORE_EPOCH).cast(pa.int64())
