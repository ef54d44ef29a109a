"""Sources and series as a group of batches changes them, on top of what is stored."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from api.ingest.batch import Name, Patch, SeriesPatch
from api.writing import Failure
from catalog.identity import source_id
from catalog.registry import Row
from catalog.snapshot import HIDDEN_COLUMN

SOURCE_FIELDS = ("title", "description", "url", "license")
SERIES_FIELDS = ("title", "description", "units", "frequency", "seasonal_adjustment")


@dataclass(slots=True)
class Changes:
    """Rows of sources and series that differ from the stored ones, on top of those below.

    `points_sequence` is the commit sequence of the data points that all is decided upon.
    """

    stored_sources: Callable[[str], Row | None]
    stored_series: Callable[[str], Row | None]
    points_sequence: int
    sources: dict[str, Row] = field(default_factory=dict[str, Row])
    series: dict[str, Row] = field(default_factory=dict[str, Row])

    def source(self, id_: str) -> Row | None:
        return self.sources.get(id_) or self.stored_sources(id_)

    def one_series(self, id_: str) -> Row | None:
        return self.series.get(id_) or self.stored_series(id_)

    def layer(self) -> Changes:
        return Changes(self.source, self.one_series, self.points_sequence)

    def absorb(self, layer: Changes) -> None:
        self.sources |= layer.sources
        self.series |= layer.series


def set_source(name: str, fields: Patch, layer: Changes, now: dt.datetime) -> None:
    id_ = source_id(name)
    stored = layer.source(id_)
    fresh = {"id": id_, "name": name, **dict.fromkeys(SOURCE_FIELDS), "title": name}
    row = _patched(stored, fresh, fields, now, default_title=name)
    if row is not None:
        layer.sources[id_] = row


def set_series(patch: SeriesPatch, layer: Changes, now: dt.datetime, failures: list[Failure]) -> None:
    stored = layer.one_series(patch.id)
    name = patch.name or (None if stored is None or stored["is_deleted"] else (stored["source"], stored["external_id"]))
    if name is None:
        failures.append(unknown_series("series", patch.index, patch.id))
        return
    create_or_patch(patch.id, name, patch.fields, layer, now)


def create_or_patch(id_: str, name: Name, fields: Patch, layer: Changes, now: dt.datetime) -> None:
    source, external_id = name
    if layer.source(source_id(source)) is None:
        set_source(source, {}, layer, now)
    stored = layer.one_series(id_)
    fresh = {
        "id": id_,
        "source_id": source_id(source),
        "source": source,
        "external_id": external_id,
        **dict.fromkeys(SERIES_FIELDS),
        "title": external_id,
        # What another process stored while the series was deleted belongs to the deleted life too.
        HIDDEN_COLUMN: layer.points_sequence if stored else None,
    }
    row = _patched(stored, fresh, fields, now, default_title=external_id)
    if row is not None:
        layer.series[id_] = row


def _patched(stored: Row | None, fresh: Row, fields: Patch, now: dt.datetime, default_title: str) -> Row | None:
    """The row with some fields set, or None where that changes nothing. A deleted row starts afresh."""
    base = fresh | {"created_at": now} if stored is None or stored["is_deleted"] else stored
    row: Row = {**base, **fields}
    row["title"] = row["title"] or default_title
    if row == stored:
        return None
    return row | {"is_deleted": False, "updated_at": now, "seq": None, "level": 0}


def unknown_series(part: Any, index: int, id_: str) -> Failure:
    return Failure(part, index, "series_id", "unknown_series", f"There is no series {id_}.")


def hide(id_: str, layer: Changes, now: dt.datetime) -> bool:
    """Hide a series and its points. Once it is posted to again, a new life of it begins."""
    stored = layer.one_series(id_)
    if stored is None or stored["is_deleted"]:
        return False
    layer.series[id_] = stored | {
        "is_deleted": True,
        HIDDEN_COLUMN: layer.points_sequence,
        "updated_at": now,
        "seq": None,
        "level": 0,
    }
    return True
