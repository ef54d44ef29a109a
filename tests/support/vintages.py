"""Vintages to test with: the real ones where the shared data is, a generated log of the same shape elsewhere."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from api.json_rows import plain_decimal

KNOWLEDGE_DATES = 42
Fact = tuple[str, str, dt.date, str | None]  # dataset, series, date, value as text


@dataclass(frozen=True)
class Vintages:
    """A change log: dataset, series_id, date, revision_date, value (double), is_original_release."""

    path: Path

    def documents(self, rows_each: int) -> Iterator[dict[str, Any]]:
        """The log as bulk documents, in the order of the file."""
        for batch in pq.ParquetFile(self.path).iter_batches(rows_each):
            yield {"data_points": [_point(row) for row in batch.to_pylist()]}

    def days(self) -> list[dt.date]:
        """Knowledge dates spread over the record: vintage days, days between them, before the first, after the last."""
        rows = duckdb.execute(
            "SELECT DISTINCT revision_date FROM read_parquet(?) ORDER BY 1", [str(self.path)]
        ).fetchall()
        vintages = [row[0] for row in rows]
        step = max(1, len(vintages) // (KNOWLEDGE_DATES - 4))
        chosen = {*vintages[::step], vintages[-1], *(day + dt.timedelta(days=11) for day in vintages[:: 8 * step])}
        return sorted(chosen | {vintages[0] - dt.timedelta(days=1), dt.date(2003, 12, 31), dt.date(2003, 12, 30)})

    def known(self, day: dt.date) -> set[Fact]:
        """The oracle: what was known on a day, by `row_number` straight over the file."""
        rows = duckdb.execute(
            """
            SELECT dataset, series_id, date, value FROM (
                SELECT *, row_number() OVER (PARTITION BY dataset, series_id, date ORDER BY revision_date DESC) AS rank
                FROM read_parquet(?) WHERE revision_date <= ?
            ) WHERE rank = 1
            """,
            [str(self.path), day],
        ).fetchall()
        return {(row[0], row[1], row[2], exact_text(row[3])) for row in rows}

    @property
    def rows(self) -> int:
        return pq.read_metadata(self.path).num_rows


def exact_text(value: float | None) -> str | None:
    """The shortest decimal that reads back as the double, without exponent or trailing zeros."""
    return None if value is None else plain_decimal(Decimal(repr(value)))


def _point(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "source": row["dataset"],
        "external_id": row["series_id"],
        "date": row["date"].isoformat(),
        "revision_date": row["revision_date"].isoformat(),
        "value": exact_text(row["value"]),
        "is_original_release": row["is_original_release"],
    }


def generated(path: Path, seed: int = 20031231) -> Vintages:
    """A small log with revisions, late points, rebased histories and withdrawn points."""
    chance = random.Random(seed)
    vintages = [dt.date(2003, 1, 31) + dt.timedelta(days=31 * n) for n in range(45)]
    rows: list[dict[str, Any]] = []
    for series in range(12):
        last: dict[dt.date, float | None] = {}
        for age, vintage in enumerate(vintages):
            for month in range(age + 3):
                day = dt.date(2002 + (month // 12), month % 12 + 1, 1)
                value = _revised(last.get(day), chance)
                if day not in last or value != last[day]:
                    rows.append(_row(series, day, vintage, value, original=age > 0 and day not in last))
                    last[day] = value
    pq.write_table(pa.Table.from_pylist(rows), path)
    return Vintages(path)


def _revised(value: float | None, chance: random.Random) -> float | None:
    if value is None or chance.random() < 0.1:
        return round(chance.uniform(-500, 500), chance.randrange(9))
    return None if chance.random() < 0.02 else value


def _row(series: int, day: dt.date, vintage: dt.date, value: float | None, *, original: bool) -> dict[str, Any]:
    return {
        "dataset": "GENERATED",
        "series_id": f"G{series}",
        "date": day,
        "revision_date": vintage,
        "value": value,
        "is_original_release": original,
    }
