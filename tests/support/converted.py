"""Frequency conversion and units transforms worked out in Python: the oracle. Dates and fractions, no SQL.

Written from the published formulas, value by value, with dictionaries of periods.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from fractions import Fraction

from engine.conversion import Conversion, Frequency, Rollup, Transform

Series = Mapping[dt.date, Fraction | None]
A_YEAR = {"d": 260, "w": 52, "bw": 26, "m": 12, "q": 4, "sa": 2, "a": 1}
MONTHS_OF = {"m": 1, "q": 3, "sa": 6, "a": 12}


def converted(series: Series, conversion: Conversion) -> dict[dt.date, float | Fraction | None]:
    """What a conversion answers of one series."""
    whole = series
    if conversion.frequency is not None and conversion.frequency is not conversion.native:
        whole = rolled_up(series, conversion.native, conversion.frequency, conversion.rollup)
    target = (conversion.frequency or conversion.native or Frequency.D).value
    shown = {day: transformed(whole, day, target, conversion.transform) for day in sorted(whole)}
    first, last = conversion.start or dt.date.min, conversion.end or dt.date.max
    if whole is not series:
        days = {day: days_of(day, target) for day in shown}
        return {day: value for day, value in shown.items() if days[day][0] <= last and days[day][1] >= first}
    return {day: value for day, value in shown.items() if first <= day <= last}


def days_of(start: dt.date, frequency: str) -> tuple[dt.date, dt.date]:
    """The first and the last day of a period."""
    if frequency == "d":
        return start, start
    if frequency == "w":
        return start, start + dt.timedelta(days=6)
    end = start
    for _ in range(MONTHS_OF[frequency]):
        end = (end.replace(day=28) + dt.timedelta(days=4)).replace(day=1)
    return start, end - dt.timedelta(days=1)


def start_of(day: dt.date, frequency: str) -> dt.date:
    match frequency:
        case "d":
            return day
        case "w":
            year, week, _ = day.isocalendar()
            return dt.date.fromisocalendar(year, week, 1)
        case _:
            months = MONTHS_OF[frequency]
            return dt.date(day.year, [m for m in range(1, 13, months) if m <= day.month][-1], 1)


def rolled_up(series: Series, native: Frequency | None, wanted: Frequency, rollup: Rollup) -> Series:
    periods: dict[dt.date, dict[dt.date, Fraction | None]] = {}
    for day, value in series.items():
        periods.setdefault(start_of(day, wanted.value), {})[day] = value
    due = None
    if native is not None and native.value in MONTHS_OF and wanted.value in MONTHS_OF:
        due = MONTHS_OF[wanted.value] // MONTHS_OF[native.value]
    return {start: _rolled_up(points, due, native, wanted, rollup) for start, points in periods.items()}


def _rolled_up(
    points: Series, due: int | None, native: Frequency | None, wanted: Frequency, rollup: Rollup
) -> Fraction | None:
    points = dict(sorted(points.items()))
    known = {day: value for day, value in points.items() if value is not None}
    values = list(known.values())
    if rollup is Rollup.EOP:
        if due is None or native is None:
            return values[-1] if values else None
        last_month = max(days_of(start_of(day, wanted.value), wanted.value)[1].month for day in points)
        ends = {days_of(start_of(day, native.value), native.value)[1].month: value for day, value in points.items()}
        return ends.get(last_month)
    if not values or (due is not None and len(values) != due):
        return None
    if due is not None and native is not None and len({start_of(day, native.value) for day in known}) != due:
        return None
    return sum(values) if rollup is Rollup.SUM else Fraction(sum(values)) / len(values)


def predecessor(series: Series, day: dt.date, frequency: str, back: int) -> Fraction | None:
    """That of the last date of a period which has several."""
    series = dict(sorted(series.items()))
    if frequency == "d":
        days = sorted(series)
        place = days.index(day) - back
        return series[days[place]] if place >= 0 else None
    if frequency in ("w", "bw"):
        length = 7 if frequency == "w" else 14
        by_period = {(known - dt.date(1, 1, 1)).days // length: value for known, value in series.items()}
        return by_period.get((day - dt.date(1, 1, 1)).days // length - back)
    by_start = {start_of(known, frequency): value for known, value in series.items()}
    start = start_of(day, frequency)
    months = start.year * 12 + start.month - 1 - back * MONTHS_OF[frequency]
    return by_start.get(dt.date(months // 12, months % 12 + 1, 1)) if months >= 12 else None


def transformed(series: Series, day: dt.date, frequency: str, transform: Transform) -> float | Fraction | None:
    x, n = series[day], A_YEAR[frequency]
    if transform is Transform.LIN or x is None:
        return x
    if transform is Transform.LOG:
        return math.log(x) if x > 0 else None
    y = predecessor(series, day, frequency, n if transform in (Transform.CH1, Transform.PC1) else 1)
    if y is None:
        return None
    if transform in (Transform.CHG, Transform.CH1):
        return x - y
    if transform in (Transform.CCH, Transform.CCA):
        if x <= 0 or y <= 0:
            return None
        growth = 100 * (math.log(x) - math.log(y))
        return growth * n if transform is Transform.CCA else growth
    if y == 0:
        return None
    ratio = x / y
    grown = 100 * ((ratio**n if transform is Transform.PCA else ratio) - 1)
    return None if abs(grown) >= 10**20 else float(grown)


def close(one: float | Fraction | None, other: float | Fraction | None, scale: float) -> bool:
    """Equal but for the last digits of a double; beyond what a decimal holds there is no value."""
    if one is None or other is None:
        return one is other or abs(one or other or 0) >= 1e20
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9 * scale)
