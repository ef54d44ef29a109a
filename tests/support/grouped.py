"""Groups of rows worked out in Python: the oracle of aggregates. Sums are of decimals, everything else of fractions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from engine.query import Aggregate, Grouping, Statistic
from tests.support.evaluate import Row, evaluate


def groups(grouping: Grouping, rows: Iterable[Row], sequence: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of the answer, in no order. `sequence` are the columns that say which row of a group is the first."""
    found: dict[tuple[Any, ...], list[Row]] = {} if grouping.keys else {(): []}
    for row in rows:
        found.setdefault(tuple(evaluate(key.by, row) for key in grouping.keys), []).append(row)
    return [
        {key.name: value for key, value in zip(grouping.keys, values, strict=True)}
        | {each.name: aggregated(each, members, sequence) for each in grouping.aggregates}
        for values, members in found.items()
    ]


def aggregated(aggregate: Aggregate, rows: Sequence[Row], sequence: Sequence[str]) -> Any:
    if aggregate.of is None:
        return len(rows)
    ordered = sorted(rows, key=lambda row: [row[name] for name in sequence])
    values = [value for row in ordered if (value := evaluate(aggregate.of, row)) is not None]
    match aggregate.statistic:
        case Statistic.COUNT:
            return len(values)
        case Statistic.COUNT_DISTINCT:
            return len(set(values))
        case _ if not values:
            return None
        case Statistic.QUANTILE:
            return quantile(values, Fraction(aggregate.at or 0))
        case Statistic.STDDEV:
            return None if len(values) == 1 else deviation(values)
        case statistic:
            return {
                Statistic.SUM: sum,
                Statistic.AVG: lambda some: float(sum(map(Fraction, some)) / len(some)),
                Statistic.MIN: min,
                Statistic.MAX: max,
                Statistic.FIRST: lambda some: some[0],
                Statistic.LAST: lambda some: some[-1],
            }[statistic](values)


def quantile(values: Sequence[Any], at: Fraction) -> float:
    ordered = sorted(map(Fraction, values))
    place = at * (len(ordered) - 1)
    below, above = ordered[math.floor(place)], ordered[math.ceil(place)]
    return float(below + (above - below) * (place - math.floor(place)))


def deviation(values: Sequence[Any]) -> float:
    mean = sum(map(Fraction, values)) / len(values)
    return math.sqrt(sum((Fraction(value) - mean) ** 2 for value in values) / (len(values) - 1))


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two rows are equal, numbers with a rounded last digit as far as they are."""
    return one.keys() == other.keys() and all(_same(value, other[name]) for name, value in one.items())


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return type(one) is type(other) and one == other
