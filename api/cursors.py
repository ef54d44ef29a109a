"""Opaque page marks, shared by OData's nextLink and GraphQL's cursors: where a page ended, in which snapshot."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2b
from typing import Any

import orjson

from api.json_rows import plain_decimal, rfc3339
from api.problems import Problem
from catalog.model import Type
from engine.errors import EngineError
from engine.literals import coerce, literal
from engine.query import NULL, Literal, Query


@dataclass(frozen=True, slots=True)
class Cursor:
    """Behind which row of which question to go on.

    `question` is that of `question_of`. `after` are the sort values of the last row shown, as `Page.after` wants them;
    `remaining` is what is left of the number of rows the caller asked for in all, where there was one.
    """

    snapshot: str
    question: str
    after: tuple[Literal, ...]
    remaining: int | None = None

    def behind(self, query: Query) -> tuple[Literal, ...]:
        """Where the query goes on. Raises Problem `invalid_page` for a question that the mark is not of."""
        if self.question != question_of(query):
            raise Problem("invalid_page", "The page mark belongs to another question.")
        return self.after


def question_of(query: Query) -> str:
    """A short name of the rows that a query asks for and of their order, whatever its columns and its page."""
    derived = (query.grouping, query.having, query.conversion, query.alignment)
    asked = (query.table, query.where, query.order, query.view, query.as_of, *derived)
    return blake2b(repr(asked).encode(), digest_size=8).hexdigest()


def encode(cursor: Cursor) -> str:
    content = [cursor.snapshot, cursor.question, [_written(constant) for constant in cursor.after], cursor.remaining]
    return base64.urlsafe_b64encode(orjson.dumps(content)).rstrip(b"=").decode()


def decode(text: str) -> Cursor:
    """Raises Problem `invalid_page` for anything that `encode` did not write."""
    try:
        content = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        snapshot, question, after, remaining = content
        cursor = Cursor(snapshot, question, tuple(_read(item) for item in after), remaining)
    except (ValueError, TypeError, KeyError, binascii.Error, EngineError) as error:
        raise _broken() from error
    well_formed = isinstance(snapshot, str) and (remaining is None or (type(remaining) is int and remaining >= 0))
    if not well_formed:
        raise _broken()
    return cursor


def _broken() -> Problem:
    return Problem("invalid_page", "The page mark is not one of this service.")


def _written(constant: Literal) -> list[Any]:
    if constant.type is None:
        return []
    match constant.type, constant.value:
        case type_, dt.datetime() as value:
            return [type_.value, rfc3339(value)]
        case type_, Decimal() as value:
            return [type_.value, plain_decimal(value)]
        case type_, bool() | int() | float() as value:
            return [type_.value, value]
        case type_, value:
            return [type_.value, str(value)]


def _read(item: list[Any]) -> Literal:
    if not item:
        return NULL
    type_name, value = item
    if not isinstance(value, (str, int, float)):
        raise TypeError(type_name)
    return coerce(literal(value), Type(type_name))
