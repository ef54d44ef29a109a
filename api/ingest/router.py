"""The ingest door over HTTP."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import get_args

import msgspec
from fastapi import APIRouter, Request, Response

from api.bodies import read_body
from api.ingest.media import body_kind, check_json
from api.ingest.openapi import BULK_BODY, BULK_PARAMETERS, SERIES_BODY
from api.ingest.service import IngestService, Terms
from api.limits import Limits
from api.parameters import check_names
from api.problems import Problem
from api.reading import SNAPSHOT_HEADER
from api.writing import KEY_HEADER, Mode, Receipt, key_of
from catalog.model import Type
from engine.literals import coerce, literal

MODES: Sequence[Mode] = get_args(Mode)
JSON = "application/json"

_KEY = [
    {
        "name": KEY_HEADER,
        "in": "header",
        "schema": {"type": "string", "maxLength": 200},
        "description": "What is sent under one key is stored once; sent again, it returns the first receipt.",
    }
]
_SPAN = [{"name": name, "in": "query", "schema": {"type": "string", "format": "date"}} for name in ("from", "to")]
_TERMS = [
    {"name": "mode", "in": "query", "schema": {"enum": list(MODES), "default": MODES[0]}},
    {
        "name": "changes_only",
        "in": "query",
        "schema": {"type": "boolean", "default": False},
        "description": "The points are whole vintages: store only those that differ from the revision before them.",
    },
]


def ingest_router(service: IngestService, limits: Limits) -> APIRouter:
    router = APIRouter(prefix="/api/v1/financial-data", tags=["ingest"])
    _add_batches(router, service, limits)
    _add_series(router, service, limits)
    return router


def _add_batches(router: APIRouter, service: IngestService, limits: Limits) -> None:
    @router.post(
        "/bulk",
        summary="Store observations and revisions",
        openapi_extra={"parameters": [*_TERMS, *BULK_PARAMETERS, *_KEY], "requestBody": BULK_BODY},
    )
    async def bulk(request: Request) -> Response:
        """Store a bulk document, or a table of data points.

        The answer is a receipt: what it counts as successful is committed and fsynced. With `mode=partial` good rows
        land and bad rows are reported; with `mode=atomic` all rows land or none.
        """
        terms = _terms(request)
        kind = body_kind(request.headers, request.query_params.get("source"))
        with service.receiving() as count:
            body = await read_body(request, limits.body_bytes_max, "body_bytes_max", count)
            return _answer(await service.write_body(body, kind, terms))

    @router.get("/batches/{batch_id}", summary="The receipt of a batch")
    async def batch(batch_id: str, request: Request) -> Response:
        """The receipt that the batch was answered with; its failures may be cut short."""
        check_names(request.query_params.multi_items(), ())
        return _answer(await service.receipt(_id(batch_id)))


def _add_series(router: APIRouter, service: IngestService, limits: Limits) -> None:
    @router.put(
        "/series/{series_id}",
        summary="Set fields of a series",
        openapi_extra={"parameters": _KEY, "requestBody": SERIES_BODY},
    )
    async def update(series_id: str, request: Request) -> Response:
        """Set title, description, units, frequency or seasonal_adjustment of an existing series.

        A field that is absent keeps its value, a null clears it.
        """
        check_names(request.query_params.multi_items(), ())
        check_json(request.headers)
        with service.receiving() as count:
            body = await read_body(request, limits.body_bytes_max, "body_bytes_max", count)
            return _answer(await service.update_series(_id(series_id), body, _key(request)))

    @router.delete(
        "/series/{series_id}", summary="Hide a series and all its points", openapi_extra={"parameters": _KEY}
    )
    async def delete(series_id: str, request: Request) -> Response:
        """The series and its points are gone from every view at once; an older snapshot still shows them.

        Posting to the series again starts afresh.
        """
        check_names(request.query_params.multi_items(), ())
        return _answer(await service.delete_series(_id(series_id), _key(request)))

    @router.delete(
        "/series/{series_id}/points", summary="Delete points of a series", openapi_extra={"parameters": _SPAN + _KEY}
    )
    async def delete_points(series_id: str, request: Request) -> Response:
        """The points from one date to another, both included, are gone from the latest view, and as of today.

        As of an earlier day they are still there, and so are their revisions. Without `from` or `to` there is no end
        on that side.
        """
        check_names(request.query_params.multi_items(), ("from", "to"))
        span = (_date(request, "from", dt.date.min), _date(request, "to", dt.date.max))
        return _answer(await service.delete_points(_id(series_id), span, _key(request)))


def _answer(receipt: Receipt) -> Response:
    return Response(msgspec.json.encode(receipt), media_type=JSON, headers={SNAPSHOT_HEADER: receipt.snapshot})


def _id(text: str) -> str:
    """The canonical form of a series id. Raises InvalidLiteral."""
    return str(coerce(literal(text), Type.UUID).value)


def _key(request: Request) -> str:
    return key_of(request.headers.get(KEY_HEADER))


def _terms(request: Request) -> Terms:
    given = request.query_params
    check_names(given.multi_items(), ("mode", "changes_only", "source"))
    changes_only = given.get("changes_only", "false")
    if changes_only not in ("true", "false"):
        raise Problem("invalid_parameter", f"changes_only cannot be {changes_only!r:.40}.", "Use true or false.")
    return Terms(_mode(given.get("mode", MODES[0])), changes_only == "true", _key(request))


def _date(request: Request, name: str, default: dt.date) -> dt.date:
    text = request.query_params.get(name)
    if text is None:
        return default
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise Problem("invalid_parameter", f"{name} cannot be {text!r:.40}.", "Write a date as 2020-01-31.") from error


def _mode(text: str) -> Mode:
    for mode in MODES:
        if mode == text:
            return mode
    raise Problem("invalid_parameter", f"mode cannot be {text!r:.40}.", f"Use one of: {', '.join(MODES)}.")
