"""The planner: `bind`, then the passes, in the order written here.

A pass is a plain function from Plan to Plan that never changes the output columns. Leaving any of them out changes
how much is read, never the answer: the tests ask every query with and without them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from catalog.model import Tables
from engine.planner.bind import bind
from engine.planner.model import Plan
from engine.planner.prune_columns import prune_columns
from engine.planner.prune_files import prune_files
from engine.planner.push_filters import push_filters
from engine.planner.push_having import push_having
from engine.planner.push_negations import push_negations
from engine.planner.unwrap_functions import unwrap_functions
from engine.query import Query

Pass: TypeAlias = Callable[[Plan], Plan]


@dataclass(frozen=True, slots=True)
class Stage:
    """A plan and the step that left it so."""

    name: str
    plan: Plan


PASSES: tuple[Pass, ...] = (push_having, unwrap_functions, push_negations, push_filters, prune_columns, prune_files)


def plan(query: Query, tables: Tables, passes: tuple[Pass, ...] = PASSES) -> Plan:
    """The plan of a query. Raises QueryError where the query does not fit the model."""
    return stages(query, tables, passes)[-1].plan


def stages(query: Query, tables: Tables, passes: tuple[Pass, ...] = PASSES) -> tuple[Stage, ...]:
    """The plan as it is bound, then as each pass leaves it. Raises as `plan` does."""
    planned = bind(query, tables)
    found = [Stage(bind.__name__, planned)]
    for step in passes:
        planned = _through(step, planned)
        found.append(Stage(step.__name__, planned))
    return tuple(found)


def _through(step: Pass, planned: Plan) -> Plan:
    """A plan and those of its related rows, as a pass leaves them."""
    related = tuple((node, _through(step, inner)) for node, inner in planned.related)
    passed = step(replace(planned, related=related) if related else planned)
    if passed.output != planned.output:
        raise AssertionError(f"The pass {step.__name__} changed the output columns.")
    return passed
