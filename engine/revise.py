"""The revision rules: which rows of a batch are news, given what is stored.

- A point with a revision date is stored, unless the row that holds its (series, date, revision date) has the same
  value already. Another value for the same three is a correction: the later commit wins.
- A point without one says what the source shows today. It becomes a row dated today where its value differs from the
  latest one known today, the points with a revision date that stand before it included.
- A null is a value: the source withdrew the point.
- Among points that name the same row, the last wins.
"""

from __future__ import annotations

import datetime as dt

import pyarrow as pa

from catalog.model import Type
from catalog.scan import ScanFiles
from catalog.schemas import ARROW_TYPES
from engine.execute import Database
from engine.lower import Statement
from engine.stored import ALIVE, alive_parameters

INCOMING_SCHEMA = pa.schema(
    [
        ("ordinal", pa.int64()),
        ("series_id", ARROW_TYPES[Type.UUID]),
        ("date", ARROW_TYPES[Type.DATE]),
        ("revision_date", ARROW_TYPES[Type.DATE]),
        ("value", ARROW_TYPES[Type.DECIMAL]),
        ("is_original_release", ARROW_TYPES[Type.BOOLEAN]),
    ]
)

_STORED = f"""
    SELECT s.series_id, s.date, s.revision_date, s.value, s.is_deleted
    FROM ({ALIVE}) s
    SEMI JOIN incoming i ON s.series_id = i.series_id AND s.date = i.date
    QUALIFY row_number() OVER (PARTITION BY s.series_id, s.date, s.revision_date ORDER BY s.seq DESC) = 1
"""  # noqa: S608 - constants alone

_NOTHING_STORED = """
    SELECT series_id, date, revision_date, value, false AS is_deleted FROM incoming WHERE false
"""

_NEWS = """
WITH stored AS ({stored}),
stated AS (
    SELECT * FROM incoming WHERE revision_date IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY series_id, date, revision_date ORDER BY ordinal DESC) = 1
),
shown AS (
    SELECT * REPLACE ($today AS revision_date) FROM incoming WHERE revision_date IS NULL
    QUALIFY row_number() OVER (PARTITION BY series_id, date ORDER BY ordinal DESC) = 1
),
known AS (
    SELECT *, -1 AS ordinal FROM stored
    UNION ALL
    SELECT series_id, date, revision_date, value, false AS is_deleted, ordinal
    FROM incoming WHERE revision_date IS NOT NULL
),
known_today AS (
    SELECT known.* FROM known JOIN shown USING (series_id, date)
    WHERE known.revision_date <= $today AND known.ordinal < shown.ordinal
    QUALIFY row_number() OVER (PARTITION BY series_id, date ORDER BY known.revision_date DESC, known.ordinal DESC) = 1
),
shown_changed AS (
    SELECT shown.* FROM shown LEFT JOIN known_today USING (series_id, date)
    WHERE known_today.is_deleted IS DISTINCT FROM false OR known_today.value IS DISTINCT FROM shown.value
),
latest AS (
    SELECT * FROM (FROM stated UNION ALL FROM shown_changed)
    QUALIFY row_number() OVER (PARTITION BY series_id, date, revision_date ORDER BY ordinal DESC) = 1
)
SELECT series_id, date, revision_date, latest.value, is_original_release
FROM latest LEFT JOIN stored USING (series_id, date, revision_date)
WHERE stored.is_deleted IS DISTINCT FROM false OR stored.value IS DISTINCT FROM latest.value
"""


def news(database: Database, incoming: pa.Table, stored: ScanFiles, today: dt.date) -> pa.Table:
    """The rows to store, in no order.

    `incoming` has INCOMING_SCHEMA; `ordinal` is the order of arrival, a null `revision_date` says that none was
    stated. `stored` are the files that may hold rows of the same keys. The answer has the columns of `incoming`
    without `ordinal`, every `revision_date` filled.
    """
    parameters: dict[str, object] = {"today": today}
    if stored.files:
        parameters |= alive_parameters(stored)
    sql = _NEWS.format(stored=_STORED if stored.files else _NOTHING_STORED)
    return database.transform(Statement(sql, parameters, stored.files), {"incoming": incoming})
