"""Points in other frequencies and units, and series side by side, through GraphQL."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from api.limits import Limits
from tests.graphql.conftest import MONTHS, id_of
from tests.graphql.test_statistics import latest, plain
from tests.support.graphql_door import GraphQLDoor
from tests.support.warehouse import Warehouse

IDS = f'ids: ["{id_of(1)}", "{id_of(2)}", "{id_of(3)}", "{id_of(5)}"]'


def points(door: GraphQLDoor, arguments: str, number: int = 1) -> Any:
    document = f'{{ series(id: "{id_of(number)}") {{ dataPoints({arguments}) {{ date value revisionDate }} }} }}'
    return door.data(document)["series"]["dataPoints"]


def values(door: GraphQLDoor, arguments: str, number: int = 1) -> list[Any]:
    return [point["value"] for point in points(door, arguments, number)]


def test_a_monthly_series_by_quarter(door: GraphQLDoor) -> None:
    month = [Decimal(value or 0) for value in latest(1)]
    assert values(door, "frequency: q, aggregation: sum") == [plain(sum(month[:3])), plain(sum(month[3:]))]
    assert values(door, "frequency: q, aggregation: eop") == [plain(month[2]), plain(month[5])]
    assert [float(value) for value in values(door, "frequency: q")] == pytest.approx(
        [float(sum(month[:3]) / 3), float(sum(month[3:]) / 3)]
    )
    (first, _) = points(door, "frequency: q")
    assert (first["date"], first["revisionDate"]) == ("2020-01-01", "2021-03-01")
    assert values(door, "frequency: a") == [None], "half a year is no year"


def test_the_first_point_shown_has_its_predecessor(door: GraphQLDoor) -> None:
    month = [Decimal(value or 0) for value in latest(1)]
    changes = [plain(after - before) for before, after in pairwise(month)]
    assert values(door, "transform: chg") == [None, *changes]
    assert values(door, 'transform: chg, startDate: "2020-02-01"') == changes
    assert values(door, "transform: chg, last: 2") == changes[-2:]
    assert values(door, "transform: chg, first: 2, order: DESC") == changes[:-3:-1]
    percent = values(door, 'transform: pch, endDate: "2020-02-01", startDate: "2020-02-01"')
    assert float(percent[0]) == pytest.approx(float((month[1] / month[0] - 1) * 100))
    early = Decimal("1.20") / Decimal("1.10")
    assert [
        float(value)
        for value in values(door, 'transform: pch, endDate: "2020-02-01", startDate: "2020-02-01", asOf: "2021-01-31"')
    ] == pytest.approx([float(early - 1) * 100])


def test_series_of_one_frequency_share_a_statement(door: GraphQLDoor) -> None:
    """Series 5 is daily, the others are monthly."""
    below = "id dataPoints(frequency: q, aggregation: sum) { value }"
    document = f"{{ seriesList({IDS}) {{ edges {{ node {{ {below} }} }} }} }}"
    answer = door.ask(document)
    assert not answer.errors
    assert [query.table for query in answer.asked] == ["series", "series", "data_points", "data_points"]
    found = {edge["node"]["id"]: edge["node"]["dataPoints"] for edge in answer.data["seriesList"]["edges"]}
    for number in (1, 2, 3, 5):
        month = latest(number)
        sums = [plain(sum(month[:3])), None if None in month[3:] else plain(sum(month[3:]))]
        assert [point["value"] for point in found[id_of(number)]] == sums
    assert door.ask(document, lists_as_json=False).text == answer.text


@pytest.mark.parametrize(
    ("number", "arguments", "code"),
    [
        (1, "frequency: d", "invalid_query"),
        (1, "transform: pch, release: FIRST", "invalid_query"),
        (1, "transform: pch, first: 1, last: 1", "invalid_parameter"),
    ],
)
def test_what_is_not_converted(door: GraphQLDoor, number: int, arguments: str, code: str) -> None:
    document = f'{{ series(id: "{id_of(number)}") {{ dataPoints({arguments}) {{ value }} }} }}'
    assert door.ask(document).codes == [code]


def test_by_the_id_of_the_series(door: GraphQLDoor) -> None:
    document = '{ dataPoints(seriesId: "%s", transform: chg, last: 1) { value } }'
    assert door.data(document % id_of(1)) == {"dataPoints": [{"value": values(door, "transform: chg, last: 1")[0]}]}
    assert door.ask(document % id_of(77)).codes == ["unknown_entity"]


def aligned(door: GraphQLDoor, arguments: str, numbers: tuple[int, ...] = (1, 3)) -> Any:
    ids = ", ".join(f'"{id_of(number)}"' for number in numbers)
    answer = door.ask(f"{{ aligned(seriesIds: [{ids}] {arguments}) {{ dates series {{ id values }} }} }}")
    assert not answer.errors, answer.errors
    assert [query.table for query in answer.asked] == ["series", "data_points"]
    return answer.data["aligned"]


def test_series_side_by_side(door: GraphQLDoor) -> None:
    found = aligned(door, "")
    assert found["dates"] == [f"2020-0{month}-01" for month in range(1, MONTHS + 1)]
    shown = [None if value is None else plain(value) for value in latest(3)]
    assert found["series"][1] == {"id": id_of(3), "values": shown}
    assert shown[-1] is None
    assert aligned(door, "fill: PREVIOUS")["series"][1]["values"] == [*shown[:-1], shown[-2]]
    assert aligned(door, "last: 2")["series"][1]["values"] == shown[-2:]
    assert aligned(door, "first: 2, order: DESC")["series"][1]["values"] == shown[:-3:-1]
    known = aligned(door, 'asOf: "2021-01-31", endDate: "2020-02-01"')
    assert [column["values"] for column in known["series"]] == [["1.1", "1.2"], ["3.1", "3.2"]]


def test_the_dates_of_one_of_them(door: GraphQLDoor) -> None:
    document = '{ seriesList(filter: {title: {eq: "Exact"}}) { edges { node { id } } } }'
    (exact,) = door.data(document)["seriesList"]["edges"]
    other = exact["node"]["id"]
    document = '{ aligned(seriesIds: ["%s", "%s"], on: "%s", fill: PREVIOUS) { dates series { values } } }'
    found = door.data(document % (id_of(1), other, other))["aligned"]
    assert found["dates"] == [f"2020-01-0{day}" for day in range(1, 8)]
    assert found["series"][0]["values"] == ["1.1"] * 7
    assert found["series"][1]["values"][-2:] == ["0", "100"]


def test_both_ways_of_writing_agree(door: GraphQLDoor) -> None:
    for arguments in ("", "fill: PREVIOUS", "last: 3", "first: 3, order: DESC", 'startDate: "2030-01-01"'):
        document = (
            f'{{ aligned(seriesIds: ["{id_of(3)}", "{id_of(1)}"] {arguments}) {{ series {{ values id }} dates }} }}'
        )
        fast, ordinary = door.ask(document), door.ask(document, lists_as_json=False)
        assert fast.text == ordinary.text
        assert fast.errors == ordinary.errors == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ('seriesIds: ["%s"]' % id_of(77), "unknown_entity"),
        ("seriesIds: []", "invalid_query"),
        ('seriesIds: ["%s", "%s"]' % (id_of(1), id_of(1)), "invalid_query"),
        ('seriesIds: ["%s"], on: "%s"' % (id_of(1), id_of(2)), "invalid_query"),
        ('seriesIds: ["x"]', "invalid_literal"),
    ],
)
def test_what_is_not_aligned(door: GraphQLDoor, arguments: str, code: str) -> None:
    assert door.ask(f"{{ aligned({arguments}) {{ dates }} }}").codes == [code]


def test_alignments_are_limited(lake: Warehouse) -> None:
    narrow = GraphQLDoor(
        lake.engine, lake.writer, Limits(graphql_aligned_series_max=2, graphql_statement_points_max=2 * MONTHS - 1)
    )
    three = ", ".join(f'"{id_of(number)}"' for number in (1, 2, 3))
    assert narrow.ask(f"{{ aligned(seriesIds: [{three}]) {{ dates }} }}").codes == ["limit_exceeded"]
    two = f'seriesIds: ["{id_of(1)}", "{id_of(2)}"]'
    assert narrow.ask(f"{{ aligned({two}) {{ dates }} }}").codes == ["limit_exceeded"]
    assert not narrow.ask(f'{{ aligned({two}, endDate: "2020-05-01") {{ dates }} }}').errors
