"""The door itself: one request, one SELECT, one answer."""

from __future__ import annotations

import pyarrow as pa
from fastapi import APIRouter, Request, Response

from api.limits import Limits
from api.problems import Problem
from api.reading import Reader, Stopwatch, one_snapshot, read_headers
from api.sql.formats import Format, accepted_format
from api.sql.render import Rows, render
from api.sql.request import JSON, NAMES, TEXTS, SqlRequest, read_request
from engine.execute import Running

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
        form = accepted_format(",".join(request.headers.getlist("accept")))
        asked = await read_request(request, limits)
        return await reader.run(lambda: _answer(reader, asked, form, limits))

    return router


def _answer(reader: Reader, asked: SqlRequest, form: Format, limits: Limits) -> Response:
    stopwatch = Stopwatch()
    selected = reader.engine.select(asked.question, one_snapshot(reader.engine, asked.snapshots))
    try:
        table = _table(selected.running, limits)
    finally:
        selected.running.close()
    stopwatch.add_all({**selected.timings, "execute": selected.running.execute_ms})
    most = asked.question.rows_max
    rows = Rows(table.slice(0, most), selected.snapshot, table.num_rows > most)
    with stopwatch.measure("render"):
        body = render(rows, form)
    headers = read_headers(stopwatch, selected.snapshot, asked.question.as_of)
    headers |= {TRUNCATED_HEADER: str(rows.truncated).lower(), "Vary": "Accept"}
    return Response(body, headers=headers, media_type=form.value)


def _table(running: Running, limits: Limits) -> pa.Table:
    """All rows, which the statement bounds in number and this in size. Raises Problem `limit_exceeded`."""
    batches: list[pa.RecordBatch] = []
    size = 0
    for batch in running.batches():
        batches.append(batch)
        size += batch.nbytes
        if size > limits.sql_answer_bytes_max:
            details = {"limit": "sql_answer_bytes_max", "value": limits.sql_answer_bytes_max}
            raise Problem("limit_exceeded", "The answer is too large.", "Ask for fewer rows or columns.", details)
    return pa.Table.from_batches(batches, running.schema)
