"""The points of a request as one Arrow table, whatever format they came in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from api.cells import FIELDS
from api.ingest.convert import BOOLEAN, DATE, DECIMAL, NAME, Converted, NoColumn, booleans, dates, decimals, names
from api.parameters import nearest_name
from api.problems import Problem
from api.writing import Failure

# `index` counts the rows of the request from 0; a row that names its series by no source, say, has a null there.
POINTS_SCHEMA = pa.schema(
    [
        ("index", pa.int64()),
        ("source", NAME),
        ("external_id", NAME),
        ("series_id", NAME),
        ("date", DATE),
        ("value", DECIMAL),
        ("revision_date", DATE),
        ("is_original_release", BOOLEAN),
    ]
)
REQUIRED = ("date", "value")

_CONVERTERS: dict[str, Callable[[pa.Array], Converted]] = {
    "source": names,
    "external_id": names,
    "series_id": names,
    "date": dates,
    "value": decimals,
    "revision_date": dates,
    "is_original_release": booleans,
}
_MESSAGES = {
    "invalid_date": "{} is no date of the years 1 to 9999, written as 2020-01-31.",
    "invalid_number": "{} must be a finite number.",
    "number_out_of_range": "{} has more than 20 integer or 18 fraction digits.",
    "wrong_type": "{} must be true or false.",
    "missing_field": "{} must be given.",
}


@dataclass(frozen=True, slots=True)
class Points:
    """`table` has POINTS_SCHEMA and holds the rows that could be read, `total` counts the others too."""

    table: pa.Table = field(default_factory=POINTS_SCHEMA.empty_table)
    total: int = 0
    failures: tuple[Failure, ...] = ()


def check_columns(columns: list[str]) -> None:
    """Raises Problem `invalid_body` where a column is no field of a point, stands twice, or one is missing."""
    for position, column in enumerate(columns):
        if column not in FIELDS:
            hint = nearest_name(column, FIELDS)
            raise Problem("invalid_body", f"No point has a column {column!r:.80}.", hint, {"column": column[:80]})
        if column in columns[:position]:
            raise Problem("invalid_body", f"The column {column} stands twice.", "Send it once.", {"column": column})
    for column in REQUIRED:
        if column not in columns:
            hint = "A withdrawn point is a null value, not an absent column." if column == "value" else ""
            raise Problem("invalid_body", f"There is no column {column}.", hint, {"column": column})


def points_of(columns: Mapping[str, pa.Array], indexes: pa.Array) -> Points:
    """The points of columns of any type that their fields can have, all as long as `indexes`; absent ones are nulls.

    Raises Problem `invalid_body` where a field cannot have its column's type.
    """
    length = len(indexes)
    faults: dict[int, tuple[str, str]] = {}
    arrays = [indexes]
    for name in POINTS_SCHEMA.names[1:]:
        if name not in columns:
            arrays.append(pa.nulls(length, POINTS_SCHEMA.field(name).type))
            continue
        converted = _converted(name, columns[name])
        arrays.append(converted.values)
        for position, code in converted.faults.items():
            faults.setdefault(position, (name, code))
    missing = pc.indices_nonzero(pc.is_null(arrays[POINTS_SCHEMA.get_field_index("date")])).to_pylist()
    for position in missing:
        faults.setdefault(position, ("date", "missing_field"))
    table = pa.table(arrays, schema=POINTS_SCHEMA)
    if not faults:
        return Points(table, length)
    positions = pa.array(sorted(faults), pa.int64())
    failures = [_failure(index, *faults[at]) for at, index in _pairs(positions, indexes)]
    kept = pc.invert(pc.is_in(pa.arange(0, length), positions))
    return Points(table.filter(kept), length, tuple(failures))


def _converted(name: str, column: pa.Array) -> Converted:
    try:
        return _CONVERTERS[name](column)
    except NoColumn:
        message = f"The column {name} cannot be of type {str(column.type)[:80]}."
        raise Problem("invalid_body", message, details={"column": name}) from None


def _pairs(positions: pa.Array, indexes: pa.Array) -> list[tuple[int, int]]:
    return list(zip(positions.to_pylist(), indexes.take(positions).to_pylist(), strict=True))


def _failure(index: int, name: str, code: str) -> Failure:
    return Failure("data_points", index, name, code, _MESSAGES[code].format(name))
