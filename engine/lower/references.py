"""The logical tables in an analyst's SQL: what each name stands for, and what the planner is asked for it.

A condition is handed to the planner only where it stands in the WHERE of the very SELECT that names the table (or in
the ON of its inner joins), compares one column with constants, and is false or null where the row is missing: such a
condition may be tested before the join as well. It stays in the SQL all the same, so the planner may keep too many
rows, and must only not drop one that counts.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlglot import exp

from catalog.model import Table, Tables, Type
from engine.errors import InvalidLiteral, InvalidSql, QueryError, UnknownTable
from engine.literals import coerce, literal
from engine.lower.grammar import AS_OF_TABLE
from engine.query import Expr, Field, Literal, Op, Query, View, all_of, compare, is_in
from engine.sql import SqlQuestion

VIEWS: dict[str, tuple[str, View]] = {
    "data_points": ("data_points", View.LATEST),
    "revisions": ("data_points", View.EVERY),
    "first_releases": ("data_points", View.FIRST),
    "series": ("series", View.LATEST),
    "sources": ("sources", View.LATEST),
}
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_OPS: dict[type[exp.Expr], Op] = {
    exp.EQ: Op.EQ, exp.LT: Op.LT, exp.LTE: Op.LE, exp.GT: Op.GT, exp.GTE: Op.GE,
}  # fmt: skip
_PLAIN_KINDS = frozenset(("", "INNER", "CROSS", "OUTER"))


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
    found = tuple(Reference(node, wanted.of(node, query, tables, question)) for node, query in asked)
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
    day = _day(args[0], question) if len(args) == 1 else None
    if day is None:
        raise InvalidSql(f"{AS_OF_TABLE} takes one date.", "Give a date that exists, such as '2003-12-31'.")
    return day


def _day(node: exp.Expr, question: SqlQuestion) -> dt.date | None:
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


class _Wanted:
    """What a statement wants of its tables."""

    def __init__(self, tree: exp.Query, aliases: frozenset[str]) -> None:
        self._names = frozenset(name.name.lower() for name in tree.find_all(exp.Identifier))
        self._everything = any(_is_everything(node, aliases) for node in tree.walk())

    def of(self, node: exp.Table, query: Query, tables: Tables, question: SqlQuestion) -> Query:
        table = tables.by_name[query.table]
        names = tuple(column.name for column in table.visible if self._everything or column.name in self._names)
        where = all_of(*_pushed(node, table, question))
        return Query(query.table, names or table.key, where, view=query.view, as_of=query.as_of)


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


def _pushed(node: exp.Table, table: Table, question: SqlQuestion) -> Iterator[Expr]:
    clause = node.parent
    select = clause.parent if isinstance(clause, exp.From | exp.Join) else None
    if not isinstance(select, exp.Select) or node.args["alias"].args.get("columns"):
        return
    joins: list[exp.Join] = select.args.get("joins") or []
    sources = [select.args["from_"].this, *(join.this for join in joins)]
    names = [source.alias_or_name.lower() for source in sources]
    if names.count(node.alias.lower()) != 1 or not all(_is_plain(join) for join in joins):
        return
    # In a WHERE a name is the column, also where the SELECT list gives the same name to something else.
    bare = set[str]() if joins else {column.name for column in table.visible}
    for term in _terms(select, joins):
        try:
            yield from _condition(term, node.alias.lower(), bare, table, question)
        except QueryError:
            continue


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


def _condition(term: exp.Expr, alias: str, bare: set[str], table: Table, question: SqlQuestion) -> Iterator[Expr]:
    """The condition in finlake's words, or nothing where it is not one that may be handed on."""
    match term:
        case exp.Between() if not term.args.get("symmetric"):
            if (name := _field(term.this, alias, bare, table)) is not None:
                for op, bound in ((Op.GE, term.args["low"]), (Op.LE, term.args["high"])):
                    yield compare(op, Field(name), _constant(bound, table.by_name[name].type, question))
        case exp.In() if term.expressions and not term.args.get("query"):
            if (name := _field(term.this, alias, bare, table)) is not None:
                type_ = table.by_name[name].type
                yield is_in(Field(name), [_constant(item, type_, question) for item in term.expressions])
        case exp.EQ() | exp.LT() | exp.LTE() | exp.GT() | exp.GTE():
            op, left, right = _OPS[type(term)], term.this, term.expression
            for op_, side, other in ((op, left, right), (op.mirrored, right, left)):
                if (name := _field(side, alias, bare, table)) is not None:
                    yield compare(op_, Field(name), _constant(other, table.by_name[name].type, question))
        case _:
            return


def _field(node: exp.Expr, alias: str, bare: set[str], table: Table) -> str | None:
    if not isinstance(node, exp.Column):
        return None
    name, of = node.name.lower(), node.table.lower()
    column = table.by_name.get(name)
    if column is None or column.hidden or not (of == alias or (not of and name in bare)):
        return None
    return name


def _constant(node: exp.Expr, type_: Type, question: SqlQuestion) -> Literal:
    """The constant where SQL compares it with a column as finlake does. Raises InvalidLiteral where it may not."""
    if type_ is Type.DATE and (day := _day(node, question)) is not None:
        return literal(day)
    text = _text(node, question)
    if type_ in {Type.UUID, Type.STRING} and text is not None:
        constant = coerce(literal(text), type_)
        if constant.value == text:
            return constant
    raise InvalidLiteral("The constant is compared by the database alone.")
