"""The door itself: requests in, responses out. The only module here that knows HTTP.

Every response carries one `OData-Version`, errors too; every error is an OData error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

import orjson
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from api.answers import repeat
from api.config import Settings
from api.formats import Form
from api.limits import Limits
from api.odata import render
from api.odata.answer import Answer, Asked, Place, answer
from api.odata.compile import Compiled, compile_request
from api.odata.explaining import explain
from api.odata.faults import invalid_parameter, not_supported
from api.odata.metadata import metadata_document, service_document
from api.odata.negotiate import JSON, VERSION, XML, Format, accept_xml, answer_format, check_version, page_size
from api.odata.options import Options, parse_options
from api.odata.path import Shape, split_path
from api.problems import Problem, problem_from
from api.reading import TIMING_HEADER, Reader, Stopwatch, listening, one_snapshot, read_headers

MOUNT = "/odata"
METADATA = "$metadata"
_READS = ("GET", "HEAD")
_ALLOW = ", ".join(_READS)
_POSTED_READS = ("$batch", "$query")
_VARY = "Accept, OData-MaxVersion, Prefer"

_log = structlog.get_logger(__name__)


def odata_routes(reader: Reader, limits: Limits, settings: Settings) -> list[Route]:
    """The routes of the door, below /odata."""
    door = _Door(reader, limits, settings.public_url.rstrip("/"), metadata_document(reader.engine.tables))
    return [
        Route(MOUNT, door, include_in_schema=False),
        Route(f"{MOUNT}/{{path:path}}", door, include_in_schema=False),
    ]


@dataclass(frozen=True, slots=True)
class _Door:
    """An ASGI application, so that the routes give it every method."""

    reader: Reader
    limits: Limits
    public_url: str
    metadata: bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._respond(Request(scope, receive))
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        try:
            with listening(request.receive):
                response = await self._read(request)
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001 - whatever fails is told in OData's own form
            response = _failure(error)
        response.headers["OData-Version"] = VERSION
        response.headers["Vary"] = _VARY
        return response

    async def _read(self, request: Request) -> Response:
        segments = split_path(_path(request))
        _check_method(request.method, segments)
        check_version(request.headers.get("OData-MaxVersion"))
        stopwatch = Stopwatch()
        with stopwatch.measure("parse"):
            options = parse_options(request.scope["query_string"].decode("latin-1"), self.limits)
        place = self._place(request)
        if not segments:
            return self._service_document(request, options, place, stopwatch)
        if segments == (METADATA,):
            return self._metadata(request, options, stopwatch)
        return await self.reader.run(lambda: self._data(request, segments, options, place, stopwatch))

    def _service_document(self, request: Request, options: Options, place: Place, stopwatch: Stopwatch) -> Response:
        options.only("$format")
        form = answer_format(_accept(request), options.values.get("$format"), exports=False)
        with stopwatch.measure("render"):
            body = service_document(self.reader.engine.tables, place.root, form)
        return _response(request, body, form.content_type, {TIMING_HEADER: stopwatch.header()})

    def _metadata(self, request: Request, options: Options, stopwatch: Stopwatch) -> Response:
        options.only("$format")
        accept_xml(_accept(request), options.values.get("$format"))
        return _response(request, self.metadata, f"{XML};charset=utf-8", {TIMING_HEADER: stopwatch.header()})

    def _data(
        self, request: Request, segments: tuple[str, ...], options: Options, place: Place, stopwatch: Stopwatch
    ) -> Response:
        with stopwatch.measure("parse"):
            compiled = compile_request(segments, options, self.reader.engine.tables, self.limits)
            form = _form(request, compiled)
        if options.explain:
            return self._explanation(request, compiled, stopwatch)
        preferred = page_size(request.headers.getlist("Prefer"), self.limits.preferred_page_rows_max)
        size = preferred or self.limits.page_rows_max
        asked = Asked(compiled, place, form, size, preferred)
        snapshot = one_snapshot(self.reader.engine, compiled.snapshots)
        if (repeatable := asked.repeatable(snapshot)) is not None:
            repeat(request.scope, repeatable)
        found = answer(self.reader, asked, snapshot, stopwatch)
        headers = read_headers(stopwatch, found.snapshot, compiled.query.as_of)
        if preferred is not None and compiled.shape is Shape.COLLECTION and form.form is Form.JSON:
            headers["Preference-Applied"] = f"odata.maxpagesize={preferred}"
        return _data_response(request, found, headers)

    def _explanation(self, request: Request, compiled: Compiled, stopwatch: Stopwatch) -> Response:
        with stopwatch.measure("explain"):
            explained = explain(self.reader.engine, compiled, self.limits.explain_footers_max)
        headers = read_headers(stopwatch, explained.snapshot, compiled.query.as_of)
        return _response(request, orjson.dumps(explained), f"{JSON};charset=utf-8", headers)

    def _place(self, request: Request) -> Place:
        base = self.public_url or str(request.base_url).rstrip("/")
        return Place(f"{base}{MOUNT}/", f"{base}{MOUNT}/{_path(request).strip('/')}")


def _path(request: Request) -> str:
    """The path behind the mount, still percent-encoded: an encoded slash belongs to a key."""
    raw = request.scope.get("raw_path")
    path = raw.decode("latin-1") if raw else quote(request.scope["path"])
    return path.removeprefix(request.scope.get("root_path", "")).removeprefix(MOUNT)


def _accept(request: Request) -> str:
    return ",".join(request.headers.getlist("Accept"))


def _form(request: Request, compiled: Compiled) -> Format:
    """Counts and bare values are text, whatever was accepted."""
    if compiled.shape in {Shape.COUNT, Shape.VALUE}:
        return Format()
    form = answer_format(
        _accept(request), compiled.options.values.get("$format"), exports=compiled.shape is Shape.COLLECTION
    )
    if form.form is not Form.JSON and compiled.options.count:
        raise invalid_parameter("$count", "An export has no place for a count.", "Leave it out, or ask for JSON.")
    return form


def _check_method(method: str, segments: tuple[str, ...]) -> None:
    if method in _READS:
        return
    if method == "POST" and segments and segments[-1].lower() in _POSTED_READS:
        raise not_supported(f"the path segment {segments[-1]}")
    raise Problem(
        "method_not_allowed",
        f"{method} is not served: OData reads, writing goes through the ingest API.",
        headers={"Allow": _ALLOW},
    )


def _data_response(request: Request, found: Answer, headers: Mapping[str, str]) -> Response:
    if found.body is None:
        return Response(status_code=204, headers=dict(headers))
    if found.body.rest is None:
        return _response(request, found.body.first, found.content_type, headers)
    return found.body.response(headers, found.content_type, partial(render.broken_off, found.form))


def _response(request: Request, body: bytes, content_type: str, headers: Mapping[str, str] | None = None) -> Response:
    response = Response(b"" if request.method == "HEAD" else body, headers=dict(headers or {}))
    response.headers["Content-Type"] = content_type
    response.headers["Content-Length"] = str(len(body))
    return response


def _failure(error: Exception) -> Response:
    problem = problem_from(error)
    if problem.code == "internal":
        _log.error("odata_failed", exc_info=error)
    response = Response(render.error(problem), problem.status, headers=dict(problem.headers))
    response.headers["Content-Type"] = "application/json;odata.metadata=minimal;charset=utf-8"
    return response
