"""What finlake should answer, worked out the slow way: dictionaries and loops, no SQL."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

Key = tuple[str, dt.date]


@dataclass(frozen=True)
class Point:
    """One posted point. No revision date says: what the source shows today."""

    series: str
    date: dt.date
    value: Decimal | None
    revision_date: dt.date | None = None
    is_original_release: bool | None = None

    def document(self, source: str) -> dict[str, Any]:
        """The point as the bulk document has it."""
        document: dict[str, Any] = {
            "source": source,
            "external_id": self.series,
            "date": self.date.isoformat(),
            "value": None if self.value is None else str(self.value),
        }
        if self.revision_date is not None:
            document["revision_date"] = self.revision_date.isoformat()
        if self.is_original_release is not None:
            document["is_original_release"] = self.is_original_release
        return document


@dataclass(frozen=True)
class Deleted:
    """In the place of a value: from this revision on there is none."""


DELETED = Deleted()
Row = tuple[Decimal | Deleted | None, bool | None]


SERIES_FIELDS = ("title", "description", "units", "frequency", "seasonal_adjustment")


@dataclass
class Oracle:
    """What is stored. Revisions: (series, date) -> revision date -> (value, what the crawler said of its originality).
    The series that are there with their fields, and the vintages that were posted whole of each."""

    revisions: dict[Key, dict[dt.date, Row]] = field(default_factory=dict)
    series: dict[str, dict[str, Any]] = field(default_factory=dict)
    vintages: dict[str, set[dt.date]] = field(default_factory=dict)

    def frozen(self) -> Oracle:
        """What it knows now, whatever comes later."""
        return Oracle(
            {key: dict(stored) for key, stored in self.revisions.items()},
            {name: dict(fields) for name, fields in self.series.items()},
            {name: set(seen) for name, seen in self.vintages.items()},
        )

    def describe(self, series: str, fields: Mapping[str, Any]) -> None:
        """Set fields of a series, which is made where it is not there."""
        row = {**dict.fromkeys(SERIES_FIELDS), **self.series.get(series, {}), **fields}
        self.series[series] = row | {"title": row["title"] or series}

    def post(self, points: Iterable[Point], today: dt.date, *, changes_only: bool = False) -> Counter[str]:
        """One batch: points with a revision date first, of those for one row the last. How many became what."""
        listed = list(points)
        told = self._told(listed, today)
        kept = [each for each in told.items() if not (changes_only and self._repeats(told, each[1], each[0][2]))]
        before = {key[:2]: dict(self.revisions.get(key[:2], {})) for key in told}
        for series in {point.series for point in listed}:
            self.describe(series, {})
        verdicts = Counter(self._store(point, day) for (_, _, day), point in kept)
        verdicts["unchanged"] += len(listed) - len(kept)
        for key, stored in before.items():
            self._keep_vintages(key, stored, {day for (*point, day) in told if tuple(point) == key})
        if changes_only:
            for point in listed:
                self.vintages.setdefault(point.series, set()).update({point.revision_date} - {None})
        return +verdicts

    def _told(self, points: list[Point], today: dt.date) -> dict[tuple[str, dt.date, dt.date], Point]:
        """What a batch says of each row, in the order in which it says it last."""
        told: dict[tuple[str, dt.date, dt.date], Point] = {}
        for point in points:
            if point.revision_date is not None:
                told.pop((point.series, point.date, point.revision_date), None)
                told[point.series, point.date, point.revision_date] = point
        shown = {(p.series, p.date): p for p in points if p.revision_date is None}
        news = [point for key, point in shown.items() if self._known(*key, today, told) != point.value]
        for point in news:
            told.pop((point.series, point.date, today), None)
            told[point.series, point.date, today] = point
        return told

    def _known(self, series: str, date: dt.date, day: dt.date, told: Mapping[Any, Point]) -> Any:
        """What is known of a point as of a day, once the batch's own revisions are stored; DELETED for nothing."""
        values = {day: row[0] for day, row in self.revisions.get((series, date), {}).items()}
        values |= {day: point.value for (*key, day), point in told.items() if key == [series, date]}
        return _as_of(values, day)

    def _repeats(self, told: Mapping[Any, Point], point: Point, day: dt.date) -> bool:
        """Whether a point is no revision on record and says what the one before it says."""
        is_on_record = day in self.revisions.get((point.series, point.date), {})
        before = self._known(point.series, point.date, day - dt.timedelta(days=1), told)
        return not is_on_record and before == point.value

    def _store(self, point: Point, day: dt.date) -> str:
        stored = self.revisions.setdefault((point.series, point.date), {})
        verdict = _verdict(point, day, stored)
        if verdict != "unchanged":
            stored[day] = (point.value, point.is_original_release)
        return verdict

    def _keep_vintages(self, key: Key, before: Mapping[dt.date, Row], told: set[dt.date]) -> None:
        """Where vintages that were seen earlier, and had a value, would now say another, they get a row that says it:
        but for those of which the batch itself speaks."""
        values = {day: row[0] for day, row in before.items()}
        for vintage in sorted(self.vintages.get(key[0], set()) - told):
            said = _as_of(values, vintage)
            stored = self.revisions.get(key, {})
            if said is not DELETED and said != _as_of({day: row[0] for day, row in stored.items()}, vintage):
                stored[vintage] = (said, None)

    def delete(self, series: str) -> None:
        self.series.pop(series, None)
        self.vintages.pop(series, None)
        self.revisions = {key: stored for key, stored in self.revisions.items() if key[0] != series}

    def delete_points(self, series: str, first: dt.date, last: dt.date, today: dt.date) -> int:
        """From today on there are none; how many points that takes out of the latest view, now or to come."""
        deleted = 0
        for (name, date), stored in self.revisions.items():
            if name != series or not first <= date <= last:
                continue
            known = max((day for day in stored if day <= today), default=None)
            ends = {day for day in stored if day > today and stored[day][0] is not DELETED}
            if known is not None and stored[known][0] is not DELETED:
                ends.add(today)
            stored.update(dict.fromkeys(ends, (DELETED, None)))
            deleted += bool(ends)
        return deleted

    def every(self, as_of: dt.date | None = None) -> list[tuple[Any, ...]]:
        """(series, date, revision date, value, is original release), sorted."""
        return _alive(self._rows(as_of))

    def latest(self, as_of: dt.date | None = None) -> list[tuple[Any, ...]]:
        return _alive({row[:2]: row for row in self._rows(as_of)}.values())

    def first(self, as_of: dt.date | None = None) -> list[tuple[Any, ...]]:
        return _alive({row[:2]: row for row in reversed(self._rows(as_of))}.values())

    def _rows(self, as_of: dt.date | None) -> list[tuple[Any, ...]]:
        rows = [row for key, stored in self.revisions.items() for row in _rows(key, stored)]
        return sorted((row for row in rows if as_of is None or row[2] <= as_of), key=lambda row: row[:3])


def _as_of(values: Mapping[dt.date, Any], day: dt.date) -> Any:
    """The value of the greatest day until a day; DELETED for none."""
    known = max((each for each in values if each <= day), default=None)
    return DELETED if known is None else values[known]


def _verdict(point: Point, day: dt.date, stored: Mapping[dt.date, Row]) -> str:
    if day in stored and stored[day][0] == point.value:
        return "unchanged"
    if point.value is None:
        return "withdrawn"
    if day in stored:
        return "corrected"
    return "revised" if stored else "inserted"


def _alive(rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return sorted((row for row in rows if row[3] is not DELETED), key=lambda row: row[:3])


def _rows(key: Key, stored: Mapping[dt.date, Row]) -> Iterable[tuple[Any, ...]]:
    earliest = min(stored)
    for day, (value, said) in stored.items():
        yield (*key, day, value, day == earliest if said is None else said)
