"""Series in another frequency and in other units: the steps of a statement between its rows and the points it answers.

`periods` makes one row of the points of each period, `numbered` counts periods, `paired` puts beside each value the one
so many periods before, and `converted` holds the two against each other. What is not exact is worked out in doubles and
shown as the decimal of their shortest digits.
"""

from __future__ import annotations

from typing import assert_never

from sqlglot import exp

from catalog.model import Table, Type
from catalog.schemas import SQL_TYPES
from engine.conversion import Conversion, Frequency, Line, Rollup, Transform
from engine.lower.expressions import Parameters
from engine.lower.groups import exact_sum, kept_rows
from engine.lower.trees import call, column, named, select_of
from engine.planner.model import Plan

KEPT, PERIODS, NUMBERED, PAIRED, CONVERTED = "kept", "periods", "numbered", "paired", "converted"
_ORIGIN = "0001-01-01"  # a Monday: every date is behind it, so that no number is negative
_NUMBER, _BEFORE = "number of the period", "value before"
_DOUBLE = SQL_TYPES[Type.DOUBLE]
_UNITS = {Frequency.W: "week", Frequency.M: "month", Frequency.Q: "quarter", Frequency.A: "year"}
_DAYS_BIWEEKLY = 14


def conversion_steps(
    plan: Plan, conversion: Conversion, line: Line, parameters: Parameters, rows: str
) -> dict[str, exp.Query]:
    """The steps from the rows of the step of that name to points with the columns of the table."""
    names = [each.name for each in plan.table.visible if each.name in plan.columns]
    kept = kept_rows(select_of(*map(column, names)).from_(exp.to_table(rows), copy=False), plan, parameters)
    steps: dict[str, exp.Query] = {PERIODS: kept}
    if conversion.rolls_up:
        steps = {KEPT: kept, PERIODS: _rolled_up(plan.table, conversion, line, names)}
    if conversion.lag:
        number = named(_number(conversion.target, line), _NUMBER)
        steps[NUMBERED] = select_of(*map(column, names), number).from_(exp.to_table(PERIODS), copy=False)
        steps[PAIRED] = _paired(conversion, line, names)
    steps[CONVERTED] = _converted(conversion, line, names)
    return steps


def _rolled_up(table: Table, conversion: Conversion, line: Line, names: list[str]) -> exp.Select:
    made: dict[str, exp.Expr] = {
        line.parent: column(line.parent),
        line.axis: _start(conversion.frequency, column(line.axis)),
        line.measure: _roll_up(conversion, line),
    }
    select = select_of(*(named(made.get(name) or _latest(table, name), name) for name in names))
    keys = (column(line.parent), _start(conversion.frequency, column(line.axis)))
    return select.from_(exp.to_table(KEPT), copy=False).group_by(*keys, copy=False)


def _latest(table: Table, name: str) -> exp.Expr:
    """Of what else points carry, dates say when the last of them came; nothing else holds for a period."""
    type_ = table.by_name[name].type
    if type_ in (Type.DATE, Type.TIMESTAMP):
        return call("max", column(name))
    return exp.cast(exp.null(), SQL_TYPES[type_])


def _roll_up(conversion: Conversion, line: Line) -> exp.Expr:
    parts = conversion.parts
    if conversion.rollup is Rollup.EOP:
        return _last(conversion, line)
    value = column(line.measure)
    made = call("avg", value) if conversion.rollup is Rollup.AVG else exact_sum(value, Type.DECIMAL)
    if parts is None or conversion.native is None:
        return made
    return exp.case().when(_is_whole(conversion.native, parts, line), made)


def _is_whole(native: Frequency, parts: int, line: Line) -> exp.Expr:
    """Each part has one value, and no part another one in the place of one that is not there."""
    count = exp.EQ(this=call("count", column(line.measure)), expression=_integer(parts))
    bit = exp.BitwiseLeftShift(this=_integer(1), expression=exp.Paren(this=_place(native, parts, line)))
    seen = exp.case().when(exp.Not(this=exp.Is(this=column(line.measure), expression=exp.null())), bit)
    every = exp.EQ(this=call("bit_or", seen), expression=_integer(2**parts - 1))
    return exp.and_(count, every, copy=False)


def _place(native: Frequency, parts: int, line: Line) -> exp.Expr:
    """Of a point's part among those of its period, from 0."""
    return exp.Mod(this=exp.Paren(this=_count(native, column(line.axis))), expression=_integer(parts))


def _last(conversion: Conversion, line: Line) -> exp.Expr:
    """The last value; where it is known how many a period has, that of the last of its parts, which may be null."""
    parts, native = conversion.parts, conversion.native
    if parts is None or native is None:
        return call("arg_max", column(line.measure), column(line.axis))
    is_last = exp.EQ(this=_place(native, parts, line), expression=_integer(parts - 1))
    return call("arg_max_null", exp.case().when(is_last, column(line.measure)), column(line.axis))


def _start(frequency: Frequency | None, day: exp.Column) -> exp.Expr:
    """The first day of the period of a day."""
    if frequency is Frequency.SA:
        half = exp.case().when(exp.GT(this=call("month", day), expression=_integer(6)), _integer(7)).else_(_integer(1))
        return call("make_date", call("year", day.copy()), half, _integer(1))
    if frequency is None or not frequency.period:
        return day
    return exp.cast(call("date_trunc", exp.Literal.string(frequency.period), day), "date")


def _number(frequency: Frequency | None, line: Line) -> exp.Expr:
    """The number of a row's period; where there are no periods, of the row in its series."""
    if frequency is None or frequency is Frequency.D:
        order = exp.Order(expressions=[exp.Ordered(this=column(line.axis))])
        return exp.Window(this=exp.RowNumber(), partition_by=[column(line.parent)], order=order)
    return _count(frequency, column(line.axis))


def _count(frequency: Frequency, day: exp.Column) -> exp.Expr:
    """How many periods lie before that of a day."""
    if frequency is Frequency.SA:
        return exp.Paren(this=exp.IntDiv(this=_passed("quarter", day), expression=_integer(2)))
    if frequency is Frequency.BW:
        return exp.Paren(this=exp.IntDiv(this=_passed("day", day), expression=_integer(_DAYS_BIWEEKLY)))
    return _passed(_UNITS[frequency], day)


def _passed(unit: str, day: exp.Column) -> exp.Expr:
    return call("date_diff", exp.Literal.string(unit), exp.cast(exp.Literal.string(_ORIGIN), "date"), day)


def _paired(conversion: Conversion, line: Line, names: list[str]) -> exp.Select:
    """Beside each value the one so many periods before; null where there is none in that very period. Of several there,
    which are in no order in a window by periods, it is the one of the last date."""
    back = str(conversion.lag)
    spec = exp.WindowSpec(kind="RANGE", start=back, start_side="PRECEDING", end=back, end_side="PRECEDING")
    order = exp.Order(expressions=[exp.Ordered(this=column(_NUMBER))])
    last = call("arg_max_null", column(line.measure), column(line.axis))
    before = exp.Window(this=last, partition_by=[column(line.parent)], order=order, spec=spec)
    return select_of(*map(column, names), named(before, _BEFORE)).from_(exp.to_table(NUMBERED), copy=False)


def _converted(conversion: Conversion, line: Line, names: list[str]) -> exp.Select:
    pair = (column(line.measure), column(_BEFORE))
    value, before = pair if conversion.is_exact else (exp.cast(each, _DOUBLE) for each in pair)
    made = _transformed(conversion, value, before)
    shown = named(made if conversion.is_exact else _decimal(made), line.measure)
    columns = [shown if name == line.measure else column(name) for name in names]
    return select_of(*columns).from_(exp.to_table(PAIRED if conversion.lag else PERIODS), copy=False)


def _transformed(conversion: Conversion, value: exp.Expr, before: exp.Expr) -> exp.Expr:
    a_year = _integer(conversion.target.a_year if conversion.target else 1)
    match conversion.transform:
        case Transform.LIN:
            return value
        case Transform.LOG:
            return _logarithm(value)
        case Transform.CHG | Transform.CH1:
            return call("try", exp.Sub(this=value, expression=before))
        case Transform.PCH | Transform.PC1:
            return _percent(exp.Sub(this=_ratio(value, before), expression=_integer(1)))
        case Transform.PCA:
            power = call("pow", _ratio(value, before), a_year)
            return _percent(exp.Sub(this=power, expression=_integer(1)))
        case Transform.CCH:
            return _percent(exp.Sub(this=_logarithm(value), expression=_logarithm(before)))
        case Transform.CCA:
            change = _percent(exp.Sub(this=_logarithm(value), expression=_logarithm(before)))
            return exp.Mul(this=change, expression=a_year)
        case _:
            assert_never(conversion.transform)


def _percent(part: exp.Expr) -> exp.Expr:
    return exp.Mul(this=exp.Paren(this=part), expression=_integer(100))


def _ratio(value: exp.Expr, before: exp.Expr) -> exp.Expr:
    """Null where it would be divided by zero."""
    return exp.Div(this=value, expression=call("nullif", before, _integer(0)))


def _logarithm(value: exp.Expr) -> exp.Expr:
    """Null of what has none."""
    positive = exp.GT(this=value, expression=_integer(0))
    return exp.case().when(positive, call("ln", value.copy()))


def _decimal(number: exp.Expr) -> exp.Expr:
    """The shortest digits that tell a double from its neighbours; null for what a decimal cannot hold."""
    decimal = exp.DataType.build(SQL_TYPES[Type.DECIMAL], dialect="duckdb")
    return exp.TryCast(this=exp.cast(number, "varchar"), to=decimal)


def _integer(number: int) -> exp.Expr:
    return exp.Literal.number(number)
