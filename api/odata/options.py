"""From the query string to options: which there are, each once, and the values of the simple ones.

System options are read with and without `$` and in any case, finlake's own (`asOf`, `explain`, `release`, `snapshot`)
in any case. What is neither, nor an alias (`@name`), nor harmless, is refused: a misspelt `asOf` would serve revised
data unnoticed.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import unquote_plus

from api.limits import Limits
from api.odata.faults import invalid_parameter, near, not_supported
from api.problems import Problem
from engine.literals import LONG_MAX
from engine.query import View

SERVED_OPTIONS = ("$apply", "$filter", "$select", "$orderby", "$top", "$skip", "$count", "$format", "$skiptoken")
UNSERVED_OPTIONS = (
    "$compute",
    "$deltatoken",
    "$expand",
    "$id",
    "$index",
    "$levels",
    "$schemaversion",
    "$search",
)
OWN_OPTIONS = ("asOf", "explain", "release", "snapshot")
# Names that clients and gateways add to every request, and that mean nothing here.
IGNORED_OPTIONS = ("_", "api-version", "sap-client", "sap-language")

_SYSTEM = {name.removeprefix("$"): name for name in (*SERVED_OPTIONS, *UNSERVED_OPTIONS)}
_OWN = {name.lower(): name for name in OWN_OPTIONS}
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_BOOLEANS = {"true": True, "false": False}
_RELEASES = {"first": View.FIRST, "latest": View.LATEST}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one request. `written` pairs each option's canonical name with its text in the query string."""

    values: Mapping[str, str]
    aliases: Mapping[str, str]
    written: tuple[tuple[str, str], ...]
    top: int | None = None
    skip: int = 0
    count: bool = False
    as_of: dt.date | None = None
    release: View | None = None
    explain: bool = False

    def only(self, *allowed: str) -> None:
        """Refuse system options that the resource does not take. Raises Problem `invalid_parameter`."""
        for name in self.values:
            if name.startswith("$") and name not in allowed:
                raise invalid_parameter(name, f"{name} does not apply to this resource.", "Leave the option out.")


def parse_options(query_string: str, limits: Limits) -> Options:
    """The options of a raw query string (still percent-encoded).

    Raises Problem `uri_too_long`, `unknown_parameter`, `invalid_parameter`, `not_supported`.
    """
    if len(query_string) > limits.query_string_bytes_max:
        raise Problem(
            "uri_too_long",
            f"The query string is longer than {limits.query_string_bytes_max} bytes.",
            details={"limit": "query_string_bytes_max", "value": limits.query_string_bytes_max},
        )
    values: dict[str, str] = {}
    written: list[tuple[str, str]] = []
    for pair in filter(None, query_string.split("&")):
        name, _, value = pair.partition("=")
        canonical = _canonical(_decoded(name))
        if canonical in values:
            raise invalid_parameter(canonical, f"{canonical} is given twice.", "Give each option once.")
        written.append((canonical, pair))
        values[canonical] = _decoded(value)
    return _options(values, tuple(written))


def _options(values: Mapping[str, str], written: tuple[tuple[str, str], ...]) -> Options:
    for name in values:
        if name in UNSERVED_OPTIONS:
            problem = not_supported(f"the option {name}")
            problem.details = {**problem.details, "target": name}
            raise problem
    return Options(
        values={name: value for name, value in values.items() if not name.startswith("@")},
        aliases={name: value for name, value in values.items() if name.startswith("@")},
        written=written,
        top=_number(values, "$top"),
        skip=_number(values, "$skip") or 0,
        count=_choice(values, "$count", _BOOLEANS) or False,
        as_of=_day(values),
        release=_choice(values, "release", _RELEASES),
        explain=_choice(values, "explain", _BOOLEANS) or False,
    )


def _decoded(text: str) -> str:
    try:
        return unquote_plus(text, errors="strict")
    except UnicodeDecodeError as error:
        raise Problem("invalid_parameter", "The query string is not percent-encoded UTF-8.") from error


def _canonical(name: str) -> str:
    folded = name.lower()
    if folded.startswith("@") and len(folded) > 1:
        return name
    if folded.removeprefix("$") in _SYSTEM:
        return _SYSTEM[folded.removeprefix("$")]
    if folded in _OWN:
        return _OWN[folded]
    if folded in IGNORED_OPTIONS:
        return folded
    raise Problem(
        "unknown_parameter",
        f"There is no option {name[:80]!r}.",
        near(name, (*SERVED_OPTIONS, *OWN_OPTIONS, *UNSERVED_OPTIONS)),
        {"target": name[:80], "parameter": name[:80]},
    )


def _number(values: Mapping[str, str], name: str) -> int | None:
    """A count of rows, not negative."""
    text = values.get(name, "0").strip()
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= LONG_MAX):
        raise invalid_parameter(name, f"{text[:40]!r} is no number of rows.", f"Give a whole number: {name}=10.")
    return int(text) if name in values else None


def _choice(values: Mapping[str, str], name: str, choices: Mapping[str, T]) -> T | None:
    if name not in values:
        return None
    word = values[name].strip().lower()
    if word not in choices:
        allowed = " or ".join(choices)
        raise invalid_parameter(name, f"{word[:40]!r} is no value of {name}.", f"Give {allowed}.")
    return choices[word]


def _day(values: Mapping[str, str]) -> dt.date | None:
    if "asOf" not in values:
        return None
    text = values["asOf"].strip().strip("'\"")
    try:
        return dt.date.fromisoformat(text if _DAY.fullmatch(text) else "")
    except ValueError as error:
        raise invalid_parameter("asOf", f"{text[:40]!r} is no day.", "Give one: asOf=2020-01-31.") from error
