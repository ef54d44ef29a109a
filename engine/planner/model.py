"""The Plan: a Query bound to the model, and how a pass walks its expressions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import assert_never

from catalog.model import Table, Type
from catalog.scan import ScanRequest
from engine.aggregates import BY_DATE
from engine.alignment import Alignment
from engine.conversion import Conversion, line_of
from engine.query import (
    TRUE,
    And,
    Call,
    Compare,
    Expr,
    Field,
    Grouping,
    In,
    Literal,
    Not,
    Op,
    Or,
    Order,
    Page,
    Query,
    Related,
    Statistic,
    View,
    all_of,
    any_of,
    compare,
    is_in,
    negate,
)

# The one function whose value depends on when it is called.
NOW = "now"
# The one column that is not read from the row itself: it is worked out from all revisions of the key.
ORIGINAL_RELEASE = "is_original_release"


@dataclass(frozen=True, slots=True)
class Output:
    """One column of the answer."""

    name: str
    type: Type


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done, every name found and every type checked. It is not promised that any file matches.

    `stored_where` may be tested on stored rows, before one revision of a key is chosen; `where` only after that.
    `columns` are the stored columns that the scan must deliver. `order` is total: it ends with the key. `answered` is
    the table whose columns `output`, `order` and `having` name: that of the groups where rows are grouped. `related`
    has the plan of each condition on related rows, in the order of `relations_in`.
    """

    table: Table
    answered: Table
    view: View
    as_of: dt.date | None
    output: tuple[Output, ...]
    columns: tuple[str, ...]
    where: Expr
    order: tuple[Order, ...]
    page: Page
    count_only: bool
    scan: ScanRequest
    stored_where: Expr = TRUE
    related: tuple[tuple[Related, Plan], ...] = ()
    grouping: Grouping | None = None
    having: Expr = TRUE
    conversion: Conversion | None = None
    alignment: Alignment | None = None

    @property
    def is_derived(self) -> bool:
        """Whether the answer is made of rows, not some of them: groups, conversions, series side by side."""
        return not (self.grouping is None and self.conversion is None and self.alignment is None)

    @property
    def identity(self) -> tuple[str, ...]:
        """The columns that name one row of the answer."""
        return self.table.row_key if self.view is View.EVERY else self.table.key

    @property
    def reads(self) -> frozenset[str]:
        """The columns that the answer, its conditions and its order read of the table's rows."""
        read = [self.where, self.stored_where]
        if (self.conversion or self.alignment) and (line := line_of(self.table)):
            read += [Field(line.parent), Field(line.axis), Field(line.measure)]
        if self.grouping is None and self.alignment is None:
            read += [*(Field(output.name) for output in self.output), *(term.by for term in self.order)]
        elif self.grouping is not None:
            read += [*(key.by for key in self.grouping.keys), *(Field(name) for name in self.sequence)]
            read += [each.of for each in self.grouping.aggregates if each.of is not None]
        return frozenset[str]().union(*(fields_of(expr) for expr in read))

    @property
    def sequence(self) -> tuple[str, ...]:
        """The columns by which the first and last of a group are found, as far as they differ in it: the date, then,
        of rows of one date, what else tells them apart. None where no aggregate asks for them."""
        axis = self.table.axis
        grouping = self.grouping
        if axis is None or grouping is None or not any(each.statistic in BY_DATE for each in grouping.aggregates):
            return ()
        shared = {key.by.name for key in grouping.keys if isinstance(key.by, Field)}
        for part in (*conjuncts(self.where), *conjuncts(self.stored_where)):
            match part:
                case Compare(Op.EQ, Field(name), Literal()):
                    shared.add(name)
                case _:
                    pass
        return (axis, *(name for name in self.identity if name != axis and name not in shared))


def conjuncts(expr: Expr) -> tuple[Expr, ...]:
    """The parts of which all must hold."""
    if expr == TRUE:
        return ()
    return expr.args if isinstance(expr, And) else (expr,)


def fields_of(expr: Expr) -> frozenset[str]:
    """The columns that an expression reads."""
    read: list[str] = []
    for node in nodes(expr):
        match node:
            case Field(name) | Related(name):
                read.append(name)
            case _:
                pass
    return frozenset(read)


def relations_in(*exprs: Expr) -> tuple[Related, ...]:
    """The conditions on related rows, each once, not those that stand inside of others."""
    found = {node: None for expr in exprs for node in nodes(expr) if isinstance(node, Related)}
    return tuple(sorted(found, key=repr))


def is_timeless(expr: Expr) -> bool:
    """Whether an expression says the same whenever it is asked."""
    return not any(_is_clock(node) for node in nodes(expr))


def _is_clock(node: Expr) -> bool:
    match node:
        case Call(name):
            return name == NOW
        case Related(_, rows):
            return not is_timeless(rows.where)
        case _:
            return False


def is_repeatable(query: Query) -> bool:
    """Whether the answer to a query is the same, digit by digit, whenever it is asked of one snapshot."""
    grouping = query.grouping or Grouping((), ())
    parts = (each.of for each in grouping.aggregates if each.of is not None)
    read = (query.where, query.having, *(key.by for key in grouping.keys), *parts, *(term.by for term in query.order))
    return not _unsteady(query) and all(is_timeless(expr) for expr in read)


def is_pageable(query: Query) -> bool:
    """Whether a page can begin behind a row of the one before: not by a number that is another each time."""
    return not any(fields_of(term.by) & _unsteady(query) for term in query.order)


def _unsteady(query: Query) -> frozenset[str]:
    """The columns of groups whose last digits depend on the order in which values come, as those of standard deviations
    do: threads put theirs together in another order each time."""
    aggregates = query.grouping.aggregates if query.grouping else ()
    return frozenset(each.name for each in aggregates if each.statistic is Statistic.STDDEV)


def with_fields(expr: Expr, meanings: Mapping[str, Expr]) -> Expr:
    """The expression with other expressions in the place of its columns."""
    match expr:
        case Literal():
            return expr
        case Field(name):
            return meanings[name]
        case Call(name, args):
            return Call(name, tuple(with_fields(arg, meanings) for arg in args))
        case Compare(op, left, right):
            return compare(op, with_fields(left, meanings), with_fields(right, meanings))
        case And(args):
            return all_of(*(with_fields(arg, meanings) for arg in args))
        case Or(args):
            return any_of(*(with_fields(arg, meanings) for arg in args))
        case Not(arg):
            return negate(with_fields(arg, meanings))
        case In(arg, items):
            return is_in(with_fields(arg, meanings), items)
        case Related():
            raise AssertionError("What is made of rows has no related rows.")
        case _:
            assert_never(expr)


def nodes(expr: Expr) -> Iterator[Expr]:
    """The expression and everything below it, without recursion: filters may be wide and deep.

    What a condition on related rows says of them is about another table, and no part of it.
    """
    pending = [expr]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(children(node))


def children(expr: Expr) -> tuple[Expr, ...]:
    match expr:
        case Literal() | Field() | Related():
            return ()
        case Call() | And() | Or():
            return expr.args
        case Compare():
            return (expr.left, expr.right)
        case Not():
            return (expr.arg,)
        case In():
            return (expr.arg, *expr.items)
        case _:
            assert_never(expr)
