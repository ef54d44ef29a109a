"""Aggregates, case by case: pages by averages, pruning, withdrawn points, sums exact or refused, bad questions."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from catalog.identity import series_id
from catalog.model import DATA_POINTS, Table
from engine.aggregates import answer_table
from engine.errors import NumericOverflow, QueryError
from engine.literals import literal, typed_compare
from engine.planner import plan
from engine.planner.model import is_pageable
from engine.query import (
    TRUE,
    Aggregate,
    Call,
    Compare,
    Field,
    Grouping,
    Key,
    Op,
    Order,
    Page,
    Query,
    Statistic,
    View,
    all_of,
    grouped,
    negate,
)
from tests.engine.test_groups import COUNT, DATE, NAMES, SERIES, SOURCE, VALUE, lake
from tests.support.oracle import Point
from tests.support.warehouse import Warehouse, warehouse

__all__ = ["lake"]


@pytest.mark.parametrize("statistic", [Statistic.AVG, Statistic.QUANTILE, Statistic.STDDEV])
@pytest.mark.parametrize("descending", [False, True])
def test_groups_are_paged_by_averages(lake: Warehouse, statistic: Statistic, *, descending: bool) -> None:
    at = Decimal("0.3") if statistic is Statistic.QUANTILE else None
    grouping = grouped([Key("month", Call("startofmonth", (DATE,)))], [Aggregate("x", statistic, VALUE, at)])
    query = Query("data_points", order=(Order(Field("x"), descending),), grouping=grouping)
    assert is_pageable(query) is (statistic is not Statistic.STDDEV)
    rows = lake.rows(query)
    assert len(rows) > 10
    assert [row["x"] for row in rows] == sorted((row["x"] for row in rows), reverse=descending)
    with lake.engine.answer(replace(query, page=Page(5)), keyset=True) as result:
        after = result.after(next(result.batches()), 4)
    if is_pageable(query):
        assert lake.rows(replace(query, page=Page(after=after))) == rows[5:]


def by_year(*aggregates: Aggregate, view: View = View.LATEST) -> Query:
    return Query("data_points", view=view, grouping=grouped([Key("year", Call("startofyear", (DATE,)))], aggregates))


def test_only_what_is_asked_is_scanned_and_conditions_on_keys_prune(lake: Warehouse) -> None:
    query = by_year(Aggregate("mean", Statistic.AVG, VALUE))
    planned = plan(query, lake.engine.tables)
    assert not {"created_at", "updated_at", "is_original_release"} & set(planned.columns)
    one = [typed_compare(Op.EQ, SERIES, literal(series_id(SOURCE, "S1")), DATA_POINTS)]
    by_series = Query("data_points", grouping=grouped([Key("of", SERIES)], [COUNT]), having=all_of(*one))
    named = replace(by_series, having=Compare(Op.EQ, Field("of"), literal(series_id(SOURCE, "S1"))))
    with pytest.raises(QueryError):
        lake.rows(by_series)
    fits = replace(named, having=typed_compare(Op.EQ, Field("of"), literal(series_id(SOURCE, "S1")), _answered(named)))
    assert plan(fits, lake.engine.tables).having == TRUE
    with lake.engine.answer(fits) as result:
        assert 0 < result.files_read < result.files_considered
        assert [row["of"] for row in result.table().to_pylist()] == [series_id(SOURCE, "S1")]
    early = typed_compare(Op.LT, Field("year"), literal(dt.date(2000, 1, 1)), _answered(query))
    with lake.engine.answer(replace(query, having=early)) as result:
        assert result.files_read == 0


def _answered(query: Query) -> Table:
    assert query.grouping is not None
    return answer_table(query.grouping, DATA_POINTS)


def test_without_keys_there_is_one_group_even_of_no_rows(lake: Warehouse) -> None:
    never = typed_compare(Op.LT, DATE, literal(dt.date(1900, 1, 1)), DATA_POINTS)
    grouping = grouped([], [COUNT, Aggregate("s", Statistic.SUM, VALUE)])
    assert lake.rows(Query("data_points", where=never, grouping=grouping)) == [{"n": 0, "s": None}]
    alone = grouped([Key("date", DATE)], [])
    assert lake.rows(Query("data_points", where=never, grouping=alone)) == []
    assert lake.rows(Query("data_points", where=never, grouping=grouping, having=negate(TRUE))) == []


def test_withdrawn_points_are_rows_without_a_value(tmp_path: Any) -> None:
    with warehouse(tmp_path) as lake:
        points = [Point("A", dt.date(2020, month, 1), value, dt.date(2021, 1, 1)) for month, value in
                  ((1, Decimal(2)), (2, None), (3, Decimal(4)), (4, None))]  # fmt: skip
        lake.write({"data_points": [point.document(SOURCE) for point in points]})
        asked = [Aggregate("values", Statistic.COUNT, VALUE), Aggregate("mean", Statistic.AVG, VALUE)]
        asked += [Aggregate("first", Statistic.FIRST, VALUE), Aggregate("last", Statistic.LAST, VALUE)]
        asked += [Aggregate("deviation", Statistic.STDDEV, VALUE)]
        (row,) = lake.rows(by_year(COUNT, *asked))
        assert row == {
            "year": dt.date(2020, 1, 1), "n": 4, "values": 2, "mean": 3.0, "first": 2, "last": 4,
            "deviation": pytest.approx(2**0.5),
        }  # fmt: skip


MOST = "99999999999999999999.999999999999999999"


@pytest.mark.parametrize(
    ("values", "sum_"),
    [
        ((MOST, "-1", "0.5"), "99999999999999999999.499999999999999999"),
        ((MOST, "0.000000000000000001"), None),
        (("-" + MOST, "-0.000000000000000001"), None),
        ((MOST, MOST), None),
        (("-" + MOST, "-" + MOST, "-" + MOST), None),
        (tuple("0.000000000000000001" for _ in range(9)), "0.000000000000000009"),
    ],
)
def test_a_sum_is_exact_or_refused(tmp_path: Any, values: tuple[str, ...], sum_: str | None) -> None:
    with warehouse(tmp_path) as lake:
        days = [dt.date(2020, 1, day) for day in range(1, len(values) + 1)]
        points = [Point("A", day, Decimal(value), dt.date(2021, 1, 1)) for day, value in zip(days, values, strict=True)]
        lake.write({"data_points": [point.document(SOURCE) for point in points]})
        if sum_ is None:
            with pytest.raises(NumericOverflow):
                lake.rows(by_year(Aggregate("s", Statistic.SUM, VALUE)))
        else:
            (row,) = lake.rows(by_year(Aggregate("s", Statistic.SUM, VALUE)))
            assert row["s"] == Decimal(sum_)


@pytest.mark.parametrize(
    "grouping",
    [
        grouped([], []),
        grouped([Key("a", DATE), Key("A", SERIES)], []),
        grouped([Key('x" --', DATE)], []),
        grouped([Key("absent", Field("absent"))], []),
        grouped([Key("hidden", Field("seq"))], []),
        grouped([Key("constant", literal(1))], []),
        grouped([], [Aggregate("s", Statistic.SUM)]),
        grouped([], [Aggregate("s", Statistic.SUM, DATE)]),
        grouped([], [Aggregate("s", Statistic.AVG, VALUE, Decimal("0.5"))]),
        grouped([], [Aggregate("s", Statistic.QUANTILE, VALUE)]),
        grouped([], [Aggregate("s", Statistic.QUANTILE, VALUE, Decimal("1.01"))]),
        grouped([], [Aggregate("s", Statistic.MIN, Field("is_original_release"))]),
    ],
)
def test_what_cannot_be_grouped_is_refused(lake: Warehouse, grouping: Grouping) -> None:
    with pytest.raises(QueryError):
        lake.rows(Query("data_points", grouping=grouping))


def test_tables_without_dates_have_no_first(lake: Warehouse) -> None:
    counted = grouped([], [COUNT])
    assert lake.rows(Query("series", grouping=counted)) == [{"n": len(NAMES)}]
    with pytest.raises(QueryError):
        lake.rows(Query("series", grouping=grouped([], [Aggregate("f", Statistic.FIRST, Field("title"))])))


def test_one_form_of_a_grouping() -> None:
    aggregates = [COUNT, Aggregate("a", Statistic.SUM, VALUE)]
    assert grouped([Key("d", DATE)], aggregates) == grouped([Key("d", DATE)], aggregates[::-1])
    assert hash(by_year(*aggregates)) == hash(by_year(*aggregates[::-1]))
