"""Columns of any type -> points, held against Python's own decimals, dates and ids, row by row."""

from __future__ import annotations

import datetime as dt
import random
import uuid
from collections.abc import Callable
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from api.ingest.batch import Batch, Delivery, batch_of
from api.ingest.convert import DATE, DECIMAL, Converted, booleans, dates, decimals, names
from api.ingest.decode import Document, decode
from api.ingest.media import BodyKind, Format
from api.ingest.points import points_of
from api.limits import Limits
from api.problems import Problem
from catalog.identity import series_id
from engine.revise import INCOMING_SCHEMA
from tests.support.bodies import arrow_of, parquet_of

DELIVERY = Delivery("d")
QUANTUM = Decimal("1E-18")
EXACT = Context(prec=38, traps=[Inexact, InvalidOperation, Overflow])
digits = st.text("0123456789", max_size=45)
number_texts = st.builds(
    lambda *parts: "".join(parts),
    st.sampled_from(["", "+", "-"]),
    digits,
    st.one_of(st.just(""), digits.map(lambda fraction: f".{fraction}")),
    st.one_of(
        st.just(""),
        st.builds("{}{}".format, st.sampled_from(["e", "E", "e+", "e-"]), st.integers(0, 60)),
        st.sampled_from(["e999999999", "e-999999999", "e"]),
    ),
)
odd_texts = st.sampled_from(
    ["", " 1", "1_0", "nan", "-inf", "0x1", "1,5", "\u0661", "1e57", "1e-57", "0." + "0" * 60 + "1"]
)


def exact(text: str) -> Decimal | str:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return "invalid_number"
    if not number.is_finite():
        return "invalid_number"
    try:
        return EXACT.quantize(number, QUANTUM)
    except ArithmeticError:
        return "number_out_of_range"


def read(converted: Converted) -> list[Any]:
    """The value or the code of each position."""
    converted.values.validate(full=True)
    assert all(converted.values[at].as_py() is None for at in converted.faults)
    return [converted.faults.get(at, value) for at, value in enumerate(converted.values.to_pylist())]


@given(st.lists(st.one_of(st.none(), number_texts, odd_texts), max_size=8))
@example(["7" + "0" * 20])
@example(["1." + "0" * 38, "0" * 39 + "1", "9" * 20 + "." + "9" * 18, "9" * 21, "." + "0" * 38 + "1", "5.", ".5"])
@hypothesis_settings(max_examples=400)
def test_texts_are_the_numbers_that_they_say(texts: list[str | None]) -> None:
    expected = [None if text is None else exact(text) for text in texts]
    for kind in (pa.string(), pa.large_string(), pa.string_view()):
        assert read(decimals(pa.array(texts, kind))) == expected
    assert read(decimals(pa.array(texts, pa.string()).dictionary_encode())) == expected
    assert [read(decimals(pa.array([text], pa.string())))[0] for text in texts] == expected


@given(
    st.integers(1, 76).flatmap(
        lambda precision: st.tuples(
            st.just(precision),
            st.integers(-40, 76),
            st.lists(st.one_of(st.none(), st.integers(-(10**precision) + 1, 10**precision - 1)), max_size=5),
        )
    )
)
@example((30, 0, [999_999_999_981_039_886_089_072_634_332]))
@hypothesis_settings(max_examples=300)
def test_decimals_of_any_width_keep_their_digits(given_: tuple[int, int, list[int | None]]) -> None:
    precision, scale, unscaled = given_
    context = Context(prec=90)
    numbers = [None if number is None else Decimal(number).scaleb(-scale, context) for number in unscaled]
    expected = [None if number is None else exact(str(number)) for number in numbers]
    valid = pa.array([number is not None for number in unscaled], pa.bool_())
    widths: list[tuple[int, Callable[[int, int], pa.DataType]]] = [
        (9, pa.decimal32),
        (18, pa.decimal64),
        (38, pa.decimal128),
        (76, pa.decimal256),
    ]
    for most, kind in widths:
        if precision <= most:
            type_ = kind(precision, scale)
            content = b"".join((number or 0).to_bytes(type_.byte_width, "little", signed=True) for number in unscaled)
            column = pa.Array.from_buffers(type_, len(unscaled), [valid.buffers()[1], pa.py_buffer(content)])
            assert read(decimals(column)) == expected, kind


@given(st.lists(st.one_of(st.none(), st.floats(), st.floats(-1e6, 1e6).map(lambda x: round(x, 4))), max_size=8))
def test_binary_numbers_are_taken_by_their_shortest_text(numbers: list[float | None]) -> None:
    expected = [None if number is None else exact(repr(number)) for number in numbers]
    assert read(decimals(pa.array(numbers, pa.float64()))) == expected


def test_single_precision_has_a_shortest_text_of_its_own() -> None:
    assert read(decimals(pa.array([0.1, 16_777_216, 1e-10], pa.float32()))) == [
        Decimal("0.1"),
        Decimal(16_777_216),
        Decimal("1e-10"),
    ]


@pytest.mark.parametrize("kind", [pa.int8(), pa.int64(), pa.uint8(), pa.uint64()])
def test_integers_are_values(kind: pa.DataType) -> None:
    most = 2 ** (kind.bit_width - (not pa.types.is_unsigned_integer(kind))) - 1
    assert read(decimals(pa.array([0, most, None], kind))) == [Decimal(0), Decimal(most), None]


@given(st.lists(st.one_of(st.none(), st.integers(-(2**31), 2**31 - 1), st.integers(-719_165, -719_160)), max_size=6))
@example([-719_163, -719_162, 2_932_896, 2_932_897])
def test_days_are_dates_of_the_years_1_to_9999(days: list[int | None]) -> None:
    first = dt.date(1970, 1, 1).toordinal()
    expected = [
        day if day is None else dt.date.fromordinal(day + first) if 1 <= day + first <= 3_652_059 else "invalid_date"
        for day in days
    ]
    column = pa.array(days, pa.int32()).cast(DATE)
    assert read(dates(column)) == expected
    wide = pa.array([None if day is None else day * 86_400_000 for day in days], pa.int64())
    assert read(dates(wide.cast(pa.timestamp("ms")))) == expected
    assert read(dates(wide.cast(pa.timestamp("ms", "America/New_York")))) == expected
    assert read(dates(wide.cast(pa.date64()))) == expected


@pytest.mark.parametrize(("unit", "ticks"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
def test_times_of_day_are_no_dates(unit: str, ticks: int) -> None:
    day = 86_400 * ticks
    given_ = [0, day, -day, -day + 1, day - 1, None, 2**62]
    found = read(dates(pa.array(given_, pa.int64()).cast(pa.timestamp(unit))))
    days = [dt.date(1970, 1, 1), dt.date(1970, 1, 2), dt.date(1969, 12, 31)]
    assert found == [*days, "invalid_date", "invalid_date", None, "invalid_date"]


@given(st.lists(st.one_of(st.none(), st.dates().map(str), st.text("0123456789-T:Z ", max_size=11)), max_size=6))
@example(["2024-02-29", "2023-02-29"])
@example(["0000-01-01", "0001-01-01"])
@example(["2024-W01-1", "20240101", "2024-01-01 ", "\uff12024-01-01"])
def test_texts_are_dates_in_one_form_alone(texts: list[str | None]) -> None:
    def date(text: str) -> dt.date | str:
        try:
            found = dt.datetime.strptime(text, "%Y-%m-%d").date()
        except ValueError:
            return "invalid_date"
        return found if found.isoformat() == text else "invalid_date"

    expected = [None if text is None else date(text) for text in texts]
    column = pa.array(texts, pa.string())
    assert read(dates(column)) == expected
    assert read(dates(column.dictionary_encode())) == expected


def test_flags_are_booleans_or_their_names() -> None:
    texts = pa.array(["true", "FALSE", None, "yes", ""])
    for column in (texts, texts.dictionary_encode()):
        assert read(booleans(column)) == [True, False, None, "wrong_type", "wrong_type"]


def test_a_dictionary_may_hold_nulls_and_repetitions() -> None:
    column = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, None, 3], pa.int8()), ["a", None, "a", "b"])
    converted = names(column).values
    assert converted.to_pylist() == ["a", None, "a", None, "b"]
    assert converted.dictionary.to_pylist() == ["a", "b"]
    numbers = pa.DictionaryArray.from_arrays(pa.array([2, 1, 0, None, 3], pa.uint16()), ["1", None, "x", "1"])
    assert read(decimals(numbers)) == ["invalid_number", None, Decimal(1), None, Decimal(1)]


sources = st.sampled_from([None, "S", "T", ""])
externals = st.sampled_from([None, "A", "B", "a\tb"])
ids = st.sampled_from([None, "x", series_id("S", "A"), series_id("T", "B").upper(), str(uuid.UUID(int=7))])


@given(st.lists(st.tuples(sources, externals, ids), max_size=12), st.sampled_from([None, "S", "DEFAULT"]))
def test_names_are_resolved_as_row_by_row(rows: list[tuple[str | None, ...]], default: str | None) -> None:
    whole = batch_of(document(rows, default), DELIVERY, "partial", Limits())
    single = [batch_of(document([row], default), DELIVERY, "partial", Limits()) for row in rows]
    assert whole.points.schema == INCOMING_SCHEMA
    whole.points.validate(full=True)
    expected = [(at, one.points["series_id"][0].as_py()) for at, one in enumerate(single) if one.points.num_rows]
    assert list(zip(*whole.points.select(["ordinal", "series_id"]).to_pydict().values(), strict=True)) == expected
    assert [(failure.index, failure.code) for failure in whole.failures] == [
        (at, failure.code) for at, one in enumerate(single) for failure in one.failures
    ]
    assert whole.names == {id_: name for one in single for id_, name in one.names.items()}
    assert dictionary(whole) == sorted({id_ for _, id_ in expected})
    for at, id_ in expected:
        source, external_id, given_id = rows[at]
        named = series_id(source or default or "", external_id) if external_id else str(uuid.UUID(given_id))
        assert id_ == named


def dictionary(batch: Batch) -> list[str]:
    return batch.points["series_id"].combine_chunks().dictionary.to_pylist()


def document(rows: list[tuple[str | None, ...]], default: str | None) -> Document:
    columns = [pa.array([row[at] for row in rows], pa.string()) for at in range(3)]
    fields = dict(zip(("source", "external_id", "series_id"), columns, strict=True))
    fields |= {"date": pa.array(["2024-01-01"] * len(rows)), "value": pa.nulls(len(rows))}
    return Document(points_of(fields, pa.arange(0, len(rows))), default)


def test_batches_with_dictionaries_of_their_own_are_one_table() -> None:
    def part(*names_: str) -> pa.Table:
        length = len(names_)
        name = pa.array(names_).dictionary_encode()
        return pa.table({"external_id": name, "date": ["2024-01-01"] * length, "value": [*range(length)]})

    table = pa.concat_tables([part("A", "B"), part("C", "A"), part("B")])
    batch = batch_of(
        decode(arrow_of(table), BodyKind(Format.ARROW, source="S"), Limits()), DELIVERY, "partial", Limits()
    )
    assert batch.points["series_id"].to_pylist() == [series_id("S", name) for name in "ABCAB"]
    assert [name for _, name in sorted(batch.names.values())] == ["A", "B", "C"]


MANY = pa.table(
    {
        "source": pa.array(["S"] * 50).dictionary_encode(),
        "external_id": [f"E{at % 7}" for at in range(50)],
        "date": pa.array(range(50), pa.int32()).cast(DATE),
        "value": pa.array([Decimal(at) / 4 for at in range(50)], DECIMAL),
        "is_original_release": [None, True] * 25,
    }
)
BINARY = {
    "arrow": (Format.ARROW, arrow_of(MANY, batch_rows=20)),
    "arrow, lz4": (Format.ARROW, arrow_of(MANY, "lz4", 20)),
    "arrow, zstd": (Format.ARROW, arrow_of(MANY, "zstd")),
    "parquet": (Format.PARQUET, parquet_of(MANY, row_group_size=20)),
    "parquet, plain": (Format.PARQUET, parquet_of(MANY, use_dictionary=False, compression="none")),
}


@pytest.mark.parametrize("name", BINARY)
def test_no_damage_is_more_than_a_problem(name: str) -> None:
    """Bytes changed, cut or repeated at random: the answer is a document or a Problem, and takes little memory."""
    format_, body = BINARY[name]
    chance = random.Random(name)
    limits = Limits(body_bytes_max=100_000, bulk_rows_max=1_000)
    seen: set[str] = set()
    before = pa.default_memory_pool().max_memory()
    for _ in range(600):
        try:
            batch_of(decode(damaged(body, chance), BodyKind(format_), limits), DELIVERY, "partial", limits)
            seen.add("read")
        except Problem as problem:
            seen.add(problem.code)
    assert "malformed_body" in seen
    assert seen <= {"read", "malformed_body", "invalid_body", "body_too_large"}
    assert pa.default_memory_pool().max_memory() - before < 50_000_000


def damaged(body: bytes, chance: random.Random) -> bytes:
    changed = bytearray(body)
    for _ in range(chance.choice([1, 1, 2, 8])):
        at = chance.randrange(len(changed))
        match chance.randrange(4):
            case 0:
                changed[at] ^= 1 << chance.randrange(8)
            case 1:
                changed[at] = chance.choice([0, 1, 0x7F, 0x80, 0xFF])
            case 2:
                changed[at : at + 8] = chance.randbytes(8)
            case _:
                del changed[at : at + chance.randrange(1, 9)]
    return bytes(changed)
