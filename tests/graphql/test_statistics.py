"""Statistics of points through GraphQL: what they say, how often they ask, and that both ways of writing them agree."""

from __future__ import annotations

from decimal import Decimal
from statistics import mean, median, quantiles, stdev
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.limits import Limits
from tests.graphql.conftest import MONTHS, SERIES, id_of
from tests.support.graphql_door import GraphQLDoor
from tests.support.warehouse import Warehouse

ALL = "period count values distinct sum avg min max stddev median first last q: quantile(at: 0.25)"


def latest(number: int) -> list[Decimal | None]:
    """The value of each month, as `points` of the lake has it last."""
    values: list[Decimal | None] = [
        Decimal(f"{number}.{month}{2 if month % 2 == 0 else 0}") for month in range(1, MONTHS + 1)
    ]
    return [*values[:-1], None] if number % 3 == 0 else values


def expected(values: list[Decimal | None], period: str) -> dict[str, Any]:
    there = [value for value in values if value is not None]
    return {
        "period": period,
        "count": str(len(values)),
        "values": str(len(there)),
        "distinct": str(len(set(there))),
        "sum": plain(sum(there, Decimal())),
        "avg": pytest.approx(float(mean(there))),
        "min": plain(min(there)),
        "max": plain(max(there)),
        "stddev": pytest.approx(float(stdev(there))),
        "median": pytest.approx(float(median(there))),
        "first": plain(there[0]),
        "last": plain(there[-1]),
        "q": pytest.approx(float(quantiles(there, n=4, method="inclusive")[0])),
    }


def plain(value: Decimal) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def by_id(data: Any, field: str) -> dict[str, Any]:
    return {edge["node"]["id"]: edge["node"][field] for edge in data["seriesList"]["edges"]}


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_series_by_quarter_and_as_a_whole(door: GraphQLDoor, number: int) -> None:
    document = (
        f'{{ series(id: "{id_of(number)}") {{ q: aggregates(bucket: QUARTER) {{ {ALL} }} aggregates {{ {ALL} }} }} }}'
    )
    answer = door.data(document)["series"]
    values = latest(number)
    assert answer["q"] == [expected(values[:3], "2020-01-01"), expected(values[3:], "2020-04-01")]
    assert answer["aggregates"] == [expected(values, "2020-01-01")]


def test_many_series_are_asked_once(door: GraphQLDoor) -> None:
    document = (
        f'{{ seriesList(filter: {{title: {{ne: "Exact"}}}}) {{ edges {{ node {{ id aggregates {{ {ALL} }} }} }} }} }}'
    )
    answer = door.ask(document)
    assert [query.table for query in answer.asked] == ["series", "data_points"]
    found = by_id(answer.data, "aggregates")
    assert {id_: rows for id_, rows in found.items() if rows} == {
        id_of(number): [expected(latest(number), "2020-01-01")] for number in range(SERIES)
    }
    assert [] in found.values(), "a series without points has no row"


def test_first_and_last_periods_of_each_series(door: GraphQLDoor) -> None:
    ids = f'ids: ["{id_of(1)}", "{id_of(2)}"]'
    for arguments, months in (("last: 2", [5, 6]), ("first: 1", [1]), ("first: 2, order: DESC", [6, 5])):
        below = f"aggregates(bucket: MONTH, {arguments}) {{ period }}"
        listed = door.data(f"{{ seriesList({ids}) {{ edges {{ node {{ id {below} }} }} }} }}")
        alone = door.data(f'{{ series(id: "{id_of(1)}") {{ {below} }} }}')["series"]
        wanted = [{"period": f"2020-0{month}-01"} for month in months]
        assert by_id(listed, "aggregates") == {id_of(1): wanted, id_of(2): wanted}
        assert alone["aggregates"] == wanted


def test_views_and_spans(door: GraphQLDoor) -> None:
    def counted(arguments: str) -> Any:
        document = f'{{ series(id: "{id_of(2)}") {{ aggregates({arguments}) {{ count sum }} }} }}'
        return door.data(document)["series"]["aggregates"]

    assert counted('endDate: "2020-02-01"') == [{"count": "2", "sum": "4.32"}]
    assert counted('endDate: "2020-02-01", release: FIRST') == [{"count": "2", "sum": "4.3"}]
    assert counted('endDate: "2020-02-01", asOf: "2021-02-15"') == [{"count": "2", "sum": "4.31"}]
    assert counted('endDate: "1999-02-01"') == []


# Without stddev: its last digits are others each time.
FIELDS = ["period", "count", "sum", "avg", "median", "first", "__typename", "quantile(at: 0.9)"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    fields=st.lists(st.sampled_from(FIELDS), min_size=1, max_size=4, unique=True),
    bucket=st.sampled_from(["", "(bucket: YEAR)", "(bucket: WEEK, last: 3)", '(bucket: DAY, asOf: "2021-02-15")']),
    keys=st.lists(st.sampled_from(["seriesId", "date", "revisionDate", "isOriginalRelease"]), max_size=2, unique=True),
)
def test_both_ways_give_the_same_bytes(door: GraphQLDoor, fields: list[str], bucket: str, keys: list[str]) -> None:
    selected = " ".join(f"a{number}: {field}" for number, field in enumerate(fields))
    where = 'filter: {value: {lt: "1000"}}'
    document = f"""{{
        series(id: "{id_of(3)}") {{ aggregates{bucket} {{ {selected} }} }}
        seriesList(ids: ["{id_of(1)}", "{id_of(2)}"]) {{ edges {{ node {{ aggregates{bucket} {{ {selected} }} }} }} }}
        dataPointGroups({where}, groupBy: [{", ".join(keys)}]) {{ count {" ".join(keys)} {selected} }}
    }}"""
    fast, ordinary = door.ask(document), door.ask(document, lists_as_json=False)
    assert fast.errors == ordinary.errors == []
    assert fast.text == ordinary.text


def test_groups_of_all_series(door: GraphQLDoor) -> None:
    document = f"""{{ dataPointGroups(
        groupBy: [seriesId]
        bucket: QUARTER
        filter: {{ seriesId: {{ in: ["{id_of(0)}", "{id_of(1)}", "{id_of(2)}"] }} }}
        having: {{ values: {{ eq: "3" }}, or: [{{ avg: {{ lt: 2 }} }}, {{ not: {{ min: {{ lt: "2.4" }} }} }}] }}
        orderBy: [{{ by: avg, direction: DESC }}]
    ) {{ seriesId period sum }} }}"""
    assert door.data(document)["dataPointGroups"] == [
        {"seriesId": id_of(2), "period": "2020-04-01", "sum": "7.54"},
        {"seriesId": id_of(1), "period": "2020-04-01", "sum": "4.54"},
        {"seriesId": id_of(1), "period": "2020-01-01", "sum": "3.62"},
        {"seriesId": id_of(0), "period": "2020-01-01", "sum": "0.62"},
    ]
    assert len(door.ask(document).asked) == 1
    nothing = '{ dataPointGroups(filter: {date: {lt: "1900-01-01"}}) { count max period } }'
    (whole,) = door.data(nothing)["dataPointGroups"]
    assert whole == {"count": "0", "max": None, "period": None}


REFUSED = [
    ("seriesId", "", "invalid_parameter"),
    ("count", '(having: {seriesId: {eq: "%s"}})' % id_of(0), "invalid_parameter"),
    ("count", "(orderBy: [{by: date}])", "invalid_parameter"),
    ("quantile(at: 1.5)", "", "invalid_parameter"),
    ("quantile(at: -0.1)", "", "invalid_parameter"),
    ("count", "(first: -1)", "invalid_parameter"),
    ("count", "(first: 1000000)", "limit_exceeded"),
    ("count", "(having: {count: null})", "invalid_parameter"),
    ("sum", "", "numeric_overflow"),
    ("__typename", "", "invalid_query"),
]


@pytest.mark.parametrize(("field", "arguments", "code"), REFUSED)
def test_what_groups_cannot_say(door: GraphQLDoor, field: str, arguments: str, code: str) -> None:
    assert door.ask(f"{{ dataPointGroups{arguments} {{ {field} }} }}").codes == [code]


def test_groups_are_limited(lake: Warehouse) -> None:
    narrow = GraphQLDoor(lake.engine, lake.writer, Limits(graphql_rows_max=3, group_columns_max=2))
    assert narrow.ask("{ dataPointGroups(groupBy: [seriesId]) { count } }").codes == ["limit_exceeded"]
    assert len(narrow.data("{ dataPointGroups(groupBy: [seriesId], first: 3) { count } }")["dataPointGroups"]) == 3
    assert narrow.ask("{ dataPointGroups { count min max } }").codes == ["limit_exceeded"]
