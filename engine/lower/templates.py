"""Statements by the shape of their plan: the text is built once, after that only its parameters are filled in.

Two plans have one shape where their texts are the same but for bound values. A parameter remembers where its value
comes from (`Source`), so that the next plan of that shape gives its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, TypeAlias, assert_never

from cachetools import LRUCache

from catalog.scan import ScanFiles
from engine.lower.ways import way_of
from engine.planner.model import Plan
from engine.query import And, Call, Compare, Expr, Field, In, Literal, Not, Or, Related

TEMPLATES_HELD_MAX = 1_000
LISTED_ITEMS_MAX = 64  # past this an `in` is a join with a bound list, not a list of parameters


@dataclass(frozen=True, slots=True)
class Bound:
    """What the values of a statement are taken from: a plan, its constants in the order of `shape_of`, and files.

    `related` has the same of the plan's related rows, in their order.
    """

    plan: Plan
    constants: tuple[Literal | In, ...]
    files: ScanFiles
    related: tuple[Bound, ...] = ()


Source: TypeAlias = Callable[[Bound], Any]


@dataclass(frozen=True, slots=True)
class Template:
    """The text of a statement, and where the value of each of its parameters comes from."""

    sql: str
    sources: Mapping[str, Source]

    def values(self, bound: Bound) -> dict[str, Any]:
        return {name: source(bound) for name, source in self.sources.items()}


class Templates:
    """Those used last. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: MutableMapping[Hashable, Template] = LRUCache(TEMPLATES_HELD_MAX)

    def find(self, shape: Hashable) -> Template | None:
        with self._lock:
            return self._held.get(shape)

    def keep(self, shape: Hashable, template: Template) -> None:
        with self._lock:
            self._held[shape] = template


def shape_of(
    plan: Plan,
    files: ScanFiles,
    *,
    keyset: bool,
    presorted: bool = False,
    related: Mapping[Related, ScanFiles] = MappingProxyType({}),
) -> tuple[Hashable, Bound]:
    """The shape of a plan over files, and what its values are taken from. `related` are the files of related rows.

    One constant may stand in several places, as a page mark does: which places those are belongs to the shape.
    """
    inner = [shape_of(rows, related[node], keyset=False, related=related) for node, rows in plan.related]
    constants: list[Literal | In] = []
    order = {node: place for place, (node, _) in enumerate(plan.related)}
    expressions = [_shape(expr, constants, order) for expr in _expressions(plan)]
    first: dict[int, int] = {}
    places = tuple(first.setdefault(id(constant), place) for place, constant in enumerate(constants))
    page = (plan.page.limit is None, plan.page.offset == 0)
    asked = (plan.table.name, plan.view, plan.as_of is None, plan.output, plan.columns, plan.count_only, page, keyset)
    descending = (presorted, *(term.descending for term in plan.order))
    layout = (way_of(plan, files), bool(files.settled), bool(files.hidden), files.may_hold_deleted, files.columns)
    shapes, bounds = tuple(shape for shape, _ in inner), tuple(bound for _, bound in inner)
    shape = (asked, _statistics(plan), _conversion(plan), descending, layout, places, shapes, *expressions)
    return shape, Bound(plan, tuple(constants), files, bounds)


def _expressions(plan: Plan) -> Iterable[Expr]:
    yield from (plan.where, plan.stored_where, plan.having, *(term.by for term in plan.order))
    if plan.grouping is not None:
        yield from (key.by for key in plan.grouping.keys)
        yield from (each.of for each in plan.grouping.aggregates if each.of is not None)


def _conversion(plan: Plan) -> Hashable:
    """The conversion but for its dates, which are conditions of the plan; the alignment but for its series, too."""
    if (aligned := plan.alignment) is not None:
        return (len(aligned.series), aligned.fill, aligned.on is None)
    return None if plan.conversion is None else replace(plan.conversion, start=None, end=None)


def _statistics(plan: Plan) -> Hashable:
    """What is asked of groups, and which aggregates are of equal values, which are worked out once."""
    if plan.grouping is None:
        return None
    first: dict[Expr | None, int] = {}
    asked = tuple(
        (each.name, each.statistic, each.of and first.setdefault(each.of, len(first)), each.at)
        for each in plan.grouping.aggregates
    )
    return (tuple(key.name for key in plan.grouping.keys), asked, plan.sequence)


def _shape(expr: Expr, constants: list[Literal | In], related: Mapping[Related, int]) -> Hashable:
    match expr:
        case Literal(value, type_):
            constants.append(expr)
            # A condition that is true or false stands in the text as it is.
            return (Literal, type_, type(value), value if isinstance(value, bool) else None)
        case Field(name):
            return name
        case Call(name, args):
            return (Call, name, *(_shape(arg, constants, related) for arg in args))
        case Compare(op, left, right):
            return (op, _shape(left, constants, related), _shape(right, constants, related))
        case And(args) | Or(args):
            return (type(expr), *(_shape(arg, constants, related) for arg in args))
        case Not(arg):
            return (Not, _shape(arg, constants, related))
        case In(arg, items) if len(items) > LISTED_ITEMS_MAX:
            constants.append(expr)
            return (In, _shape(arg, constants, related), frozenset((type(item.value), item.type) for item in items))
        case In(arg, items):
            return (In, _shape(arg, constants, related), *(_shape(item, constants, related) for item in items))
        case Related(column):
            return (Related, column, related[expr])
        case _:
            assert_never(expr)
