"""Turn the conditions on stored rows into domains of columns, by which the catalog drops files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from catalog.model import Table
from catalog.scan import Domain, ScanRequest
from engine.planner.model import Plan, conjuncts
from engine.query import And, Compare, Expr, Field, In, Literal, Op, Or


def prune_files(plan: Plan) -> Plan:
    domains = _of_all(conjuncts(plan.stored_where), plan.table)
    revision = plan.table.revision
    if revision is not None and plan.as_of is not None:
        domains[revision] = domains.get(revision, Domain()).narrowed(Domain(high=plan.as_of))
    return replace(plan, scan=ScanRequest(plan.table.name, domains))


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
        case Compare(op, Field(name), Literal() as constant) if _comparable(constant, name, table):
            domain = _compared(op, constant.value)
            return {} if domain is None else {name: domain}
        case In(Field(name), items) if all(_comparable(item, name, table) for item in items):
            values: list[Any] = [item.value for item in items]
            return {name: Domain(values=tuple(sorted(values)))}
        case And(args):
            return _of_all(args, table)
        case Or(args):
            return _of_any(args, table)
        case _:
            return {}


def _comparable(constant: Literal, name: str, table: Table) -> bool:
    """The bounds of a file hold values of the column's own type, so only such constants can be held against them."""
    return constant.value is not None and constant.type is table.by_name[name].type


def _compared(op: Op, value: Any) -> Domain | None:
    match op:
        case Op.EQ:
            return Domain(values=(value,))
        case Op.LT | Op.LE:
            return Domain(high=value)
        case Op.GT | Op.GE:
            return Domain(low=value)
        case Op.NE:
            return None
