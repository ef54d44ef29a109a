"""What finlake should answer, worked out the slow way: dictionaries and loops, no SQL."""

from __future__ import annotations

import datetime as dt
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


@dataclass
class Oracle:
    """Stored revisions: (series, date) -> revision date -> (value, what the crawler said of its originality)."""

    revisions: dict[Key, dict[dt.date, tuple[Decimal | None, bool | None]]] = field(default_factory=dict)

    def post(self, points: Iterable[Point], today: dt.date) -> None:
        """One batch: points with a revision date first, each list in its order.

        A row that the batch as a whole leaves with the value it had is not stored again, whatever it went through.
        """
        before = {key: dict(stored) for key, stored in self.revisions.items()}
        self._apply(list(points), today)
        for key, stored in before.items():
            for day, row in stored.items():
                if self.revisions[key][day][0] == row[0]:
                    self.revisions[key][day] = row

    def _apply(self, listed: list[Point], today: dt.date) -> None:
        for point in listed:
            if point.revision_date is not None:
                self._store(point, point.revision_date)
        for point in _last_of_each(p for p in listed if p.revision_date is None):
            stored = self.revisions.get((point.series, point.date), {})
            known = max((day for day in stored if day <= today), default=None)
            if known is None or stored[known][0] != point.value:
                self._store(point, today)

    def _store(self, point: Point, day: dt.date) -> None:
        stored = self.revisions.setdefault((point.series, point.date), {})
        if day not in stored or stored[day][0] != point.value:
            stored[day] = (point.value, point.is_original_release)

    def delete(self, series: str) -> None:
        self.revisions = {key: stored for key, stored in self.revisions.items() if key[0] != series}

    def every(self, as_of: dt.date | None = None) -> list[tuple[Any, ...]]:
        """(series, date, revision date, value, is original release), sorted."""
        return sorted(
            row
            for key, stored in self.revisions.items()
            for row in _rows(key, stored)
            if as_of is None or row[2] <= as_of
        )

    def latest(self, as_of: dt.date | None = None) -> list[tuple[Any, ...]]:
        return sorted({row[:2]: row for row in self.every(as_of)}.values())

    def first(self, as_of: dt.date | None = None) -> list[tuple[Any, ...]]:
        return sorted({row[:2]: row for row in reversed(self.every(as_of))}.values())


def _rows(key: Key, stored: Mapping[dt.date, tuple[Decimal | None, bool | None]]) -> Iterable[tuple[Any, ...]]:
    earliest = min(stored)
    for day, (value, said) in stored.items():
        yield (*key, day, value, day == earliest if said is None else said)


def _last_of_each(points: Iterable[Point]) -> Iterable[Point]:
    return {(point.series, point.date): point for point in points}.values()
