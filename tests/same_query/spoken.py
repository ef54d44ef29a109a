"""A Query as each door would be asked for it: the other way round than the doors go. None where a door has no words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from api.graphql.naming import camel, connection_field
from api.odata.edm import NAMESPACE, EntityType
from catalog.model import MODEL, Collection, Table, Type
from engine.functions import OWN_FUNCTIONS
from engine.planner.model import relations_in
from engine.printing import text_of
from engine.query import (
    FALSE,
    TRUE,
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
    Order,
    Page,
    Query,
    Related,
    View,
)

_CALLS = {"contains": "contains", "startswith": "startsWith", "endswith": "endsWith"}


@dataclass(frozen=True)
class Document:
    """A GraphQL document with its variables; the rows of the answer lie at `path`, below `node` where that is set."""

    text: str
    variables: Mapping[str, Any]
    path: tuple[str, ...]
    node: str = ""

    def rows(self, data: Any) -> list[dict[str, Any]]:
        for name in self.path:
            data = data[name]
        return [row[self.node] if self.node else row for row in data]


def url_of(query: Query, snapshot: str, related_max: int) -> str | None:
    """The URL below the service root of OData, which has conditions on at most so many others."""
    table = MODEL.by_name[query.table]
    if table.revision is None and (query.view is not View.LATEST or query.as_of is not None):
        return None
    collection = _shown_as(query)
    others = list(_related(query.where))
    days = {each.as_of for each in (query, *others) if MODEL.by_name[each.table].revision}
    first = query.view is View.FIRST and any(MODEL.by_name[each.table].revision for each in others)
    entity = EntityType(MODEL, collection)
    spelt = _spelt(query.where, entity, ())
    if spelt is None or len(days) > 1 or first or len(others) > related_max:
        return None
    as_of = next(iter(days), None)
    options = {
        "$select": ",".join(query.columns),
        "$filter": "" if query.where == TRUE else text_of(spelt),
        "$orderby": ",".join(_term(term, entity) for term in query.order),
        "$top": "" if query.page.limit is None else str(query.page.limit),
        "$skip": str(query.page.offset or ""),
        "asOf": "" if as_of is None else as_of.isoformat(),
        "release": "first" if query.view is View.FIRST else "",
        "snapshot": snapshot,
    }
    written = "&".join(f"{name}={quote(value, safe='')}" for name, value in options.items() if value)
    return f"{collection.name}{'/$count' if query.count_only else ''}?{written}"


def _shown_as(query: Query) -> Collection:
    every = query.view is View.EVERY
    return next(c for c in MODEL.collections if c.table == query.table and c.every_revision is every)


def _related(expr: Expr) -> Iterator[Query]:
    for node in relations_in(expr):
        yield node.rows
        yield from _related(node.rows.where)


def _spelt(expr: Expr, entity: EntityType, heads: tuple[str, ...]) -> Expr | None:
    """The condition with paths in the place of columns and of conditions on others.

    None where a path to one other entity would stand under `not`: there OData asks for what the entity says of `not`.
    """
    match expr:
        case Field(name):
            return Field("/".join((*heads, name)))
        case Related(column, rows):
            target = _shown_as(rows)
            ways = entity.navigations.values()
            way = next(each for each in ways if each.target == target and each.relation.columns == (column,))
            if not way.relation.many:
                return _spelt(rows.where, entity.to(way), (*heads, way.name))
            variable = f"x{len(heads)}"
            inner = _spelt(rows.where, entity.to(way), (variable,))
            path = "/".join((*heads, way.name))
            return None if inner is None else Field(f"{path}/any({variable}:{text_of(inner)})")
        case Call(name) if name in OWN_FUNCTIONS:
            return _spelt(replace(expr, name=f"{NAMESPACE}.{name}"), entity, heads)
        case And(args) | Or(args) | Call(args=args):
            spelt = [_spelt(arg, entity, heads) for arg in args]
            return None if None in spelt else replace(expr, args=tuple(spelt))
        case Not(arg) if not any(_leads_to_one(node, entity) for node in relations_in(arg)):
            inner = _spelt(arg, entity, heads)
            return None if inner is None else Not(inner)
        case Compare(op, left, right) if not relations_in(expr):
            return Compare(op, *(_spelt(side, entity, heads) for side in (left, right)))
        case In(arg, items) if not relations_in(expr):
            return In(_spelt(arg, entity, heads), items)
        case Literal():
            return expr
        case _:
            return None


def _term(term: Order, entity: EntityType) -> str:
    return f"{text_of(_spelt(term.by, entity, ()))}{' desc' if term.descending else ''}"


def _leads_to_one(node: Related, entity: EntityType) -> bool:
    return not any(each.relation.many for each in entity.navigations.values() if each.target.table == node.rows.table)


def document_of(query: Query, snapshot: str) -> Document | None:
    """The GraphQL document."""
    table = MODEL.by_name[query.table]
    plain = (query.page.offset, query.page.after, query.count_only) == (0, None, False)
    if not plain or (table.revision is None and (query.view is not View.LATEST or query.as_of is not None)):
        return None
    return _connection(query, table, snapshot) if table.revision is None else _points(query, table, snapshot)


def _connection(query: Query, table: Table, snapshot: str) -> Document | None:
    shown = {"source"}.isdisjoint(query.columns) and query.columns
    filter_ = _filter(query.where, table)
    if query.order or query.page.limit is None or not shown or filter_ is None:
        return None
    collection = _collection(table)
    field, names = connection_field(collection), " ".join(map(camel, query.columns))
    text = f"""query($f: {collection.singular}Filter, $s: String, $n: Int) {{
        {field}(filter: $f, snapshot: $s, first: $n) {{ edges {{ node {{ {names} }} }} }} }}"""
    return Document(text, {"f": filter_, "s": snapshot, "n": query.page.limit}, (field, "edges"), "node")


def _collection(table: Table) -> Collection:
    return next(c for c in MODEL.collections if c.table == table.name and not c.every_revision)


def _points(query: Query, table: Table, snapshot: str) -> Document | None:
    """The points of one series: a condition on its id, and at most the ends of a range of dates."""
    said: dict[str, Any] = {"s": snapshot, "asOf": query.as_of and query.as_of.isoformat(), "n": query.page.limit}
    said |= {"release": query.view.name, "order": "DESC" if query.order else "ASC"}
    range_: dict[str, str] = {}
    for part in query.where.args if isinstance(query.where, And) else (query.where,):
        match part:
            case Compare(Op.EQ, Field("series_id"), Literal(str(id_))) if "id" not in said:
                said["id"] = id_
            case Compare(Op.GE, Field("date"), Literal(dt.date() as day)) if "start" not in range_:
                range_["start"] = day.isoformat()
            case Compare(Op.LE, Field("date"), Literal(dt.date() as day)) if "end" not in range_:
                range_["end"] = day.isoformat()
            case _:
                return None
    order_fits = query.order in ((), (Order(Field("date"), descending=True),))
    if "id" not in said or query.view is View.EVERY or not order_fits:
        return None
    names = " ".join(camel(name) for name in query.columns or tuple(column.name for column in table.visible))
    text = f"""query($id: ID!, $s: String, $asOf: Date, $n: Int, $r: TimeRange, $release: Release!, $order: Order!) {{
        dataPoints(seriesId: $id, snapshot: $s, asOf: $asOf, first: $n, timeRange: $r, release: $release,
            order: $order) {{ {names} }} }}"""
    return Document(text, said | {"r": range_ or None}, ("dataPoints",))


def _filter(where: Expr, table: Table) -> dict[str, Any] | None:
    """The filter input that says a condition; None where none does."""
    match where:
        case And(args) | Or(args):
            parts = [_filter(arg, table) for arg in args]
            name = "and" if isinstance(where, And) else "or"
            return None if None in parts else {name: parts}
        case Not(arg):
            inner = _filter(arg, table)
            return None if inner is None else {"not": inner}
        case Compare(op, Field(name), Literal() as constant):
            ordered = table.by_name[name].type not in (Type.UUID, Type.BOOLEAN)
            sayable = ordered if op not in (Op.EQ, Op.NE) else True
            if constant.value is None and op not in (Op.EQ, Op.NE):
                return None
            return {camel(name): {op.value: _plain(constant.value)}} if sayable else None
        case In(Field(name), items) if all(item.value is not None for item in items):
            return {camel(name): {"in": [_plain(item.value) for item in items]}}
        case Call(function, (Field(name), Literal(str(part)))) if function in _CALLS:
            return {camel(name): {_CALLS[function]: part}}
        case _:
            return {"and": []} if where == TRUE else {"or": []} if where == FALSE else None


def _plain(value: Any) -> Any:
    match value:
        case dt.datetime() | dt.date():
            return value.isoformat()
        case Decimal():
            return str(value)
        case _:
            return value


def parsed(rows: list[dict[str, Any]], table: Table, names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Rows out of JSON with the Python values that the columns have. `names` are those of the columns in the answer."""
    return [{column: _value(row[name], table.by_name[column].type) for column, name in names.items()} for row in rows]


def _value(value: Any, type_: Type) -> Any:
    match type_:
        case _ if value is None:
            return None
        case Type.DATE:
            return dt.date.fromisoformat(value)
        case Type.TIMESTAMP:
            return dt.datetime.fromisoformat(value)
        case Type.DECIMAL:
            return Decimal(value)
        case _:
            return value


def whole(query: Query) -> Query:
    """The same question without its page."""
    return replace(query, page=Page())
