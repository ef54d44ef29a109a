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


@dataclass
class Oracle:
    """Stored revisions: (series, date) -> revision date -> (value, what the crawler said of its originality)."""

    revisions: dict[Key, dict[dt.date, Row]] = field(default_factory=dict)

    def post(self, points: Iterable[Point], today: dt.date) -> Counter[str]:
        """One batch: points with a revision date first, of those for one row the last. How many became what."""
        listed = list(points)
        stated = {(p.series, p.date, p.revision_date): p for p in listed if p.revision_date is not None}
        shown = {(p.series, p.date): p for p in listed if p.revision_date is None}
        for (series, date), point in shown.items():
            known = self._known(series, date, today, stated)
            if known != point.value:
                stated[series, date, today] = point
        verdicts = Counter(self._store(point, day) for (_, _, day), point in stated.items())
        verdicts["unchanged"] += len(listed) - len(stated)
        return +verdicts

    def _known(self, series: str, date: dt.date, today: dt.date, stated: Mapping[Any, Point]) -> Any:
        """What is known today of a point, once the batch's own revisions are stored; DELETED for nothing."""
        values = {day: row[0] for day, row in self.revisions.get((series, date), {}).items()}
        values |= {day: point.value for (*key, day), point in stated.items() if key == [series, date]}
        return values[max(day for day in values if day <= today)] if any(day <= today for day in values) else DELETED

    def _store(self, point: Point, day: dt.date) -> str:
        stored = self.revisions.setdefault((point.series, point.date), {})
        verdict = _verdict(point, day, stored)
        if verdict != "unchanged":
            stored[day] = (point.value, point.is_original_release)
        return verdict

    def delete(self, series: str) -> None:
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
