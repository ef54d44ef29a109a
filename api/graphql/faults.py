"""What a caller is told of an error: message, place, path, and the problem's code, hint and details.

Errors of graphql-core itself (syntax, validation, coercion) keep their messages. Everything that no floor foresaw is
masked as `internal` and logged.
"""

from __future__ import annotations

from typing import Any

import structlog
from graphql import GraphQLError, GraphQLSyntaxError

from api.problems import Problem, problem_from

_log = structlog.get_logger("graphql")
_TOKENS_MESSAGE = "Document contains more than"


def error_document(error: GraphQLError, tokens_max: int) -> dict[str, Any]:
    """One entry of `errors`."""
    problem = problem_of(error, tokens_max)
    extensions: dict[str, Any] = {"code": problem.code, "hint": problem.hint}
    if problem.details:
        extensions["details"] = dict(problem.details)
    document: dict[str, Any] = {"message": problem.message, "extensions": extensions}
    if error.locations:
        document["locations"] = [{"line": place.line, "column": place.column} for place in error.locations]
    if error.path is not None:
        document["path"] = error.path
    return document


def problem_of(error: GraphQLError, tokens_max: int) -> Problem:
    cause = _cause(error)
    if cause is None:
        return _of_graphql_core(error, tokens_max)
    problem = problem_from(cause)
    if problem.code == "internal":
        _log.error("unforeseen", path=error.path, exc_info=cause)
        return problem
    # graphql-core words where in the input a bad value stands; a resolver's problem says all by itself.
    message = problem.message if error.path is not None or problem.code == "limit_exceeded" else error.message
    return Problem(problem.code, message, problem.hint, problem.details, problem.headers)


def _cause(error: GraphQLError) -> Exception | None:
    """The error below all the wrapping; None where graphql-core itself raised it."""
    cause: Exception | None = error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    return cause


def _of_graphql_core(error: GraphQLError, tokens_max: int) -> Problem:
    if isinstance(error, GraphQLSyntaxError):
        if _TOKENS_MESSAGE in error.message:
            details = {"limit": "graphql_tokens_max", "value": tokens_max}
            message = f"The document has more than {tokens_max} tokens."
            return Problem("limit_exceeded", message, "Send values as variables.", details)
        return Problem("syntax_error", error.message)
    return Problem("invalid_query", error.message, "Correct the document; the schema is at /graphql.")


def request_fault(problem: Problem) -> dict[str, Any]:
    """The answer where the request never became a document to execute."""
    extensions = {"code": problem.code, "hint": problem.hint, "details": dict(problem.details)}
    return {"errors": [{"message": problem.message, "extensions": extensions}]}
