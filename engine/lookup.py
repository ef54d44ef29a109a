"""What is stored of the points that come in, as far as the revision rules ask for it.

Mostly they ask for little: every point states its revision, and what decides on it is the row of that revision, and
whether there is any other. Then values are read of the revisions alone that come in, so of few files if they are new;
of all others series and date, which are a tenth of the bytes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from catalog.domains import Domain
from catalog.model import Type
from catalog.scan import ScanFiles
from catalog.schemas import ARROW_TYPES
from engine import keys
from engine.execute import Database
from engine.held import SeriesPoints
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
        self._incoming = pa.table({"point": keys.points(points)})
        self._wanted = pa.table({"code": pc.index_in(on_record, value_set=series), "series_id": on_record})

    def every_revision(self) -> Known:
        """Of each point. Raises the errors of the database."""
        return self._every_revision(self._wanted, self._stored)

    def same_revisions(self, held: Mapping[str, SeriesPoints]) -> Known:
        """Rows of the revisions that the points state, which all of them do. Raises the errors of the database.

        Of the series that are `held` it is known which points are on file, and of those whose stated revisions are
        newer than any on file, that no row of these revisions is.
        """
        is_held = pc.is_in(self._wanted.column("series_id"), value_set=pa.array(held, pa.string()))
        others, own = self._wanted.filter(pc.invert(is_held)), self._wanted.filter(is_held)
        parts = [self._of_held(own, held)] if own.num_rows else []
        if others.num_rows or not parts:
            parts.append(self._of_files(others, self._of_series(others) if parts else self._stored))
        return Known(
            pa.concat_tables([part.rows for part in parts]),
            pa.chunked_array([chunk for part in parts for chunk in part.points.chunks], pa.int64()),
        )

    def _of_files(self, wanted: pa.Table, stored: ScanFiles) -> Known:
        """Where the stated revisions lead to most of the files, reading everything once is less than reading twice."""
        files, stated = self._stated(stored)
        if files.rows * 2 > stored.rows:
            return self._every_revision(wanted, stored)
        rows = self._rows(wanted, files, _REVISIONS, stated)
        if not stored.files:
            return Known(rows, pa.chunked_array([], pa.int64()))
        return Known(rows, self._run(_POINTS, wanted, stored, {}).column("point"))

    def _of_held(self, wanted: pa.Table, held: Mapping[str, SeriesPoints]) -> Known:
        """`wanted` are series that all are held."""
        known = [held[id_] for id_ in wanted.column("series_id").to_pylist()]
        first = self._points.group_by("code", use_threads=False).aggregate([("revision_date", "min")])
        place = pc.index_in(wanted.column("code"), value_set=first.column("code"))
        stated = first.column("revision_date_min").take(place)
        last = pa.array([points.last_revision for points in known], pa.date32())
        may_repeat = wanted.filter(pc.fill_null(pc.less_equal(stated, last), False))
        rows = _no_rows()
        if may_repeat.num_rows:
            files, bounds = self._stated(self._of_series(may_repeat))
            rows = self._rows(may_repeat, files, _REVISIONS, bounds)
        return Known(rows, self._held_points(wanted.column("code"), [points.days for points in known]))

    def _held_points(self, codes: pa.ChunkedArray, days: Sequence[pa.Array]) -> pa.ChunkedArray:
        """Of series by code those points that are between the dates of the incoming ones."""
        offsets = pa.array(accumulate((len(each) for each in days), initial=0), pa.int32())
        lists = pa.ListArray.from_arrays(offsets, pa.concat_arrays(days))
        points = pa.table({"code": codes.take(pc.list_parent_indices(lists)), "date": lists.values})
        span = self._span()
        within = pc.and_(
            pc.greater_equal(points.column("date"), pa.scalar(span["earliest"])),
            pc.less_equal(points.column("date"), pa.scalar(span["latest"])),
        )
        return keys.points(points.filter(within))

    def _every_revision(self, wanted: pa.Table, stored: ScanFiles) -> Known:
        rows = self._rows(wanted, stored)
        return Known(rows, keys.without_revision(rows.column("key")))

    def _of_series(self, wanted: pa.Table) -> ScanFiles:
        """The files that may hold rows of some series."""
        return self._stored.within({"series_id": Domain(values=tuple(sorted(wanted.column("series_id").to_pylist())))})

    def _stated(self, files: ScanFiles) -> tuple[ScanFiles, dict[str, Any]]:
        """The files that may hold rows of the stated revisions, and the parameters of `_REVISIONS`."""
        span = pc.min_max(self._points.column("revision_date")).as_py()
        bounds = {"first": span["min"], "last": span["max"]}
        return files.within({"revision_date": Domain(span["min"], span["max"])}), bounds

    def _rows(
        self, wanted: pa.Table, files: ScanFiles, revisions: str = "", parameters: dict[str, Any] | None = None
    ) -> pa.Table:
        if not files.files:
            return _no_rows()
        found = self._run(_ROWS, wanted, files, parameters or {}, revisions=revisions)
        return _winners(found.append_column("key", keys.packed(found))).drop_columns("seq")

    def _span(self) -> dict[str, dt.date]:
        """The first and the last date of the incoming points."""
        span = pc.min_max(self._points.column("date")).as_py()
        return {"earliest": span["min"], "latest": span["max"]}

    def _run(self, sql: str, wanted: pa.Table, files: ScanFiles, parameters: dict[str, Any], **parts: str) -> pa.Table:
        bound = alive_parameters(files) | self._span() | parameters
        text = sql.format(alive=alive(files), point=keys.POINT, **parts)
        inputs = {"incoming": self._incoming, "wanted": wanted}
        return self._database.transform(Statement(text, bound, files.files), inputs)


def _no_rows() -> pa.Table:
    return _SCHEMA.empty_table().drop_columns("seq").append_column("key", pa.chunked_array([], pa.int64()))


def _winners(rows: pa.Table) -> pa.Table:
    """Of the rows of each key the one of the greatest sequence. Mostly each key has one row: then nothing is sorted."""
    if pc.count_distinct(rows.column("key")).as_py() == rows.num_rows:
        return rows
    ordered = rows.take(pc.sort_indices(rows.column("seq")))
    return ordered.take(keys.last_of_each(ordered.column("key")))
