"""What the SQL around a logical table says of the rows wanted there: what the planner may be told.

A condition is handed to the planner only where it stands in the WHERE of the very SELECT that names the table (or in
the ON of its inner joins), compares one column with constants, and is false or null where the row is missing: such a
condition may be tested before the join as well. So may one on the table that a joined one leads to, as `series` from
`data_points`, or on that of an IN. It stays in the SQL all the same, so the planner may keep too many rows, and must
only not drop one that counts.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from sqlglot import exp

from catalog.model import Table, Tables, Type
from engine.errors import InvalidLiteral, QueryError
from engine.literals import coerce, literal
from engine.query import TRUE, Expr, Field, Literal, Op, Query, Related, all_of, compare, is_in
from engine.sql import SqlQuestion

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_OPS: dict[type[exp.Expr], Op] = {
    exp.EQ: Op.EQ, exp.LT: Op.LT, exp.LTE: Op.LE, exp.GT: Op.GT, exp.GTE: Op.GE,
}  # fmt: skip
_PLAIN_KINDS = frozenset(("", "INNER", "CROSS", "OUTER"))


@dataclass(frozen=True, slots=True)
class Places:
    """The places of a SQL that name logical tables: by the identity of their nodes, which view is asked for there."""

    question: SqlQuestion
    tables: Tables
    asked: Mapping[int, Query]

    def table(self, node: exp.Expr) -> Table | None:
        query = self.asked.get(id(node))
        return None if query is None else self.tables.by_name[query.table]


def pushed(node: exp.Table, places: Places) -> Expr:
    """A condition that every row of the place fulfils that counts for the SQL's answer."""
    return all_of(*_conditions(node, places, frozenset()))


@dataclass(frozen=True, slots=True)
class _Named:
    """A logical table as a SELECT names it; its `bare` columns need no qualifier there."""

    alias: str
    table: Table
    bare: frozenset[str]

    def column(self, node: exp.Expr) -> str | None:
        if not isinstance(node, exp.Column):
            return None
        name, of = node.name.lower(), node.table.lower()
        column = self.table.by_name.get(name)
        if column is None or column.hidden or not (of == self.alias or (not of and name in self.bare)):
            return None
        return name


def _conditions(node: exp.Table, places: Places, above: frozenset[int]) -> Iterator[Expr]:
    select, table = _select_of(node), places.table(node)
    if select is None or table is None or id(node) in above:
        return
    joins = _joins(select)
    # In a WHERE a name is the column, also where the SELECT list gives the same name to something else.
    bare = frozenset[str]() if joins else frozenset(column.name for column in table.visible)
    named = _Named(node.alias.lower(), table, bare)
    for term in _terms(select, joins):
        with suppress(QueryError):
            yield from _condition(term, named, places.question)
        for column, source, key in _links(term, named, select):
            yield from _related(named, column, source, key, places, above | {id(node)})


def _select_of(node: exp.Table) -> exp.Select | None:
    """The SELECT whose FROM or joins name a table, where it may be told what is wanted of that."""
    clause = node.parent
    select = clause.parent if isinstance(clause, exp.From | exp.Join) else None
    if not isinstance(select, exp.Select) or node.args["alias"].args.get("columns"):
        return None
    names = [source.alias_or_name.lower() for source in _sources(select)]
    fits = names.count(node.alias.lower()) == 1 and all(_is_plain(join) for join in _joins(select))
    return select if fits else None


def _joins(select: exp.Select) -> list[exp.Join]:
    return select.args.get("joins") or []


def _sources(select: exp.Select) -> list[exp.Expr]:
    opened = select.args.get("from_")
    return [] if opened is None else [opened.this, *(join.this for join in _joins(select))]


def _links(term: exp.Expr, named: _Named, select: exp.Select) -> Iterator[tuple[str, exp.Table, str]]:
    """Where a term says that a column equals one of another table: the column, that table, and its column."""
    match term:
        case exp.EQ():
            for side, other in ((term.this, term.expression), (term.expression, term.this)):
                yield from _link(named.column(side), other, select)
        case exp.In() if isinstance(query := term.args.get("query"), exp.Query):
            inner = query.unnest()
            if isinstance(inner, exp.Select) and len(inner.expressions) == 1:
                yield from _link(named.column(term.this), inner.expressions[0].unalias(), inner)
        case _:
            return


def _link(column: str | None, key: exp.Expr, select: exp.Select) -> Iterator[tuple[str, exp.Table, str]]:
    if column is None or not isinstance(key, exp.Column):
        return
    sources = _sources(select)
    for source in sources:
        is_meant = key.table.lower() == source.alias_or_name.lower() or (not key.table and len(sources) == 1)
        if is_meant and isinstance(source, exp.Table):
            yield column, source, key.name.lower()


def _related(
    named: _Named, column: str, source: exp.Table, key: str, places: Places, above: frozenset[int]
) -> Iterator[Expr]:
    """What is wanted of the rows that a column leads to, where it leads to one."""
    query = places.asked.get(id(source))
    ways = ((way.columns, way.target, way.target_columns) for way in named.table.relations if not way.many)
    if query is None or ((column,), query.table, (key,)) not in ways:
        return
    where = all_of(*_conditions(source, places, above))
    if where != TRUE:
        yield Related(column, replace(query, columns=(key,), where=where))


def _is_plain(join: exp.Join) -> bool:
    """Of an ASOF join, rows that are dropped before change which rows are the nearest; the others only match less."""
    return not join.args.get("method") and str(join.args.get("kind") or "") in _PLAIN_KINDS


def _terms(select: exp.Select, joins: list[exp.Join]) -> Iterator[exp.Expr]:
    where = select.args.get("where")
    roots = [where.this] if where is not None else []
    if not any(join.args.get("side") or join.args.get("kind") == "OUTER" for join in joins):
        roots.extend(join.args["on"] for join in joins if join.args.get("on") is not None)
    while roots:
        match root := roots.pop():
            case exp.And():
                roots.extend((root.left, root.right))
            case exp.Paren():
                roots.append(root.this)
            case _:
                yield root


def _condition(term: exp.Expr, named: _Named, question: SqlQuestion) -> Iterator[Expr]:
    """The condition in finlake's words, or nothing where it is not one that may be handed on."""
    table = named.table
    match term:
        case exp.Between() if not term.args.get("symmetric"):
            if (name := named.column(term.this)) is not None:
                for op, bound in ((Op.GE, term.args["low"]), (Op.LE, term.args["high"])):
                    yield compare(op, Field(name), _constant(bound, table.by_name[name].type, question))
        case exp.In() if term.expressions and not term.args.get("query"):
            if (name := named.column(term.this)) is not None:
                type_ = table.by_name[name].type
                yield is_in(Field(name), [_constant(item, type_, question) for item in term.expressions])
        case exp.EQ() | exp.LT() | exp.LTE() | exp.GT() | exp.GTE():
            op, left, right = _OPS[type(term)], term.this, term.expression
            for op_, side, other in ((op, left, right), (op.mirrored, right, left)):
                if (name := named.column(side)) is not None:
                    yield compare(op_, Field(name), _constant(other, table.by_name[name].type, question))
        case _:
            return


def _constant(node: exp.Expr, type_: Type, question: SqlQuestion) -> Literal:
    """The constant where SQL compares it with a column as finlake does. Raises InvalidLiteral where it may not."""
    if type_ is Type.DATE and (day := day_of(node, question)) is not None:
        return literal(day)
    text = _text(node, question)
    if type_ in {Type.UUID, Type.STRING} and text is not None:
        constant = coerce(literal(text), type_)
        if constant.value == text:
            return constant
    raise InvalidLiteral("The constant is compared by the database alone.")


def day_of(node: exp.Expr, question: SqlQuestion) -> dt.date | None:
    """The day that a constant is, None where it is none."""
    text = _text(node.this if _is_date(node) else node, question)
    if text is None or not _DAY.fullmatch(text):
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None


def _is_date(node: exp.Expr) -> bool:
    return isinstance(node, exp.Cast) and node.to.this is exp.DataType.Type.DATE


def _text(node: exp.Expr, question: SqlQuestion) -> str | None:
    match node:
        case exp.Literal() if node.is_string:
            return str(node.this)
        case exp.Placeholder():
            value = question.parameters[node.name]
            return value if isinstance(value, str) else None
        case _:
            return None
