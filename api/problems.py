"""Problems: the one total table from errors to answers.

A `Problem` is what a caller is told: a stable code, what happened, and what to do. Every code has one row in
`PROBLEMS` with its HTTP status and a default hint; `docs/errors.md` lists them all, and a test holds the two
together. `problem_from` translates the errors of the floors below.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from catalog.errors import CatalogError
from engine.errors import EngineError


@dataclass(frozen=True, slots=True)
class Entry:
    status: int
    hint: str


PROBLEMS: dict[str, Entry] = {
    # the request as HTTP
    "not_found": Entry(404, "Check the path; / lists the doors."),
    "method_not_allowed": Entry(405, "Use a method that the Allow header lists."),
    "not_acceptable": Entry(406, "Accept application/json."),
    "body_too_large": Entry(413, "Split the body into several requests."),
    "unsupported_media_type": Entry(415, "Send application/json."),
    "uri_too_long": Entry(414, "Shorten the query string."),
    "unknown_parameter": Entry(400, "Remove the parameter, or correct its spelling."),
    "invalid_parameter": Entry(400, "Correct the parameter's value."),
    "malformed_json": Entry(400, "Send one well-formed JSON object in UTF-8."),
    "malformed_body": Entry(400, "Send a whole body of the format and encoding that its headers name."),
    # the question
    "syntax_error": Entry(400, "Correct the expression at the position given."),
    "invalid_query": Entry(400, "Correct the question."),
    "invalid_sql": Entry(400, "Correct the SQL."),
    "sql_not_allowed": Entry(400, "Send one SELECT over the logical tables."),
    "unknown_table": Entry(404, "Ask the service document for the entity sets."),
    "unknown_column": Entry(400, "Use a column of the table."),
    "unknown_function": Entry(400, "Use a function that the documentation lists."),
    "wrong_type": Entry(400, "Compare and call with values of the right type."),
    "invalid_literal": Entry(400, "Correct the value."),
    "invalid_page": Entry(400, "Start from the first page again."),
    "numeric_overflow": Entry(400, "Ask of fewer rows, also for an average: their sum has more digits than a decimal."),
    "not_supported": Entry(501, "Leave this part out; it is planned, but not built."),
    "limit_exceeded": Entry(400, "Ask for less; the limit can be set."),
    "unknown_entity": Entry(404, "Check the key."),
    "unknown_snapshot": Entry(404, "Use the token of an answer, or leave it out to read the newest state."),
    "idempotency_conflict": Entry(409, "Use a new key for a new request; send the same request under the same key."),
    "snapshot_expired": Entry(410, "Leave the snapshot out to read the newest state; a tag keeps a state."),
    "invalid_tag": Entry(400, "Choose another name, of letters, digits, dot, underscore and dash."),
    "already_exists": Entry(409, "Change what is there instead of creating it."),
    # the data
    "invalid_body": Entry(400, "Send an object with source, series and data_points, as the documentation shows."),
    "rejected_batch": Entry(422, "Correct the failed rows, or post with mode=partial."),
    # the service
    "overloaded": Entry(429, "Wait as long as Retry-After says, then send the same request again."),
    "busy": Entry(503, "Wait as long as Retry-After says, then ask again."),
    "shutting_down": Entry(503, "Send the request again to the restarted service."),
    "query_timeout": Entry(504, "Narrow the question: name a series or a range of dates."),
    "memory_exceeded": Entry(503, "Narrow the question: name a series or a range of dates."),
    "execution_failed": Entry(500, "Ask again; report it where it persists."),
    "scan_refused": Entry(500, "Report it: the table holds something that this version cannot read."),
    "storage_failed": Entry(500, "Ask again; report it where it persists."),
    "storage_damaged": Entry(500, "Report it: a stored file is missing or damaged."),
    "storage_full": Entry(507, "Free space on the data volume, then send the request again."),
    "schema_mismatch": Entry(503, "Nothing was stored: the lake is of another version than the service; update it."),
    "commit_failed": Entry(503, "Nothing was stored: send the same request again."),
    "commit_unknown": Entry(
        500, "It is not known whether the data was stored: send the same request again, posting is idempotent."
    ),
    "internal": Entry(500, "Report it with the request's time."),
}


@dataclass(slots=True)
class Problem(Exception):
    """What a caller is told. `details` must hold only values that JSON has."""

    code: str
    message: str
    hint: str = ""
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        self.hint = self.hint or PROBLEMS[self.code].hint

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    @property
    def status(self) -> int:
        return PROBLEMS[self.code].status

    def document(self) -> dict[str, Any]:
        """The problem document (RFC 9457, with `code` and `hint` added)."""
        return {
            "type": f"urn:finlake:problem:{self.code}",
            "title": self.code.replace("_", " "),
            "status": self.status,
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "details": dict(self.details),
        }


def problem_from(error: Exception) -> Problem:
    """The problem for any error of the floors below; what is not foreseen is `internal` and tells nothing."""
    match error:
        case Problem():
            return error
        case EngineError() | CatalogError():
            return Problem(error.code, error.message, error.hint, dict(error.details))
        case _:
            return Problem("internal", "The service failed in a way it did not foresee.")
