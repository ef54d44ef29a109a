"""The reads of a random run, each compared with the oracle."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from catalog.errors import SnapshotExpired
from catalog.model import Type
from engine.planner import PASSES
from engine.query import Compare, Expr, Field, Literal, Op, Order, Page, Query, View, all_of
from tests.reliability import other_readers
from tests.reliability.world import IDS, NAMES, SOURCE, World
from tests.support.evaluate import evaluate
from tests.support.keeping import HOUR
from tests.support.oracle import SERIES_FIELDS, Oracle

COLUMNS = ("series_id", "date", "revision_date", "value", "is_original_release")
KEY = tuple(Order(Field(name)) for name in COLUMNS[:3])
GRAPHQL_FIELDS = "date revisionDate value isOriginalRelease"

Row = dict[str, Any]


def rows_of(oracle: Oracle, view: View, as_of: dt.date | None) -> list[Row]:
    """What a view shows, in the order of the key."""
    shown = {View.LATEST: oracle.latest, View.FIRST: oracle.first, View.EVERY: oracle.every}[view](as_of)
    rows = [dict(zip(COLUMNS, (IDS[row[0]], *row[1:]), strict=True)) for row in shown]
    return sorted(rows, key=lambda row: (row["series_id"], row["date"], row["revision_date"]))


def draw_query(world: World) -> Query:
    where = all_of(*(_condition(world) for _ in range(world.one((0, 0, 1, 1, 2, 3)))))
    view = world.one((View.LATEST, View.LATEST, View.FIRST, View.EVERY))
    return Query("data_points", COLUMNS, where, KEY, view=view, as_of=world.day() if world.happens(0.6) else None)


def _condition(world: World) -> Expr:
    ids = Literal(IDS[world.one(NAMES)], Type.UUID)
    conditions: dict[str, Literal] = {
        "series_id": ids,
        "date": Literal(world.date(), Type.DATE),
        "revision_date": Literal(world.day(), Type.DATE),
        "value": Literal(Decimal(world.one(("0", "2", "2.5"))), Type.DECIMAL),
    }
    name = world.one(("series_id", "series_id", *conditions))
    op = Op.EQ if name == "series_id" else world.one((Op.LT, Op.LE, Op.GT, Op.GE, Op.EQ))
    return Compare(op, Field(name), conditions[name])


def compare(world: World, query: Query, oracle: Oracle, kind: str) -> None:
    """One question: its rows in their order, a page of them, or their number."""
    expected = [row for row in rows_of(oracle, query.view, query.as_of) if evaluate(query.where, row) is True]
    if world.happens(0.15):
        found = world.lake.rows(query.counted())
        assert found == [{"count": len(expected)}], query
    else:
        page = Page(world.one((1, 3, 10)), world.one((0, 2))) if world.happens(0.2) else Page()
        asked = replace(query, page=page)
        end = None if page.limit is None else page.offset + page.limit
        assert_rows(world.lake.rows(asked), expected[page.offset : end], asked)
    world.reads[kind] += 1


def assert_rows(found: Sequence[Mapping[str, Any]], expected: Sequence[Row], question: object) -> None:
    told = [tuple(row[name] for name in COLUMNS) for row in found]
    wanted = [tuple(row[name] for name in COLUMNS) for row in expected]
    missing, strange = [row for row in wanted if row not in told], [row for row in told if row not in wanted]
    assert told == wanted, f"{question}\n missing: {missing[:5]}\n strange: {strange[:5]}"


def read_head(world: World) -> None:
    compare(world, draw_query(world), world.oracle, "head")


def read_whole(world: World) -> None:
    view = world.one(tuple(View))
    query = Query("data_points", COLUMNS, order=KEY, view=view, as_of=world.day() if world.happens(0.5) else None)
    assert_rows(world.lake.rows(query), rows_of(world.oracle, view, query.as_of), query)
    world.reads["whole table"] += 1


def read_plainly(world: World) -> None:
    """Without the planner's passes, or without pruning."""
    query = draw_query(world)
    engine = world.lake.other_engine(world.one((PASSES, ())), prunes=False)
    expected = [row for row in rows_of(world.oracle, query.view, query.as_of) if evaluate(query.where, row) is True]
    with engine.answer(query) as result:
        assert_rows(result.table().to_pylist(), expected, query)
    world.reads["without passes or pruning"] += 1


def read_series(world: World) -> None:
    names = ("source", "external_id", *SERIES_FIELDS)
    found = world.lake.rows(Query("series", names, order=(Order(Field("external_id")),)))
    described = sorted(world.oracle.series.items())
    assert found == [{"source": SOURCE, "external_id": name, **fields} for name, fields in described]
    world.reads["series"] += 1


def read_moment(world: World) -> None:
    """An older state answers as it did, or says that it has expired: not before its retention is over."""
    if not world.moments:
        return
    moment = world.one(world.moments)
    kind, name = world.one((("token", moment.token), ("token", moment.token), ("instant", moment.instant)))
    try:
        compare(world, draw_query(world).pinned(name), moment.oracle, kind)
    except SnapshotExpired:
        assert world.seconds >= moment.until + HOUR, name
        world.reads[f"expired {kind}"] += 1
    else:
        assert not moment.expired, name


def read_tag(world: World) -> None:
    if world.tags:
        name = world.one(list(world.tags))
        pinned = world.one((name, world.tags[name][0]))
        compare(world, draw_query(world).pinned(pinned), world.tags[name][1], "tag")


def read_odata(world: World) -> None:
    """Through HTTP: a set of points or revisions, of all series or one."""
    every, day = world.happens(0.5), world.day() if world.happens(0.5) else None
    view = View.EVERY if every else world.one((View.LATEST, View.FIRST))
    name = world.one((None, *NAMES))
    options = {"$select": ",".join(COLUMNS), "$orderby": "series_id,date,revision_date", "$count": "true"}
    if day:
        options["asOf"] = day.isoformat()
    if view is View.FIRST:
        options["release"] = "first"
    if name:
        options["$filter"] = f"series_id eq {IDS[name]}"
    answer = world.client.get(f"/odata/{'Revisions' if every else 'DataPoints'}", params=options)
    assert answer.status_code == 200, answer.text
    expected = [row for row in rows_of(world.oracle, view, day) if name in (None, *_names(row))]
    document = answer.json(parse_float=str, parse_int=str)
    assert document["@odata.count"] == str(len(expected)), options
    _assert_texts([{key: row[key] for key in COLUMNS} for row in document["value"]], expected, options)
    world.reads["OData"] += 1


def _names(row: Row) -> tuple[str, ...]:
    return tuple(name for name, id_ in IDS.items() if id_ == row["series_id"])


def read_graphql(world: World) -> None:
    """Through HTTP: one series, which is null where there is none."""
    name, day, first = world.one(NAMES), world.day(), world.happens(0.3)
    release = "FIRST" if first else "LATEST"
    points = f'dataPoints(asOf: "{day}", release: {release}) {{ {GRAPHQL_FIELDS} }}'
    document = f'{{ series(id: "{IDS[name]}") {{ title {points} }} }}'
    answer = world.client.post("/graphql", json={"query": document})
    found = answer.json(parse_float=str, parse_int=str)["data"]["series"]
    world.reads["GraphQL"] += 1
    if name not in world.oracle.series:
        assert found is None
        return
    assert found["title"] == world.oracle.series[name]["title"]
    view = View.FIRST if first else View.LATEST
    expected = [row for row in rows_of(world.oracle, view, day) if row["series_id"] == IDS[name]]
    rows = [
        dict(zip(COLUMNS, (IDS[name], *(row[key] for key in GRAPHQL_FIELDS.split())), strict=True))
        for row in found["dataPoints"]
    ]
    _assert_texts(rows, expected, document)


def _assert_texts(found: Sequence[Mapping[str, Any]], expected: Sequence[Row], question: object) -> None:
    rows = [
        {
            **row,
            "date": dt.date.fromisoformat(row["date"]),
            "revision_date": dt.date.fromisoformat(row["revision_date"]),
            "value": None if row["value"] is None else Decimal(row["value"]),
        }
        for row in found
    ]
    assert_rows(rows, expected, question)


def read_files(world: World) -> None:
    """Without the engine."""
    lake = world.lake.services.lake
    for kind, found, view in (
        ("pyiceberg", other_readers.by_pyiceberg(lake), View.EVERY),
        ("DuckDB over the files", other_readers.by_duckdb(lake), View.LATEST),
    ):
        expected = [tuple(row[name] for name in COLUMNS[:4]) for row in rows_of(world.oracle, view, None)]
        strange, missing = sorted(set(found) - set(expected)), sorted(set(expected) - set(found))
        assert found == expected, f"{kind}\n missing: {missing[:5]}\n strange: {strange[:5]}"
        world.reads[kind] += 1


READS: tuple[tuple[Callable[[World], None], float], ...] = (
    (read_head, 8),
    (read_whole, 3),
    (read_plainly, 2),
    (read_series, 1),
    (read_moment, 4),
    (read_tag, 2),
    (read_odata, 1),
    (read_graphql, 1),
    (read_files, 0.3),
)
