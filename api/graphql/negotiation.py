"""Which media type an answer has, by the Accept header."""

from __future__ import annotations

from starlette.requests import Request as HttpRequest

from api.accepting import Accepted, accepted, quality
from api.problems import Problem

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"
HTML = "text/html"


def answer_type(http: HttpRequest) -> str:
    """The JSON type that the caller likes best; the older one where it likes both alike. Raises `not_acceptable`."""
    ranges = _ranges(http)
    best = GRAPHQL_JSON if _prefers_newer(ranges) else JSON
    if quality(best, ranges) == 0:
        raise Problem("not_acceptable", "No media type that is accepted can be given.", f"Accept {JSON}.")
    return best


def prefers_page(http: HttpRequest) -> bool:
    """Whether the caller is a browser that opens the address: it lists HTML by name, and likes it no less than JSON."""
    ranges = _ranges(http)
    return any(type_ == HTML for type_, _ in ranges) and quality(HTML, ranges) >= quality(JSON, ranges)


def _prefers_newer(ranges: Accepted) -> bool:
    """Whether the newer type is preferred: by its quality, or by coming first where the qualities are equal."""
    older, newer = (quality(type_, ranges) for type_ in (JSON, GRAPHQL_JSON))
    if older != newer:
        return newer > older
    names = [type_ for type_, _ in ranges]
    if GRAPHQL_JSON not in names:
        return False
    return JSON not in names or names.index(GRAPHQL_JSON) < names.index(JSON)


def _ranges(http: HttpRequest) -> Accepted:
    return accepted(",".join(http.headers.getlist("accept")))
