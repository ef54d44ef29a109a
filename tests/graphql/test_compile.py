"""What documents ask: filters give OData's very expressions, point fields the plain Query of the question."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from api.graphql.compile import Direction, PointsSpan, Release, points_query
from api.graphql.entities import entities_of
from api.graphql.filters import condition
from api.problems import Problem
from catalog.model import MODEL, SERIES
from engine.errors import InvalidLiteral
from engine.literals import literal
from engine.query import Compare, Field, Literal, Op, Order, Page, Query, View, all_of
from tests.graphql.conftest import id_of
from tests.odata.test_filters import compiled
from tests.support.graphql_door import GraphQLDoor

ID = id_of(1)
JAN, JUN = dt.date(2020, 1, 1), dt.date(2020, 6, 1)
TIMELINE = entities_of(MODEL)["Series"].timelines["dataPoints"]

FILTERS: list[tuple[dict[str, Any], str]] = [
    ({"title": {"eq": "GDP"}}, "title eq 'GDP'"),
    ({"units": {"eq": None}}, "units eq null"),
    ({"units": {"ne": None}}, "units ne null"),
    ({"title": {"ge": "A", "lt": "B"}}, "title ge 'A' and title lt 'B'"),
    ({"title": {"contains": "D", "endsWith": "P"}}, "contains(title,'D') and endswith(title,'P')"),
    ({"title": {"startsWith": "G"}}, "startswith(title,'G')"),
    ({"title": {"contains": "GDP", "ignoreCase": True}}, "contains(tolower(title),'gdp')"),
    ({"frequency": {"in": ["monthly", "daily"]}}, "frequency in ('daily','monthly')"),
    ({"frequency": {"in": ["daily"]}}, "frequency eq 'daily'"),
    ({"frequency": {"in": ["daily", "annual"], "ignoreCase": True}}, "tolower(frequency) in ('daily','annual')"),
    ({"or": [{"title": {"eq": "A"}}, {"title": {"eq": "B"}}]}, "title eq 'A' or title eq 'B'"),
    ({"not": {"title": {"eq": "A"}, "units": {"eq": "%"}}}, "not (title eq 'A' and units eq '%')"),
    ({"and": [{"title": {"eq": "A"}}, {"or": [{"units": {"eq": None}}]}]}, "title eq 'A' and units eq null"),
    ({"sourceId": {"in": [ID.upper()]}}, f"source_id eq {ID}"),
    (
        {"createdAt": {"gt": dt.datetime(2024, 1, 1, tzinfo=dt.UTC)}},
        "created_at gt 2024-01-01T00:00:00Z",
    ),
]


@pytest.mark.parametrize(("given", "odata"), FILTERS, ids=[odata for _, odata in FILTERS])
def test_a_filter_is_that_of_odata(given: dict[str, Any], odata: str) -> None:
    assert condition(given, SERIES, 10) == compiled(odata, "Series")


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"title": None}, "invalid_parameter"),
        ({"title": {"contains": None}}, "invalid_parameter"),
        ({"and": None}, "invalid_parameter"),
        ({"title": {"in": ["x"] * 11}}, "limit_exceeded"),
    ],
)
def test_a_filter_that_says_nothing_is_refused(given: dict[str, Any], code: str) -> None:
    with pytest.raises(Problem) as caught:
        condition(given, SERIES, 10)
    assert caught.value.code == code


def test_an_id_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidLiteral):
        condition({"id": {"eq": "x"}}, SERIES, 10)


def one(*more: Any) -> Any:
    return all_of(Compare(Op.EQ, Field("series_id"), literal_id(ID)), *more)


def literal_id(text: str) -> Literal:
    return Literal(text, MODEL.by_name["data_points"].by_name["series_id"].type)


SINCE, UNTIL = Compare(Op.GE, Field("date"), literal(JAN)), Compare(Op.LE, Field("date"), literal(JUN))
LATEST_FIRST = (Order(Field("date"), descending=True),)
EVERYTHING = "seriesId date revisionDate value isOriginalRelease createdAt updatedAt"

QUESTIONS: list[tuple[str, Query]] = [
    ("dataPoints { value date }", Query("data_points", ("date", "value"), one())),
    (f"dataPoints {{ {EVERYTHING} }}", Query("data_points", (), one())),
    (
        'dataPoints(startDate: "2020-01-01", endDate: "2020-06-01") { date }',
        Query("data_points", ("date",), one(SINCE, UNTIL)),
    ),
    ("dataPoints(first: 3) { value }", Query("data_points", ("value",), one(), page=Page(3))),
    ("dataPoints(last: 3) { value }", Query("data_points", ("value",), one(), LATEST_FIRST, Page(3))),
    ("dataPoints(order: DESC) { value }", Query("data_points", ("value",), one(), LATEST_FIRST)),
    ("dataPoints(release: FIRST) { value }", Query("data_points", ("value",), one(), view=View.FIRST)),
    ('dataPoints(asOf: "2020-06-01") { value }', Query("data_points", ("value",), one(), as_of=JUN)),
    ("dataPoints { __typename }", Query("data_points", ("date",), one())),
    (
        'revisions(date: "2020-01-01") { value }',
        Query("data_points", ("value",), one(Compare(Op.EQ, Field("date"), literal(JAN))), view=View.EVERY),
    ),
    ("vintages", Query("data_points", ("revision_date",), one(), view=View.EVERY)),
]


@pytest.mark.parametrize(("field", "query"), QUESTIONS, ids=[field[:60] for field, _ in QUESTIONS])
def test_a_field_asks_the_plain_question(door: GraphQLDoor, field: str, query: Query) -> None:
    assert door.ask(f'{{ series(id: "{ID}") {{ {field} }} }}').asked[1:] == [query]


def test_the_root_field_asks_the_same(door: GraphQLDoor) -> None:
    document = f'{{ dataPoints(seriesId: "{ID}", timeRange: {{start: "2020-01-01", end: "2020-06-01"}}) {{ date }} }}'
    assert door.ask(document).asked == [Query("data_points", ("date",), one(SINCE, UNTIL))]


def test_many_series_carry_their_parent_and_order() -> None:
    span = PointsSpan(release=Release.FIRST, first=2, direction=Direction.DESC)
    query = points_query(TIMELINE, [ID, id_of(2)], {"value"}, span)
    assert query.columns == ("series_id", "value")
    assert query.order == (Order(Field("series_id")), *LATEST_FIRST)
    assert query.page == Page()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("first: 1, last: 1", "invalid_parameter"),
        ("last: 1, order: DESC", "invalid_parameter"),
        ("first: -1", "invalid_parameter"),
        ("first: 100001", "limit_exceeded"),
        ('startDate: "2020-02-01", endDate: "2020-01-01"', "invalid_parameter"),
    ],
)
def test_arguments_that_contradict_are_refused(door: GraphQLDoor, arguments: str, code: str) -> None:
    answer = door.ask(f'{{ series(id: "{ID}") {{ dataPoints({arguments}) {{ date }} }} }}')
    assert answer.codes == [code]
    assert answer.errors[0]["path"] == ["series", "dataPoints"]
