"""What the client accepts and prefers: media type, metadata level, page size, protocol version.

JSON is served to every client that takes it at all and names no form of an export before it, whatever else it lists:
Power Query puts Atom beside JSON, older grids ask for `odata=verbose`. 406 is for clients that take nothing we have.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from api.formats import Form
from api.odata.faults import invalid_parameter, not_supported
from api.problems import Problem

VERSION = "4.0"
JSON = "application/json"
XML = "application/xml"
_JSON_RANGES = frozenset({JSON, "application/*", "*/*", "text/json"})
_XML_RANGES = frozenset({XML, "text/xml", "application/*", "text/*", "*/*"})
_LATER_FORMATS = frozenset({"xlsx"})
_EXPORTS = {name: form for form in Form if form is not Form.JSON for name in (form.value, form.name.lower())}
_SERVED_LEVELS = frozenset({"minimal", "none"})


@dataclass(frozen=True, slots=True)
class Format:
    """How an answer is written, and JSON. `exact_texts` is IEEE754Compatible: numbers that doubles cannot hold are
    texts."""

    metadata: str = "minimal"
    exact_texts: bool = False
    form: Form = Form.JSON

    @property
    def content_type(self) -> str:
        if self.form is not Form.JSON:
            return f"{Form.CSV.value};charset=utf-8;header=present" if self.form is Form.CSV else self.form.value
        exact = ";IEEE754Compatible=true" if self.exact_texts else ""
        return f"{JSON};odata.metadata={self.metadata};odata.streaming=true{exact};charset=utf-8"


@dataclass(frozen=True, slots=True)
class MediaRange:
    name: str
    parameters: Mapping[str, str]
    quality: float


def answer_format(accept: str, option: str | None, *, exports: bool) -> Format:
    """The form to answer in; `$format`, where it is given, overrides Accept. Only a collection `exports`.

    Raises Problem `not_acceptable`, or `not_supported` for formats that are to come.
    """
    if option is not None:
        return _format_of_option(option, exports=exports)
    if not accept.strip():
        return Format()
    formats = [found for media in media_ranges(accept) if (found := _format(media, exports=exports)) is not None]
    if not formats:
        message = "The answer is JSON, CSV, Arrow or Parquet" if exports else "The answer is JSON"
        raise Problem("not_acceptable", f"{message}, which the Accept header leaves out.")
    return formats[0]


def accept_xml(accept: str, option: str | None) -> None:
    """Raises Problem `not_acceptable` where the client does not take XML."""
    if option is not None:
        name = option.strip().lower().partition(";")[0]
        if name in {"json", JSON}:
            raise not_supported("$metadata as JSON")
        fits = name in {"xml", XML}
    else:
        fits = not accept.strip() or any(media.name in _XML_RANGES for media in media_ranges(accept))
    if not fits:
        raise Problem("not_acceptable", "$metadata is XML, which was not asked for.", "Accept application/xml.")


def media_ranges(accept: str) -> list[MediaRange]:
    """The entries of an Accept header that are not refused, the most wanted first."""
    ranges = [_media_range(text) for text in accept.split(",") if text.strip()]
    return sorted((media for media in ranges if media.quality > 0), key=lambda media: -media.quality)


_PAGE_SIZE = re.compile(r"(?:odata\.)?maxpagesize\s*=\s*\"?(\d{1,18})\"?(?:\s*;.*)?", re.IGNORECASE)


def page_size(prefer: Iterable[str], rows_max: int) -> int | None:
    """The rows of a page that the client prefers, at most `rows_max`; None where it has no say."""
    for header in prefer:
        for text in header.split(","):
            match = _PAGE_SIZE.fullmatch(text.strip())
            if match and int(match[1]) > 0:
                return min(int(match[1]), rows_max)
    return None


def check_version(versions_max: str | None) -> None:
    """Raises Problem `invalid_parameter` where the client does not take version 4.0."""
    if versions_max is None:
        return
    match = re.fullmatch(r"\s*(\d{1,3})\.(\d{1,3})\s*", versions_max)
    if match is None or int(match[1]) < 4:
        raise invalid_parameter(
            "OData-MaxVersion", f"OData-MaxVersion {versions_max[:20]!r} is below 4.0.", "Ask for 4.0 or later."
        )


def _media_range(text: str) -> MediaRange:
    name, *parts = (part.strip() for part in text.split(";"))
    pairs = (part.partition("=") for part in parts)
    parameters = {key.strip().lower(): value.strip().strip('"').lower() for key, _, value in pairs}
    return MediaRange(name.lower(), parameters, _quality(parameters.get("q", "1")))


def _quality(text: str) -> float:
    return float(text) if re.fullmatch(r"[01](\.\d{0,3})?", text) else 1.0


def _format(media: MediaRange, *, exports: bool) -> Format | None:
    """What an entry asks for; None where it is nothing that we have. Unknown parameters are read over."""
    if exports and media.name in _EXPORTS:
        return Format(form=_EXPORTS[media.name])
    level = _level(media)
    if media.name not in _JSON_RANGES or level not in _SERVED_LEVELS:
        return None
    return Format(level, media.parameters.get("ieee754compatible") == "true")


def _level(media: MediaRange) -> str:
    return media.parameters.get("odata.metadata") or media.parameters.get("metadata") or "minimal"


def _format_of_option(option: str, *, exports: bool) -> Format:
    media = _media_range(option)
    media = MediaRange(JSON if media.name == "json" else media.name, media.parameters, 1.0)
    found = _format(media, exports=exports)
    if found is not None:
        return found
    if media.name in _LATER_FORMATS or (media.name == JSON and _level(media) == "full"):
        raise not_supported(f"$format={option[:60]}")
    raise Problem(
        "not_acceptable",
        f"There is no format {option[:60]!r}.",
        "Use $format=json; collections are also csv, arrow and parquet.",
    )
