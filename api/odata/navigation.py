"""Filters that go by properties of other entities: `Series/title eq 'x'`, `DataPoints/any(p:p/value gt 1)`.

A part of a filter whose properties all belong to one other entity is a condition on the rows of that entity; the
larger the part, the fewer conditions. Negations are moved below the parts, so that null is what the standard says it
is: what `not` means is worked out beside the entity's values. One comparison of properties of two entities is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TypeAlias

from api.odata.edm import Navigation
from api.odata.expressions import Scope, boolean, condition, inner_segments
from api.odata.faults import limit_exceeded, not_supported
from api.odata.path import view_of
from api.odata.syntax import Binary, Junction, Lambda, Membership, Node, Path, Record, Segment, Sequence, Unary
from engine.planner.model import nodes
from engine.query import FALSE, NULL, TRUE, Compare, Expr, Op, Query, Related, View, all_of, any_of, negate

# What the paths of a part lead to: the entity itself, all of several others, or the one that a navigation is to.
_OWN, _MANY = "", "*"
_Way: TypeAlias = str


def filter_condition(node: Node, scope: Scope) -> Expr:
    """The expression of `$filter`. Raises Problem as `condition`, and `limit_exceeded` for too many other entities."""
    if not _ways(node, scope) - {_OWN}:
        return condition(node, scope)
    expr = _told(node, scope, negated=False)
    most = scope.limits.related_conditions_max
    if _count(expr) > most:
        raise limit_exceeded("related_conditions_max", most, f"The filter has more than {most} conditions on others.")
    return expr


def _count(expr: Expr) -> int:
    return sum(1 + _count(node.rows.where) for node in nodes(expr) if isinstance(node, Related))


def _told(node: Node, scope: Scope, *, negated: bool) -> Expr:
    """What a node says, or its opposite; a null keeps no row, so it is false."""
    ways = _ways(node, scope)
    if not ways - {_OWN}:
        expr = boolean(node, scope)
        found = negate(expr) if negated else expr
        return FALSE if found == NULL else found
    if len(ways) == 1 and _MANY not in ways:
        (name,) = ways
        return _of_one(node, scope, name, negated=negated)
    match node:
        case Junction():
            return _junction(node, scope, negated=negated)
        case Unary("not"):
            return _told(node.operand, scope, negated=not negated)
        case Path():
            expr = _of_many(node, scope)
            return negate(expr) if negated else expr
        case _:
            raise not_supported("one comparison of properties of several entities", node.position)


def _junction(node: Junction, scope: Scope, *, negated: bool) -> Expr:
    """The terms about one entity are one condition on it."""
    groups: dict[object, list[Node]] = {}
    for term in node.terms:
        ways = _ways(term, scope)
        together = len(ways) == 1 and not ways & {_OWN, _MANY}
        groups.setdefault(ways if together else term, []).append(term)
    parts = [replace(node, terms=tuple(terms)) if len(terms) > 1 else terms[0] for terms in groups.values()]
    joined = all_of if (node.operator == "and") is not negated else any_of
    return joined(*(_told(part, scope, negated=negated) for part in parts))


def _of_one(node: Node, scope: Scope, name: str, *, negated: bool) -> Expr:
    navigation = scope.entity.navigations[name]
    inner = replace(scope, entity=scope.entity.to(navigation), heads=(*scope.heads, name))
    return _related(navigation, scope, _told(node, inner, negated=negated))


def _of_many(path: Path, scope: Scope) -> Expr:
    """`any` and `all`. What is neither true nor false of an entity does not make `any` true, and makes `all` false."""
    first, operator = inner_segments(path, scope)
    navigation = scope.entity.navigations[first.name]
    if not isinstance(operator.arguments, Lambda):
        raise not_supported("a path to several entities without any or all", path.position)
    if operator.arguments.condition is None:
        return _related(navigation, scope, TRUE)
    variable = operator.arguments.variable or ""
    inner = replace(scope, entity=scope.entity.to(navigation), heads=(variable,), variable=variable)
    told = _told(operator.arguments.condition, inner, negated=False)
    if operator.name.lower() == "any":
        return _related(navigation, scope, told)
    return negate(_related(navigation, scope, Compare(Op.NE, told, TRUE)))


def _related(navigation: Navigation, scope: Scope, where: Expr) -> Expr:
    entity, relation = scope.entity.to(navigation), navigation.relation
    (column,), (key,) = relation.columns, relation.target_columns
    every, revises = entity.collection.every_revision, entity.table.revision is not None
    view = view_of(entity) if every or not revises else scope.release or View.LATEST
    return Related(column, Query(entity.table.name, (key,), where, view=view, as_of=scope.as_of if revises else None))


def _ways(node: Node, scope: Scope) -> frozenset[_Way]:
    return frozenset(_way(path, scope) for path in _paths(node))


def _way(path: Path, scope: Scope) -> _Way:
    """Where a path leads. One that leads nowhere is the entity's own: there it is found to be wrong."""
    match inner_segments(path, scope):
        case (Segment(name=name, arguments=None), following, *more) if name in scope.entity.navigations:
            if not scope.entity.navigations[name].relation.many:
                return name
            return _MANY if isinstance(following.arguments, Lambda) and not more else _OWN
        case _:
            return _OWN


def _paths(node: Node) -> Iterator[Path]:
    """The paths in a node, without those inside of lambda operators: they are about other entities."""
    pending: list[Node] = [node]
    while pending:
        match pending.pop():
            case Junction(terms=inner) | Sequence(items=inner) | Record(values=inner):
                pending.extend(inner)
            case Binary(left=left, right=right) | Membership(left=left, right=right):
                pending.extend((left, right))
            case Unary(operand=operand):
                pending.append(operand)
            case Path(segments=(Segment(arguments=tuple() as arguments),)):
                pending.extend(argument.value for argument in arguments)
            case Path() as path:
                yield path
            case _:
                pass
