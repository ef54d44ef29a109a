"""The arguments that convert points to another frequency and into other units, under FRED's names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

import strawberry

from api.graphql.batches import EntityBatch
from api.graphql.building import Argument
from api.graphql.entities import Entity
from api.graphql.request import Request, Scope
from engine.conversion import STATED, Conversion, Frequency, Rollup, Transform

# The column in which a series says how often it has a point.
FREQUENCY = "frequency"


def _enum(name: str, description: str, members: Iterable[Enum]) -> Any:
    """An enum of the schema whose values are written as FRED writes them."""
    made: Any = Enum(name, {member.value: member.value for member in members})
    return strawberry.enum(made, description=description)


_FREQUENCY = _enum(
    "TargetFrequency",
    "Daily, weekly (from Monday), monthly, quarterly, semiannual, annual.",
    [each for each in Frequency if each is not Frequency.BW],
)
_ROLLUP = _enum(
    "Aggregation", "What becomes of the points of one period: their average, their sum, the last of them.", Rollup
)
_TRANSFORM = _enum(
    "Transform",
    "Units: as they are (lin), change (chg), from a year ago (ch1), percent change (pch), from a year ago (pc1), "
    "compounded annual rate (pca), continuously compounded (cch), at an annual rate (cca), natural logarithm (log).",
    Transform,
)


def conversion_arguments(parent: Entity) -> tuple[Argument, ...]:
    """None where the rows that points hang on do not say how often they have one."""
    if FREQUENCY not in parent.table.by_name:
        return ()
    return (
        Argument("frequency", _FREQUENCY | None, "One point a period, none higher than that of the series."),
        Argument("aggregation", _ROLLUP, "How the points of a period become one.", _ROLLUP(Rollup.AVG.value)),
        Argument("transform", _TRANSFORM, "The units, applied last.", _TRANSFORM(Transform.LIN.value)),
    )


async def conversion_of(
    given: Mapping[str, Any], request: Request, parent: Entity, key: str, scope: Scope
) -> Conversion | None:
    """What the arguments ask for of the row with that key; None where points are wanted as they are."""
    if FREQUENCY not in parent.table.by_name:
        return None
    wanted, transform = given.get("frequency"), Transform(given["transform"].value)
    if wanted is None and transform is Transform.LIN:
        return None
    row = await request.load(EntityBatch(parent, parent.table.key[0], frozenset({FREQUENCY}), scope), key)
    stated = row.values[FREQUENCY] if row is not None else None
    rollup = Rollup(given["aggregation"].value)
    return Conversion(STATED.get(stated or ""), None if wanted is None else Frequency(wanted.value), rollup, transform)
