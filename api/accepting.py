"""What a client accepts, and how much it likes it: the media ranges of an Accept header."""

from __future__ import annotations

# A media range and its quality.
Accepted = list[tuple[str, float]]


def accepted(header: str) -> Accepted:
    """The ranges of a header, in its order. Whoever says nothing takes everything."""
    return [_media_range(part) for part in (header or "*/*").split(",") if part.strip()]


def quality(type_: str, ranges: Accepted) -> float:
    """The quality of the most specific range that covers the type; 0 where none does."""
    for candidate in (type_, type_.split("/", maxsplit=1)[0] + "/*", "*/*"):
        found = [quality for range_, quality in ranges if range_ == candidate]
        if found:
            return max(found)
    return 0.0


def _media_range(text: str) -> tuple[str, float]:
    type_, *parameters = (part.strip().lower() for part in text.split(";"))
    for name, _, value in (parameter.partition("=") for parameter in parameters):
        if name.strip() == "q":
            try:
                return type_, float(value)
            except ValueError:
                return type_, 0.0
    return type_, 1.0
