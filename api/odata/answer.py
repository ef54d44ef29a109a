"""Runs a compiled URL on the engine and writes the answer. Everything here blocks: it runs in the reader's threads.

Every query of a request reads the same snapshot: the one the page mark or the URL names, else the newest.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, assert_never

import pyarrow as pa

from api.answers import Repeatable, digest
from api.cursors import Cursor, encode, question_of
from api.exports import exported
from api.formats import Form
from api.json_rows import listed, plain_decimal, rfc3339
from api.odata.compile import Compiled
from api.odata.faults import unpageable
from api.odata.negotiate import Format
from api.odata.path import Shape
from api.odata.render import collection_head, collection_tail, context_url, entity, rows_of
from api.problems import Problem
from api.reading import Reader, Stopwatch
from api.streaming import Body, Pieces
from engine.execute import Result
from engine.literals import literal, typed_compare
from engine.pipeline import Engine
from engine.planner.model import is_pageable, is_repeatable
from engine.query import Expr, Field, Literal, Op, Page, Query, all_of

PLAIN_TEXT = "text/plain;charset=utf-8"


# What a page mark says better: where to go on, and in which state.
MARKED = frozenset({"$skip", "$skiptoken", "snapshot"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request came in: the absolute `root` of the service with its slash, and the absolute `url` asked."""

    root: str
    url: str


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` is None where there is no content."""

    body: Body | None
    content_type: str
    snapshot: str
    form: Form = Form.JSON


@dataclass(frozen=True, slots=True)
class Asked:
    """All that an answer depends on beside the snapshot. `page_rows` is the most that a page may have, `preferred` what
    the client would have it be. What is exported has no pages."""

    compiled: Compiled
    place: Place
    form: Format
    page_rows: int
    preferred: int | None

    def repeatable(self, snapshot: str) -> Repeatable | None:
        """How it is named where the answer is the same each time."""
        compiled = self.compiled
        if not is_repeatable(compiled.query):
            return None
        written = compiled.options.written  # stands in the links to further pages
        said = (compiled.query, compiled.shape, compiled.name, written)
        parts = (*said, self.place, self.form, self.page_rows, self.preferred)
        return Repeatable(digest(b"odata", repr(parts).encode()), snapshot, pinned=bool(compiled.snapshots))


def answer(reader: Reader, asked: Asked, snapshot: str, stopwatch: Stopwatch) -> Answer:
    """The answer to a URL. Raises Problem and the errors of the floors below; after an error nothing was sent."""
    compiled = asked.compiled
    session = _Session(reader.engine, snapshot, stopwatch)
    links = session.links(compiled)
    query = replace(compiled.query, where=all_of(compiled.query.where, links))
    writer = _Writer(session, replace(compiled, query=query), asked.place, asked.form)
    match compiled.shape:
        case Shape.COLLECTION:
            is_paged = asked.form.form is Form.JSON
            pieces = writer.collection(asked.page_rows) if is_paged else writer.export(asked.form.form)
            return Answer(reader.streams.begin(pieces), asked.form.content_type, snapshot, asked.form.form)
        case Shape.ENTITY | Shape.PROPERTY:
            return writer.entity()
        case Shape.VALUE:
            return writer.value()
        case Shape.COUNT:
            return writer.count()
        case _:
            assert_never(compiled.shape)


class _Session:
    """The queries of one request, at one snapshot."""

    def __init__(self, engine: Engine, snapshot: str, stopwatch: Stopwatch) -> None:
        self.engine = engine
        self.snapshot = snapshot
        self.stopwatch = stopwatch

    def links(self, compiled: Compiled) -> Expr:
        """What the parents that the query does not name itself demand of it. Raises Problem `unknown_entity`."""
        link = all_of()
        targets = [*(parent.query.table for parent in compiled.parents), compiled.query.table][1:]
        for parent, target in zip(compiled.parents, targets, strict=True):
            if parent.bound:
                link = all_of()
                continue
            row = self.row(replace(parent.query, where=all_of(parent.query.where, link)))
            table = self.engine.tables.by_name[target]
            columns = zip(parent.relation.columns, parent.relation.target_columns, strict=True)
            link = all_of(*[typed_compare(Op.EQ, Field(there), literal(row[here]), table) for here, there in columns])
        return link

    def check_parents(self, compiled: Compiled) -> None:
        """Tell an empty collection from one of an entity that does not exist. Raises Problem `unknown_entity`."""
        for parent in compiled.parents:
            if parent.bound:
                self.row(parent.query)

    def row(self, query: Query) -> dict[str, Any]:
        """The one row of a query. Raises Problem `unknown_entity`."""
        with self.engine.answer(query.limited(1).pinned(self.snapshot)) as result:
            rows = result.table().to_pylist()
            self.stopwatch.follow(result)
        if not rows:
            raise _unknown_entity()
        return rows[0]

    def count(self, query: Query) -> int:
        return int(self.row(query.counted())["count"])


class _Page:
    """The rows of one page as JSON texts, as they come. Once they have ended, `after` is where the next one begins.

    With `more`, the result has a row past the page where there is a next one.
    """

    def __init__(self, result: Result, size: int, form: Format, types: Mapping[str, str], *, more: bool) -> None:
        self.after: tuple[Literal, ...] | None = None
        self._result = result
        self._size = size
        self._form = form
        self._types = types
        self._more = more

    def __iter__(self) -> Iterator[memoryview]:
        left = self._size
        last: tuple[Literal, ...] | None = None
        for batch in self._result.batches():
            kept = min(left, batch.num_rows)
            yield rows_of(batch.slice(0, kept), self._result.columns, self._form, self._types)
            if self._more and kept:
                last = self._result.after(batch, kept - 1)
            left -= kept
            if kept < batch.num_rows:
                self.after = last


class _Writer:
    def __init__(self, session: _Session, compiled: Compiled, place: Place, form: Format) -> None:
        self._session = session
        self._compiled = compiled
        self._place = place
        self._form = form

    def collection(self, page_rows: int) -> Pieces:
        wanted = self._wanted()
        size = page_rows if wanted is None else min(wanted, page_rows)
        more = wanted is None or wanted > size
        left = None if wanted is None else wanted - size
        if size == 0:
            yield self._head(has_rows=False)
            yield collection_tail(None)
            return
        with self._session.engine.answer(self._paged(size + more), keyset=more) as result:
            page = _Page(result, size, self._form, self._compiled.types, more=more)
            self._session.stopwatch.follow(result)
            texts = listed(self._session.stopwatch.each("render", page, result))
            first = next(texts, None)
            yield self._head(has_rows=first is not None)
            if first is not None:
                yield first
                yield from texts
        if page.after is not None and not is_pageable(self._compiled.query):
            raise unpageable(size)
        yield collection_tail(self._next_link(page.after, left))

    def _head(self, *, has_rows: bool) -> bytes:
        """Raises Problem `unknown_entity` where there are no rows because they would hang on nothing."""
        compiled = self._compiled
        if not has_rows:
            self._session.check_parents(compiled)
        count = self._session.count(compiled.query) if compiled.options.count else None
        return collection_head(self._context(), count, self._form)

    def export(self, form: Form) -> Pieces:
        """All rows: of one snapshot, and not paged."""
        with self._session.engine.answer(self._paged(self._wanted())) as result:
            self._session.stopwatch.follow(result)
            pieces = exported(form, result.schema, self._found(result.batches()))
            yield from self._session.stopwatch.each("render", pieces, result)

    def _found(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Raises Problem `unknown_entity` where there are no rows because they would hang on nothing."""
        has_rows = False
        for batch in batches:
            has_rows = True
            yield batch
        if not has_rows:
            self._session.check_parents(self._compiled)

    def entity(self) -> Answer:
        with self._session.engine.answer(self._paged(1)) as result:
            self._session.stopwatch.follow(result)
            types = self._compiled.types
            row = b"".join(rows_of(batch, result.columns, self._form, types) for batch in result.batches())
        if not row:
            raise _unknown_entity()
        row, column = row.removeprefix(b","), self._compiled.column
        if column:
            _, _, value = row.partition(b":")
            if value == b"null}":
                return self._answer(None, self._form.content_type)
            row = b'{"value":' + value
        return self._answer(entity(row, self._context()), self._form.content_type)

    def value(self) -> Answer:
        found = self._session.row(self._compiled.query)[self._compiled.column]
        if found is None:
            return self._answer(None, PLAIN_TEXT)
        return self._answer(_bare(found).encode(), PLAIN_TEXT)

    def count(self) -> Answer:
        count = self._session.count(self._compiled.query)
        if not count:
            self._session.check_parents(self._compiled)
        return self._answer(str(count).encode(), PLAIN_TEXT)

    def _wanted(self) -> int | None:
        """The rows that are asked for in all, as far as pages before have not had them."""
        cursor = self._compiled.cursor
        limits = (self._compiled.query.page.limit, cursor.remaining if cursor else None)
        return min((limit for limit in limits if limit is not None), default=None)

    def _paged(self, rows_max: int | None) -> Query:
        """The question of this page: behind the page before where there was one, else past `$skip`."""
        query, cursor = self._compiled.query, self._compiled.cursor
        page = Page(limit=rows_max, offset=query.page.offset)
        if cursor is not None:
            page = Page(limit=rows_max, after=cursor.behind(query))
        return replace(query, page=page).pinned(self._session.snapshot)

    def _next_link(self, after: tuple[Literal, ...] | None, left: int | None) -> str | None:
        """The URL of the next page: this one's options, without what the mark says better."""
        if after is None:
            return None
        mark = encode(Cursor(self._session.snapshot, question_of(self._compiled.query), after, left))
        kept = [text for name, text in self._compiled.options.written if name not in MARKED]
        return f"{self._place.url}?{'&'.join([*kept, f'$skiptoken={mark}'])}"

    def _context(self) -> str | None:
        return context_url(self._compiled, self._place.root, self._form)

    def _answer(self, body: bytes | None, content_type: str) -> Answer:
        return Answer(None if body is None else Body(body), content_type, self._session.snapshot)


def _bare(value: Any) -> str:
    """A value as text without quotes, as its JSON would have it."""
    match value:
        case bool():
            return "true" if value else "false"
        case Decimal():
            return plain_decimal(value)
        case dt.datetime():
            return rfc3339(value)
        case _:
            return str(value)


def _unknown_entity() -> Problem:
    return Problem("unknown_entity", "There is no entity with this key.")
