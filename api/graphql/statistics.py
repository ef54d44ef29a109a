"""Statistics of points: the fields that show them, and which of them a document selects.

Only what is selected is worked out. The field names are the names of the aggregates in the query.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

import strawberry
from graphql import GraphQLObjectType
from graphql.execution.collect_fields import GroupedFieldSet
from graphql.execution.values import get_argument_values
from strawberry.types.field import StrawberryField

from api.graphql.building import Argument, attribute, resolved
from api.graphql.entities import Timeline
from api.graphql.request import Row
from api.graphql.scalars import BigInt
from api.graphql.selection import TYPENAME, Selection
from api.problems import Problem
from engine.query import Aggregate, Call, Expr, Field, Statistic

PERIOD = "period"
_QUANTILE = "quantile"


class Bucket(Enum):
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"

    def start(self, axis: str) -> Expr:
        """The first day of the period of a date."""
        return Field(axis) if self is Bucket.DAY else Call(f"startof{self.value}", (Field(axis),))


strawberry.enum(Bucket, description="A calendar period; a week starts on Monday.")


@dataclass(frozen=True, slots=True)
class Shown:
    """A field that shows an aggregate of the values, or, where it `counts_rows`, the number of rows."""

    statistic: Statistic
    type: Any
    about: str
    at: Decimal | None = None
    counts_rows: bool = False


FIELDS: Mapping[str, Shown] = {
    "count": Shown(Statistic.COUNT, BigInt, "The number of points, withdrawn ones among them.", counts_rows=True),
    "values": Shown(Statistic.COUNT, BigInt, "The number of points that have a value."),
    "distinct": Shown(Statistic.COUNT_DISTINCT, BigInt, "The number of different values."),
    "sum": Shown(Statistic.SUM, Decimal | None, "The exact sum."),
    "avg": Shown(Statistic.AVG, float | None, "The mean."),
    "min": Shown(Statistic.MIN, Decimal | None, "The least value."),
    "max": Shown(Statistic.MAX, Decimal | None, "The greatest value."),
    "stddev": Shown(Statistic.STDDEV, float | None, "The standard deviation of a sample."),
    "median": Shown(Statistic.QUANTILE, float | None, "The median.", Decimal("0.5")),
    "first": Shown(Statistic.FIRST, Decimal | None, "The value of the earliest date that has one."),
    "last": Shown(Statistic.LAST, Decimal | None, "The value of the latest date that has one."),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What is selected of groups."""

    selection: Selection
    aggregates: tuple[Aggregate, ...]


def statistics_fields() -> Iterator[StrawberryField]:
    for name, shown in FIELDS.items():
        yield attribute(name, name, shown.type, shown.about)
    part = Argument("at", Decimal, "The part of the values that lie below it, from 0 to 1.")
    about = "The value below which a part of the values lies; between two of them on a straight line."
    yield resolved(_QUANTILE, float | None, about, _quantile, (part,))


def _quantile(root: Row, at: Decimal) -> float | None:
    return root.values[_quantile_name(at)]


def _quantile_name(at: Decimal) -> str:
    """The name of a column. Raises Problem `invalid_parameter` for a part that there is not."""
    if not 0 <= at <= 1 or len(str(at)) > 30:
        raise Problem("invalid_parameter", f"There is no quantile at {at!s:.40}.", "Give a part between 0 and 1.")
    return f"{_QUANTILE}_{abs(at.normalize()):f}".replace(".", "_")


def asked_of(
    grouped: GroupedFieldSet, type_: GraphQLObjectType, variables: Any, timeline: Timeline, keys: Mapping[str, str]
) -> Asked:
    """What the fields selected of a group ask for. `keys` are the columns that show what rows are grouped by."""
    shown: list[tuple[str, str | None]] = []
    aggregates: dict[str, Aggregate] = {}
    for response_key, details in grouped.items():
        node = details[0].node
        name = node.name.value
        if name == TYPENAME or name in keys:
            shown.append((response_key, keys.get(name)))
            continue
        given = get_argument_values(type_.fields[name], node, variables)
        aggregate = aggregate_of(name, given, timeline)
        aggregates[aggregate.name] = aggregate
        shown.append((response_key, aggregate.name))
    columns = frozenset(column for _, column in shown if column)
    return Asked(Selection(columns, tuple(shown), plain=True), tuple(aggregates.values()))


def aggregate_of(name: str, given: Mapping[str, Any], timeline: Timeline) -> Aggregate:
    """What the field of that name shows. Raises Problem `invalid_parameter` where it shows none."""
    if name == PERIOD:
        return Aggregate(name, Statistic.MIN, Field(timeline.axis.name))
    if name == _QUANTILE:
        at: Decimal = given["at"]
        return Aggregate(_quantile_name(at), Statistic.QUANTILE, Field(timeline.measure), at.normalize())
    if name not in FIELDS:
        raise Problem("invalid_parameter", f"Nothing is grouped by {name}.", "Name it in groupBy, or leave it out.")
    shown = FIELDS[name]
    return Aggregate(name, shown.statistic, None if shown.counts_rows else Field(timeline.measure), shown.at)
