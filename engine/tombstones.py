"""The deletion of points: rows that say that from a revision on there is no value.

A deletion is known from today on: as of an earlier day the points are still there. Revisions dated in the future are
taken out one by one, or they would bring their point back.
"""

from __future__ import annotations

import datetime as dt

import pyarrow as pa

from catalog.model import Type
from catalog.scan import ScanFiles
from catalog.schemas import ARROW_TYPES
from engine.execute import Database
from engine.lower import Statement
from engine.stored import alive, alive_parameters

TOMBSTONE_SCHEMA = pa.schema(
    [
        ("series_id", ARROW_TYPES[Type.UUID]),
        ("date", ARROW_TYPES[Type.DATE]),
        ("revision_date", ARROW_TYPES[Type.DATE]),
        ("value", ARROW_TYPES[Type.DECIMAL]),
        ("is_original_release", ARROW_TYPES[Type.BOOLEAN]),
    ]
)

_TOMBSTONES = """
    WITH winners AS (
        SELECT date, revision_date, is_deleted FROM ({alive})
        WHERE series_id = $series AND date BETWEEN $first AND $last
        QUALIFY row_number() OVER (PARTITION BY date, revision_date ORDER BY seq DESC) = 1
    ),
    known_today AS (
        SELECT date, is_deleted FROM winners WHERE revision_date <= $today
        QUALIFY row_number() OVER (PARTITION BY date ORDER BY revision_date DESC) = 1
    ),
    ends AS (
        SELECT date, $today AS revision_date FROM known_today WHERE NOT is_deleted
        UNION ALL
        SELECT date, revision_date FROM winners WHERE revision_date > $today AND NOT is_deleted
    )
    SELECT $series AS series_id, date, revision_date, CAST(NULL AS decimal(38,18)) AS value,
        CAST(NULL AS boolean) AS is_original_release
    FROM ends ORDER BY date, revision_date
"""


def tombstones(
    database: Database, stored: ScanFiles, series: str, span: tuple[dt.date, dt.date], today: dt.date
) -> pa.Table:
    """The rows that delete the points of a series from one date to another, both included; TOMBSTONE_SCHEMA.

    `stored` are the files that may hold rows of theirs. A point that is deleted already gets no row.
    """
    if not stored.files:
        return TOMBSTONE_SCHEMA.empty_table()
    span_parameters = {"series": series, "first": span[0], "last": span[1], "today": today}
    sql = _TOMBSTONES.format(alive=alive(stored))
    statement = Statement(sql, alive_parameters(stored) | span_parameters, stored.files)
    return database.transform(statement, {}).cast(TOMBSTONE_SCHEMA)
