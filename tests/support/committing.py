"""A committer whose batches are names, and what it stores of them: one point a name."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from catalog.batches import BatchLog
from catalog.commit import Committer, Prepared
from catalog.iceberg import Lake
from catalog.model import DATA_POINTS, SOURCES
from catalog.schemas import arrow_schema
from catalog.snapshot import LakeSnapshot, Snapshots

NOW = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)


def points(*names: str) -> pa.Table:
    """One point a name, whose series id is derived from it."""
    rows = [
        {
            "series_id": str(uuid.uuid5(uuid.NAMESPACE_URL, name)),
            "date": dt.date(2024, 1, 1),
            "revision_date": dt.date(2024, 1, 1),
            "value": Decimal(1),
            "is_original_release": None,
            "superseded_on": None,
            "first_revision": None,
            "is_deleted": False,
            "created_at": NOW,
            "updated_at": NOW,
            "seq": None,
            "level": 0,
        }
        for name in names
    ]
    return pa.Table.from_pylist(rows, arrow_schema(DATA_POINTS))


def stored_ids(snapshots: Snapshots) -> list[str]:
    files = snapshots.current().tables["data_points"].files
    return sorted(id_ for file in files for id_ in pq.read_table(file.path, columns=["series_id"])[0].to_pylist())


def sources(*names: str) -> pa.Table:
    rows = [
        {"id": name, "name": name, "is_deleted": False, "created_at": NOW, "updated_at": NOW, "level": 0}
        for name in names
    ]
    return pa.Table.from_pylist(rows, arrow_schema(SOURCES))


def ids(*names: str) -> list[str]:
    return sorted(str(uuid.uuid5(uuid.NAMESPACE_URL, name)) for name in names)


def append_names(_: LakeSnapshot, batches: Sequence[str]) -> Prepared[str]:
    """A batch is a name, or `bad` to fail."""
    if "bad" in batches:
        raise ValueError("bad batch")
    return Prepared({"data_points": points(*batches)}, list(batches))


def open_committer(lake: Lake, prepare: Any = append_names, **options: Any) -> Committer[str, str]:
    settings: dict[str, Any] = {"alone": lambda _: False, "pending_bytes_max": 1_000, "writer_threads": 2}
    snapshots = Snapshots(lake)
    return Committer(lake, snapshots, prepare, BatchLog(lake, lambda: NOW), **(settings | options))
