"""From Arrow batches to the lists of an answer: split by parent, cut to length, and shown as JSON or as rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from api.graphql.executor import ListJson
from api.graphql.request import Row, Scope
from api.graphql.selection import TYPENAME, Selection
from api.json_rows import NUMBERS_AS_TEXTS, json_rows, json_values, listed
from catalog.model import Table, Type


@dataclass(slots=True)
class Part:
    """The rows of one list, as slices of the batches they came in."""

    slices: list[pa.RecordBatch] = field(default_factory=list[pa.RecordBatch])
    rows: int = 0

    def add(self, batch: pa.RecordBatch, most: int | None) -> None:
        """Takes rows from the front of the batch, as long as the list holds no more than `most`."""
        room = batch.num_rows if most is None else min(batch.num_rows, most - self.rows)
        if room > 0:
            self.slices.append(batch.slice(0, room))
            self.rows += room


def whole(batches: Iterable[pa.RecordBatch]) -> Part:
    part = Part()
    for batch in batches:
        part.add(batch, None)
    return part


def split(batches: Iterable[pa.RecordBatch], parent: str, most: int | None, total_max: int) -> dict[str, Part]:
    """The first `most` rows of each parent. The rows of one parent stand together.

    Stops behind `total_max` rows, so that the caller can tell that there are more and memory stays bounded.
    """
    parts: dict[str, Part] = {}
    total = 0
    for batch in batches:
        for value, start, stop in _runs(batch.column(parent)):
            part = parts.setdefault(value, Part())
            total -= part.rows
            part.add(batch.slice(start, stop - start), most)
            total += part.rows
        if total > total_max:
            break
    return parts


def _runs(values: pa.Array) -> Iterator[tuple[str, int, int]]:
    if len(values) == 0:
        return
    encoded = pc.run_end_encode(values)
    start = 0
    for value, stop in zip(encoded.values.to_pylist(), encoded.run_ends.to_pylist(), strict=True):
        yield value, start, stop
        start = stop


@dataclass(frozen=True, slots=True)
class Shape:
    """How a list is shown: the type of its items, what is selected of them, and in which direction."""

    table: Table
    typename: str
    selection: Selection
    backwards: bool = False
    as_json: bool = True


def shown(part: Part, shape: Shape, scope: Scope) -> ListJson | list[Row]:
    """The list as JSON where the selection is plain; else, or where completion would find a fault, as rows."""
    slices = [_reversed(piece) for piece in reversed(part.slices)] if shape.backwards else part.slices
    if shape.as_json and shape.selection.plain and not _breaks_promise(part, shape):
        return ListJson(b"[%b]" % b"".join(listed(_texts(piece, shape) for piece in slices)))
    return [Row(values, scope) for piece in slices for values in piece.to_pylist()]


def _reversed(piece: pa.RecordBatch) -> pa.RecordBatch:
    return piece.take(pa.array(range(piece.num_rows - 1, -1, -1), pa.int64()))


def _texts(piece: pa.RecordBatch, shape: Shape) -> memoryview:
    fields: list[tuple[str, str, Type]] = []
    for key, column in shape.selection.keys:
        if column is None:
            fields.append((key, TYPENAME, Type.STRING))
        else:
            fields.append((key, column, shape.table.by_name[column].type))
    if any(column is None for _, column in shape.selection.keys):
        piece = piece.append_column(TYPENAME, pa.repeat(shape.typename, piece.num_rows))
    return json_rows(piece, fields, NUMBERS_AS_TEXTS)


def _breaks_promise(part: Part, shape: Shape) -> bool:
    """Whether a column that the schema calls non-null holds a null: only completion can report that."""
    promised = {column for _, column in shape.selection.keys if column and not shape.table.by_name[column].nullable}
    return any(piece.column(column).null_count for piece in part.slices for column in promised)


def column_shown(
    batches: Sequence[pa.RecordBatch], name: str, type_: Type, *, backwards: bool, as_json: bool
) -> ListJson | list[Any]:
    """One column of an answer as a list: as JSON, or as values to be completed one by one."""
    if not as_json:
        values = [value for batch in batches for value in batch.column(name).to_pylist()]
        return values[::-1] if backwards else values
    pieces = [_reversed(batch) for batch in reversed(batches)] if backwards else batches
    texts = (json_values(piece.column(name), type_, NUMBERS_AS_TEXTS) for piece in pieces)
    return ListJson(b"[%b]" % b"".join(listed(texts)))
