"""Bodies: every row once and in order, the same bytes wherever a run begins, and no number that changes on the way."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from api.ingest.media import FORMATS
from api.wire import ARROW, JSON, NDJSON, Cut, Points, UnreadableRows, bodies
from tests.support.wire import rows_of

ROWS = 100
WIDE = 2**30
FIELDS = ("external_id", "date", "value", "is_original_release")


def _mappings(count: int) -> list[dict[str, Any]]:
    chance = random.Random(1)
    return [
        {
            "external_id": f"S{chance.randrange(4)}",
            "date": dt.date(2020, 1, 1) + dt.timedelta(chance.randrange(400)),
            "value": None if chance.random() < 0.3 else Decimal(chance.randrange(10**6)).scaleb(-3),
            **({} if chance.random() < 0.5 else {"is_original_release": chance.random() < 0.5}),
        }
        for _ in range(count)
    ]


def _table(count: int) -> pa.Table:
    columns = {name: [row.get(name) for row in _mappings(count)] for name in FIELDS}
    names = pa.array(columns["external_id"]).dictionary_encode()
    return pa.table(columns).set_column(0, "external_id", names)


def _chunked(rows: pa.Table) -> pa.Table:
    """The same rows, lying otherwise in memory."""
    return pa.concat_tables([rows.slice(0, 13).take(pa.arange(0, 13)), rows.slice(13, 50), rows.slice(63)])


SHAPES: dict[str, Callable[[int], Points]] = {
    "mappings": _mappings,
    "generator": lambda count: iter(_mappings(count)),
    "table": _table,
    "chunks": lambda count: _chunked(_table(count)),
    "reader": lambda count: _chunked(_table(count)).to_reader(7),
}


class NumpyScalar:
    """What NumPy's scalars are to us: `float32(0.1)` is written 0.1, while its item is a double next to that."""

    def __init__(self, text: str, plain: object) -> None:
        self._text = text
        self.item = lambda: plain

    @override
    def __repr__(self) -> str:
        return self._text


WANTED = rows_of(bodies(_mappings(ROWS), 0, Cut(ROWS, WIDE)))


def _numbers(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row | {"value": None if row["value"] is None else Decimal(row["value"])} for row in rows]


def test_the_service_knows_the_formats() -> None:
    assert {JSON, NDJSON, ARROW} <= set(FORMATS)


@given(
    shape=st.sampled_from(sorted(SHAPES)),
    start=st.integers(0, ROWS + 1),
    first=st.integers(0, 40),
    most=st.integers(1, 60),
    size=st.sampled_from([1, 500, 3_000, WIDE]),
)
def test_every_row_travels_once_and_in_order(shape: str, start: int, first: int, most: int, size: int) -> None:
    made = list(bodies(SHAPES[shape](ROWS), start, Cut(most, size, first)))
    assert _numbers(rows_of(made)) == _numbers(WANTED[start:])
    assert [body.rows for body in made] == [len(rows_of([body])) for body in made]
    if first and made:
        assert made[0].rows == min(first, ROWS - start)
    rest = made[1 if first else 0 :]
    assert all(0 < body.rows <= most and (body.rows == 1 or len(body.content) < size + 3_000) for body in rest)


@given(shape=st.sampled_from(["table", "chunks", "reader"]), start=st.integers(0, ROWS - 1), most=st.integers(1, 40))
def test_a_body_is_the_same_wherever_the_run_begins_and_the_rows_lie(shape: str, start: int, most: int) -> None:
    in_one_run = list(bodies(_table(ROWS), 0, Cut(most, WIDE, start)))[1 if start else 0]
    resumed = next(bodies(SHAPES[shape](ROWS), start, Cut(1, 1, most)))
    assert resumed == in_one_run


def test_large_rows_make_small_bodies() -> None:
    rows = [{"external_id": "x" * 1_000, "date": "2020-01-01", "value": str(n)} for n in range(64)]
    for points in (rows, pa.Table.from_pylist(rows)):
        made = list(bodies(points, 0, Cut(64, 10_000)))
        assert rows_of(made) == rows
        assert max(len(body.content) for body in made) < 12_000


def test_a_batch_leaves_as_soon_as_it_is_full() -> None:
    def endless() -> Iterator[dict[str, Any]]:
        yield from [{"value": 1}, {"value": 2}]
        raise AssertionError("It waited for a third row.")

    assert next(bodies(endless(), 0, Cut(2, WIDE))).rows == 2


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("1.50", "1.50"),
        (Decimal("1.50"), "1.50"),
        (7, "7"),
        (10**30, "1" + "0" * 30),
        (0.1, "0.1"),
        (1e-7, "1e-07"),
        (NumpyScalar("0.1", 0.10000000149011612), "0.1"),
        (NumpyScalar("5", 5), "5"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (None, None),
        (True, True),
        ([1], [1]),
    ],
    ids=repr,
)
def test_values_travel_as_their_text(value: object, sent: object) -> None:
    assert rows_of(bodies([{"value": value}], 0, Cut(1, 1))) == [{"value": sent}]


def test_nan_in_a_column_is_no_null() -> None:
    column = pa.table({"value": pa.array([float("nan"), None])})
    assert rows_of(bodies(column, 0, Cut(9, WIDE))) == [{"value": "nan"}, {"value": None}]


@pytest.mark.parametrize(
    ("cell", "sent"),
    [
        (dt.date(2024, 1, 31), "2024-01-31"),
        (dt.datetime(2024, 1, 31), "2024-01-31"),
        (dt.datetime(2024, 1, 31, 2, tzinfo=dt.timezone(dt.timedelta(hours=2))), "2024-01-31"),
        (dt.datetime(2024, 1, 31, 12), "2024-01-31T12:00:00"),
        (NumpyScalar("2024-01-31", dt.date(2024, 1, 31)), "2024-01-31"),
    ],
    ids=repr,
)
def test_midnights_are_dates(cell: object, sent: str) -> None:
    assert rows_of(bodies([{"date": cell}], 0, Cut(1, 1))) == [{"date": sent}]


def test_an_absent_value_stays_absent() -> None:
    rows = [{"external_id": "A"}, {"external_id": "A", "value": None}]
    assert rows_of(bodies(rows, 0, Cut(9, WIDE))) == rows


def test_columns_of_other_types_travel_as_text() -> None:
    table = pa.table(
        {"external_id": [7], "date": [20240131], "value": pa.array([b"1.5"]), "is_original_release": ["TRUE"]}
    )
    assert rows_of(bodies(table, 0, Cut(1, 1))) == [
        {"external_id": "7", "date": "20240131", "value": "1.5", "is_original_release": "TRUE"}
    ]


@pytest.mark.parametrize(
    ("points", "told"),
    [
        ([{"value": 1}, {"value": 1, "external_id": object()}], "Row 2 cannot be sent"),
        ([{1: 2}], "Row 1 cannot be sent"),
        (pa.table({"date": [dt.datetime(2024, 1, 1, 12)]}), "times of day"),
        (pa.table({"date": [[1]]}), "Column date cannot be of type list"),
    ],
    ids=["object", "key", "time", "list"],
)
def test_what_cannot_travel_is_told(points: Points, told: str) -> None:
    with pytest.raises(UnreadableRows, match=told):
        list(bodies(points, 0, Cut(9, WIDE)))
