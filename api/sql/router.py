"""The door itself: one request, one SELECT, one answer."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pyarrow as pa
from fastapi import APIRouter, Request, Response

from api.exports import exported
from api.formats import Form, accepted_form
from api.limits import Limits
from api.problems import Problem
from api.reading import Reader, Stopwatch, listening, one_snapshot, read_headers
from api.sql.render import broken_off, json_pieces
from api.sql.request import JSON, NAMES, TEXTS, SqlRequest, read_request
from api.streaming import Pieces
from engine.pipeline import Selected

TRUNCATED_HEADER = "X-Finlake-Truncated"
EXAMPLE = "SELECT source, count(*) AS n FROM series GROUP BY source ORDER BY n DESC"
_OPENAPI = {
    "parameters": [{"name": name, "in": "query", "schema": {"type": "string"}} for name in NAMES],
    "requestBody": {
        "required": True,
        "content": {
            JSON: {"schema": {"type": "object", "required": ["sql"]}, "example": {"sql": EXAMPLE}},
            **{text: {"schema": {"type": "string"}, "example": EXAMPLE} for text in TEXTS},
        },
    },
}


def sql_router(reader: Reader, limits: Limits) -> APIRouter:
    router = APIRouter(tags=["sql"])

    @router.post("/sql", summary="Read by SQL", openapi_extra=_OPENAPI)
    async def sql(request: Request) -> Response:
        """One SELECT over data_points, data_points_as_of('2003-12-31'), revisions, first_releases, series and sources.

        The answer is JSON, CSV, an Arrow IPC stream or Parquet, as the Accept header says.
        """
        form = accepted_form(",".join(request.headers.getlist("accept")))
        asked = await read_request(request, limits)
        with listening(request.receive):
            return await reader.run(lambda: _answer(reader, asked, form))

    return router


def _answer(reader: Reader, asked: SqlRequest, form: Form) -> Response:
    stopwatch = Stopwatch()
    selected = reader.engine.select(asked.question, one_snapshot(reader.engine, asked.snapshots))
    stopwatch.follow(selected)
    rows = _Rows(selected, asked.question.rows_max)
    body = reader.streams.begin(_pieces(rows, form, stopwatch))
    rows.must_be_whole = body.rest is not None and form is not Form.JSON
    headers = read_headers(stopwatch, selected.snapshot, asked.question.as_of)
    headers |= {"Vary": "Accept"}
    if body.rest is None or rows.truncated:  # of Parquet all rows may have been read before its first bytes are there
        headers[TRUNCATED_HEADER] = str(rows.truncated).lower()
    return body.response(headers, form.value, partial(broken_off, form))


class _Rows:
    """The rows of an answer, no more than so many. `truncated` says, once they have ended, whether the SQL has more.

    They `must_be_whole` where the client could not be told any more.
    """

    def __init__(self, selected: Selected, rows_max: int) -> None:
        self.selected = selected
        self.truncated = False
        self.must_be_whole = False
        self._rows_max = rows_max

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Raises Problem `limit_exceeded`, and what `Running.batches` raises."""
        left = self._rows_max
        for batch in self.selected.running.batches():
            yield batch.slice(0, left)
            self.truncated = batch.num_rows > left
            left = max(left - batch.num_rows, 0)
            if self.truncated and self.must_be_whole:
                details = {"limit": "sql_rows_max", "value": self._rows_max}
                raise Problem("limit_exceeded", "The answer has too many rows.", "Ask for fewer.", details)


def _pieces(rows: _Rows, form: Form, stopwatch: Stopwatch) -> Pieces:
    selected = rows.selected
    schema, batches = selected.running.schema, rows.batches()
    try:
        if form is Form.JSON:
            pieces = json_pieces(schema, batches, selected.snapshot, lambda: rows.truncated)
        else:
            pieces = exported(form, schema, batches)
        yield from stopwatch.each("render", pieces, selected)
    finally:
        selected.running.close()
