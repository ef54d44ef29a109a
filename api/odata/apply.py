"""What `$apply` asks for: conditions on rows, a grouping, conditions on groups, and what entities look like then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import assert_never

from api.odata.constants import constant
from api.odata.edm import EDM_TYPES, NAMESPACE, EntityType
from api.odata.expressions import Scope, condition, expression
from api.odata.faults import at, limit_exceeded, near, not_supported, syntax_error
from api.odata.syntax import Argument, Constant, Node, Path, Segment
from api.odata.transformations import AggregateTerm, Compute, Filter, GroupBy, parse_apply
from api.problems import Problem
from catalog.model import Table, Tables, Type
from engine.aggregates import aggregate_type, answer_table
from engine.query import TRUE, Aggregate, Expr, Field, Grouping, Key, Statistic, all_of, grouped

METHODS: Mapping[str, Statistic] = {
    "sum": Statistic.SUM,
    "min": Statistic.MIN,
    "max": Statistic.MAX,
    "average": Statistic.AVG,
    "countdistinct": Statistic.COUNT_DISTINCT,
}
OWN_METHODS: Mapping[str, Statistic] = {
    f"{NAMESPACE}.count": Statistic.COUNT,
    f"{NAMESPACE}.stddev": Statistic.STDDEV,
    f"{NAMESPACE}.median": Statistic.QUANTILE,
    f"{NAMESPACE}.quantile": Statistic.QUANTILE,
    f"{NAMESPACE}.first": Statistic.FIRST,
    f"{NAMESPACE}.last": Statistic.LAST,
}
_QUANTILE = f"{NAMESPACE}.quantile"
_MEDIAN = Decimal("0.5")
# The types that JSON tells by itself, as far as nothing declares them.
_EVIDENT = frozenset({Type.STRING, Type.BOOLEAN, Type.DOUBLE})


@dataclass(frozen=True, slots=True)
class Applied:
    """What `$apply` leaves: `entity` is what the options behind it speak of.

    `where` are conditions on rows, `having` on groups. `types` are the annotations of the properties that no metadata
    declares and JSON does not tell.
    """

    entity: EntityType
    where: Expr = TRUE
    grouping: Grouping | None = None
    having: Expr = TRUE
    types: Mapping[str, str] = field(default_factory=dict[str, str])


def apply(text: str, scope: Scope) -> Applied:
    """What the transformations leave of the entities of a scope. Raises Problem."""
    applied = Applied(scope.entity)
    for transformation in parse_apply(text, scope.limits):
        match transformation:
            case Filter(test) if applied.grouping is None:
                applied = replace(applied, where=all_of(applied.where, condition(test, scope)))
            case Filter(test):
                over = replace(scope, entity=applied.entity, computed={})
                applied = replace(applied, having=all_of(applied.having, condition(test, over)))
            case Compute() if applied.grouping is None:
                scope = _computed(transformation, scope)
            case Compute(terms):
                raise not_supported("compute behind groupby or aggregate", terms[0].position)
            case GroupBy(position=position) if applied.grouping is not None:
                raise not_supported("a second groupby or aggregate", position)
            case GroupBy():
                applied = _grouped(transformation, applied, scope)
            case _:
                assert_never(transformation)
    if scope.computed and applied.grouping is None:
        raise not_supported("compute without groupby or aggregate")
    return applied


def _computed(compute: Compute, scope: Scope) -> Scope:
    """The scope with the names that are given to values. Raises Problem `syntax_error` for a name that is taken."""
    computed = dict(scope.computed)
    for term in compute.terms:
        _check_free(term.name, term.position, replace(scope, computed=computed))
        computed[term.name] = expression(term.value, scope)
    return replace(scope, computed=computed)


def _check_free(name: str, position: int, scope: Scope) -> None:
    """Raises Problem `syntax_error` for the name of a property, which would be one of another type."""
    if name in scope.computed or name in scope.entity.properties:
        raise syntax_error(f"There is a property {name[:80]!r} already.", position, "Give another name.")


def _grouped(group_by: GroupBy, applied: Applied, scope: Scope) -> Applied:
    columns, most = len(group_by.keys) + len(group_by.aggregates), scope.limits.group_columns_max
    if columns > most:
        raise limit_exceeded("group_columns_max", most, f"A group has {columns} columns.")
    for term in group_by.aggregates:
        _check_free(term.name, group_by.position, scope)
    keys = [_key(node, scope) for node in group_by.keys]
    grouping = grouped(keys, [_aggregate(term, scope) for term in group_by.aggregates])
    table = scope.entity.table
    with at(group_by.position):
        answered = answer_table(grouping, table)
    entity = _entity(scope.entity, answered)
    return replace(applied, entity=entity, grouping=grouping, types=dict(_types(grouping, answered)))


def _entity(entity: EntityType, answered: Table) -> EntityType:
    """Entities of the same set that have the columns of groups."""
    shown = replace(entity.collection, table=answered.name, every_revision=False)
    return EntityType(Tables((answered,), (shown,)), shown)


def _types(grouping: Grouping, answered: Table) -> Iterable[tuple[str, str]]:
    declared = {key.name for key in grouping.keys if key.by == Field(key.name)}
    for column in answered.columns:
        if column.name not in declared and column.type not in _EVIDENT:
            yield column.name, f"#{EDM_TYPES[column.type].removeprefix('Edm.')}"


def _key(node: Node, scope: Scope) -> Key:
    if not isinstance(node, Path):
        raise syntax_error("A property to group by is due.", node.position)
    first, *others = node.segments
    if others or first.arguments is not None:
        raise not_supported("grouping by anything but properties and names of compute", node.position)
    return Key(first.name, expression(node, scope))


def _aggregate(term: AggregateTerm, scope: Scope) -> Aggregate:
    if term.value is None:
        return Aggregate(term.name, Statistic.COUNT)
    if term.method is None:
        raise _without_method(term.value, scope)
    name = term.method.name.lower()
    statistic = METHODS.get(name) or OWN_METHODS.get(name)
    if statistic is None:
        raise _unknown_method(term.method)
    aggregate = Aggregate(term.name, statistic, expression(term.value, scope), _part(term.method))
    with at(term.value.position):
        aggregate_type(aggregate, scope.entity.table)
    return aggregate


def _without_method(value: Node, scope: Scope) -> Problem:
    if isinstance(value, Path) and value.segments[0].name in scope.entity.properties:
        return syntax_error("A method is due.", value.position, "Write aggregate(value with sum as total).")
    return not_supported("a custom aggregate", value.position)


def _unknown_method(method: Segment) -> Problem:
    if "." in method.name and not method.name.lower().startswith(f"{NAMESPACE}."):
        return not_supported(f"the aggregation method {method.name}", method.position)
    hint = near(method.name, (*METHODS, *OWN_METHODS))
    return syntax_error(f"There is no aggregation method {method.name[:80]!r}.", method.position, hint)


def _part(method: Segment) -> Decimal | None:
    """The part of the values that lie below a quantile; None where the method takes none."""
    name = method.name.lower()
    if name != _QUANTILE:
        if method.arguments is not None:
            raise syntax_error(f"{name} takes nothing in parentheses.", method.position)
        return _MEDIAN if OWN_METHODS.get(name) is Statistic.QUANTILE else None
    match method.arguments:
        case (Argument(name=None, value=Constant() as written),):
            found = constant(written).value
            if isinstance(found, int | Decimal) and not isinstance(found, bool):
                return Decimal(found)
        case _:
            pass
    raise syntax_error("The part of the values is due.", method.position, f"Write {_QUANTILE}(0.9).")
