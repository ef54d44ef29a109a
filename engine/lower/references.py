"""The logical tables in an analyst's SQL: what each name stands for, and what the planner is asked for it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from sqlglot import exp

from catalog.model import Tables
from engine.errors import InvalidSql, UnknownTable
from engine.lower.grammar import AS_OF_TABLE
from engine.lower.pushed import Places, day_of, pushed
from engine.query import Query, View
from engine.sql import SqlQuestion

VIEWS: dict[str, tuple[str, View]] = {
    "data_points": ("data_points", View.LATEST),
    "revisions": ("data_points", View.EVERY),
    "first_releases": ("data_points", View.FIRST),
    "series": ("series", View.LATEST),
    "sources": ("sources", View.LATEST),
}


@dataclass(frozen=True, slots=True)
class Reference:
    """One place of the SQL that names a logical table, and the rows wanted there."""

    node: exp.Table
    query: Query

    def replace(self, rows: exp.Select) -> None:
        self.node.replace(exp.Subquery(this=rows, alias=self.node.args["alias"]))


def references(tree: exp.Query, question: SqlQuestion, tables: Tables) -> tuple[Reference, ...]:
    """Every logical table; common table expressions get names of ours. Raises UnknownTable, InvalidSql."""
    named = [(node, _expression(node)) for node in tree.find_all(exp.Table)]
    asked = [(node, _logical(node, question)) for node, expression in named if expression is None]
    for node, _ in named:
        if not node.args.get("alias"):
            node.set("alias", exp.TableAlias(this=exp.to_identifier(node.name)))
    wanted = _Wanted(tree, frozenset(node.alias.lower() for node, _ in asked))
    places = Places(question, tables, {id(node): query for node, query in asked})
    found = tuple(Reference(node, wanted.of(node, query, places)) for node, query in asked)
    _rename(tree, named)
    return found


def _expression(node: exp.Table) -> exp.CTE | None:
    """The common table expression that a name stands for: the nearest one that was written before it."""
    name, below = node.name.lower(), node
    if not isinstance(node.this, exp.Identifier):
        return None
    while (parent := below.parent) is not None:
        for expression in _visible(parent, below):
            if expression.alias.lower() == name:
                return expression
        below = parent
    return None


def _visible(parent: exp.Expr, below: exp.Expr) -> Iterable[exp.CTE]:
    if isinstance(parent, exp.With):
        earlier = parent.expressions[: next(at for at, each in enumerate(parent.expressions) if each is below)]
        return reversed(earlier)
    opened = parent.args.get("with_")
    return reversed(opened.expressions) if opened is not None and opened is not below else ()


def _rename(tree: exp.Query, named: list[tuple[exp.Table, exp.CTE | None]]) -> None:
    """No caller's name stays where DuckDB looks up tables."""
    names = {id(expression): f"cte_{number}" for number, expression in enumerate(tree.find_all(exp.CTE))}
    for node, expression in named:
        if expression is not None:
            node.set("this", exp.to_identifier(names[id(expression)]))
    for expression in tree.find_all(exp.CTE):
        expression.args["alias"].set("this", exp.to_identifier(names[id(expression)]))


def _logical(node: exp.Table, question: SqlQuestion) -> Query:
    """The view that a name stands for, at its knowledge date."""
    if isinstance(node.this, exp.Anonymous):
        day = _knowledge_date(node.this.expressions, question)
        node.set("this", exp.to_identifier(AS_OF_TABLE))
        return Query("data_points", as_of=day)
    view = VIEWS.get(node.name.lower())
    if view is None:
        known = (*VIEWS, f"{AS_OF_TABLE}('2003-12-31')")
        raise UnknownTable(f"There is no table {node.name[:80]!r}.", f"Use one of: {', '.join(known)}.")
    return Query(view[0], view=view[1], as_of=question.as_of)


def _knowledge_date(args: list[exp.Expr], question: SqlQuestion) -> dt.date:
    day = day_of(args[0], question) if len(args) == 1 else None
    if day is None:
        raise InvalidSql(f"{AS_OF_TABLE} takes one date.", "Give a date that exists, such as '2003-12-31'.")
    return day


class _Wanted:
    """What a statement wants of its tables."""

    def __init__(self, tree: exp.Query, aliases: frozenset[str]) -> None:
        self._names = frozenset(name.name.lower() for name in tree.find_all(exp.Identifier))
        self._everything = any(_is_everything(node, aliases) for node in tree.walk())

    def of(self, node: exp.Table, query: Query, places: Places) -> Query:
        table = places.tables.by_name[query.table]
        names = tuple(column.name for column in table.visible if self._everything or column.name in self._names)
        return Query(query.table, names or table.key, pushed(node, places), view=query.view, as_of=query.as_of)


def _is_everything(node: exp.Expr, aliases: frozenset[str]) -> bool:
    """Whether a node may show columns that it does not name: a star, a row as a whole, columns renamed in order."""
    match node:
        case exp.Star():
            return not isinstance(node.parent, exp.Count)
        case exp.Column():
            return not node.table and node.name.lower() in aliases
        case exp.TableAlias():
            return bool(node.args.get("columns"))
        case _:
            return False
