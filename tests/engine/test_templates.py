"""A statement out of a known text is the one that would have been built."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any, assert_never

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.scan import prune
from engine.alignment import Alignment, Fill
from engine.conversion import Conversion, Frequency, Rollup, Transform
from engine.literals import literal
from engine.lower import Templates, lower
from engine.planner import plan
from engine.planner.model import Plan
from engine.query import (
    NULL,
    Aggregate,
    And,
    Call,
    Compare,
    Expr,
    Field,
    In,
    Literal,
    Not,
    Op,
    Or,
    Query,
    Related,
    Statistic,
    grouped,
)
from tests.engine import test_groups
from tests.same_query.random_queries import queries
from tests.support.warehouse import Warehouse, warehouse


@pytest.fixture(scope="module")
def lakes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Warehouse, Warehouse]]:
    """One with base files alone, and one with deltas and a series that was deleted once."""
    points = [{"external_id": name, "date": "2023-01-01", "value": 1} for name in "ABC"]
    with warehouse(tmp_path_factory.mktemp("settled")) as settled, warehouse(tmp_path_factory.mktemp("mixed")) as mixed:
        for lake in (settled, mixed):
            lake.write({"source": {"name": "S"}, "data_points": points})
            lake.compact()
        mixed.delete_series(mixed.rows(Query("series"))[0]["id"])
        mixed.write({"source": {"name": "S"}, "data_points": points})
        yield settled, mixed


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=queries(), keyset=st.booleans(), data=st.data())
def test_other_constants_are_filled_in(
    lakes: tuple[Warehouse, Warehouse], query: Query, data: st.DataObject, *, keyset: bool
) -> None:
    templates = Templates()
    lake, then = data.draw(st.permutations(lakes))
    planned = plan(query, lake.engine.tables)
    lower(planned, files(lake, planned), keyset=keyset, templates=templates, related=related(lake, planned))
    other = changed_plan(planned)
    for each in (lake, then):
        given = {"keyset": keyset, "related": related(each, other)}
        found = lower(other, files(each, other), templates=templates, **given)
        assert found == lower(other, files(each, other), **given)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=test_groups.queries(), second=test_groups.queries())
def test_groups_of_one_shape_share_their_text(lakes: tuple[Warehouse, Warehouse], first: Query, second: Query) -> None:
    lake = lakes[0]
    templates = Templates()
    for query in (first, replace(second, grouping=first.grouping, having=first.having), second):
        planned = plan(replace(query, order=()), lake.engine.tables)
        assert lower(planned, files(lake, planned), templates=templates) == lower(planned, files(lake, planned))


def test_conversions_and_alignments_of_one_shape_share_their_text(lakes: tuple[Warehouse, Warehouse]) -> None:
    for lake in lakes:
        templates, texts = Templates(), set[int]()
        days = [dt.date(2020, month, 1) for month in range(1, 13)]
        change = Conversion(Frequency.M, None, Rollup.AVG, Transform.CHG)
        queries = [Query("data_points", conversion=replace(change, start=day)) for day in days]
        for n, day in enumerate(days):
            pair = Alignment((f"{n}", f"{n + 1}"), on=f"{n}", end=day)
            queries += [Query("data_points", alignment=pair)]
            queries += [Query("data_points", alignment=Alignment((f"{n}",), Fill.PREVIOUS))]
        for query in queries:
            planned = plan(query, lake.engine.tables)
            found = lower(planned, files(lake, planned), templates=templates)
            assert found == lower(planned, files(lake, planned))
            texts.add(id(found.sql))
        assert len(texts) <= 8  # a shape with files and one without


def test_equal_values_of_a_group_are_worked_out_once(lakes: tuple[Warehouse, Warehouse]) -> None:
    lake = lakes[0]
    templates = Templates()
    for first, second in (("a", "a"), ("a", "b"), ("b", "b"), ("b", "a")):
        calls = [Call("concat", (Field("title"), literal(text))) for text in (first, second)]
        asked = (Aggregate("one", Statistic.MIN, calls[0]), Aggregate("two", Statistic.MAX, calls[1]))
        planned = plan(Query("series", grouping=grouped([], asked)), lake.engine.tables)
        found = lower(planned, files(lake, planned), templates=templates)
        assert found == lower(planned, files(lake, planned))
        assert found.sql.count("|| $") == len({first, second})


def test_one_text_serves_many_questions(lakes: tuple[Warehouse, Warehouse]) -> None:
    lake = lakes[0]
    texts = set[int]()
    templates = Templates()
    for number in range(50):
        where = Compare(Op.EQ, Field("title"), literal(f"title {number}"))
        planned = plan(Query("series", where=where), lake.engine.tables)
        statement = lower(planned, files(lake, planned), templates=templates)
        texts.add(id(statement.sql))
        assert f"title {number}" in statement.parameters.values()
    assert len(texts) == 1


def test_a_constant_in_two_places_is_not_two_constants(lakes: tuple[Warehouse, Warehouse]) -> None:
    lake = lakes[0]
    templates = Templates()
    one, two = literal("one"), literal("two")
    for left, right in ((one, one), (one, two), (two, one), (two, two)):
        where = And((Compare(Op.EQ, Field("title"), left), Compare(Op.NE, Field("units"), right)))
        planned = replace(plan(Query("series"), lake.engine.tables), where=where)
        found = lower(planned, files(lake, planned), templates=templates)
        assert found == lower(planned, files(lake, planned))


def files(lake: Warehouse, planned: Plan) -> Any:
    return prune(lake.engine.snapshots.current(), planned.scan)


def related(lake: Warehouse, planned: Plan) -> dict[Related, Any]:
    found = {node: files(lake, rows) for node, rows in planned.related}
    for _, rows in planned.related:
        found |= related(lake, rows)
    return found


def changed_plan(planned: Plan) -> Plan:
    return replace(
        planned,
        where=changed(planned.where),
        stored_where=changed(planned.stored_where),
        related=tuple((changed_related(node), changed_plan(rows)) for node, rows in planned.related),
    )


def changed_related(node: Related) -> Related:
    return Related(node.column, replace(node.rows, where=changed(node.rows.where)))


def changed(expr: Expr) -> Expr:
    """The same expression of other constants, each an object of its own."""
    match expr:
        case Literal(value, type_):
            return expr if isinstance(value, bool) or expr == NULL else Literal(_other(value), type_)
        case Field():
            return expr
        case Call(name, args):
            return Call(name, tuple(map(changed, args)))
        case Compare(op, left, right):
            return Compare(op, changed(left), changed(right))
        case And(args) | Or(args):
            return type(expr)(tuple(map(changed, args)))
        case Not(arg):
            return Not(changed(arg))
        case In(arg, items):
            others = [item for item in map(changed, items) if isinstance(item, Literal)]
            return In(changed(arg), tuple(others))
        case Related():
            return changed_related(expr)
        case _:
            assert_never(expr)


def _other(value: Any) -> Any:
    match value:
        case str():
            return value + "x"
        case int() | Decimal():
            return value - 1
        case dt.date():
            return value.replace(day=value.day % 27 + 1)
        case _:
            raise AssertionError(value)
