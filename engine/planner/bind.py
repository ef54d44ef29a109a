"""Query + model -> Plan: every name is found, every type checked, the order made total. The only step that refuses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain

from catalog.model import Table, Tables, Type
from catalog.scan import ScanRequest
from engine.errors import InvalidPage, QueryError, UnknownTable, WrongType
from engine.functions import column_type, type_of
from engine.literals import LONG_MAX
from engine.planner.derive import derive
from engine.planner.model import Output, Plan, nodes, relations_in
from engine.query import (
    NULL,
    TRUE,
    Compare,
    Expr,
    Field,
    Literal,
    Op,
    Order,
    Page,
    Query,
    Related,
    View,
    all_of,
    any_of,
    compare,
)

COUNT = "count"


def bind(query: Query, tables: Tables) -> Plan:
    """The plan of a query, with nothing pushed or pruned yet. Raises QueryError."""
    table = _table(query, tables)
    view = query.view if table.revision else View.LATEST
    derived = derive(query, table)
    answered = table if derived is None else derived.answered
    _check_condition(query.where, table)
    _check_condition(query.having, answered)
    if relations_in(query.having):
        raise QueryError("Groups have no related rows.", "Give the condition of the rows that are grouped.")
    identity = table.row_key if derived is None and view is View.EVERY else answered.key
    order = _total_order(query.order, identity, answered)
    where, having = query.where, all_of(query.having, _behind(query.page, order, answered))
    if derived is None:
        where, having = all_of(where, having), TRUE
    else:
        where, having = all_of(where, derived.taken), all_of(having, derived.shown)
    return Plan(
        table=table,
        answered=answered,
        view=view,
        as_of=query.as_of if table.revision else None,
        output=_output(query, answered),
        columns=tuple(column.name for column in table.columns),
        where=where,
        order=() if query.count_only else order,
        page=_checked(query.page),
        count_only=query.count_only,
        scan=ScanRequest(table.name),
        related=tuple((node, _related(node, table, tables)) for node in relations_in(where)),
        grouping=query.grouping,
        having=having,
        conversion=query.conversion,
        alignment=query.alignment,
    )


def _related(node: Related, table: Table, tables: Tables) -> Plan:
    """The plan of related rows, in no order: all that counts is which values there are."""
    rows = node.rows
    ways = ((way.columns, way.target, way.target_columns) for way in table.relations)
    if ((node.column,), rows.table, rows.columns) not in ways:
        raise QueryError(f"{table.name} has no such relation to {rows.table}.", "Follow a relation of the model.")
    derived = derive(rows, tables.by_name[rows.table]) is not None
    if derived or rows.order or rows.page != Page() or rows.snapshot is not None or rows.count_only:
        raise QueryError("Related rows have no order, page, snapshot or groups of their own.", "Leave it out.")
    return replace(bind(rows, tables), order=())


def _table(query: Query, tables: Tables) -> Table:
    if query.table not in tables.by_name:
        raise UnknownTable(f"There is no table {query.table!r}.", f"Ask one of: {', '.join(tables.by_name)}.")
    return tables.by_name[query.table]


def _output(query: Query, table: Table) -> tuple[Output, ...]:
    if query.count_only:
        return (Output(COUNT, Type.LONG),)
    names = query.columns or tuple(column.name for column in table.visible)
    return tuple(Output(name, column_type(name, table)) for name in names)


def _check_condition(condition: Expr, table: Table) -> None:
    found = type_of(condition, table)
    if found is not Type.BOOLEAN:
        raise WrongType(f"The filter is a {found.value if found else 'null'}, not a condition.", "Give a condition.")
    for node in nodes(condition):
        type_of(node, table)


def _total_order(asked: Iterable[Order], identity: tuple[str, ...], table: Table) -> tuple[Order, ...]:
    """The terms asked for, then the identity's columns that are not among them, so that no two rows tie."""
    terms: dict[Expr, Order] = {}
    for term in chain(asked, (Order(Field(name)) for name in identity)):
        type_of(term.by, table)
        if isinstance(term.by, Literal):
            raise WrongType("A constant cannot be sorted by.", "Sort by a column.")
        if relations_in(term.by):
            raise WrongType("Conditions on related rows cannot be sorted by.", "Sort by a column.")
        terms.setdefault(term.by, term)
    return tuple(terms.values())


def _checked(page: Page) -> Page:
    if not all(0 <= rows <= LONG_MAX for rows in (page.offset, page.limit or 0)):
        raise InvalidPage("A page begins and ends at a number of rows.", f"Give 0 to {LONG_MAX}.")
    return page


def _behind(page: Page, order: tuple[Order, ...], table: Table) -> Expr:
    """The keyset condition: rows that sort behind the values of `page.after`."""
    if page.after is None:
        return all_of()
    if len(page.after) != len(order) or not all(
        mark.type in (None, type_of(term.by, table)) for term, mark in zip(order, page.after, strict=True)
    ):
        raise InvalidPage("The page mark does not fit the order.", "Start from the first page again.")
    branches: list[Expr] = []
    equal: list[Expr] = []
    for term, mark in zip(order, page.after, strict=True):
        branches.append(all_of(*equal, _later(term, mark)))
        equal.append(Compare(Op.EQ, term.by, mark))
    return any_of(*branches)


def _later(term: Order, mark: Literal) -> Expr:
    """The term sorts strictly behind the mark; null is the lowest value."""
    if mark == NULL:
        return any_of() if term.descending else Compare(Op.NE, term.by, NULL)
    if term.descending:
        return any_of(compare(Op.LT, term.by, mark), Compare(Op.EQ, term.by, NULL))
    return compare(Op.GT, term.by, mark)
