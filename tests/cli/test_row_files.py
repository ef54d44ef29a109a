"""Files of points: every format gives the same rows, and numbers keep their text."""

from __future__ import annotations

import csv
import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.row_files import Layout, open_rows
from api.wire import Cut, UnreadableRows, bodies
from tests.support.wire import rows_of

CUT = Cut(rows_max=30_000, bytes_max=2**24)
EXACT = ["0.1", "123456789012345678.123456789012345678", "-0.000000000000000001", "1.50", "100"]


def _points(path: Path, start: int = 0, layout: Layout | None = None) -> list[dict[str, Any]]:
    return rows_of(bodies(open_rows(path, layout or Layout()).points(), start, CUT))


def _csv(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "points.csv"
    path.write_text(text, encoding="utf-8")
    return path


def _parquet(tmp_path: Path, **columns: pa.Array) -> Path:
    path = tmp_path / "points.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def test_csv_values_keep_their_text(tmp_path: Path) -> None:
    path = _csv(
        tmp_path, "external_id,date,value\n" + "".join(f"A,2024-01-0{i + 1},{v}\n" for i, v in enumerate(EXACT))
    )
    assert [point["value"] for point in _points(path)] == EXACT


def test_ndjson_numbers_keep_their_text(tmp_path: Path) -> None:
    path = tmp_path / "points.ndjson"
    path.write_text("".join(f'{{"external_id": "A", "value": {value}}}\n\n' for value in (*EXACT, "1e-7")))
    assert [str(point["value"]) for point in _points(path)] == [*EXACT, "1e-7"]
    assert open_rows(path, Layout()).count() == 6


def test_parquet_decimals_keep_their_digits(tmp_path: Path) -> None:
    values = [Decimal(text) for text in EXACT]
    path = _parquet(tmp_path, value=pa.array(values, pa.decimal128(38, 18)))
    assert [Decimal(point["value"]) for point in _points(path)] == values


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_parquet_doubles_read_back_as_the_same_number(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[float]
) -> None:
    path = _parquet(tmp_path_factory.mktemp("doubles"), value=pa.array(numbers, pa.float64()))
    texts = [point["value"] for point in _points(path)]
    assert [float(text) for text in texts] == numbers
    assert [Decimal(text) for text in texts] == [Decimal(repr(number)) for number in numbers]


def test_single_precision_travels_as_its_own_shortest_text(tmp_path: Path) -> None:
    path = _parquet(tmp_path, value=pa.array([0.1, 2.5], pa.float32()))
    assert [point["value"] for point in _points(path)] == ["0.1", "2.5"]


def test_parquet_types(tmp_path: Path) -> None:
    midnight = dt.datetime(2024, 1, 31)
    path = _parquet(
        tmp_path,
        external_id=pa.array(["A", "B"]).dictionary_encode(),
        date=pa.array([dt.date(2024, 1, 1), None]),
        revision_date=pa.array([midnight, midnight], pa.timestamp("us")),
        value=pa.array([7, None], pa.int64()),
        is_original_release=pa.array([True, None]),
    )
    assert _points(path) == [
        {
            "external_id": "A",
            "date": "2024-01-01",
            "revision_date": "2024-01-31",
            "value": "7",
            "is_original_release": True,
        },
        {"external_id": "B", "revision_date": "2024-01-31", "value": None},
    ]


def test_an_instant_that_is_no_date_is_told(tmp_path: Path) -> None:
    path = _parquet(tmp_path, date=pa.array([dt.datetime(2024, 1, 31, 12)], pa.timestamp("us")))
    with pytest.raises(UnreadableRows, match="times of day"):
        _points(path)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
def test_midnights_in_utc_are_dates(tmp_path: Path, unit: str, zone: str | None) -> None:
    days = [dt.datetime(1959, 1, 1), dt.datetime(2024, 2, 29), None]
    path = _parquet(tmp_path, date=pa.array(days, pa.timestamp(unit)).cast(pa.int64()).cast(pa.timestamp(unit, zone)))
    assert [point.get("date") for point in _points(path)] == ["1959-01-01", "2024-02-29", None]


def test_an_empty_csv_value_withdraws_and_other_empty_cells_are_absent(tmp_path: Path) -> None:
    path = _csv(tmp_path, "\ufeffexternal_id,date,value,revision_date,is_original_release\nA,2024-01-01,,,TRUE\n\n")
    assert _points(path) == [{"external_id": "A", "date": "2024-01-01", "value": None, "is_original_release": True}]


def test_columns_are_renamed_and_ignored(tmp_path: Path) -> None:
    layout = Layout({"dataset": "source", "obs": "value"}, frozenset({"note"}))
    assert _points(_csv(tmp_path, "dataset,obs,note\nX,1.0,hello\n"), layout=layout) == [
        {"source": "X", "value": "1.0"}
    ]
    path = tmp_path / "points.jsonl"
    path.write_text(json.dumps({"dataset": "X", "obs": 1, "note": {}}))
    assert _points(path, layout=layout) == [{"source": "X", "value": "1"}]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", b"external_id,valeu\nA,1\n", "valeu"),
        ("a.csv", b"value,value\n1,2\n", "two columns"),
        ("a.csv", b"external_id,value\nA\n", "line 2: 1 cells under 2 columns"),
        ("a.csv", b'external_id,value\n"A,1\n', "line"),
        ("a.csv", b"external_id,value\n\xff,1\n", "utf-8"),
        ("a.ndjson", b'{"value": 1}\n{"value": \n', "line 2"),
        ("a.ndjson", b"[1]\n", "line 1"),
        ("a.ndjson", b'{"valeu": 1}\n', "valeu"),
        ("a.parquet", b"PAR0", "no Parquet file"),
        ("a.xlsx", b"", "unknown format: .xlsx"),
        ("a", b"", "no suffix"),
    ],
)
def test_a_broken_file_is_told(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UnreadableRows, match=told):
        _points(path)


@pytest.mark.parametrize("start", [0, 1, 3, 65_535, 65_536, 65_537, 70_000, 70_001])
def test_every_format_starts_at_the_same_row(tmp_path: Path, start: int) -> None:
    count = 70_000
    rows = [str(number) for number in range(count)]
    parquet = _parquet(tmp_path, value=pa.array(rows))
    text = _csv(tmp_path, "value\n" + "\n".join(rows))
    lines = tmp_path / "points.ndjson"
    lines.write_text("".join(f'{{"value": "{row}"}}\n' for row in rows))
    for path in (parquet, text, lines):
        assert open_rows(path, Layout()).count() == count
        assert [point["value"] for point in _points(path, start)] == rows[start:]


def test_a_quoted_line_break_is_one_row(tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["external_id", "value"], ["A\nB", "1"], ["C", "2"]])
    assert [point["external_id"] for point in _points(path)] == ["A\nB", "C"]
    assert open_rows(path, Layout()).count() >= 2
