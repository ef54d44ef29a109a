"""Each limit has a document that it refuses, by name and before anything is asked; large documents are refused fast."""

from __future__ import annotations

import time

import pytest
from graphql import get_introspection_query
from strawberry.extensions import AddValidationRules
from strawberry.extensions.validation_cache import _get_validate_cache as validation_cache

from tests.graphql.conftest import id_of
from tests.support.graphql_door import GraphQLDoor
from tests.support.warehouse import Warehouse

POINT = "series { dataPoints { "
HOSTILE = {
    "graphql_depth_max": "{ seriesList { edges { node { dataPoints { " + POINT * 5 + "date" + " } }" * 5 + " } } } } }",
    "graphql_aliases_max": "{ sources { " + " ".join(f"a{n}: name" for n in range(31)) + " } }",
    "graphql_root_fields_max": "{ " + " ".join(f"... {{ a{n}: sources {{ name }} }}" for n in range(21)) + " }",
    "graphql_directives_max": "{ sources { name " + "@include(if: true) name " * 51 + "} }",
    "graphql_fields_max": "{ " + "sources { ...A } " * 9 + "} fragment A on Source { " + "id " * 30 + "}",
    "graphql_tokens_max": "{ sources { " + "name " * 2_000 + "} }",
}


@pytest.mark.parametrize("limit", HOSTILE)
def test_a_document_over_a_limit_is_refused(door: GraphQLDoor, limit: str) -> None:
    started = time.process_time()
    answer = door.ask(HOSTILE[limit])
    assert time.process_time() - started < 1
    assert answer.asked == []
    exceeded = {error["extensions"]["details"]["limit"]: error["extensions"] for error in answer.errors}
    assert exceeded[limit]["code"] == "limit_exceeded"
    assert exceeded[limit]["details"]["value"] == getattr(door.limits, limit)


def test_fragments_that_spread_themselves_are_measured_to_an_end(door: GraphQLDoor) -> None:
    document = "{ sources { ...A } } fragment A on Source { ...B } fragment B on Source { ...A }"
    assert door.ask(document).codes == ["invalid_query"]


def test_the_name_of_introspection_exempts_nothing_else(door: GraphQLDoor) -> None:
    deep = HOSTILE["graphql_depth_max"].replace("{ seriesList", "{ __schema: seriesList", 1)
    assert "limit_exceeded" in door.ask(deep).codes
    assert not door.ask(get_introspection_query(input_value_deprecation=True)).errors


def test_a_dashboard_of_twelve_series_passes(door: GraphQLDoor) -> None:
    series = " ".join(f'a{n}: series(id: "{id_of(n)}") {{ ...Chart }}' for n in range(12))
    fragment = "fragment Chart on Series { title units source { name } dataPoints(last: 24) { date value } }"
    assert not door.ask(f"{{ {series} }} {fragment}").errors


def test_lists_of_points_are_bounded(lake: Warehouse, door: GraphQLDoor) -> None:
    few = door.limits.model_copy(update={"graphql_points_max": 5, "graphql_statement_points_max": 11})
    small = GraphQLDoor(lake.engine, lake.writer, few)
    answer = small.ask(f'{{ series(id: "{id_of(0)}") {{ dataPoints {{ date }} }} }}')
    assert answer.errors[0]["extensions"]["details"] == {"limit": "graphql_points_max", "value": 5}
    assert not small.ask(f'{{ series(id: "{id_of(0)}") {{ dataPoints(last: 5) {{ date }} }} }}').errors
    answer = small.ask("{ seriesList { edges { node { dataPoints(last: 1) { date } } } } }")
    assert answer.errors[0]["extensions"]["details"] == {"limit": "graphql_statement_points_max", "value": 11}
    answer = small.ask("{ seriesList { edges { node { dataPoints { date } } } } }")
    assert answer.errors[0]["extensions"]["details"]["limit"] == "graphql_statement_points_max"


def test_filters_are_bounded(door: GraphQLDoor) -> None:
    document = "query($f: SeriesFilter) { seriesList(filter: $f) { totalCount } }"
    wide = {"or": [{"title": {"contains": f"{n}"}} for n in range(door.limits.in_items_max + 1)]}
    for filter_ in (wide, {"not": {"and": [wide]}}, {"title": {"in": ["x"] * (door.limits.in_items_max + 1)}}):
        answer = door.ask(document, {"f": filter_})
        assert answer.asked == []
        assert answer.errors[0]["extensions"]["details"] == {"limit": "in_items_max", "value": door.limits.in_items_max}


def test_lists_below_rows_do_not_multiply_without_end(lake: Warehouse, door: GraphQLDoor) -> None:
    nested = f'{{ series(id: "{id_of(0)}") {{ dataPoints {{ series {{ dataPoints {{ date }} }} }} }} }}'
    assert not door.ask(nested).errors
    few = GraphQLDoor(lake.engine, lake.writer, door.limits.model_copy(update={"graphql_response_bytes_max": 500}))
    answer = few.ask(nested)
    assert answer.errors[0]["extensions"]["details"] == {"limit": "graphql_response_bytes_max", "value": 500}
    few = GraphQLDoor(lake.engine, lake.writer, door.limits.model_copy(update={"graphql_rows_max": 5}))
    assert few.ask(nested).errors[0]["extensions"]["details"] == {"limit": "graphql_rows_max", "value": 5}


def test_the_caches_hit_with_the_limits_on(door: GraphQLDoor) -> None:
    """A rule class of its own for each request would make every document new to the validation cache."""
    factories = [made for made in door.schema.extensions if getattr(made, "func", None) is AddValidationRules]
    rules = [tuple(made().validation_rules) for made in factories for _ in range(2)]
    assert len(rules) == 2
    assert rules[0] == rules[1]
    document = "{ sources { name title url } } # not seen before"
    door.ask(document)
    before = validation_cache(128).cache_info()
    door.ask(document)
    after = validation_cache(128).cache_info()
    assert (after.hits, after.misses) == (before.hits + 1, before.misses)
