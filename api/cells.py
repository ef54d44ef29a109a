"""What the cells of a table of points mean: to the service, which reads bodies, and to its client, which reads files.

`FIELDS` are the columns that a point may have. In CSV an empty `value` is a null, which withdraws the point; any other
empty cell is an absent field.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

FIELDS = ("source", "external_id", "series_id", "date", "value", "revision_date", "is_original_release")
BOOLEANS = {"true": True, "false": False}

# 0001-01-01 and 9999-12-31, in days since 1970-01-01.
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
_SECONDS_A_DAY = 86_400
_TICKS_A_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def texts(values: pa.Array) -> pa.Array:
    """Numbers and dates as text: decimals digit by digit, binary numbers as the shortest text that reads back so."""
    return values.cast(pa.string())


def midnights(instants: pa.Array) -> pa.Array:
    """The dates of instants that are midnights in UTC; null where one is not, as a time of day must not get lost."""
    ticks = instants.cast(pa.int64())
    ticks_a_day = _SECONDS_A_DAY * _TICKS_A_SECOND[instants.type.unit]
    days = pc.divide(ticks, ticks_a_day)
    return calendar_days(pc.if_else(pc.equal(pc.multiply(days, ticks_a_day), ticks), days, None))


def calendar_days(days: pa.Array) -> pa.Array:
    """Dates from numbers of days since 1970; null where one is not of the years 1 to 9999, the only ones that print."""
    bounds = pc.min_max(days)
    if not ((bounds["min"].as_py() or 0) >= _FIRST_DAY and (bounds["max"].as_py() or 0) <= _LAST_DAY):
        inside = pc.and_(pc.greater_equal(days, _FIRST_DAY), pc.less_equal(days, _LAST_DAY))
        days = pc.if_else(inside, days, None)
    return days.cast(pa.int32()).cast(pa.date32())
