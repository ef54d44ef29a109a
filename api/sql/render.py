"""An SQL answer as JSON, piece by piece: the columns are whatever the SQL made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import orjson
import pyarrow as pa

from api.exports import ENDINGS
from api.formats import Form
from api.json_rows import ARRAY, listed, written
from api.kinds import Kind, kinds_of
from api.problems import Problem


def json_pieces(
    schema: pa.Schema, batches: Iterable[pa.RecordBatch], snapshot: str, truncated: Callable[[], bool]
) -> Iterator[bytes | memoryview]:
    """`truncated` tells, once the batches have ended, whether there were more rows.

    Raises Problem `wrong_type` for a column of a type that no form has, and what reading the batches raises.
    """
    kinds = kinds_of(schema)
    columns = [{"name": name, "type": kind.name} for name, kind in zip(schema.names, kinds, strict=True)]
    yield orjson.dumps({"columns": columns, "snapshot": snapshot})[:-1] + b',"rows":['
    yield from listed(_rows(batch, kinds) for batch in batches)
    yield b'],"truncated":%b}' % orjson.dumps(truncated())


def broken_off(form: Form, problem: Problem) -> bytes:
    """The end of an answer that fails after rows were sent: of JSON the problem, in what stays no document."""
    return b"," + orjson.dumps(problem.document(), default=str) if form is Form.JSON else ENDINGS[form]


def _rows(batch: pa.RecordBatch, kinds: list[Kind]) -> memoryview:
    return written([("", batch.column(at), kind.json) for at, kind in enumerate(kinds)], batch.num_rows, ARRAY)
