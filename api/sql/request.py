"""From an HTTP request to the question it carries."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from starlette.requests import Request

from api.bodies import media_type, read_body
from api.limits import Limits
from api.parameters import check_names
from api.problems import Problem
from catalog.model import Type
from engine.errors import InvalidLiteral
from engine.literals import LONG_MAX, coerce, literal
from engine.sql import SqlBounds, SqlQuestion, SqlValue

JSON = "application/json"
TEXTS = ("application/sql", "text/plain")
NAMES = ("snapshot", "asOf")


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    """The request as JSON; in other bodies the text alone stands, and the rest is in the query string."""

    sql: str
    parameters: list[SqlValue] | dict[str, SqlValue] = []
    snapshot: str | None = None
    asOf: str | None = None  # noqa: N815 - a field of the protocol


_decode = msgspec.json.Decoder(_Body).decode


@dataclass(frozen=True, slots=True)
class SqlRequest:
    """`snapshots` are those that the request names, in its body and in its query string."""

    question: SqlQuestion
    snapshots: tuple[str, ...]


async def read_request(http: Request, limits: Limits) -> SqlRequest:
    """The question of a request. Raises Problem for everything that is none."""
    check_names(http.query_params.multi_items(), NAMES)
    declared = media_type(http.headers)
    if declared not in (JSON, *TEXTS):
        hint = f"Send {JSON}, or the SQL alone as {' or '.join(TEXTS)}, in UTF-8."
        raise Problem("unsupported_media_type", "The body is not declared as JSON or SQL.", hint)
    content = await read_body(http, limits.sql_body_bytes_max, "sql_body_bytes_max")
    body = _json(content) if declared == JSON else _Body(_utf8(content))
    named = http.query_params
    days = {_day(day) for day in (body.asOf, named.get("asOf")) if day is not None}
    if len(days) > 1:
        raise Problem("invalid_parameter", "Two knowledge dates are given.", "Give asOf once.", {"target": "asOf"})
    bounds = SqlBounds(
        limits.sql_characters_max,
        limits.sql_nodes_max,
        limits.sql_depth_max,
        limits.sql_tables_max,
        limits.sql_text_bytes_max,
    )
    question = SqlQuestion(
        body.sql, _values(body.parameters), bounds, limits.sql_rows_max, days.pop() if days else None
    )
    return SqlRequest(question, tuple(token for token in (body.snapshot, named.get("snapshot")) if token is not None))


def _json(content: bytes) -> _Body:
    try:
        return _decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        hint = 'Send {"sql": "SELECT ...", "parameters": [...]}; snapshot and asOf may be there too.'
        raise Problem("malformed_json", f"The body is no SQL request: {error}"[:300], hint) from error


def _utf8(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Problem("malformed_body", "The SQL is not UTF-8.", "Send UTF-8.") from error


def _day(text: str) -> dt.date:
    try:
        value = coerce(literal(text), Type.DATE).value
    except InvalidLiteral as error:
        raise Problem("invalid_parameter", error.message, error.hint, {"target": "asOf"}) from error
    if not isinstance(value, dt.date):
        raise Problem("invalid_parameter", "asOf is no date.", details={"target": "asOf"})
    return value


def _values(given: Sequence[SqlValue] | dict[str, SqlValue]) -> dict[str, SqlValue]:
    """By the name of the placeholder; those of a list are numbered from 1."""
    values = given if isinstance(given, dict) else {str(at): value for at, value in enumerate(given, 1)}
    for name, value in values.items():
        if isinstance(value, int) and not -LONG_MAX - 1 <= value <= LONG_MAX:
            raise Problem("invalid_literal", f"The parameter {name[:80]!r} does not fit 64 bits.")
    return values
