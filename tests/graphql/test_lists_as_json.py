"""Lists written straight from Arrow equal those that graphql-core completes field by field, byte for byte."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.graphql.conftest import id_of
from tests.support.graphql_door import GraphQLDoor

COLUMNS = ("seriesId", "date", "revisionDate", "value", "isOriginalRelease", "createdAt", "updatedAt", "__typename")
DIRECTIVES = ("", "", "", "@skip(if: $yes)", "@skip(if: $no)", "@include(if: $no)", "@include(if: true)")


@st.composite
def selections(draw: st.DrawFn, type_: str, depth: int = 2) -> str:
    """The inside of a selection set of points: columns, aliases, fragments, directives, now and then a relation."""
    parts: list[str] = []
    for _ in range(draw(st.integers(1, 4))):
        directive = draw(st.sampled_from(DIRECTIVES))
        kind = draw(st.sampled_from(("column", "column", "alias", "inline", "spread", "series")))
        if kind == "inline" and depth:
            condition = draw(st.sampled_from((f"on {type_}", "")))
            parts.append(f"... {condition} {directive} {{ {draw(selections(type_, depth - 1))} }}")
        elif kind == "spread" and depth:
            parts.append(f"... {type_}Parts {directive}")
        elif kind == "series" and depth == 1:
            parts.append(f"series {directive} {{ title }}")
        else:
            column = draw(st.sampled_from(COLUMNS))
            alias = f"{draw(st.sampled_from('ab'))}_{column}: " if kind == "alias" else ""
            parts.append(f"{alias}{column} {directive}")
    return " ".join(parts)


@st.composite
def documents(draw: st.DrawFn) -> str:
    points, revisions = draw(selections("DataPoint")), draw(selections("Revision"))
    span = draw(
        st.sampled_from(
            (
                "",
                "(last: 2)",
                "(first: 3, order: DESC)",
                "(release: FIRST)",
                '(asOf: "2021-02-15")',
                '(endDate: "2020-03-01")',
            )
        )
    )
    return f"""query($yes: Boolean = true, $no: Boolean = false) {{
        seriesList(ids: ["{id_of(1)}", "{id_of(2)}", "{id_of(3)}"]) {{ edges {{ node {{
            title
            dataPoints{span} {{ {points} }}
            revisions(date: "2020-02-01") {{ {revisions} }}
        }} }} }}
        one: series(id: "{id_of(3)}") {{ dataPoints{span} {{ {points} }} }}
        used: series(id: "{id_of(4)}") @skip(if: $no) @include(if: $yes) {{
            dataPoints {{ ...DataPointParts }} revisions(date: "2020-04-01") {{ ...RevisionParts }}
        }}
    }}
    fragment DataPointParts on DataPoint {{ value d: date {draw(st.sampled_from(DIRECTIVES))} }}
    fragment RevisionParts on Revision {{ revisionDate ... @include(if: $yes) {{ value }} }}"""


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(documents())
def test_both_ways_give_the_same_bytes(door: GraphQLDoor, document: str) -> None:
    fast = door.ask(document)
    ordinary = door.ask(document, lists_as_json=False)
    assert fast.text == ordinary.text
    assert fast.errors == ordinary.errors == []


def test_every_scalar_is_exact(door: GraphQLDoor) -> None:
    document = '{ seriesList(filter: {title: {eq: "Exact"}}) { edges { node { dataPoints { date value } } } } }'
    (edge,) = door.data(document)["seriesList"]["edges"]
    assert [point["value"] for point in edge["node"]["dataPoints"]] == [
        "9007199254740993",
        "0.000000000000000001",
        "99999999999999999999.999999999999999999",
        "-1.1",
        "0",
        None,
        "100",
    ]
    assert door.ask(document).text == door.ask(document, lists_as_json=False).text


def test_a_selection_that_skips_everything_gives_empty_objects(door: GraphQLDoor) -> None:
    document = f'{{ series(id: "{id_of(1)}") {{ dataPoints(first: 2) {{ date @skip(if: true) }} }} }}'
    assert door.data(document) == {"series": {"dataPoints": [{}, {}]}}
