"""The question, in finlake's words: what both doors compile to and what every later stage starts from.

A `Query` is frozen and hashable. It does not promise that the names in it exist: `bind` finds that out. The
constructors below (`all_of`, `any_of`, `negate`, `compare`, `is_in`) put expressions in one canonical form, so that
the same question asked through two protocols is one equal value.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum
from typing import TypeAlias

from catalog.model import Type
from engine.alignment import Alignment
from engine.conversion import Conversion

Scalar: TypeAlias = str | int | bool | float | Decimal | dt.date | dt.datetime | None


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant. The type is part of the value, as Python holds `1 == True == Decimal(1)`; a null has no type."""

    value: Scalar
    type: Type | None


@dataclass(frozen=True, slots=True)
class Field:
    """A column of the query's table."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function of `engine.functions` applied to its arguments."""

    name: str
    args: tuple[Expr, ...]


class Op(Enum):
    EQ = "eq"
    NE = "ne"
    LT = "lt"
    LE = "le"
    GT = "gt"
    GE = "ge"

    @property
    def mirrored(self) -> Op:
        """The operator that says the same with its sides exchanged."""
        return _MIRROR.get(self, self)


_MIRROR = {Op.LT: Op.GT, Op.GT: Op.LT, Op.LE: Op.GE, Op.GE: Op.LE}


@dataclass(frozen=True, slots=True)
class Compare:
    """`left op right`. `eq` and `ne` are two-valued (null equals null); an order against null is false."""

    op: Op
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class And:
    args: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Or:
    args: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Not:
    arg: Expr


@dataclass(frozen=True, slots=True)
class In:
    """`arg` equals one of `items`; the same as a chain of `eq`."""

    arg: Expr
    items: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class Related:
    """`column` equals the one column that `rows` asks for, in at least one of its rows; of null it is false.

    The two must be the ends of a relation of the model. `rows` has no order, page or snapshot of its own: it is read at
    the snapshot of the query that it is part of.
    """

    column: str
    rows: Query


Expr: TypeAlias = Literal | Field | Call | Compare | And | Or | Not | In | Related

TRUE = Literal(True, Type.BOOLEAN)
FALSE = Literal(False, Type.BOOLEAN)
NULL = Literal(None, None)


def all_of(*args: Expr) -> Expr:
    """The conjunction, flattened, without repetition, in a fixed order. Of nothing: true."""
    return _junction(And, args, neutral=TRUE)


def any_of(*args: Expr) -> Expr:
    """The disjunction, flattened, without repetition, in a fixed order. Of nothing: false.

    Equalities of one expression with several constants become one membership, which says the same.
    """
    flat = _junction(Or, args, neutral=FALSE)
    if not isinstance(flat, Or):
        return flat
    equalities: dict[Expr, list[Literal]] = {}
    others: list[Expr] = []
    for part in flat.args:
        match part:
            case Compare(Op.EQ, arg, Literal() as item):
                equalities.setdefault(arg, []).append(item)
            case In(arg, items):
                equalities.setdefault(arg, []).extend(items)
            case _:
                others.append(part)
    return _junction(Or, (*others, *(is_in(arg, items) for arg, items in equalities.items())), neutral=FALSE)


def _junction(kind: type[And | Or], args: Iterable[Expr], neutral: Literal) -> Expr:
    flat: dict[Expr, None] = {}
    for arg in args:
        for part in arg.args if isinstance(arg, kind) else (arg,):
            if part != neutral:
                flat[part] = None
    if len(flat) < 2:
        return next(iter(flat), neutral)
    return kind(tuple(sorted(flat, key=repr)))


def negate(arg: Expr) -> Expr:
    return arg.arg if isinstance(arg, Not) else Not(arg)


def compare(op: Op, left: Expr, right: Expr) -> Expr:
    """The comparison with its constant, if it has one, on the right."""
    if isinstance(left, Literal) and not isinstance(right, Literal):
        return Compare(op.mirrored, right, left)
    return Compare(op, left, right)


def is_in(arg: Expr, items: Iterable[Literal]) -> Expr:
    """Membership in a set: sorted, without repetition; of one item it is an equality, of none false."""
    unique = sorted(set(items), key=repr)
    match unique:
        case []:
            return FALSE
        case [item]:
            return Compare(Op.EQ, arg, item)
        case _:
            return In(arg, tuple(unique))


class View(Enum):
    """Which revisions of a key a reader sees. Tables without revisions look the same in every view."""

    LATEST = "latest"  # the one with the greatest revision date, those dated in the future included
    FIRST = "first"  # the one with the smallest revision date on record
    EVERY = "every"  # all of them, one row a (key, revision date)


@dataclass(frozen=True, slots=True)
class Order:
    """One sort term. Null is the lowest value: first when ascending, last when descending."""

    by: Expr
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Which rows of the ordered answer: at most `limit`, past `offset`, behind the row whose sort values are `after`.

    `after` holds one literal for each sort term of the *bound* plan: the terms of the query, then the key columns
    that are not among them. The two can be given together; `offset` then counts from behind `after`.
    """

    limit: int | None = None
    offset: int = 0
    after: tuple[Literal, ...] | None = None


class Statistic(Enum):
    """What an aggregate says of the values of a group. A null is no value, and of no values all but counts are null."""

    COUNT = "count"
    COUNT_DISTINCT = "countdistinct"
    SUM = "sum"  # exact
    AVG = "avg"
    MIN = "min"
    MAX = "max"
    STDDEV = "stddev"  # of a sample: null of a single value
    QUANTILE = "quantile"  # between two values by straight line
    FIRST = "first"  # the value of the earliest date that has one
    LAST = "last"


@dataclass(frozen=True, slots=True)
class Key:
    """A value that all rows of a group share, and its name in the answer."""

    name: str
    by: Expr


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A statistic of the values of `of` in a group, and its name in the answer.

    Without `of` a COUNT is that of rows, those of withdrawn points among them. `at` is the part of the values below a
    QUANTILE, from 0 to 1; the median is the one at 0.5.
    """

    name: str
    statistic: Statistic
    of: Expr | None = None
    at: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Grouping:
    """One row of the answer for the rows of equal keys; without keys, one for all rows, even if there are none.

    The answer has the keys and the aggregates as columns. Made by `grouped`, which puts it in one form.
    """

    keys: tuple[Key, ...]
    aggregates: tuple[Aggregate, ...]


def grouped(keys: Iterable[Key], aggregates: Iterable[Aggregate]) -> Grouping:
    """The order of keys is that of the answer's rows; the order of aggregates means nothing."""
    return Grouping(tuple(keys), tuple(sorted(aggregates, key=lambda aggregate: aggregate.name)))


@dataclass(frozen=True, slots=True)
class Query:
    """One question about one table.

    No `columns` means every visible one. With a `grouping` the answer's rows are groups of the rows that fulfil
    `where`: `columns`, `having`, a condition on groups, and `order` then name columns of the answer. `as_of` is a
    knowledge date: revisions published later do not exist. `snapshot` is a token of `catalog.snapshot`; without one the
    newest is read. `count_only` answers one row with one column, `count`: the number of matches, whatever the page.
    """

    table: str
    columns: tuple[str, ...] = ()
    where: Expr = TRUE
    order: tuple[Order, ...] = ()
    page: Page = Page()
    view: View = View.LATEST
    as_of: dt.date | None = None
    snapshot: str | None = None
    count_only: bool = False
    grouping: Grouping | None = None
    having: Expr = TRUE
    conversion: Conversion | None = None
    alignment: Alignment | None = None

    def limited(self, rows_max: int) -> Query:
        """The same question, with at most `rows_max` rows."""
        limit = self.page.limit
        return replace(self, page=replace(self.page, limit=rows_max if limit is None else min(limit, rows_max)))

    def counted(self) -> Query:
        """How many rows the question has, without its page."""
        return replace(self, columns=(), order=(), page=Page(), count_only=True)

    def pinned(self, snapshot: str) -> Query:
        """The same question at one snapshot."""
        return replace(self, snapshot=snapshot)
