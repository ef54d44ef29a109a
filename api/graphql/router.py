"""The HTTP side of the door: GraphQL over HTTP at /graphql, and the GraphiQL page for browsers.

Both media types of the GraphQL-over-HTTP specification are answered. `application/json` has status 200 for every
well-formed request, as old clients want it; `application/graphql-response+json` has 400 where execution did not begin.
"""

from __future__ import annotations

from typing import Any

import orjson
from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

from api.answers import repeat
from api.config import Settings
from api.graphql.body import Operation, read_operation
from api.graphql.faults import error_document, request_fault
from api.graphql.graphiql import PAGE
from api.graphql.negotiation import GRAPHQL_JSON, answer_type, prefers_page
from api.graphql.request import Request
from api.graphql.schema import build_schema
from api.limits import Limits
from api.problems import Problem
from api.reading import TIMING_HEADER, Reader, listening, read_headers
from api.writing import KEY_HEADER, Writer, key_of

PATH = "/graphql"
_VARY = {"Vary": "Accept"}


def graphql_routes(reader: Reader, writer: Writer, limits: Limits, settings: Settings) -> list[Route]:
    """The routes of the door. The schema is built from the engine's model, once."""
    door = Door(reader, writer, limits, page=settings.graphiql)
    return [Route(PATH, door.answer, methods=["GET", "POST"], name="graphql")]


class Door:
    def __init__(self, reader: Reader, writer: Writer, limits: Limits, *, page: bool) -> None:
        self._reader = reader
        self._writer = writer
        self._limits = limits
        self._page = page
        self.schema = build_schema(reader.engine.tables, limits)

    async def answer(self, http: HttpRequest) -> Response:
        if self._page and http.method != "POST" and "query" not in http.query_params and prefers_page(http):
            return HTMLResponse(PAGE, headers=_VARY)
        try:
            media_type = answer_type(http)
            with listening(http.receive):
                return await self._execute(http, media_type)
        except Problem as problem:
            body = orjson.dumps(request_fault(problem))
            return Response(body, problem.status, _VARY | dict(problem.headers), "application/json")

    async def _execute(self, http: HttpRequest, media_type: str) -> Response:
        key = key_of(http.headers.get(KEY_HEADER))
        request = Request(self._reader, self._writer, self._limits, key=key)
        operation = await read_operation(http, self._limits, request.stopwatch)
        request.explains = operation.explain
        result = await self._run(request, operation, http.method)
        with request.stopwatch.measure("encode"):
            document = self._document(request, result)
            body = orjson.dumps(document)
        status = 400 if "data" not in document and media_type == GRAPHQL_JSON else 200
        if not result.errors and (repeatable := request.repeatable(operation, media_type)) is not None:
            repeat(http.scope, repeatable)
        headers = _VARY | {TIMING_HEADER: request.stopwatch.header()}
        if request.snapshot is not None:
            headers |= read_headers(request.stopwatch, request.snapshot, request.as_of)
        return Response(body, status, headers, f"{media_type}; charset=utf-8")

    async def _run(self, request: Request, operation: Operation, method: str) -> ExecutionResult:
        """Executes the operation. Raises Problem where there is none to execute."""
        allowed = {OperationType.QUERY, OperationType.MUTATION} if method == "POST" else {OperationType.QUERY}
        try:
            return await self.schema.execute(
                operation.query,
                variable_values=operation.variables,
                context_value=request,
                operation_name=operation.name,
                allowed_operation_types=allowed,
            )
        except MissingQueryError as error:
            raise Problem("invalid_parameter", "There is no query.", "Send a document as `query`.") from error
        except CannotGetOperationTypeError as error:
            hint = "Name an operation of the document."
            raise Problem("invalid_query", error.as_http_error_reason(), hint) from error
        except InvalidOperationTypeError as error:
            hint, headers = "Send mutations as POST.", {"Allow": "POST"}
            raise Problem("method_not_allowed", "Only queries run over GET.", hint, headers=headers) from error

    def _document(self, request: Request, result: ExecutionResult) -> dict[str, Any]:
        """The response: no `data` where execution did not begin."""
        errors = result.errors or []
        document: dict[str, Any] = {}
        if errors:
            document["errors"] = [error_document(error, self._limits.graphql_tokens_max) for error in errors]
        if result.data is not None or any(error.path is not None for error in errors):
            document["data"] = result.data
        if request.snapshot is not None:
            extensions: dict[str, Any] = {"snapshot": request.snapshot}
            if request.as_of is not None:
                extensions["asOf"] = request.as_of.isoformat()
            if request.explains:
                extensions["explain"] = request.explanations
            document["extensions"] = extensions
        return document
