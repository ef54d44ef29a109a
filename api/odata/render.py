"""From rows to OData JSON, and from a Problem to an OData error. Bytes in, bytes out; no row becomes a dict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import quote

import orjson
import pyarrow as pa

from api.exports import ENDINGS
from api.formats import Form
from api.json_rows import NUMBERS_AS_TEXTS, NUMBERS_BARE, Encoder, json_rows
from api.odata.compile import Compiled
from api.odata.negotiate import Format
from api.odata.path import Shape
from api.problems import Problem
from catalog.model import Type

_PATH_SAFE = "!$&'()*+,;=:@/"


def encoders(form: Format) -> dict[Type, Encoder]:
    return NUMBERS_AS_TEXTS if form.exact_texts else NUMBERS_BARE


def rows_of(
    batch: pa.RecordBatch, columns: Iterable[tuple[str, Type]], form: Format, types: Mapping[str, str]
) -> memoryview:
    """The rows as JSON objects, a comma before each; nulls are kept.

    `types` are annotations of columns, if the client wants any.
    """
    fields: list[tuple[str, str, Type]] = []
    for name, type_ in columns:
        if name in types and form.metadata != "none":
            annotation = f"{name}@odata.type"
            batch = batch.append_column(annotation, pa.repeat(types[name], batch.num_rows))
            fields.append((annotation, annotation, Type.STRING))
        fields.append((name, name, type_))
    return json_rows(batch, fields, encoders(form))


def context_url(compiled: Compiled, root: str, form: Format) -> str | None:
    """The absolute context URL; None where the client wants no metadata."""
    if form.metadata == "none":
        return None
    if compiled.column:
        return f"{root}$metadata#{quote(compiled.name, safe=_PATH_SAFE)}"
    names = compiled.selection.names
    selected = f"({','.join(names)})" if names else ""
    single = "/$entity" if compiled.shape is Shape.ENTITY else ""
    return f"{root}$metadata#{compiled.entity.collection.name}{selected}{single}"


def collection_head(context: str | None, count: int | None, form: Format) -> bytes:
    """What stands before the rows of a collection."""
    head = _member("@odata.context", context)
    if count is not None:
        head += _member("@odata.count", str(count) if form.exact_texts else count)
    return f'{{{head}"value":['.encode()


def collection_tail(next_link: str | None) -> bytes:
    """What stands behind them."""
    tail = f",{_member('@odata.nextLink', next_link)[:-1]}" if next_link else ""
    return f"]{tail}}}".encode()


def entity(row: bytes, context: str | None) -> bytes:
    """One entity, or one property where the row has a single member."""
    return b"{%b%b" % (_member("@odata.context", context).encode(), row[1:])


def broken_off(form: Form, problem: Problem) -> bytes:
    """The end of a collection that fails after rows were sent: of JSON the error, in what stays no document."""
    return b"," + error(problem) if form is Form.JSON else ENDINGS[form]


def error(problem: Problem) -> bytes:
    """The OData error; what the standard has no place for is in `innererror`."""
    details = dict(problem.details)
    target = details.pop("target", None)
    return orjson.dumps(
        {
            "error": {
                "code": problem.code,
                "message": problem.message,
                **({"target": target} if target else {}),
                "details": [],
                "innererror": {"hint": problem.hint, **details},
            }
        },
        default=str,
    )


def _member(name: str, value: str | int | None) -> str:
    """A member of an object with its comma; nothing where there is no value."""
    return "" if value is None else f"{orjson.dumps(name).decode()}:{orjson.dumps(value).decode()},"
