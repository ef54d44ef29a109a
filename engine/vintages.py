"""Whole vintages of which only the changes are stored: what repeats the revision before it, and what must be stored
when a vintage arrives late.

January says 10, March repeats it and is not stored. When February's 11 arrives after that, as of March the answer
would be 11. So the vintages that were seen are kept by series, and a row that comes in front of one brings a closing
row, which says what that vintage had said.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from catalog.scan import ScanFiles
from engine.execute import Database
from engine.lower import Statement
from engine.stored import parquet

# The ordinals of points that are no revision on record and equal the one before them.
_REPEATS = """
    WITH line AS (
        SELECT code, date, revision_date, value, is_deleted, -1 AS ordinal
        FROM known ANTI JOIN told USING (code, date, revision_date)
        UNION ALL
        SELECT code, date, revision_date, value, false, ordinal FROM told
    ),
    turns AS (
        SELECT *, lag(value) OVER in_order AS before, lag(is_deleted) OVER in_order AS is_deleted_before
        FROM line WINDOW in_order AS (PARTITION BY code, date ORDER BY revision_date)
    )
    SELECT ordinal FROM turns ANTI JOIN known USING (code, date, revision_date)
    WHERE ordinal >= 0 AND is_deleted_before = false AND before IS NOT DISTINCT FROM value
"""

# For each row to be stored the first vintage seen after it, where no revision comes before that, with the value that
# the vintage had until now. Points that repeat the row do not come before it, as they are not stored; a vintage that
# the batch itself tells of is not closed.
_CLOSING = """
    WITH line AS (
        SELECT code, date, revision_date FROM known
        UNION
        SELECT code, date, revision_date FROM changes
    ),
    spans AS (
        SELECT *, lead(revision_date) OVER (PARTITION BY code, date ORDER BY revision_date) AS next_revision FROM line
    ),
    behind AS (
        SELECT changes.code, changes.date, changes.value, min(seen.revision_date) AS revision_date
        FROM changes
        JOIN spans USING (code, date, revision_date)
        JOIN seen ON seen.code = changes.code AND seen.revision_date > changes.revision_date
            AND (spans.next_revision IS NULL OR seen.revision_date < spans.next_revision)
        ANTI JOIN told ON told.code = changes.code AND told.date = changes.date
            AND told.revision_date = seen.revision_date
        GROUP BY changes.code, changes.date, changes.revision_date, changes.value
    )
    SELECT behind.code, behind.date, behind.revision_date, known.value
    FROM behind ASOF JOIN known
        ON behind.code = known.code AND behind.date = known.date AND behind.revision_date >= known.revision_date
    WHERE NOT known.is_deleted AND known.value IS DISTINCT FROM behind.value
"""

_SEEN = """
    SELECT DISTINCT wanted.code, v.series_id, v.revision_date
    FROM {parquet} v JOIN wanted USING (series_id)
    WHERE v.points_sequence > coalesce(list_extract($hidden_sequences, list_position($hidden_series, v.series_id)), -1)
"""

SEEN_SCHEMA = pa.schema([("code", pa.int32()), ("series_id", pa.string()), ("revision_date", pa.date32())])


def repeats(database: Database, told: pa.Table, known: pa.Table) -> pa.ChunkedArray:
    """The ordinals of the points that repeat the revision before them. `told` holds one row a key."""
    columns = ["ordinal", "code", "date", "revision_date", "value"]
    inputs = {"told": told.select(columns), "known": known}
    return database.transform(Statement(_REPEATS, {}, ()), inputs).column("ordinal")


def closing(database: Database, changes: pa.Table, told: pa.Table, known: pa.Table, seen: pa.Table) -> pa.Table:
    """The closing rows (code, date, revision_date, value) for `changes`, the rows to be stored of `told`."""
    inputs = {
        "changes": changes.select(["code", "date", "revision_date", "value"]),
        "told": told.select(["code", "date", "revision_date"]),
        "known": known,
        "seen": seen,
    }
    return database.transform(Statement(_CLOSING, {}, ()), inputs)


def shared(points: pa.Table, seen: pa.Table) -> bool:
    """Whether several batches have points of one series of which vintages were seen: what the first of them closes, the
    next must know."""
    touched = points.filter(pc.is_in(points.column("code"), value_set=seen.column("code")))
    batches = touched.group_by(["code", "batch"], use_threads=False).aggregate([])
    return batches.num_rows > pc.count_distinct(batches.column("code")).as_py()


def seen_vintages(database: Database, series: pa.Array, stored: ScanFiles, hidden: Mapping[str, int]) -> pa.Table:
    """The vintages on record of some series, SEEN_SCHEMA; `code` is the position in `series`.

    `hidden` maps the deleted series to the commit sequence of data_points up to which they are gone.
    """
    if not stored.files:
        return SEEN_SCHEMA.empty_table()
    parameters = {
        "files": [file.path for file in stored.files],
        "hidden_series": list(hidden),
        "hidden_sequences": list(hidden.values()),
    }
    wanted = pa.table({"code": pa.array(range(len(series)), pa.int32()), "series_id": series})
    statement = Statement(_SEEN.format(parquet=parquet(stored)), parameters, stored.files)
    return database.transform(statement, {"wanted": wanted}).cast(SEEN_SCHEMA)
