"""Which form an answer has, by the Accept header."""

from __future__ import annotations

from enum import Enum

from api.problems import Problem


class Format(Enum):
    JSON = "application/json"
    CSV = "text/csv"
    ARROW = "application/vnd.apache.arrow.stream"
    PARQUET = "application/vnd.apache.parquet"


def accepted_format(header: str) -> Format:
    """The form that the caller likes best; of those that it likes alike, the first in the list above.

    Raises Problem `not_acceptable`.
    """
    ranges = [_media_range(part) for part in (header or "*/*").split(",") if part.strip()]
    qualities = {form: _quality(form.value, ranges) for form in Format}
    best = max(Format, key=lambda form: qualities[form])
    if qualities[best] == 0:
        forms = ", ".join(form.value for form in Format)
        raise Problem("not_acceptable", "No media type that is accepted can be given.", f"Accept one of: {forms}.")
    return best


def _media_range(text: str) -> tuple[str, float]:
    type_, *parameters = (part.strip().lower() for part in text.split(";"))
    for name, _, value in (parameter.partition("=") for parameter in parameters):
        if name.strip() == "q":
            try:
                return type_, float(value)
            except ValueError:
                return type_, 0.0
    return type_, 1.0


def _quality(type_: str, ranges: list[tuple[str, float]]) -> float:
    """The quality of the most specific range that covers the type; 0 where none does."""
    for candidate in (type_, type_.split("/", maxsplit=1)[0] + "/*", "*/*"):
        found = [quality for range_, quality in ranges if range_ == candidate]
        if found:
            return max(found)
    return 0.0
