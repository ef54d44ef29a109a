"""Rows as JSON against the plainest way to write them: a dict a row, value by value in Python."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.json_rows import NUMBERS_AS_TEXTS, NUMBERS_BARE, json_rows, plain_decimal, rfc3339
from catalog.model import Type
from catalog.schemas import ARROW_TYPES

Values = list[dict[Type, Any]]

VALUES: dict[Type, st.SearchStrategy[Any]] = {
    Type.UUID: st.uuids().map(str),
    Type.STRING: st.text(),
    Type.DATE: st.dates(),
    Type.TIMESTAMP: st.datetimes(timezones=st.just(dt.UTC)) | st.just(dt.datetime(2020, 1, 31, tzinfo=dt.UTC)),
    Type.BOOLEAN: st.booleans(),
    Type.DECIMAL: st.integers(-(10**38) + 1, 10**38 - 1).map(lambda digits: Decimal(f"{digits}E-18"))
    | st.sampled_from([Decimal(text) for text in ("0", "1E-18", "-1E-7", "0.000001", "100", "-20.50")]),
    Type.LONG: st.integers(-(2**63), 2**63 - 1),
    Type.DOUBLE: st.floats(),
}
ROW = st.fixed_dictionaries({type_: st.none() | values for type_, values in VALUES.items()})


def batch_of(rows: Values) -> pa.RecordBatch:
    arrays = {type_.value: pa.array([row[type_] for row in rows], ARROW_TYPES[type_]) for type_ in Type}
    return pa.RecordBatch.from_pydict(arrays)


def written(value: Any, *, numbers_as_texts: bool) -> str:
    match value:
        case Decimal():
            text = plain_decimal(value)
            return f'"{text}"' if numbers_as_texts else text
        case int() if numbers_as_texts and not isinstance(value, bool):
            return f'"{value}"'
        case dt.datetime():
            return f'"{rfc3339(value)}"'
        case _:
            return orjson.dumps(value).decode()


@pytest.mark.parametrize("numbers_as_texts", [False, True])
@given(rows=st.lists(ROW, max_size=6))
@settings(max_examples=60, deadline=None)
def test_rows_are_written_as_value_by_value(rows: Values, *, numbers_as_texts: bool) -> None:
    encoders = NUMBERS_AS_TEXTS if numbers_as_texts else NUMBERS_BARE
    fields = [(f'a "{type_.value}" 100%s', type_.value, type_) for type_ in Type]
    keys = [orjson.dumps(key).decode() for key, _, _ in fields]
    expected = ""
    for row in rows:
        texts = [written(row[type_], numbers_as_texts=numbers_as_texts) for type_ in Type]
        expected += ",{" + ",".join(map(":".join, zip(keys, texts, strict=True))) + "}"
    assert bytes(json_rows(batch_of(rows), fields, encoders)).decode() == expected


def test_slices_and_repeated_columns() -> None:
    batch = pa.RecordBatch.from_pydict({"v": pa.array([1, None, 3], pa.int64())}).slice(1, 2)
    fields = [("a", "v", Type.LONG), ("b", "v", Type.LONG)]
    assert bytes(json_rows(batch, fields, NUMBERS_BARE)) == b',{"a":null,"b":null},{"a":3,"b":3}'
    assert bytes(json_rows(batch, [], NUMBERS_BARE)) == b",{},{}"
    assert bytes(json_rows(batch.slice(0, 0), fields, NUMBERS_BARE)) == b""


def test_every_character_is_escaped_as_json_has_it() -> None:
    texts = [f"{chr(code)}a{chr(code)}" for code in (*range(0x80), 0x2028, 0xFFFF, 0x1F600)] + ["", '\\"\\\\"\n', None]
    batch = pa.RecordBatch.from_pydict({"t": pa.array(texts)})
    rows = b"[" + bytes(json_rows(batch, [("t", "t", Type.STRING)], NUMBERS_BARE))[1:] + b"]"
    assert rows == orjson.dumps([{"t": text} for text in texts])
