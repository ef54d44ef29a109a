"""What a request says its body is: the format, how it is packed, and whose points it holds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from starlette.datastructures import Headers

from api.bodies import media_type
from api.problems import Problem


class Format(Enum):
    """The formats of a bulk body, by their first media type."""

    JSON = "application/json"
    NDJSON = "application/x-ndjson"
    CSV = "text/csv"
    ARROW = "application/vnd.apache.arrow.stream"
    PARQUET = "application/vnd.apache.parquet"


class Packing(Enum):
    """A Content-Encoding."""

    NONE = "identity"
    GZIP = "gzip"
    ZSTD = "zstd"


FORMATS: dict[str, Format] = {each.value: each for each in Format} | {"application/jsonl": Format.NDJSON}
_PACKINGS = {each.value: each for each in Packing} | {"": Packing.NONE, "x-gzip": Packing.GZIP}


@dataclass(frozen=True, slots=True)
class BodyKind:
    """How to read a body. `source` names the source of the rows that name none; a JSON document says it itself."""

    format: Format = Format.JSON
    packing: Packing = Packing.NONE
    source: str | None = None


def body_kind(headers: Headers, source: str | None) -> BodyKind:
    """The kind that the headers tell; a body without Content-Type is JSON.

    Raises Problem `unsupported_media_type`, and `invalid_parameter` where a JSON body comes with a `source` beside it.
    """
    kind = BodyKind(_format(headers), _packing(headers), source)
    if source is not None and kind.format is Format.JSON:
        raise Problem("invalid_parameter", "The parameter source is not for JSON.", "Name the source in the document.")
    return kind


def check_json(headers: Headers) -> None:
    """Raises Problem `unsupported_media_type` where the body is anything but plain JSON."""
    kind = body_kind(headers, None)
    if (kind.format, kind.packing) != (Format.JSON, Packing.NONE):
        raise Problem("unsupported_media_type", f"Only {Format.JSON.value} is taken here, and not packed.")


def _format(headers: Headers) -> Format:
    declared = media_type(headers, Format.JSON.value)
    kind = FORMATS.get(declared)
    if kind is None:
        hint = f"Send one of: {', '.join(FORMATS)}."
        raise Problem("unsupported_media_type", f"The body is {declared[:80]!r}.", hint)
    return kind


def _packing(headers: Headers) -> Packing:
    named = ", ".join(headers.getlist("content-encoding"))
    packing = _PACKINGS.get(named.strip().lower())
    if packing is None:
        message = f"The body's encoding is {named[:80]!r}."
        raise Problem("unsupported_media_type", message, "Pack it once, with gzip or zstd, or not at all.")
    return packing
