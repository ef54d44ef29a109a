"""Turn the conditions on stored rows into domains of columns, by which the catalog drops files.

A domain has every value that the column can have in a row for which the condition is true, and may have more.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from catalog.domains import Domain
from catalog.model import SUPERSEDED, Table
from catalog.scan import ScanRequest
from engine.planner.model import Plan, conjuncts
from engine.query import NULL, And, Call, Compare, Expr, Field, In, Literal, Not, Op, Or, View

ONLY_NULL = Domain(values=(), nulls=True)
_SURROGATES = range(0xD800, 0xE000)


def prune_files(plan: Plan) -> Plan:
    domains = _of_all(conjuncts(plan.stored_where), plan.table)
    for name, domain in _of_clocks(plan).items():
        domains[name] = domains.get(name, Domain(nulls=True)).narrowed(domain)
    return replace(plan, scan=ScanRequest(plan.table.name, domains))


def _of_clocks(plan: Plan) -> dict[str, Domain]:
    """What the view and the knowledge date say of a row, as `lower` tests it, whatever else there is of its key."""
    revision, day = plan.table.revision, plan.as_of
    if revision is None:
        return {}
    known = {} if day is None else {revision: Domain(high=day)}
    if plan.view is not View.LATEST:
        return known
    valid = ONLY_NULL if day is None else replace(_above(day), nulls=True)
    return known | {SUPERSEDED: valid}


def _of_all(parts: Iterable[Expr], table: Table) -> dict[str, Domain]:
    domains: dict[str, Domain] = {}
    for part in parts:
        for name, domain in _of(part, table).items():
            domains[name] = domains[name].narrowed(domain) if name in domains else domain
    return domains


def _of_any(parts: tuple[Expr, ...], table: Table) -> dict[str, Domain]:
    """Only a column that every branch limits is limited; its domain covers those of all branches."""
    first, *others = (_of(part, table) for part in parts)
    return {
        name: domain.covering(*(other[name] for other in others))
        for name, domain in first.items()
        if all(name in other for other in others)
    }


def _of(expr: Expr, table: Table) -> dict[str, Domain]:
    """What a condition proves of each column; a column it proves nothing of is absent."""
    match expr:
        case Literal(False):
            return {table.key[0]: Domain(values=())}
        case Compare(op, Field(name), Literal() as constant) if _comparable(constant, name, table):
            return {name: _compared(op, constant.value)}
        case In(Field(name), items) if all(_comparable(item, name, table) for item in items):
            values: list[Any] = [item.value for item in items if item != NULL]
            return {name: Domain(values=tuple(sorted(values)), nulls=NULL in items)}
        case Not(In(Field(name), items)) if all(_comparable(item, name, table) for item in items):
            without = frozenset(item.value for item in items if item != NULL)
            return {name: Domain(without=without, nulls=NULL not in items)}
        case Call("startswith", (Field(name), Literal(str(prefix)))):
            return {name: _beginning(prefix)}
        case And(args):
            return _of_all(args, table)
        case Or(args):
            return _of_any(args, table)
        case _:
            return {}


def _comparable(constant: Literal, name: str, table: Table) -> bool:
    """The bounds of a file hold values of the column's own type, so only such constants can be held against them."""
    return constant == NULL or constant.type is table.by_name[name].type


def _compared(op: Op, value: Any) -> Domain:
    match op:
        case Op.EQ:
            return ONLY_NULL if value is None else Domain(values=(value,))
        case Op.NE:
            return Domain() if value is None else Domain(without=frozenset({value}), nulls=True)
        case _ if value is None:
            return Domain(values=())
        case Op.LE:
            return Domain(high=value)
        case Op.GE:
            return Domain(low=value)
        case Op.LT:
            return _below(value)
        case Op.GT:
            return _above(value)


def _below(value: Any) -> Domain:
    if type(value) is dt.date:
        return Domain(high=value - dt.timedelta(days=1)) if value > dt.date.min else Domain(values=())
    return Domain(high=value, without=frozenset({value}))


def _above(value: Any) -> Domain:
    if type(value) is dt.date:
        return Domain(low=value + dt.timedelta(days=1)) if value < dt.date.max else Domain(values=())
    return Domain(low=value, without=frozenset({value}))


def _beginning(prefix: str) -> Domain:
    """The texts that begin with a prefix. They are ordered by code points, as their bytes in UTF-8 are."""
    stem = prefix.rstrip(chr(sys.maxunicode))
    if not stem:
        return Domain(low=prefix)  # no text is behind all that begin with the greatest code point
    following = ord(stem[-1]) + 1
    behind = stem[:-1] + chr(_SURROGATES.stop if following in _SURROGATES else following)
    return Domain(low=prefix, high=behind, without=frozenset({behind}))
