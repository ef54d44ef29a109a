"""Nested and aliased fields of one shape are one question, however many series there are."""

from __future__ import annotations

from tests.graphql.conftest import EXACT, MONTHS, SERIES, id_of
from tests.support.graphql_door import GraphQLDoor

FIELDS = 'title source { name } dataPoints { date value } revisions(date: "2020-02-01") { value } vintages'


def test_a_list_of_series_asks_once_a_field(door: GraphQLDoor) -> None:
    answer = door.ask(f"{{ seriesList {{ edges {{ node {{ id {FIELDS} }} }} }} }}")
    assert [query.table for query in answer.asked].count("series") == 1
    assert [query.table for query in answer.asked].count("sources") == 1
    assert [query.table for query in answer.asked].count("data_points") == 3
    nodes = {edge["node"]["id"]: edge["node"] for edge in answer.data["seriesList"]["edges"]}
    assert len(nodes) == SERIES + 2
    for number in range(SERIES):
        node = nodes[id_of(number)]
        assert [point["date"] for point in node["dataPoints"]] == [f"2020-0{m}-01" for m in range(1, MONTHS + 1)]
        assert [row["value"] for row in node["revisions"]] == [f"{number}.2{v}".rstrip("0") for v in range(3)]
        assert node["vintages"] == ["2021-01-01", "2021-02-01", "2021-03-01"]


def test_twelve_aliased_series_ask_as_often_as_one(door: GraphQLDoor) -> None:
    aliases = " ".join(f'a{n}: series(id: "{id_of(n)}") {{ {FIELDS} }}' for n in range(12))
    one = door.ask(f'{{ series(id: "{id_of(0)}") {{ {FIELDS} }} }}')
    twelve = door.ask(f"{{ {aliases} }}")
    assert not twelve.errors
    assert len(twelve.asked) == len(one.asked) == 5
    assert twelve.data["a0"] == one.data["series"]


def test_the_first_and_last_few_of_each_series(door: GraphQLDoor) -> None:
    answer = door.data("{ seriesList { edges { node { title dataPoints(last: 2) { date } } } } }")
    for edge in answer["seriesList"]["edges"]:
        expected = {"No points": [], "Exact": ["2020-01-06", "2020-01-07"]}
        dates = [point["date"] for point in edge["node"]["dataPoints"]]
        assert dates == expected.get(edge["node"]["title"], ["2020-05-01", "2020-06-01"])
    answer = door.data("{ seriesList { edges { node { title dataPoints(first: 1, order: DESC) { date } } } } }")
    latest = {edge["node"]["title"]: edge["node"]["dataPoints"] for edge in answer["seriesList"]["edges"]}
    assert latest["Exact"] == [{"date": f"2020-01-0{len(EXACT)}"}]
    assert latest["Series 01"] == [{"date": "2020-06-01"}]


def test_fields_of_different_shapes_are_different_questions(door: GraphQLDoor) -> None:
    document = f'{{ series(id: "{id_of(0)}") {{ a: dataPoints {{ date }} b: dataPoints(last: 1) {{ date value }} }} }}'
    answer = door.ask(document)
    assert len(answer.asked) == 3
    assert len(answer.data["series"]["a"]) == MONTHS
    assert len(answer.data["series"]["b"]) == 1


def test_the_nearest_knowledge_date_wins(door: GraphQLDoor) -> None:
    document = f"""{{
        series(id: "{id_of(1)}", asOf: "2021-01-15") {{
            inherited: dataPoints(startDate: "2020-02-01", endDate: "2020-02-01") {{ revisionDate }}
            own: dataPoints(startDate: "2020-02-01", endDate: "2020-02-01", asOf: "2021-02-15") {{ revisionDate }}
            nested: dataPoints(first: 1) {{ series {{ dataPoints(last: 1) {{ revisionDate }} vintages }} }}
            revisions(date: "2020-02-01") {{ revisionDate }}
        }}
        early: series(id: "{id_of(1)}", asOf: "2020-12-31") {{ dataPoints {{ date }} vintages }}
    }}"""
    data = door.data(document)
    assert data["series"]["inherited"] == [{"revisionDate": "2021-01-01"}]
    assert data["series"]["own"] == [{"revisionDate": "2021-02-01"}]
    assert data["series"]["nested"][0]["series"] == {
        "dataPoints": [{"revisionDate": "2021-01-01"}],
        "vintages": ["2021-01-01"],
    }
    assert data["series"]["revisions"] == [{"revisionDate": "2021-01-01"}]
    assert data["early"] == {"dataPoints": [], "vintages": []}
