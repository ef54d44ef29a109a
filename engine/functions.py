"""The functions a query may call, by their OData names, and the types of expressions.

One table serves both doors, the planner and `lower`: a function that is not here does not exist in finlake. Those of
`OWN_FUNCTIONS` are no functions of OData: `startofmonth(date)` is the first day of the month, a week starts on Monday.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from catalog.model import Table, Type
from engine.errors import UnknownColumn, UnknownFunction, WrongType
from engine.query import And, Call, Compare, Expr, Field, In, Literal, Not, Or, Related


@dataclass(frozen=True, slots=True)
class Function:
    """`parameters` lists one set of accepted types a position; the first `required` of them must be given."""

    name: str
    parameters: tuple[frozenset[Type], ...]
    result: Type
    required: int


_STRING = frozenset({Type.STRING})
_INTEGER = frozenset({Type.LONG})
_DAY = frozenset({Type.DATE, Type.TIMESTAMP})
_INSTANT = frozenset({Type.TIMESTAMP})
_NUMBER = frozenset({Type.DECIMAL, Type.LONG, Type.DOUBLE})


def _function(name: str, result: Type, *parameters: frozenset[Type], optional: int = 0) -> Function:
    return Function(name, parameters, result, len(parameters) - optional)


FUNCTIONS: dict[str, Function] = {
    function.name: function
    for function in (
        _function("contains", Type.BOOLEAN, _STRING, _STRING),
        _function("startswith", Type.BOOLEAN, _STRING, _STRING),
        _function("endswith", Type.BOOLEAN, _STRING, _STRING),
        _function("length", Type.LONG, _STRING),
        _function("indexof", Type.LONG, _STRING, _STRING),
        _function("substring", Type.STRING, _STRING, _INTEGER, _INTEGER, optional=1),
        _function("tolower", Type.STRING, _STRING),
        _function("toupper", Type.STRING, _STRING),
        _function("trim", Type.STRING, _STRING),
        _function("concat", Type.STRING, _STRING, _STRING),
        _function("year", Type.LONG, _DAY),
        _function("month", Type.LONG, _DAY),
        _function("day", Type.LONG, _DAY),
        _function("hour", Type.LONG, _INSTANT),
        _function("minute", Type.LONG, _INSTANT),
        _function("second", Type.LONG, _INSTANT),
        _function("date", Type.DATE, _DAY),
        _function("startofweek", Type.DATE, _DAY),
        _function("startofmonth", Type.DATE, _DAY),
        _function("startofquarter", Type.DATE, _DAY),
        _function("startofyear", Type.DATE, _DAY),
        _function("now", Type.TIMESTAMP),
        _function("round", Type.DECIMAL, _NUMBER),
        _function("floor", Type.DECIMAL, _NUMBER),
        _function("ceiling", Type.DECIMAL, _NUMBER),
    )
}


OWN_FUNCTIONS = ("startofweek", "startofmonth", "startofquarter", "startofyear")


def function_named(name: str) -> Function:
    """The function of that name. Raises UnknownFunction."""
    if name not in FUNCTIONS:
        raise UnknownFunction(
            f"There is no function {name!r}.", f"Use one of: {', '.join(sorted(FUNCTIONS))}.", function=name
        )
    return FUNCTIONS[name]


def type_of(expr: Expr, table: Table) -> Type | None:
    """The type of an expression over a table's visible columns; None for the null literal.

    Raises UnknownColumn, UnknownFunction, WrongType (wrong number or types of a function's arguments).
    """
    match expr:
        case Literal():
            return expr.type
        case Field():
            return column_type(expr.name, table)
        case Call():
            return _call_type(expr, table)
        case Compare() | And() | Or() | Not() | In() | Related():
            return Type.BOOLEAN
        case _:
            assert_never(expr)


def column_type(name: str, table: Table) -> Type:
    """The type of a visible column. Raises UnknownColumn."""
    column = table.by_name.get(name)
    if column is None or column.hidden:
        raise UnknownColumn(
            f"{table.name} has no column {name!r}.",
            f"Its columns are: {', '.join(c.name for c in table.visible)}.",
            column=name,
        )
    return column.type


def _call_type(call: Call, table: Table) -> Type:
    function = function_named(call.name)
    if not function.required <= len(call.args) <= len(function.parameters):
        raise WrongType(
            f"{call.name} takes {_arity(function)} arguments, not {len(call.args)}.",
            "Give the function as many arguments as it takes.",
            function=call.name,
        )
    for position, (arg, accepted) in enumerate(zip(call.args, function.parameters, strict=False), 1):
        actual = type_of(arg, table)
        if actual is not None and actual not in accepted:
            wanted = " or ".join(sorted(t.value for t in accepted))
            raise WrongType(
                f"Argument {position} of {call.name} is a {actual.value}, where a {wanted} is due.",
                f"Give {call.name} a {wanted}.",
                function=call.name,
            )
    return function.result


def _arity(function: Function) -> str:
    most = len(function.parameters)
    return str(most) if function.required == most else f"{function.required} to {most}"
