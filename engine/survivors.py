"""Which rows survive a merge, told from rows that come sorted by their key, the revision included, and their sequence.

Of the rows of one key the last survives. The windows of SQL would sort all columns once for each question asked of
them; along one sorted stream each is a look at the row before or behind.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from catalog.model import BASE_LEVEL, FIRST_REVISION, SUPERSEDED, Table
from engine import keys


def survivors(batches: Iterable[pa.RecordBatch], table: Table, level: int) -> Iterator[pa.Table]:
    """The rows that a merge to `level` writes, in the order they come. `batches` have the columns of the table, sorted
    by `table.row_key` and `seq`, of which none is null.

    Where the table keeps revisions, a row has the earliest `created_at` of its key; in a base it also knows the
    revision behind it and the first of its point, which a delta cannot tell.
    """
    open_: list[pa.RecordBatch] = []
    for batch in batches:
        if not batch.num_rows:
            continue
        start = _last_point(batch, table)
        if start or _begins_another(open_, batch, table):
            yield from _merged([*open_, batch.slice(0, start)], table, level)
            open_ = []
        open_.append(batch.slice(start))
    yield from _merged(open_, table, level)


def _last_point(batch: pa.RecordBatch, table: Table) -> int:
    """Where the rows of the last point of a batch begin: those behind them may be in the next one."""
    rows = range(batch.num_rows)
    return bisect_left(rows, _point(batch, rows[-1], table), key=lambda row: _point(batch, row, table))


def _begins_another(open_: list[pa.RecordBatch], batch: pa.RecordBatch, table: Table) -> bool:
    return bool(open_) and _point(open_[-1], 0, table) != _point(batch, 0, table)


def _point(batch: pa.RecordBatch, row: int, table: Table) -> tuple[Any, ...]:
    """What names the point of a row. Python orders it as the database does."""
    return tuple(batch.column(name)[row].as_py() for name in table.key)


def _merged(batches: list[pa.RecordBatch], table: Table, level: int) -> Iterator[pa.Table]:
    """The survivors of all rows of some points."""
    if not sum(batch.num_rows for batch in batches):
        return
    rows = pa.Table.from_batches(batches)
    survives = _ends(rows, table.row_key)
    kept = rows.filter(survives)
    made: dict[str, pa.ChunkedArray | pa.Array] = {"level": pa.repeat(pa.scalar(level, pa.int64()), kept.num_rows)}
    if table.revision is not None:
        revision = kept.column(table.revision)
        made["created_at"] = _earliest(rows, survives, kept)
        made |= {name: pa.nulls(kept.num_rows, revision.type) for name in (SUPERSEDED, FIRST_REVISION)}
        if level == BASE_LEVEL:
            ends = _ends(kept, table.key)
            made[SUPERSEDED] = pc.if_else(ends, pa.scalar(None, revision.type), keys.following(revision))
            begins = pc.fill_null(keys.previous(ends), True)
            first = pc.if_else(begins, revision, pa.scalar(None, revision.type))
            made[FIRST_REVISION] = pc.fill_null_forward(first.combine_chunks())
    for name, values in made.items():
        kept = kept.set_column(kept.schema.get_field_index(name), name, values)
    yield kept


def _ends(rows: pa.Table, names: tuple[str, ...]) -> pa.ChunkedArray:
    """Whether a row is the last that has its values in some columns."""
    return keys.ends_run(*(rows.column(name) for name in names))


def _earliest(rows: pa.Table, survives: pa.ChunkedArray, kept: pa.Table) -> pa.ChunkedArray | pa.Array:
    """The earliest `created_at` among the rows that each of `kept` stands for."""
    if kept.num_rows == rows.num_rows:
        return kept.column("created_at")
    number = pc.cumulative_sum(pc.fill_null(keys.previous(survives), False).cast(pa.int64()).combine_chunks())
    told = pa.table({"number": number, "created_at": rows.column("created_at")})
    # On one thread groups come in the order in which they begin.
    return told.group_by("number", use_threads=False).aggregate([("created_at", "min")]).column("created_at_min")
