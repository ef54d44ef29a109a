"""Move negations down to the comparisons, which then say the opposite: only so they tell of ranges.

`eq` and `ne` are each other's opposite. An order against null is false, so its opposite holds for null as well.
"""

from __future__ import annotations

from dataclasses import replace

from catalog.model import Table
from engine.planner.model import Plan
from engine.query import NULL, And, Compare, Expr, Field, Literal, Not, Op, Or, all_of, any_of

_OPPOSITE = {Op.EQ: Op.NE, Op.NE: Op.EQ, Op.LT: Op.GE, Op.GE: Op.LT, Op.GT: Op.LE, Op.LE: Op.GT}


def push_negations(plan: Plan) -> Plan:
    return replace(plan, where=_pushed(plan.where, plan.table))


def _pushed(expr: Expr, table: Table) -> Expr:
    match expr:
        case And(args):
            return all_of(*(_pushed(arg, table) for arg in args))
        case Or(args):
            return any_of(*(_pushed(arg, table) for arg in args))
        case Not(arg):
            return _negated(arg, table)
        case _:
            return expr


def _negated(expr: Expr, table: Table) -> Expr:
    match expr:
        case Not(arg):
            return _pushed(arg, table)
        case And(args):
            return any_of(*(_negated(arg, table) for arg in args))
        case Or(args):
            return all_of(*(_negated(arg, table) for arg in args))
        case Compare(Op.EQ | Op.NE as op, left, right):
            return Compare(_OPPOSITE[op], left, right)
        case Compare(op, Field(name) as field, Literal() as constant) if constant != NULL:
            opposite = Compare(_OPPOSITE[op], field, constant)
            return any_of(opposite, Compare(Op.EQ, field, NULL)) if table.by_name[name].nullable else opposite
        case _:
            return Not(expr)
