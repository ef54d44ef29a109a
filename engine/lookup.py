"""What is stored of the points that come in, as far as the revision rules ask for it.

Mostly they ask for little: every point states its revision, and what decides on it is the row of that revision, and
whether there is any other. Then values are read of the revisions alone that come in, so of few files if they are new;
of all others series and date, which are a tenth of the bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from catalog.model import Type
from catalog.scan import Domain, ScanFiles
from catalog.schemas import ARROW_TYPES
from engine import keys
from engine.execute import Database
from engine.lower import Statement
from engine.stored import alive, alive_parameters

# Joining by one number takes half the time of joining by two columns.
_ROWS = """
    WITH alive AS (
        SELECT wanted.code, a.date, a.revision_date, a.value, a.is_deleted, a.seq
        FROM ({alive}) a JOIN wanted ON a.series_id = wanted.series_id
        WHERE a.date BETWEEN $earliest AND $latest {revisions}
    )
    SELECT * FROM alive SEMI JOIN incoming ON {point} = incoming.point
"""
_REVISIONS = "AND a.revision_date BETWEEN $first AND $last"

_POINTS = """
    WITH alive AS (
        SELECT wanted.code, a.date FROM ({alive}) a JOIN wanted ON a.series_id = wanted.series_id
        WHERE a.date BETWEEN $earliest AND $latest
    )
    SELECT DISTINCT {point} AS point FROM alive SEMI JOIN incoming ON {point} = incoming.point
"""

_SCHEMA = pa.schema(
    [
        ("code", pa.int32()),
        ("date", ARROW_TYPES[Type.DATE]),
        ("revision_date", ARROW_TYPES[Type.DATE]),
        ("value", ARROW_TYPES[Type.DECIMAL]),
        ("is_deleted", ARROW_TYPES[Type.BOOLEAN]),
        ("seq", ARROW_TYPES[Type.LONG]),
    ]
)


@dataclass(frozen=True, slots=True)
class Known:
    """`rows` are the winning stored rows of the points that come in: code, date, revision_date, value, is_deleted, and
    the packed `key`. `points` says which points are stored at all, as `keys.points` does; not all may be in `rows`."""

    rows: pa.Table
    points: pa.ChunkedArray


class Lookup:
    """The look-up of one group of points among the files that may hold rows of theirs.

    `points` have `code`, the position of their series in `series`; `on_record` are the series to look for.
    """

    def __init__(
        self, database: Database, points: pa.Table, series: pa.Array, on_record: pa.Array, stored: ScanFiles
    ) -> None:
        self._database = database
        self._points = points
        self._stored = stored
        wanted = pa.table({"code": pc.index_in(on_record, value_set=series), "series_id": on_record})
        self._inputs = {"incoming": pa.table({"point": keys.points(points)}), "wanted": wanted}

    def every_revision(self) -> Known:
        """Of each point. Raises the errors of the database."""
        rows = self._rows(self._stored)
        return Known(rows, keys.without_revision(rows.column("key")))

    def same_revisions(self) -> Known:
        """Rows of the revisions that the points state, which all of them do. Raises the errors of the database.

        Where that leads to most of the files, reading everything once is less than reading twice.
        """
        span = pc.min_max(self._points.column("revision_date")).as_py()
        files = self._stored.within({"revision_date": Domain(span["min"], span["max"])})
        if files.rows * 2 > self._stored.rows:
            return self.every_revision()
        rows = self._rows(files, _REVISIONS, {"first": span["min"], "last": span["max"]})
        if not self._stored.files:
            return Known(rows, pa.chunked_array([], pa.int64()))
        return Known(rows, self._run(_POINTS, self._stored, {}).column("point"))

    def _rows(self, files: ScanFiles, revisions: str = "", parameters: dict[str, Any] | None = None) -> pa.Table:
        found = self._run(_ROWS, files, parameters or {}, revisions=revisions) if files.files else _SCHEMA.empty_table()
        return _winners(found.append_column("key", keys.packed(found))).drop_columns("seq")

    def _run(self, sql: str, files: ScanFiles, parameters: dict[str, Any], **parts: str) -> pa.Table:
        span = pc.min_max(self._points.column("date")).as_py()
        bound = alive_parameters(files) | {"earliest": span["min"], "latest": span["max"]} | parameters
        text = sql.format(alive=alive(files), point=keys.POINT, **parts)
        return self._database.transform(Statement(text, bound, files.files), self._inputs)


def _winners(rows: pa.Table) -> pa.Table:
    """Of the rows of each key the one of the greatest sequence. Mostly each key has one row: then nothing is sorted."""
    if pc.count_distinct(rows.column("key")).as_py() == rows.num_rows:
        return rows
    ordered = rows.take(pc.sort_indices(rows.column("seq")))
    return ordered.take(keys.last_of_each(ordered.column("key")))
