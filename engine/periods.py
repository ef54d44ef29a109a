"""Calendar periods by their first day. A week starts on Monday."""

from __future__ import annotations

import datetime as dt

_MONTHS = {"month": 1, "quarter": 3, "year": 12}


def start_of(period: str, day: dt.date) -> dt.date:
    """The first day of the `week`, `month`, `quarter` or `year` of a day."""
    if period == "week":
        return day - dt.timedelta(days=day.weekday())
    months = _MONTHS[period]
    return day.replace(month=(day.month - 1) // months * months + 1, day=1)


def next_start(period: str, start: dt.date) -> dt.date | None:
    """The first day of the period behind the one that starts on a day; None behind the year 9999."""
    if period == "week":
        return start + dt.timedelta(days=7) if (dt.date.max - start).days >= 7 else None
    years, month = divmod(start.month - 1 + _MONTHS[period], 12)
    return start.replace(year=start.year + years, month=month + 1) if start.year + years <= dt.MAXYEAR else None
