"""The ingest door over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import msgspec
from fastapi import APIRouter, Request, Response

from api.bodies import read_body
from api.ingest.service import IngestService
from api.limits import Limits
from api.parameters import check_names
from api.problems import Problem
from api.reading import SNAPSHOT_HEADER
from api.writing import Mode, Receipt
from catalog.model import Type
from engine.literals import coerce, literal

MODES: Sequence[Mode] = get_args(Mode)
JSON = "application/json"
EXAMPLE = {
    "source": {"name": "FRED-MD", "title": "FRED-MD monthly database"},
    "series": [{"external_id": "INDPRO", "title": "Industrial production", "units": "index", "frequency": "monthly"}],
    "data_points": [{"external_id": "INDPRO", "date": "1999-08-01", "value": "101.5", "revision_date": "1999-09-30"}],
}


SERIES_EXAMPLE = {"title": "Industrial production, total index", "units": "index 2017=100", "frequency": "monthly"}


def ingest_router(service: IngestService, limits: Limits) -> APIRouter:
    router = APIRouter(prefix="/api/v1/financial-data", tags=["ingest"])

    @router.post(
        "/bulk",
        summary="Store observations and revisions",
        openapi_extra={
            "parameters": [{"name": "mode", "in": "query", "schema": {"enum": list(MODES), "default": MODES[0]}}],
            **_json_body(EXAMPLE),
        },
    )
    async def bulk(request: Request) -> Response:
        """Store a bulk document. The answer is a receipt: what it counts as successful is committed and fsynced.

        With `mode=partial` good rows land and bad rows are reported; with `mode=atomic` all rows land or none.
        """
        check_names(request.query_params.multi_items(), ("mode",))
        mode = _mode(request.query_params.get("mode", MODES[0]))
        _check_content_type(request.headers.get("content-type", JSON))
        with service.receiving() as count:
            receipt = await service.write_json(
                await read_body(request, limits.body_bytes_max, "body_bytes_max", count), mode
            )
        return _answer(receipt)

    @router.put("/series/{series_id}", summary="Set fields of a series", openapi_extra=_json_body(SERIES_EXAMPLE))
    async def update(series_id: str, request: Request) -> Response:
        """Set title, description, units, frequency or seasonal_adjustment of an existing series.

        A field that is absent keeps its value, a null clears it.
        """
        check_names(request.query_params.multi_items(), ())
        _check_content_type(request.headers.get("content-type", JSON))
        with service.receiving() as count:
            body = await read_body(request, limits.body_bytes_max, "body_bytes_max", count)
            return _answer(await service.update_series(_id(series_id), body))

    @router.delete("/series/{series_id}", summary="Hide a series and all its points")
    async def delete(series_id: str, request: Request) -> Response:
        """The series and its points are gone from every view at once; an older snapshot still shows them.

        Posting to the series again starts afresh.
        """
        check_names(request.query_params.multi_items(), ())
        return _answer(await service.delete_series(_id(series_id)))

    return router


def _answer(receipt: Receipt) -> Response:
    return Response(msgspec.json.encode(receipt), media_type=JSON, headers={SNAPSHOT_HEADER: receipt.snapshot})


def _json_body(example: object) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {JSON: {"example": example}}}}


def _id(text: str) -> str:
    """The canonical form of a series id. Raises InvalidLiteral."""
    return str(coerce(literal(text), Type.UUID).value)


def _mode(text: str) -> Mode:
    for mode in MODES:
        if mode == text:
            return mode
    raise Problem("invalid_parameter", f"mode cannot be {text!r:.40}.", f"Use one of: {', '.join(MODES)}.")


def _check_content_type(content_type: str) -> None:
    if content_type.split(";", maxsplit=1)[0].strip().lower() != JSON:
        raise Problem("unsupported_media_type", f"The body is {content_type[:80]!r}, not {JSON}.")
