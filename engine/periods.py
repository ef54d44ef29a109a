"""Calendar periods by their first day. A week starts on Monday."""

from __future__ import annotations

import datetime as dt

_MONTHS = {"month": 1, "quarter": 3, "half": 6, "year": 12}


def start_of(period: str, day: dt.date) -> dt.date:
    """The first day of the `week`, `month`, `quarter`, `half` or `year` of a day."""
    if period == "week":
        return day - dt.timedelta(days=day.weekday())
    months = _MONTHS[period]
    return day.replace(month=(day.month - 1) // months * months + 1, day=1)


def next_start(period: str, start: dt.date) -> dt.date | None:
    """The first day of the period behind the one that starts on a day; None behind the year 9999."""
    if period == "week":
        return start + dt.timedelta(days=7) if (dt.date.max - start).days >= 7 else None
    later = months_later(start, _MONTHS[period])
    return later if later > start else None


def months_later(first: dt.date, months: int) -> dt.date:
    """The first day of a month some months later, or earlier; at the ends of the calendar, the day itself or the
    first day of all."""
    years, month = divmod(first.month - 1 + months, 12)
    if first.year + years < dt.MINYEAR:
        return dt.date.min
    return first.replace(year=first.year + years, month=month + 1, day=1) if first.year + years <= dt.MAXYEAR else first
