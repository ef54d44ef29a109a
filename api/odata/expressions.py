"""From a syntax tree to an expression of the engine: names are looked up, literals typed, the rest is refused by name.

What OData knows and finlake does not answer yet is `not_supported`; what OData does not know is a 400 with the
position and, for slips, what was probably meant.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

from api.limits import Limits
from api.odata.constants import constant
from api.odata.edm import NAMESPACE, EntityType
from api.odata.faults import at, near, not_supported, syntax_error, within
from api.odata.parser import parse_expression
from api.odata.syntax import (
    Argument,
    Binary,
    Constant,
    Junction,
    Lambda,
    Membership,
    Node,
    Path,
    Record,
    Segment,
    Sequence,
    Unary,
)
from api.problems import Problem
from catalog.model import Type
from engine.functions import FUNCTIONS, OWN_FUNCTIONS, type_of
from engine.literals import typed_compare, typed_in
from engine.query import FALSE, NULL, Call, Expr, Field, Literal, Op, View, all_of, any_of, negate

# Functions of OData 4.01 that the engine has not, and two words that only look like functions.
UNSERVED_FUNCTIONS = (
    "case",
    "cast",
    "fractionalseconds",
    "geo.distance",
    "geo.intersects",
    "geo.length",
    "hassubsequence",
    "hassubset",
    "isof",
    "matchespattern",
    "maxdatetime",
    "mindatetime",
    "time",
    "totaloffsetminutes",
    "totalseconds",
)
# By the names of OData; what OData does not know is in the service's own namespace.
_FUNCTIONS = {f"{NAMESPACE}.{name}" if name in OWN_FUNCTIONS else name: name for name in FUNCTIONS}
_COMPARISONS = {op.value: op for op in Op}
_ITSELF = "$it"
_VARIABLES = ("$root", "$this")


@dataclass(frozen=True, slots=True)
class Scope:
    """What the names of an expression may refer to: properties of the entity, aliases given as options, and values
    that `compute` has given a name.

    Paths to these properties begin with `heads`: navigations, and the `variable` of a lambda operator. Entities that
    have revisions are seen as of a day, in their first `release` or their latest.
    """

    entity: EntityType
    aliases: Mapping[str, str]
    limits: Limits
    heads: tuple[str, ...] = ()
    variable: str = ""
    as_of: dt.date | None = None
    release: View | None = None
    computed: Mapping[str, Expr] = field(default_factory=dict[str, Expr])


def condition(node: Node, scope: Scope) -> Expr:
    """The expression of a filter: a boolean. A null keeps no row, so it is false. Raises Problem."""
    expr = boolean(node, scope)
    return FALSE if expr == NULL else expr


def expression(node: Node, scope: Scope) -> Expr:
    """The expression of a node, of any type, over the properties of the scope's entity. Raises Problem."""
    match node:
        case Constant():
            return constant(node)
        case Path():
            return _path(node, scope)
        case Junction():
            junction = all_of if node.operator == "and" else any_of
            return junction(*[boolean(term, scope) for term in node.terms])
        case Binary():
            return _binary(node, scope)
        case Unary():
            if node.operator == "not":
                return negate(boolean(node.operand, scope))
            raise not_supported("the arithmetic operator -", node.position)
        case Membership():
            return _membership(node, scope)
        case Sequence():
            raise not_supported("a collection literal", node.position)
        case Record():
            raise not_supported("an object literal", node.position)
        case _:
            assert_never(node)


def key_value(node: Node, scope: Scope) -> Literal:
    """A constant, or an alias of one. Raises Problem."""
    expr = expression(node, scope) if isinstance(node, Constant) or _is_alias(node) else None
    if not isinstance(expr, Literal):
        raise syntax_error("A key is a literal or an alias.", node.position)
    return expr


def boolean(node: Node, scope: Scope) -> Expr:
    """The expression of a node that is true, false or null. Raises Problem."""
    expr = expression(node, scope)
    type_ = type_of(expr, scope.entity.table)
    if type_ is Type.BOOLEAN or expr == NULL:
        return expr
    found = "null" if type_ is None else type_.value
    raise Problem(
        "wrong_type",
        f"A {found} stands where a condition is due.",
        "Compare it, and write parentheses behind not: not (a eq 1).",
        {"position": node.position, "expected": "boolean", "found": found},
    )


def _binary(node: Binary, scope: Scope) -> Expr:
    if node.operator == "has":
        raise not_supported("the operator has", node.position)
    if node.operator not in _COMPARISONS:
        raise not_supported(f"the arithmetic operator {node.operator}", node.position)
    left, right = expression(node.left, scope), expression(node.right, scope)
    side = node.right if isinstance(right, Literal) else node.left if isinstance(left, Literal) else node
    with at(side.position):
        return typed_compare(_COMPARISONS[node.operator], left, right, scope.entity.table)


def _membership(node: Membership, scope: Scope) -> Expr:
    if not isinstance(node.right, Sequence):
        raise not_supported("in over a collection-valued path", node.right.position)
    if node.right.bracket == "(" and len(node.right.items) == 1 and _is_property(node.right.items[0]):
        raise not_supported("in over a collection-valued expression", node.right.items[0].position)
    arg = expression(node.left, scope)
    items = [_item(item, node.right.bracket, scope) for item in node.right.items]
    with at(node.right.position):
        return typed_in(arg, items, scope.entity.table)


def _item(node: Node, bracket: str, scope: Scope) -> Literal:
    if isinstance(node, Constant):
        return constant(node)
    if _is_alias(node):
        return key_value(node, scope)
    if bracket == "[":
        raise not_supported("a collection of expressions", node.position)
    raise syntax_error("The list behind in holds literals only.", node.position)


def _is_property(node: Node) -> bool:
    return isinstance(node, Path) and not node.segments[0].name.startswith("@")


def _is_alias(node: Node) -> bool:
    """`@p`; with a dot it would be an annotation."""
    match node:
        case Path(segments=(Segment(name=name, arguments=None),)):
            return name.startswith("@") and not {".", "#"} & set(name)
        case _:
            return False


def _alias(name: str, position: int, scope: Scope) -> Literal:
    """The literal an alias stands for; null where no option gives it, as the standard says."""
    if name not in scope.aliases:
        return NULL
    with within(name):
        node = parse_expression(scope.aliases[name], scope.limits)
        if isinstance(node, Constant):
            return constant(node)
    # Aliases of expressions could be nested to any size by a short URL.
    raise not_supported("an alias of anything but a literal", position)


def inner_segments(node: Path, scope: Scope) -> tuple[Segment, ...]:
    """A path without what all paths to the scope's entity begin with; none where it does not begin so."""
    segments = node.segments
    if segments[0].name == _ITSELF and len(segments) > 1 and not scope.variable:
        segments = segments[1:]
    heads = tuple(segment.name for segment in segments[: len(scope.heads)])
    return segments[len(heads) :] if heads == scope.heads else ()


def _path(node: Path, scope: Scope) -> Expr:
    if _is_alias(node):
        return _alias(node.segments[0].name, node.position, scope)
    first = node.segments[0]
    is_call = len(node.segments) == 1 and isinstance(first.arguments, tuple)
    segments = node.segments if is_call else inner_segments(node, scope)
    if len(segments) == 1:
        return _member(segments[0], scope)
    if not segments:
        raise not_supported(f"{first.name} where {scope.entity.name} is meant", node.position)
    raise _long_path(segments, scope)


def _member(segment: Segment, scope: Scope) -> Expr:
    name = segment.name
    match segment.arguments:
        case Lambda():
            hint = f"Write Collection/{name}(x:..)."
            raise syntax_error(f"{name} needs a path before it.", segment.position, hint)
        case tuple() as arguments if name not in scope.entity.navigations:
            return _call(segment, arguments, scope)
        case _:
            pass
    if name.startswith("@"):
        raise not_supported("an annotation in an expression", segment.position)
    if name == _ITSELF or name in _VARIABLES:
        raise not_supported(f"{name} in an expression", segment.position)
    if name in scope.entity.navigations:
        raise not_supported(f"the navigation property {name} in an expression", segment.position)
    return scope.computed.get(name) or Field(scope.entity.column(name, segment.position).name)


def _call(segment: Segment, arguments: tuple[Argument, ...], scope: Scope) -> Expr:
    name = segment.name.lower()
    if name in UNSERVED_FUNCTIONS:
        raise not_supported(f"the function {name}", segment.position)
    if name not in _FUNCTIONS and "." in name and not name.startswith(f"{NAMESPACE}."):
        raise not_supported(f"the function {segment.name}: finlake does not declare it", segment.position)
    if name not in _FUNCTIONS:
        raise Problem(
            "unknown_function",
            f"There is no function {segment.name!r}.",
            near(name, (*_FUNCTIONS, *UNSERVED_FUNCTIONS)),
            {"function": segment.name, "position": segment.position},
        )
    if any(argument.name for argument in arguments):
        raise syntax_error(f"The arguments of {name} have no names.", segment.position, f"Write {name}(a,b).")
    call = Call(_FUNCTIONS[name], tuple(expression(argument.value, scope) for argument in arguments))
    with at(segment.position):
        type_of(call, scope.entity.table)
    return call


def _long_path(segments: tuple[Segment, ...], scope: Scope) -> Problem:
    """Why a path of several segments is not answered."""
    first, last = segments[0], segments[-1]
    qualified = "." in first.name
    if first.name not in scope.entity.navigations and not first.name.startswith(("$", "@")) and not qualified:
        scope.entity.column(first.name, first.position)
    for segment in segments:
        if isinstance(segment.arguments, Lambda):
            return not_supported(f"the lambda operator {segment.name}", segment.position)
        if segment.name.lower() in {"$count", "$filter"}:
            return not_supported(f"{segment.name.lower()} in an expression", segment.position)
    if last.name.startswith("@"):
        return not_supported("an annotation in an expression", last.position)
    return not_supported(f"the path {'/'.join(segment.name for segment in segments)}", first.position)
