"""Connections: every row once, in one snapshot, with an exact end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.graphql.conftest import SERIES, id_of
from tests.support.graphql_door import GraphQLDoor
from tests.support.warehouse import Warehouse, warehouse

PAGE = """query($first: Int, $after: String, $filter: SeriesFilter) {
    seriesList(first: $first, after: $after, filter: $filter) {
        edges { cursor node { id title } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
}"""


def pages(door: GraphQLDoor, first: int, **variables: Any) -> Iterator[Any]:
    after = None
    while True:
        page = door.data(PAGE, first=first, after=after, **variables)["seriesList"]
        yield page
        if not page["pageInfo"]["hasNextPage"]:
            return
        after = page["pageInfo"]["endCursor"]


@pytest.mark.parametrize("first", [1, 7, 21, SERIES + 2, SERIES + 3])
def test_pages_have_every_row_once(door: GraphQLDoor, first: int) -> None:
    found = list(pages(door, first))
    ids = [edge["node"]["id"] for page in found for edge in page["edges"]]
    assert ids == sorted(ids)
    assert len(ids) == len(set(ids)) == SERIES + 2
    assert [page["pageInfo"]["hasPreviousPage"] for page in found] == [False] + [True] * (len(found) - 1)
    assert all(page["pageInfo"]["startCursor"] == page["edges"][0]["cursor"] for page in found)
    assert all(page["pageInfo"]["endCursor"] == page["edges"][-1]["cursor"] for page in found)


def test_filters_page_too(door: GraphQLDoor) -> None:
    wanted = {"title": {"startsWith": "index", "ignoreCase": True}}
    titles = [edge["node"]["title"] for page in pages(door, 3, filter=wanted) for edge in page["edges"]]
    assert sorted(titles) == [f"INDEX {n:02d}" for n in range(0, SERIES, 2)]


def test_an_empty_page_has_no_cursors(door: GraphQLDoor) -> None:
    page = door.data(PAGE, first=5, filter={"title": {"eq": "nothing"}})["seriesList"]
    none = {"hasNextPage": False, "hasPreviousPage": False, "startCursor": None, "endCursor": None}
    assert page == {"edges": [], "pageInfo": none}
    page = door.data(PAGE, first=0)["seriesList"]
    assert page["edges"] == []
    assert page["pageInfo"]["hasNextPage"] is True


def test_the_total_is_counted_only_where_it_is_selected(door: GraphQLDoor) -> None:
    assert len(door.ask("{ seriesList(first: 1) { edges { node { id } } } }").asked) == 1
    answer = door.ask('{ seriesList(first: 1, filter: {source: {eq: "A"}}) { totalCount } }')
    assert answer.data == {"seriesList": {"totalCount": SERIES}}
    assert [query.count_only for query in answer.asked] == [False, True]


def test_a_cursor_of_another_list_is_refused(door: GraphQLDoor) -> None:
    """Rows before it would be left out without a word."""
    after = next(pages(door, 3))["pageInfo"]["endCursor"]
    assert door.ask(PAGE, {"after": after, "filter": {"title": {"ne": "x"}}}).codes == ["invalid_page"]
    document = "query($c: String) { sourceList(after: $c) { edges { cursor } } }"
    assert door.ask(document, {"c": after}).codes == ["invalid_page"]
    assert not door.ask(PAGE, {"after": after, "first": 5}).errors


def test_ids_and_filter_hold_together(door: GraphQLDoor) -> None:
    document = """query($ids: [ID!]) {
        seriesList(ids: $ids, filter: {title: {contains: "0"}}) { edges { node { id } } }
    }"""
    found = door.data(document, ids=[id_of(1), id_of(11), id_of(1).upper()])
    assert [edge["node"]["id"] for edge in found["seriesList"]["edges"]] == [id_of(1)]


def test_nodes_of_two_edge_fields_are_read_together(door: GraphQLDoor) -> None:
    document = """{ seriesList(first: 1) {
        a: edges { node { x: title } } b: edges { node { x: units } } edges { node { frequency } }
    } }"""
    answer = door.ask(document)
    assert not answer.errors
    assert set(answer.asked[0].columns) == {"title", "units", "frequency"}


def test_plain_lists_say_when_they_are_too_long(lake: Warehouse, door: GraphQLDoor) -> None:
    assert [row["name"] for row in door.data('{ sources(filter: {name: {in: ["A", "B"]}}) { name } }')["sources"]]
    small = GraphQLDoor(lake.engine, lake.writer, door.limits.model_copy(update={"graphql_edges_max": 1}))
    answer = small.ask("{ sources { name } }")
    assert answer.codes == ["limit_exceeded"]
    assert answer.errors[0]["extensions"]["details"] == {"limit": "graphql_edges_max", "value": 1}
    assert small.ask("{ seriesList(first: 2) { totalCount } }").codes == ["limit_exceeded"]


def test_a_cursor_pins_its_snapshot(tmp_path: Path) -> None:
    with warehouse(tmp_path / "lake") as lake:
        door = GraphQLDoor(lake.engine, lake.writer)
        lake.write({"source": {"name": "A"}, "series": [{"external_id": f"S{n}"} for n in range(6)]})
        first = door.ask(PAGE, {"first": 3})
        lake.write({"source": {"name": "A"}, "series": [{"external_id": f"T{n}"} for n in range(6)]})
        after = first.data["seriesList"]["pageInfo"]["endCursor"]
        second = door.ask(PAGE, {"first": 100, "after": after})
        assert second.snapshot == first.snapshot != door.ask("{ sources { id } }").snapshot
        assert len(second.data["seriesList"]["edges"]) == 3
        document = "query($s: String, $c: String) { sources(snapshot: $s) { id } seriesList(after: $c) { totalCount } }"
        newest = lake.engine.current()
        assert door.ask(document, {"s": newest, "c": after}).codes[0] == "invalid_parameter"
        assert door.ask(document, {"s": first.snapshot, "c": after}).data["seriesList"]["totalCount"] == 6
        for token in ("", "nonsense", "zzz\r\nX-Evil: 1", "\r\n0-0-0-0", "\u65e5", "2024-06-15", "no-tag"):
            answer = door.ask(document, {"s": token})
            assert (answer.codes[0], answer.snapshot) == ("unknown_snapshot", None)
        assert door.ask(document, {"s": "1-2-3-4"}).codes[0] == "snapshot_expired"
        assert door.ask(document, {"s": "0-0-0-0"}).snapshot == "0-0-0-0"
        assert door.ask(document, {"c": "nonsense"}).codes[0] == "invalid_page"
