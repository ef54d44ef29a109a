"""From the decoded text of an option or key to tokens with positions.

The lexer is tolerant where clients are: any blank between tokens, typed suffixes of numbers (`5L`, `1.5m`), a blank
where the sign of an offset is due (it was a `+`), old prefixes such as `guid'..'`. It knows no keywords: a name that
reads `date` or `not` is a name here.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from api.odata.faults import limit_exceeded, syntax_error
from api.problems import Problem


class Kind(Enum):
    GUID = "guid"
    INSTANT = "instant"  # 2020-01-31T12:00:00Z
    DATE = "date"
    TIME = "time"
    NUMBER = "number"
    MINUS_INFINITY = "minus_infinity"
    TYPED = "typed"  # prefix'...': guid, duration, geography, an enumeration
    NAME = "name"  # plain or qualified with dots
    STRING = "string"  # '...'
    JSON_STRING = "json_string"  # "..."
    ALIAS = "alias"  # @name
    DOLLAR = "dollar"  # $it, $count ...
    MARK = "mark"  # one character of punctuation
    END = "end"


# The kinds that are literals.
CONSTANTS = frozenset(
    {
        Kind.GUID,
        Kind.INSTANT,
        Kind.DATE,
        Kind.TIME,
        Kind.NUMBER,
        Kind.MINUS_INFINITY,
        Kind.TYPED,
        Kind.STRING,
        Kind.JSON_STRING,
    }
)


class Token(NamedTuple):
    """`text` is the token as it was written, `position` its first character in the source, counted from 0."""

    kind: Kind
    text: str
    position: int


_NAME = r"[^\W\d]\w*"
_QUALIFIED = rf"{_NAME}(?:\.{_NAME})*"
_DAY = r"-?\d{4,}-\d\d-\d\d"
_CLOCK = r"\d\d:\d\d(?::\d\d(?:\.\d+)?)?"
_TOKEN = re.compile(
    rf"""
    (?P<guid>[0-9a-fA-F]{{8}}(?:-[0-9a-fA-F]{{4}}){{3}}-[0-9a-fA-F]{{12}})(?![\w'-])
    |(?P<instant>{_DAY}[Tt]{_CLOCK}(?:[Zz]|[+\- ]\d\d:\d\d)?)(?![\w:])
    |(?P<date>{_DAY})(?![\w:-])
    |(?P<time>{_CLOCK})(?![\w:])
    |(?P<number>[+-]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?[LlMmDdFf]?)(?![\w.'])
    |(?P<minus_infinity>-INF)(?!\w)
    |(?P<typed>{_QUALIFIED}'(?:[^']|'')*+')
    |(?P<name>{_QUALIFIED})
    |(?P<string>'(?:[^']|'')*+')
    |(?P<json_string>"(?:[^"\\]|\\.)*+")
    |(?P<alias>@{_QUALIFIED}(?:\#{_NAME})?)
    |(?P<dollar>\${_NAME})
    |(?P<mark>[()\[\]{{}},:;/*=.-])
    """,
    re.VERBOSE | re.DOTALL,
)
_BLANK = re.compile(r"\s*")


def tokens(text: str, tokens_max: int) -> list[Token]:
    """All tokens of the text, and an END behind them.

    Raises Problem `syntax_error` where no token begins, `limit_exceeded` where there are more than `tokens_max`.
    """
    found: list[Token] = []
    position = _after_blank(text, 0)
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise _unreadable(text, position)
        if len(found) == tokens_max:
            raise limit_exceeded("expression_tokens_max", tokens_max, f"It has more than {tokens_max} tokens.")
        found.append(Token(_KINDS[match.lastgroup], match[0], position))
        position = _after_blank(text, match.end())
    found.append(Token(Kind.END, "", len(text)))
    return found


_KINDS = {kind.value: kind for kind in Kind}


def _after_blank(text: str, position: int) -> int:
    match = _BLANK.match(text, position)
    return match.end() if match else position


_SYMBOLS = {"!=": "ne", "<>": "ne", ">=": "ge", "<=": "le", "&&": "and", "||": "or"}
_SINGLE_SYMBOLS = {"<": "lt", ">": "gt", "!": "not", "+": "add", "%": "mod"}


def _unreadable(text: str, position: int) -> Problem:
    start = text[position : position + 20]
    if start[0] in "'\"":
        return syntax_error(
            f"The text that begins with {start} has no end.", position, "Close it; a quote inside is written twice."
        )
    word = _SYMBOLS.get(start[:2]) or _SINGLE_SYMBOLS.get(start[0])
    return syntax_error(f"{start!r} cannot be read.", position, f"OData writes {word}." if word else "")
