"""What a request says its body is: the format, how it is packed, and whose points it holds."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message
from enum import Enum

from starlette.datastructures import Headers

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
_CHARSETS = ("utf-8", "utf8", "us-ascii")


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
    kind = BodyKind(_format(headers.get("content-type", Format.JSON.value)), _packing(headers), source)
    if source is not None and kind.format is Format.JSON:
        raise Problem("invalid_parameter", "The parameter source is not for JSON.", "Name the source in the document.")
    return kind


def check_json(headers: Headers) -> None:
    """Raises Problem `unsupported_media_type` where the body is anything but plain JSON."""
    kind = body_kind(headers, None)
    if (kind.format, kind.packing) != (Format.JSON, Packing.NONE):
        raise Problem("unsupported_media_type", f"Only {Format.JSON.value} is taken here, and not packed.")


def _format(content_type: str) -> Format:
    header = Message()
    header["Content-Type"] = content_type
    # What cannot be read as a media type is text/plain to the parser, which is none of ours either.
    kind = FORMATS.get(header.get_content_type())
    if kind is None:
        hint = f"Send one of: {', '.join(FORMATS)}."
        raise Problem("unsupported_media_type", f"The body is {content_type[:80]!r}.", hint)
    charset = header.get_content_charset("utf-8")
    if charset not in _CHARSETS:
        raise Problem("unsupported_media_type", f"The body's charset is {charset[:40]!r}.", "Send it in UTF-8.")
    return kind


def _packing(headers: Headers) -> Packing:
    named = ", ".join(headers.getlist("content-encoding"))
    packing = _PACKINGS.get(named.strip().lower())
    if packing is None:
        message = f"The body's encoding is {named[:80]!r}."
        raise Problem("unsupported_media_type", message, "Pack it once, with gzip or zstd, or not at all.")
    return packing
