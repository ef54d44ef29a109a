"""From an HTTP request to the operation it carries. Numbers keep their text: a fraction becomes a Decimal, no float."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

import msgspec
from starlette.requests import Request as HttpRequest

from api.bodies import media_type, read_body
from api.limits import Limits
from api.problems import Problem
from api.reading import Stopwatch

_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_KEYS = ("query", "variables", "operationName", "extensions")
_JSON_PARAMETERS = ("variables", "extensions")


@dataclass(frozen=True, slots=True)
class Operation:
    query: str
    variables: dict[str, Any] | None
    name: str | None
    explain: bool = False


async def read_operation(http: HttpRequest, limits: Limits, stopwatch: Stopwatch) -> Operation:
    """The operation of a GET or POST. Raises Problem for everything that is none."""
    if http.method == "POST":
        if http.query_params:
            raise _unknown("parameter", next(iter(http.query_params)), "Send everything in the body.")
        if media_type(http.headers) != "application/json":
            raise Problem("unsupported_media_type", "The body is not declared as JSON.", "Send application/json.")
        content = await read_body(http, limits.graphql_body_bytes_max, "graphql_body_bytes_max")
        with stopwatch.measure("decode"):
            operation = _operation(_object(_parsed(content, "The body")))
    else:
        operation = _operation(_from_query_string(http, limits))
    _check_lists(operation.variables, limits.graphql_upsert_rows_max)
    return operation


def _from_query_string(http: HttpRequest, limits: Limits) -> Mapping[str, Any]:
    if len(http.url.query) > limits.query_string_bytes_max:
        details = {"limit": "query_string_bytes_max", "value": limits.query_string_bytes_max}
        raise Problem("uri_too_long", "The query string is too long.", "Send the document as POST.", details)
    given: dict[str, Any] = {}
    for name, value in http.query_params.multi_items():
        if name in given:
            raise Problem("invalid_parameter", f"{name} is given twice.")
        given[name] = _parsed(value.encode(), name) if name in _JSON_PARAMETERS and value else value
    return given


def _parsed(content: bytes, what: str) -> Any:
    try:
        return _decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError) as error:
        raise Problem("malformed_json", f"{what} is not well-formed JSON: {error}") from error


def _object(content: Any) -> Mapping[str, Any]:
    if isinstance(content, list):
        hint = "Send one operation a request; several root fields fit into one."
        raise Problem("invalid_parameter", "A list of operations is not answered.", hint)
    if not isinstance(content, dict):
        raise Problem("invalid_parameter", "The body is no JSON object.", 'Send {"query": ..., "variables": ...}.')
    return cast("dict[str, Any]", content)


def _operation(given: Mapping[str, Any]) -> Operation:
    for name in given:
        if name not in _KEYS:
            raise _unknown("key", name, f"The keys are {', '.join(_KEYS)}.")
    query, variables = given.get("query"), given.get("variables") or None
    name = given.get("operationName") or None
    if not isinstance(query, str) or not query.strip():
        raise Problem("invalid_parameter", "query is no document.", "Send a GraphQL document as `query`.")
    if variables is not None and not isinstance(variables, dict):
        raise Problem("invalid_parameter", "variables is no object.", "Send an object, or leave it out.")
    if name is not None and not isinstance(name, str):
        raise Problem("invalid_parameter", "operationName is no text.", "Send a text, or leave it out.")
    return Operation(query, cast("dict[str, Any] | None", variables), name, _explains(given.get("extensions") or {}))


def _explains(extensions: Any) -> bool:
    """Whether the answer is to say how it was found. What others define is read over, as GraphQL over HTTP wants it."""
    if not isinstance(extensions, dict):
        raise Problem("invalid_parameter", "extensions is no object.", "Send an object, or leave it out.")
    explain = cast("dict[str, Any]", extensions).get("explain", False)
    if not isinstance(explain, bool):
        raise Problem("invalid_parameter", "extensions.explain is no boolean.", "Send true, or leave it out.")
    return explain


def _check_lists(variables: Any, items_max: int) -> None:
    """Raises Problem `limit_exceeded`: coercing long lists, on the event loop, would hold up every other request."""
    found = 0
    pending: list[Any] = [variables]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending.extend(cast("dict[str, Any]", value).values())
        elif isinstance(value, list):
            items = cast("list[Any]", value)
            found += len(items)
            pending.extend(items)
        if found > items_max:
            details = {"limit": "graphql_upsert_rows_max", "value": items_max}
            hint = "Split the request; /api/v1/financial-data/bulk takes larger batches, and is faster."
            raise Problem("limit_exceeded", f"The variables hold more than {items_max} items.", hint, details)


def _unknown(what: str, name: str, hint: str) -> Problem:
    return Problem("unknown_parameter", f"There is no {what} {name!r:.80}.", hint)
