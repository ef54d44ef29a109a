"""The `filter` inputs, generated from the model, and what they mean: the expressions that OData's `$filter` gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from api.graphql.building import Argument, extend_input, input_type
from api.graphql.naming import camel
from api.graphql.scalars import PYTHON_TYPES
from api.problems import Problem
from catalog.model import Collection, Table, Type
from engine.literals import literal, typed_compare, typed_in
from engine.query import Call, Expr, Field, Literal, Op, all_of, any_of, negate

IGNORE_CASE = "ignoreCase"
_COMPARISONS: Mapping[str, str] = {
    "eq": "Equals; null finds what has no value.",
    "ne": "Differs; null finds what has a value.",
    "lt": "Less.",
    "le": "Less or equal.",
    "gt": "Greater.",
    "ge": "Greater or equal.",
}
_TEXT_FUNCTIONS: Mapping[str, tuple[str, str]] = {
    "contains": ("contains", "Contains this text."),
    "startsWith": ("startswith", "Starts with this text."),
    "endsWith": ("endswith", "Ends with this text."),
}
_INPUT_NAMES: Mapping[Type, str] = {
    Type.UUID: "IDFilter",
    Type.STRING: "StringFilter",
    Type.DATE: "DateFilter",
    Type.TIMESTAMP: "DateTimeFilter",
    Type.BOOLEAN: "BooleanFilter",
    Type.DECIMAL: "DecimalFilter",
    Type.LONG: "BigIntFilter",
    Type.DOUBLE: "FloatFilter",
}
_UNORDERED = (Type.UUID, Type.BOOLEAN)


def _operators(type_: Type) -> Iterator[Argument]:
    scalar: Any = PYTHON_TYPES[type_]
    for name, about in _COMPARISONS.items():
        if name in ("eq", "ne") or type_ not in _UNORDERED:
            yield Argument(name, scalar | None, about)
    yield Argument("in", list[scalar] | None, "Equals one of these.")
    if type_ is Type.STRING:
        for name, (_, about) in _TEXT_FUNCTIONS.items():
            yield Argument(name, scalar | None, about)
        yield Argument(IGNORE_CASE, bool, "Compare in lower case.", default=False)


OPERATOR_INPUTS: Mapping[Type, Any] = {
    type_: input_type(_INPUT_NAMES[type_], f"Conditions on a {type_.value}; all must hold.", _operators(type_))
    for type_ in Type
}


def filter_input(collection: Collection, table: Table) -> Any:
    """The input type of a collection's filter: a condition on each visible column, and `and`, `or`, `not`."""
    columns = (Argument(camel(c.name), OPERATOR_INPUTS[c.type] | None, c.description) for c in table.visible)
    made: Any = input_type(f"{collection.singular}Filter", f"Conditions on {collection.name}; all must hold.", columns)
    junctions = (
        Argument("and", list[made] | None, "All of these hold."),
        Argument("or", list[made] | None, "One of these holds; of an empty list none does."),
        Argument("not", made | None, "This does not hold."),
    )
    extend_input(made, junctions)
    return made


def condition(given: Mapping[str, Any], table: Table, items_max: int) -> Expr:
    """What a filter input says about the rows of a table.

    Raises Problem `invalid_parameter` where a null says nothing, `limit_exceeded` for more conditions than `items_max`
    or a longer list; InvalidLiteral where a value does not fit its column.
    """
    if (found := _count(given)) > items_max:
        details = {"limit": "in_items_max", "value": items_max}
        raise Problem("limit_exceeded", f"The filter has {found} conditions.", f"Give at most {items_max}.", details)
    return _condition(given, table, items_max)


def _count(given: Mapping[str, Any]) -> int:
    """How many operators a filter has; the list of an `in` is one, and bounded by itself."""
    found = 0
    for name, value in given.items():
        match name:
            case "and" | "or":
                found += sum(_count(item) for item in value or ())
            case "not":
                found += _count(value or {})
            case _:
                found += len(value or ())
    return found


def _condition(given: Mapping[str, Any], table: Table, items_max: int) -> Expr:
    columns = {camel(column.name): column.name for column in table.visible}
    parts: list[Expr] = []
    for name, value in given.items():
        if value is None:
            raise _meaningless_null(name)
        match name:
            case "and":
                parts.append(all_of(*(_condition(item, table, items_max) for item in value)))
            case "or":
                parts.append(any_of(*(_condition(item, table, items_max) for item in value)))
            case "not":
                parts.append(negate(_condition(value, table, items_max)))
            case _:
                parts.append(_column_condition(columns[name], value, table, items_max))
    return all_of(*parts)


def _column_condition(column: str, operators: Mapping[str, Any], table: Table, items_max: int) -> Expr:
    folded = operators.get(IGNORE_CASE) is True
    subject = _folded(Field(column), folded)
    parts: list[Expr] = []
    for name, value in operators.items():
        if name == IGNORE_CASE:
            continue
        if value is None and name not in ("eq", "ne"):
            raise _meaningless_null(f"{column}.{name}")
        parts.append(_operation(name, subject, value, folded, table, items_max))
    return all_of(*parts)


def _operation(name: str, subject: Expr, value: Any, folded: bool, table: Table, items_max: int) -> Expr:
    if name in _COMPARISONS:
        return typed_compare(Op(name), subject, _constant(value, folded), table)
    if name in _TEXT_FUNCTIONS:
        return Call(_TEXT_FUNCTIONS[name][0], (subject, _constant(value, folded)))
    return membership(subject, [_constant(item, folded) for item in value], table, items_max)


def membership(subject: Expr, items: Sequence[Literal], table: Table, items_max: int) -> Expr:
    """One of a bounded list of constants. Raises Problem `limit_exceeded`."""
    if len(items) > items_max:
        raise Problem(
            "limit_exceeded",
            f"A list has {len(items)} items.",
            f"Give at most {items_max}.",
            {"limit": "in_items_max", "value": items_max},
        )
    return typed_in(subject, items, table)


def _folded(subject: Expr, folded: bool) -> Expr:
    return Call("tolower", (subject,)) if folded else subject


def _constant(value: Any, folded: bool) -> Literal:
    """Lower case is Python's here and the database's on the column; they agree on all but a few letters of Unicode."""
    return literal(value.lower() if folded and isinstance(value, str) else value)


def _meaningless_null(name: str) -> Problem:
    return Problem("invalid_parameter", f"The filter {name} is null.", "Leave it out, or compare with eq or ne null.")
