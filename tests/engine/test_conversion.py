"""Frequency conversion and units: the statement's answer equals the published formulas worked out in Python."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.identity import series_id
from catalog.model import DATA_POINTS
from engine.conversion import Conversion, Frequency, Rollup, Transform
from engine.errors import QueryError
from engine.literals import literal, typed_compare, typed_in
from engine.planner import PASSES, plan
from engine.query import Field, Op, Order, Page, Query, View, all_of, grouped
from tests.support.converted import close, converted
from tests.support.oracle import Point
from tests.support.warehouse import Warehouse, warehouse

VINTAGES = Path(__file__).parents[2].parent / "shared" / "data" / "vintages.parquet"
SOURCE = "TEST"
PUBLISHED, LATER = dt.date(2024, 1, 1), dt.date(2024, 2, 1)
NATIVE: list[Frequency | None] = [*Frequency, None]
Values = dict[dt.date, Decimal | None]


def _days(native: Frequency | None) -> list[dt.date]:
    """About five years of dates; on working days, some Friday, the first and in places the last of a month. Some
    periods have two of them."""
    first = dt.date(2018, 1, 1)
    match native:
        case Frequency.D:
            return [day for n in range(700) if (day := first + dt.timedelta(days=n)).weekday() < 5]
        case Frequency.W:
            return sorted(first + dt.timedelta(days=n) for n in (*range(4, 1054, 7), *range(1, 1054, 63)))
        case Frequency.BW:
            return [first + dt.timedelta(days=14 * n) for n in range(70)]
        case None:
            return [first + dt.timedelta(days=n * n % 1500) for n in range(90)]
        case _:
            starts = [dt.date(2016 + m // 12, m % 12 + 1, 1) for m in range(0, 96, native.months)]
            return sorted([*(day.replace(day=28) if day.year == 2019 else day for day in starts), *_again(starts)])


def _again(starts: list[dt.date]) -> list[dt.date]:
    return [day.replace(day=20) for day in starts[: len(starts) // 2 : 7]]


def _series(native: Frequency | None, number: int) -> tuple[Values, Values]:
    """Two vintages of a series with gaps, nulls, zeros and negative values; the second revises some points."""
    made = random.Random(f"{native} {number}")
    share = 0.02 if number == 0 else 0.2

    def value() -> Decimal | None:
        kind = made.random()
        return (
            None if kind < share else Decimal(0) if kind < share * 1.2 else Decimal(made.randint(-9_000, 99_000)) / 100
        )

    first = {day: value() for day in _days(native) if made.random() > share / 2}
    return first, first | {day: value() for day in first if made.random() < 0.1}


NAMES = {(native, number): f"{native.value if native else 'x'}{number}" for native in NATIVE for number in (0, 1)}


@pytest.fixture(scope="module", params=["deltas", "base files"])
def lake(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Warehouse]:
    with warehouse(tmp_path_factory.mktemp("converted")) as lake:
        for vintage, day in enumerate((PUBLISHED, LATER)):
            points = [
                Point(name, date, value, day).document(SOURCE)
                for key, name in NAMES.items()
                for date, value in _series(*key)[vintage].items()
            ]
            lake.write({"data_points": points})
        if request.param == "base files":
            lake.compact()
        yield lake


def asked(native: Frequency | None, conversion: Conversion, as_of: dt.date | None = None) -> Query:
    ids = [literal(series_id(SOURCE, NAMES[native, number])) for number in (0, 1)]
    where = typed_in(Field("series_id"), ids, DATA_POINTS)
    return Query("data_points", ("series_id", "date", "value"), where, as_of=as_of, conversion=conversion)


def check(rows: list[dict[str, Any]], id_: str, values: Values, conversion: Conversion) -> None:
    series = {day: None if value is None else Fraction(value) for day, value in values.items()}
    want = converted(series, conversion)
    found = {row["date"]: row["value"] for row in rows if row["series_id"] == id_}
    assert list(found) == list(want)
    scale = 1 + max((abs(float(value)) for value in series.values() if value is not None), default=0)
    for day, value in found.items():
        assert close(None if value is None else Fraction(value), want[day], scale), (day, value, want[day])


DAYS = [None, None, dt.date(2019, 2, 15), dt.date(2019, 12, 31), dt.date(2021, 7, 1), dt.date(1, 1, 1)]


@st.composite
def conversions(draw: st.DrawFn) -> Conversion:
    native = draw(st.sampled_from(NATIVE))
    wanted = [None, *(each for each in Frequency if native is None or not each.is_higher(native))]
    frequency = draw(st.sampled_from([each for each in wanted if each is not Frequency.BW or native is each]))
    known = frequency or native
    by_count = (Transform.CH1, Transform.PC1, Transform.PCA, Transform.CCA)
    transform = draw(st.sampled_from([each for each in Transform if known or each not in by_count]))
    start, end = draw(st.sampled_from(DAYS)), draw(st.sampled_from([*DAYS, dt.date(9999, 12, 31)]))
    return Conversion(native, frequency, draw(st.sampled_from(list(Rollup))), transform, start, end)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(conversion=conversions(), as_of=st.sampled_from([None, PUBLISHED]))
def test_a_conversion_equals_the_formulas(lake: Warehouse, conversion: Conversion, as_of: dt.date | None) -> None:
    native = conversion.native
    rows = lake.rows(asked(native, conversion, as_of))
    for number in (0, 1):
        check(rows, series_id(SOURCE, NAMES[native, number]), _series(native, number)[as_of is None], conversion)


@pytest.mark.parametrize("transform", Transform)
@pytest.mark.parametrize("rollup", Rollup)
def test_every_transform_of_every_rollup(lake: Warehouse, transform: Transform, rollup: Rollup) -> None:
    for frequency in (None, Frequency.Q, Frequency.A):
        conversion = Conversion(Frequency.M, frequency, rollup, transform, dt.date(2018, 5, 1))
        rows = lake.rows(asked(Frequency.M, conversion))
        assert any(row["value"] is not None for row in rows)
        for number in (0, 1):
            check(rows, series_id(SOURCE, NAMES[Frequency.M, number]), _series(Frequency.M, number)[1], conversion)


def test_plans_and_pages_change_nothing(lake: Warehouse) -> None:
    conversion = Conversion(Frequency.M, Frequency.Q, Rollup.SUM, Transform.PCH, dt.date(2018, 5, 1))
    query = asked(Frequency.M, conversion)
    rows = lake.rows(query)
    assert len(rows) > 20
    for passes, prunes in (((), True), (PASSES, False), (PASSES[2:], True)):
        with lake.other_engine(passes, prunes=prunes).answer(query) as result:
            assert result.table().to_pylist() == rows
    with lake.engine.answer(Query(**{**_parts(query), "page": Page(7)}), keyset=True) as result:
        after = result.after(next(result.batches()), 6)
    assert lake.rows(Query(**{**_parts(query), "page": Page(after=after)})) == rows[7:]
    backwards = (Order(Field("series_id")), Order(Field("date"), descending=True))
    latest = lake.rows(Query(**{**_parts(query), "order": backwards, "page": Page(3)}))
    assert latest == [row for row in rows if row["series_id"] == rows[0]["series_id"]][:-4:-1]
    (count,) = lake.rows(query.counted())
    assert count["count"] == len(rows)


def _parts(query: Query) -> dict[str, Any]:
    return {name: getattr(query, name) for name in ("table", "columns", "where", "as_of", "conversion")}


def test_only_the_dates_that_matter_are_read(lake: Warehouse) -> None:
    def read(conversion: Conversion) -> str:
        return str(plan(asked(Frequency.M, conversion), lake.engine.tables).scan.domains.get("date"))

    span = {"start": dt.date(2020, 5, 10), "end": dt.date(2020, 8, 10)}
    by_year = Conversion(Frequency.M, Frequency.Q, Rollup.AVG, Transform.PC1, **span)
    assert (by_year.read_from, by_year.read_to) == (dt.date(2019, 4, 1), dt.date(2020, 9, 30))
    assert "2019, 4, 1" in read(by_year)
    assert "2020, 9, 30" in read(by_year)
    plain = Conversion(Frequency.M, None, Rollup.AVG, Transform.LOG, **span)
    assert (plain.read_from, plain.read_to) == (dt.date(2020, 5, 1), dt.date(2020, 8, 10))
    daily = Conversion(Frequency.D, None, Rollup.AVG, Transform.CHG, **span)
    assert (daily.read_from, daily.read_to) == (None, dt.date(2020, 8, 10))


ONE = typed_compare(Op.EQ, Field("series_id"), literal(series_id(SOURCE, "m0")), DATA_POINTS)
BEFORE = typed_compare(Op.LT, Field("date"), literal(dt.date(2020, 1, 1)), DATA_POINTS)
MONTHLY = Conversion(Frequency.M, Frequency.Q)
REFUSED = [
    Query("data_points", where=ONE, conversion=Conversion(Frequency.M, Frequency.W)),
    Query("data_points", where=ONE, conversion=Conversion(Frequency.A, Frequency.M)),
    Query("data_points", where=ONE, conversion=Conversion(Frequency.BW, Frequency.W)),
    Query("data_points", where=ONE, conversion=Conversion(None, None, Rollup.AVG, Transform.PC1)),
    Query("data_points", where=ONE, conversion=Conversion(None, None, Rollup.AVG, Transform.CCA)),
    Query("data_points", where=all_of(ONE, BEFORE), conversion=MONTHLY),
    Query("data_points", where=ONE, conversion=MONTHLY, view=View.EVERY),
    Query("data_points", where=ONE, conversion=MONTHLY, view=View.FIRST),
    Query("series", conversion=MONTHLY),
    Query("data_points", where=ONE, conversion=MONTHLY, grouping=grouped([], [])),
]


@pytest.mark.parametrize("query", REFUSED)
def test_what_cannot_be_converted_is_refused(lake: Warehouse, query: Query) -> None:
    with pytest.raises(QueryError):
        lake.rows(query)


def test_a_change_too_large_for_a_decimal_is_null(tmp_path: Path) -> None:
    most = "99999999999999999999.999999999999999999"
    with warehouse(tmp_path) as lake:
        values = {dt.date(2020, 1, 1): f"-{most}", dt.date(2020, 2, 1): most, dt.date(2020, 3, 1): most}
        lake.write({"data_points": [Point("m0", d, Decimal(v), PUBLISHED).document(SOURCE) for d, v in values.items()]})
        for transform, last in ((Transform.CHG, Decimal(0)), (Transform.PCA, Decimal(0))):
            conversion = Conversion(Frequency.M, None, Rollup.AVG, transform)
            rows = lake.rows(Query("data_points", ("value",), ONE, conversion=conversion))
            assert [row["value"] for row in rows] == [None, None if transform is Transform.CHG else Decimal(0), last]


@pytest.mark.skipif(not VINTAGES.exists(), reason="the folder with the real vintages is not beside the project")
def test_real_vintages_as_of_two_days(tmp_path: Path) -> None:
    """Ten years of five monthly series, as known on two days between revisions."""
    names = ("PAYEMS", "INDPRO", "CPIAUCSL", "UNRATE", "HOUST")
    rows = duckdb.execute(
        "SELECT series_id, date, revision_date, value FROM read_parquet($file) WHERE dataset = 'FRED-MD' AND "
        "series_id IN (SELECT unnest($names)) AND date BETWEEN '1998-01-01' AND '2008-12-01' "
        "AND revision_date < '2010-01-01'",
        {"file": str(VINTAGES), "names": list(names)},
    ).fetchall()
    with warehouse(tmp_path) as lake:
        points = [Point(n, date, None if v is None else Decimal(repr(v)), day) for n, date, day, v in rows]
        lake.write({"data_points": [point.document(SOURCE) for point in points]})
        lake.compact()
        ids = typed_in(Field("series_id"), [literal(series_id(SOURCE, name)) for name in names], DATA_POINTS)
        for as_of in (dt.date(2004, 1, 15), dt.date(2008, 12, 31)):
            known = {name: _known(points, name, as_of) for name in names}
            assert all(len(values) > 60 for values in known.values())
            for transform in Transform:
                for frequency in (None, Frequency.Q, Frequency.A):
                    conversion = Conversion(Frequency.M, frequency, Rollup.AVG, transform, dt.date(2000, 1, 1))
                    found = lake.rows(Query("data_points", where=ids, as_of=as_of, conversion=conversion))
                    for name in names:
                        check(found, series_id(SOURCE, name), known[name], conversion)


def _known(points: list[Point], name: str, as_of: dt.date) -> Values:
    seen = [p for p in points if p.series == name and p.revision_date is not None and p.revision_date <= as_of]
    return {p.date: p.value for p in sorted(seen, key=lambda p: (p.date, p.revision_date))}
