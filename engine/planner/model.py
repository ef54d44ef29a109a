"""The Plan: a Query bound to the model, and how a pass walks its expressions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

from catalog.model import Table, Type
from catalog.scan import ScanRequest
from engine.query import TRUE, And, Call, Compare, Expr, Field, In, Literal, Not, Or, Order, Page, Related, View

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
    `columns` are the stored columns that the scan must deliver. `order` is total: it ends with the key. `related` has
    the plan of each condition on related rows, in the order of `relations_in`.
    """

    table: Table
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

    @property
    def identity(self) -> tuple[str, ...]:
        """The columns that name one row of the answer."""
        return self.table.row_key if self.view is View.EVERY else self.table.key

    @property
    def reads(self) -> frozenset[str]:
        """The columns that the answer, its conditions and its order read."""
        expressions = (self.where, self.stored_where, *(term.by for term in self.order))
        return frozenset(output.name for output in self.output).union(*(fields_of(expr) for expr in expressions))


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
