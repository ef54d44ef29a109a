"""Expressions of the IR as SQL, with the null rules of `engine.query`.

`eq` and `ne` are two-valued, an order against null is false. Where a condition only has to keep rows, a null result
drops the row as false does, so the plain operator says the same and lets the scan prune by it. Under `not`, and where
a condition is a value, it does not: there the two-valued form is written out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import reduce
from typing import Any, assert_never

from sqlglot import exp

from catalog.model import Type
from catalog.schemas import SQL_TYPES
from engine.lower.templates import LISTED_ITEMS_MAX, Bound, Source
from engine.lower.trees import call, column, select_of
from engine.query import And, Call, Compare, Expr, Field, In, Literal, Not, Op, Or, Related

WHITESPACE = " \t\n\r\v\f"
TEXT_LENGTH_MAX = 2**32 - 2  # DuckDB refuses a position past it; no text is as long


class Parameters:
    """The values of a statement, by the name of the placeholder that stands for each, and where each comes from."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.sources: dict[str, Source] = {}
        self._bound: Bound | None = None
        self._places: dict[int, int] = {}
        self._way: Callable[[Bound], Bound] = _itself

    def bind(self, bound: Bound, way: Callable[[Bound], Bound] | None = None) -> None:
        """From here on values are taken from this plan and these files. `way` leads to them from those of the whole
        statement, where they are of related rows."""
        self._bound = bound
        self._way = way or _itself
        self._places = {}
        for place, constant in enumerate(bound.constants):
            self._places.setdefault(id(constant), place)

    @property
    def bound(self) -> Bound:
        """Raises LookupError where nothing is bound yet."""
        if self._bound is None:
            raise LookupError("Nothing is bound yet.")
        return self._bound

    def add(self, source: Source) -> exp.Placeholder:
        """What a source makes of what is bound."""
        way = self._way
        return self._add(source(self.bound), lambda bound: source(way(bound)))

    def add_constant(self, constant: Literal | In, read: Callable[[Any], Any]) -> exp.Placeholder:
        """What `read` makes of a constant of the plan, or of another plan's in the same place."""
        place, way = self._places.get(id(constant), -1), self._way
        return self._add(read(constant), lambda bound: read(way(bound).constants[place]))

    def related(self, node: Related) -> str:
        """The name of the common table expression that has the rows of a condition on related rows."""
        return related_name([each for each, _ in self.bound.plan.related].index(node))

    def add_value(self, value: Any) -> exp.Placeholder:
        """A value that comes from no plan."""
        return self._add(value, lambda _: value)

    def _add(self, value: Any, source: Source) -> exp.Placeholder:
        name = f"p{len(self.values)}"
        self.values[name] = value
        self.sources[name] = source
        return exp.Placeholder(this=name)


def _itself(bound: Bound) -> Bound:
    return bound


def related_name(place: int) -> str:
    return f"related_{place}"


def value(expr: Expr, parameters: Parameters) -> exp.Expr:
    """The SQL of an expression's value."""
    match expr:
        case Literal():
            return constant(expr, parameters)
        case Field():
            return column(expr.name)
        case Call():
            return _FUNCTIONS[expr.name](*(value(arg, parameters) for arg in expr.args))
        case Compare() | And() | Or() | Not() | In() | Related():
            return exp.Paren(this=condition(expr, parameters, keeps_rows=False))
        case _:
            assert_never(expr)


def constant(literal: Literal, parameters: Parameters) -> exp.Expr:
    if literal.value is None:
        return exp.null()
    if isinstance(literal.value, Decimal):
        # As text: the driver misreads a decimal with a positive exponent.
        return exp.cast(parameters.add_constant(literal, _digits), SQL_TYPES[Type.DECIMAL])
    return parameters.add_constant(literal, _plain)


def _plain(literal: Literal) -> Any:
    return literal.value


def _digits(literal: Literal) -> str:
    number = literal.value if isinstance(literal.value, Decimal) else Decimal(str(literal.value))
    return format(number, "f")


def condition(expr: Expr, parameters: Parameters, *, keeps_rows: bool = True) -> exp.Expr:
    """The SQL of a condition. With `keeps_rows` it may be null where it is not true."""
    match expr:
        case And():
            return _chain(exp.And, (condition(arg, parameters, keeps_rows=keeps_rows) for arg in expr.args))
        case Or():
            return _chain(exp.Or, (condition(arg, parameters, keeps_rows=keeps_rows) for arg in expr.args))
        case Not():
            return exp.Not(this=exp.Paren(this=condition(expr.arg, parameters, keeps_rows=False)))
        case Compare():
            return _comparison(expr, parameters, keeps_rows=keeps_rows)
        case In():
            return _membership(expr, parameters, keeps_rows=keeps_rows)
        case Related():
            return _among_related(expr, parameters, keeps_rows=keeps_rows)
        case Literal() if isinstance(expr.value, bool):
            return exp.true() if expr.value else exp.false()
        case Literal() | Field() | Call():
            return value(expr, parameters)
        case _:
            assert_never(expr)


def _chain(connector: type[exp.Connector], parts: Iterable[exp.Expr]) -> exp.Expr:
    """The parts joined. sqlglot's own `or_` copies what it joins, which takes seconds for thousands of parts."""

    def joined(left: exp.Expr, right: exp.Expr) -> exp.Expr:
        return connector(this=left, expression=right)

    return reduce(joined, (exp.Paren(this=part) for part in parts))


def _comparison(expr: Compare, parameters: Parameters, *, keeps_rows: bool) -> exp.Expr:
    left, right = value(expr.left, parameters), value(expr.right, parameters)
    constant_right = isinstance(expr.right, Literal)
    null_right = isinstance(expr.right, Literal) and expr.right.value is None
    match expr.op:
        case Op.EQ if null_right:
            return exp.Is(this=left, expression=exp.null())
        case Op.NE if null_right:
            return exp.Not(this=exp.Is(this=left, expression=exp.null()))
        case Op.EQ if constant_right and keeps_rows:
            return exp.EQ(this=left, expression=right)
        case Op.EQ:
            return exp.NullSafeEQ(this=left, expression=right)
        case Op.NE:
            return exp.NullSafeNEQ(this=left, expression=right)
        case Op.LT | Op.LE | Op.GT | Op.GE:
            ordered = _ORDERS[expr.op](this=left, expression=right)
            return ordered if keeps_rows else exp.func("coalesce", ordered, exp.false())


ID_SEPARATOR = ","  # in no id
_ORDERS: dict[Op, type[exp.Binary]] = {Op.LT: exp.LT, Op.LE: exp.LTE, Op.GT: exp.GT, Op.GE: exp.GTE}


def _membership(expr: In, parameters: Parameters, *, keeps_rows: bool) -> exp.Expr:
    member = (_listed if len(expr.items) <= LISTED_ITEMS_MAX else _joined_list)(expr, parameters)
    if any(item.value is None for item in expr.items):
        return exp.func("coalesce", member, exp.true())  # as the items left are none, only a null makes it null
    return member if keeps_rows else exp.func("coalesce", member, exp.false())


def _listed(expr: In, parameters: Parameters) -> exp.Expr:
    items = [constant(item, parameters) for item in expr.items if item.value is not None]
    return exp.In(this=value(expr.arg, parameters), expressions=items)


def _joined_list(expr: In, parameters: Parameters) -> exp.Expr:
    arg = value(expr.arg, parameters)
    if any(isinstance(item.value, Decimal) for item in expr.items):
        listed = exp.cast(parameters.add_constant(expr, _all_digits), f"{SQL_TYPES[Type.DECIMAL]}[]", dialect="duckdb")
    elif all(item.type is Type.UUID for item in expr.items):
        # To bind a list takes DuckDB 14 microseconds an item, to split a text half of one.
        listed = exp.func("string_split", parameters.add_constant(expr, _all_joined), exp.Literal.string(ID_SEPARATOR))
    else:
        listed = parameters.add_constant(expr, _all_plain)
    return exp.In(this=arg, query=exp.select(exp.func("unnest", listed)).subquery())


def _among_related(expr: Related, parameters: Parameters, *, keeps_rows: bool) -> exp.Expr:
    rows = select_of(*map(column, expr.rows.columns))
    listed = rows.from_(exp.to_table(parameters.related(expr)), copy=False).subquery(copy=False)
    member = exp.In(this=column(expr.column), query=listed)
    return member if keeps_rows else exp.func("coalesce", member, exp.false())


def _all_plain(expr: In) -> list[Any]:
    return [item.value for item in expr.items if item.value is not None]


def _all_joined(expr: In) -> str:
    return ID_SEPARATOR.join(_all_plain(expr))


def _all_digits(expr: In) -> list[str]:
    return [_digits(item) for item in expr.items if item.value is not None]


def _from_zero(text: exp.Expr, start: exp.Expr, length: exp.Expr | None = None) -> exp.Expr:
    """A part of a text, counted from 0; a negative start counts from the end, a negative length is none."""
    tail = _named("substring")(text, _once(start, _from_one))
    return tail if length is None else _named("substring")(tail, exp.Literal.number(1), _once(length, _length))


def _once(arg: exp.Expr, body: Callable[[exp.Column], exp.Expr]) -> exp.Expr:
    """What `body` makes of an argument that it names several times. Written out that often, nested calls would make a
    text that doubles at each level."""
    whole = exp.Lambda(this=body(exp.column("n")), expressions=[exp.to_identifier("n")])
    return _named("list_extract")(_named("list_transform")(exp.Array(expressions=[arg]), whole), exp.Literal.number(1))


def _from_one(start: exp.Column) -> exp.Expr:
    inside = exp.case().when(start > TEXT_LENGTH_MAX, TEXT_LENGTH_MAX + 1).when(start >= 0, start + 1)
    return inside.when(start < -TEXT_LENGTH_MAX, -TEXT_LENGTH_MAX).else_(start)


def _length(length: exp.Column) -> exp.Expr:
    return exp.case().when(length < 0, 0).when(length > TEXT_LENGTH_MAX, TEXT_LENGTH_MAX).else_(length)


def _whole(name: str) -> Callable[[exp.Expr], exp.Expr]:
    """A rounding function. Null where rounding up the greatest number leaves no room for it in the type."""
    return lambda number: exp.TryCast(this=_named(name)(number), to=exp.DataType.build(SQL_TYPES[Type.DECIMAL]))


def _position(text: exp.Expr, part: exp.Expr) -> exp.Expr:
    """Where a part begins, counted from 0; -1 where it is not."""
    return exp.Paren(this=exp.Sub(this=_named("strpos")(text, part), expression=exp.Literal.number(1)))


def _trimmed(text: exp.Expr) -> exp.Expr:
    return _named("trim")(text, exp.Literal.string(WHITESPACE))


def _joined(left: exp.Expr, right: exp.Expr) -> exp.Expr:
    """Null where either side is null, as the function `concat` of DuckDB is not."""
    return exp.Paren(this=exp.DPipe(this=left, expression=right, safe=True))


def _day(instant: exp.Expr) -> exp.Expr:
    return exp.cast(instant, "date")


def _named(name: str) -> Callable[..., exp.Expr]:
    return lambda *args: call(name, *args)


def _start(period: str) -> Callable[[exp.Expr], exp.Expr]:
    """The first day of the period that a day is in."""
    return lambda day: _day(call("date_trunc", exp.Literal.string(period), day))


_FUNCTIONS: dict[str, Callable[..., exp.Expr]] = {
    "contains": _named("contains"),
    "startswith": _named("starts_with"),
    "endswith": _named("ends_with"),
    "length": _named("length"),
    "indexof": _position,
    "substring": _from_zero,
    "tolower": _named("lower"),
    "toupper": _named("upper"),
    "trim": _trimmed,
    "concat": _joined,
    "year": _named("year"),
    "month": _named("month"),
    "day": _named("day"),
    "hour": _named("hour"),
    "minute": _named("minute"),
    "second": _named("second"),
    "date": _day,
    "startofweek": _start("week"),
    "startofmonth": _start("month"),
    "startofquarter": _start("quarter"),
    "startofyear": _start("year"),
    "now": _named("now"),
    "round": _whole("round"),
    "floor": _whole("floor"),
    "ceiling": _whole("ceil"),
}
