"""Random questions over the tables of the asked lake, for Hypothesis."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from functools import cache

from hypothesis import strategies as st

from catalog.identity import series_id as made_id
from catalog.identity import source_id
from catalog.model import DATA_POINTS, MODEL, SERIES, SOURCES, Table, Type
from engine.functions import OWN_FUNCTIONS
from engine.literals import LONG_MAX, literal, typed_compare, typed_in
from engine.query import NULL, Call, Expr, Field, Literal, Op, Order, Page, Query, Related, View, all_of, any_of, negate
from tests.same_query import asked_lake
from tests.same_query.asked_lake import AS_OF, DAYS, NAMES, REVISIONS, TITLES, VALUES, id_of
from tests.support.hostile import HOSTILE

_PARTS = ["a", "%", "_", "'", "Al", "☃", "", "\\", "--", "\u202e"]
_INSTANTS = [asked_lake.NOW, dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.datetime(2024, 6, 15, tzinfo=dt.UTC)]


@cache
def _constants(type_: Type) -> st.SearchStrategy[Literal]:
    match type_:
        case Type.UUID:
            sources = [source_id(name) for name in asked_lake.SOURCES]
            known = st.sampled_from([*map(id_of, NAMES), made_id("TEST", "absent"), *sources])
        case Type.STRING:
            words = [*TITLES, *NAMES, *asked_lake.SOURCES, "a", "index", "monthly"]
            known = st.one_of(st.sampled_from(words), st.sampled_from(HOSTILE))
        case Type.DATE:
            known = st.sampled_from([*DAYS, *REVISIONS, dt.date(1, 1, 1), dt.date(9999, 12, 31)])
        case Type.DECIMAL:
            known = st.sampled_from([value for value in VALUES if value is not None] + [Decimal("1E+19")])
        case Type.BOOLEAN:
            known = st.booleans()
        case Type.LONG:
            known = st.one_of(st.integers(-3, 2025), st.sampled_from([2022, 2023, 2024]))
        case Type.TIMESTAMP:
            known = st.sampled_from(_INSTANTS)
    return st.one_of(known.map(literal), st.just(NULL))


def _calls(field: Field, type_: Type) -> list[tuple[Expr, Type]]:
    """Functions of one column."""
    match type_:
        case Type.STRING:
            parts = [(0, 2), (1, 2), (-2, 2), (-9, 2), (1, -1), (0, LONG_MAX), (LONG_MAX, 2)]
            return [
                *((Call(name, (field,)), Type.STRING) for name in ("tolower", "toupper", "trim")),
                (Call("length", (field,)), Type.LONG),
                (Call("indexof", (field, literal("a"))), Type.LONG),
                *((Call("substring", (field, literal(n))), Type.STRING) for n in (1, -9, LONG_MAX, -LONG_MAX)),
                *((Call("substring", (field, literal(n), literal(k))), Type.STRING) for n, k in parts),
                (Call("concat", (field, literal("x'"))), Type.STRING),
            ]
        case Type.DATE:
            years = [(Call(name, (field,)), Type.LONG) for name in ("year", "year", "month", "day")]
            return [*years, *((Call(name, (field,)), Type.DATE) for name in ("date", *OWN_FUNCTIONS))]
        case Type.TIMESTAMP:
            names = ("year", "month", "day", "hour", "minute", "second")
            return [*((Call(name, (field,)), Type.LONG) for name in names), (Call("date", (field,)), Type.DATE)]
        case Type.DECIMAL:
            return [(Call(name, (field,)), Type.DECIMAL) for name in ("round", "floor", "ceiling")]
        case _:
            return []


@cache
def _values(table: Table) -> st.SearchStrategy[tuple[Expr, Type]]:
    """Columns, and functions of columns, with their types. Instants are the same on every row, so they are rare."""
    columns: list[tuple[Expr, Type]] = [(Field(column.name), column.type) for column in table.visible]
    instants = [each for each in columns if each[1] is Type.TIMESTAMP]
    others = [each for each in columns if each[1] is not Type.TIMESTAMP]
    calls = [call for column in table.visible for call in _calls(Field(column.name), column.type)]
    return st.one_of(st.sampled_from(others), st.sampled_from(others + calls), st.sampled_from(calls + instants))


def _compared(expr: Expr, type_: Type, table: Table) -> st.SearchStrategy[Expr]:
    constants, ops = _constants(type_), st.sampled_from(list(Op))
    ways = [
        st.builds(lambda op, c: typed_compare(op, expr, c, table), ops, constants),
        st.builds(lambda op, c: typed_compare(op, c, expr, table), ops, constants),
        st.builds(lambda items: typed_in(expr, items, table), st.lists(constants, max_size=4)),
    ]
    if type_ is Type.UUID:
        ways.append(st.just(typed_in(expr, [literal(made_id("many", f"{n}")) for n in range(80)], table)))
    if type_ in (Type.LONG, Type.DECIMAL):
        ways.append(st.just(typed_in(expr, [*map(literal, range(80)), literal(Decimal("1.5")), NULL], table)))
    return st.one_of(*ways)


def _leaves(table: Table) -> list[st.SearchStrategy[Expr]]:
    texts = [Field(column.name) for column in table.visible if column.type is Type.STRING]
    flags = [Field(column.name) for column in table.visible if column.type is Type.BOOLEAN]
    leaves = [_values(table).flatmap(lambda value: _compared(*value, table))]
    if texts:
        called = st.sampled_from(["contains", "startswith", "endswith"])
        parts = st.one_of(st.sampled_from(_PARTS), st.sampled_from(HOSTILE))
        leaves.append(
            st.builds(
                lambda name, field, part: Call(name, (field, literal(part))), called, st.sampled_from(texts), parts
            )
        )
    if flags:
        leaves.append(st.sampled_from(flags))
    return leaves


def _related(table: Table, depth: int) -> list[st.SearchStrategy[Expr]]:
    """Conditions on the rows of other tables, each with the views that its collection is shown in."""
    found: list[st.SearchStrategy[Expr]] = []
    for way in table.relations:
        target = MODEL.by_name[way.target]
        views = (View.LATEST, View.EVERY) if target.revision else (View.LATEST,)
        days = AS_OF if target.revision else (None,)
        rows = st.builds(
            Query,
            st.just(target.name),
            st.just(way.target_columns),
            conditions(target, depth - 1),
            view=st.sampled_from(views),
            as_of=st.sampled_from(days),
        )
        found.append(st.builds(Related, st.just(way.columns[0]), rows))
    return found


@cache
def conditions(table: Table, depth: int = 2) -> st.SearchStrategy[Expr]:
    """Conditions on a table's rows, and on those of other tables that they lead to in at most so many steps."""
    return st.recursive(
        st.one_of(*_leaves(table), *(_related(table, depth) if depth else ())),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3).map(lambda args: all_of(*args)),
            st.lists(inner, max_size=3).map(lambda args: any_of(*args)),
            inner.map(negate),
        ),
        max_leaves=6,
    )


@st.composite
def queries(draw: st.DrawFn) -> Query:
    """A question of any shape."""
    table = draw(st.sampled_from([DATA_POINTS, DATA_POINTS, SERIES, SERIES, SOURCES]))
    orders = st.builds(Order, _values(table).map(lambda value: value[0]), st.booleans())
    names = [column.name for column in table.visible]
    chosen = draw(st.one_of(st.just(set[str]()), st.sets(st.sampled_from(names), min_size=1)))
    query = Query(
        table.name,
        columns=tuple(name for name in names if name in chosen and len(chosen) < len(names)),
        where=draw(conditions(table)),
        order=tuple(draw(st.lists(orders, max_size=2, unique_by=lambda order: order.by))),
        page=Page(draw(st.one_of(st.none(), st.integers(0, 9))), draw(st.integers(0, 3))),
        view=draw(st.sampled_from(list(View))),
        as_of=draw(st.sampled_from(AS_OF)),
    )
    return query.counted() if draw(st.integers(0, 9)) == 0 else query


@st.composite
def _filter_of_documents(draw: st.DrawFn, table: Table) -> Expr:
    """A condition of a kind that both doors have."""
    columns = [column for column in table.visible if column.type is not Type.TIMESTAMP]
    column = draw(st.sampled_from(columns))
    constants = _constants(column.type)
    field: Expr = Field(column.name)
    if column.type is Type.STRING and draw(st.booleans()):
        name = draw(st.sampled_from(["contains", "startswith", "endswith"]))
        return Call(name, (field, literal(draw(st.sampled_from([*_PARTS, *HOSTILE])))))
    if draw(st.booleans()):
        given = constants.filter(lambda item: item != NULL)
        return typed_in(field, draw(st.lists(given, min_size=2, max_size=4)), table)
    ordered = column.type is not Type.UUID
    op, constant = draw(st.sampled_from(list(Op) if ordered else [Op.EQ, Op.NE])), draw(constants)
    return typed_compare(op if constant != NULL else Op.NE, field, constant, table)


@st.composite
def listed(draw: st.DrawFn) -> Query:
    """A page of series or sources, as a GraphQL connection asks for it."""
    table = draw(st.sampled_from([SERIES, SERIES, SOURCES]))
    names = [column.name for column in table.visible if column.name != "source"]
    chosen = draw(st.sets(st.sampled_from(names), min_size=1, max_size=len(names) - 1))
    inner = _filter_of_documents(table)
    where = st.recursive(
        inner,
        lambda below: st.one_of(
            st.lists(below, min_size=1, max_size=3).map(lambda args: all_of(*args)),
            st.lists(below, min_size=1, max_size=3).map(lambda args: any_of(*args)),
            below.map(negate),
        ),
        max_leaves=4,
    )
    columns = tuple(name for name in names if name in chosen)
    return Query(table.name, columns, draw(where), page=Page(draw(st.integers(0, 12))))


@st.composite
def timelines(draw: st.DrawFn) -> Query:
    """The points of one series, as a GraphQL field asks for them."""
    names = [column.name for column in DATA_POINTS.visible]
    chosen = draw(st.sets(st.sampled_from(names), min_size=1))
    days = draw(st.lists(st.sampled_from(DAYS), max_size=2).map(sorted))
    ends = zip((Op.GE, Op.LE), days, strict=False)
    bounds = [typed_compare(op, Field("date"), literal(day), DATA_POINTS) for op, day in ends]
    one = typed_compare(Op.EQ, Field("series_id"), literal(draw(st.sampled_from([*map(id_of, NAMES)]))), DATA_POINTS)
    return Query(
        "data_points",
        columns=tuple(name for name in names if name in chosen) if len(chosen) < len(names) else (),
        where=all_of(one, *bounds),
        order=(Order(Field("date"), descending=True),) if draw(st.booleans()) else (),
        page=Page(draw(st.one_of(st.none(), st.integers(0, 9)))),
        view=draw(st.sampled_from([View.LATEST, View.FIRST])),
        as_of=draw(st.sampled_from(AS_OF)),
    )
