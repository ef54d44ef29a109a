"""Which media type an answer has, by the Accept header."""

from __future__ import annotations

from starlette.requests import Request as HttpRequest

from api.problems import Problem

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"
HTML = "text/html"


def answer_type(http: HttpRequest) -> str:
    """The JSON type that the caller likes best; the older one where it likes both alike. Raises `not_acceptable`."""
    accepted = _accepted(http)
    quality = {type_: _quality(type_, accepted) for type_ in (JSON, GRAPHQL_JSON)}
    best = GRAPHQL_JSON if _listed_before(accepted, quality) else JSON
    if quality[best] == 0:
        raise Problem("not_acceptable", "No media type that is accepted can be given.", f"Accept {JSON}.")
    return best


def prefers_page(http: HttpRequest) -> bool:
    """Whether the caller is a browser that opens the address: it lists HTML by name, and likes it no less than JSON."""
    accepted = _accepted(http)
    return any(type_ == HTML for type_, _ in accepted) and _quality(HTML, accepted) >= _quality(JSON, accepted)


def _listed_before(accepted: list[tuple[str, float]], quality: dict[str, float]) -> bool:
    """Whether the newer type is preferred: by its quality, or by coming first where the qualities are equal."""
    if quality[JSON] != quality[GRAPHQL_JSON]:
        return quality[GRAPHQL_JSON] > quality[JSON]
    names = [type_ for type_, _ in accepted]
    if GRAPHQL_JSON not in names:
        return False
    return JSON not in names or names.index(GRAPHQL_JSON) < names.index(JSON)


def _accepted(http: HttpRequest) -> list[tuple[str, float]]:
    header = ",".join(http.headers.getlist("accept")) or "*/*"
    return [_media_range(part) for part in header.split(",") if part.strip()]


def _media_range(text: str) -> tuple[str, float]:
    type_, *parameters = (part.strip().lower() for part in text.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name == "q":
            try:
                return type_, float(value)
            except ValueError:
                return type_, 0.0
    return type_, 1.0


def _quality(type_: str, accepted: list[tuple[str, float]]) -> float:
    """The quality of the most specific range that covers the type; 0 where none does."""
    for candidate in (type_, type_.split("/", maxsplit=1)[0] + "/*", "*/*"):
        found = [quality for range_, quality in accepted if range_ == candidate]
        if found:
            return max(found)
    return 0.0
