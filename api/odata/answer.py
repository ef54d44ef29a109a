"""Runs a compiled URL on the engine and writes the answer. Everything here blocks: it runs in the reader's threads.

Every query of a request reads the same snapshot: the one the page mark or the URL names, else the newest.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, assert_never

from api.answers import Repeatable, digest
from api.cursors import Cursor, encode, question_of
from api.json_rows import plain_decimal, rfc3339
from api.odata.compile import Compiled
from api.odata.negotiate import Format
from api.odata.path import Shape
from api.odata.render import Frame, collection, context_url, entity, rows_of
from api.problems import Problem
from api.reading import Stopwatch
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

    body: bytes | None
    content_type: str
    snapshot: str


@dataclass(frozen=True, slots=True)
class Asked:
    """All that an answer depends on beside the snapshot. `page_rows` is the most that a page may have, `preferred` what
    the client would have it be."""

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


def answer(engine: Engine, asked: Asked, snapshot: str, stopwatch: Stopwatch) -> Answer:
    """The answer to a URL. Raises Problem and the errors of the floors below; after an error nothing was sent."""
    compiled = asked.compiled
    session = _Session(engine, snapshot, stopwatch)
    links = session.links(compiled)
    query = replace(compiled.query, where=all_of(compiled.query.where, links))
    writer = _Writer(session, replace(compiled, query=query), asked.place, asked.form)
    match compiled.shape:
        case Shape.COLLECTION:
            return writer.collection(asked.page_rows)
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
        self.stopwatch.add_all(result.timings)
        if not rows:
            raise _unknown_entity()
        return rows[0]

    def count(self, query: Query) -> int:
        return int(self.row(query.counted())["count"])


@dataclass(frozen=True, slots=True)
class _Page:
    """The rows of one page as JSON texts; `after` is where the next one begins, None at the end."""

    rows: list[str]
    after: tuple[Literal, ...] | None


class _Writer:
    def __init__(self, session: _Session, compiled: Compiled, place: Place, form: Format) -> None:
        self._session = session
        self._compiled = compiled
        self._place = place
        self._form = form

    def collection(self, page_rows: int) -> Answer:
        compiled, cursor = self._compiled, self._compiled.cursor
        limits = (compiled.query.page.limit, cursor.remaining if cursor else None)
        wanted = min((limit for limit in limits if limit is not None), default=None)
        size = page_rows if wanted is None else min(wanted, page_rows)
        page = self._page(size, more=wanted is None or wanted > size)
        if not page.rows:
            self._session.check_parents(compiled)
        count = self._session.count(compiled.query) if compiled.options.count else None
        left = None if wanted is None else wanted - size
        frame = Frame(self._context(), count, self._next_link(page.after, left))
        with self._session.stopwatch.measure("render"):
            return self._json(collection(page.rows, frame, self._form))

    def entity(self) -> Answer:
        page = self._page(1, more=False)
        if not page.rows:
            raise _unknown_entity()
        row, column = page.rows[0], self._compiled.column
        if column:
            _, _, value = row.partition(":")
            if value == "null}":
                return self._answer(None, self._form.content_type)
            row = f'{{"value":{value}'
        return self._json(entity(row, self._context()))

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

    def _page(self, size: int, *, more: bool) -> _Page:
        """At most `size` rows, and where to go on if there are more of them.

        With `more` the engine is asked for one row past the page: whether it comes tells whether there is a next page.
        """
        if size == 0:
            return _Page([], None)
        stopwatch = self._session.stopwatch
        rows: list[str] = []
        last: tuple[Literal, ...] | None = None
        seen = 0
        with self._session.engine.answer(self._paged(size + more), keyset=more) as result:
            for batch in result.batches():
                kept = min(size - len(rows), batch.num_rows)
                seen += batch.num_rows
                with stopwatch.measure("render"):
                    rows.extend(rows_of(batch.slice(0, kept), result.columns, self._form, self._compiled.types))
                if more and kept:
                    last = result.after(batch, kept - 1)
        stopwatch.add_all(result.timings)
        if seen > size and not is_pageable(self._compiled.query):
            raise _unpageable(size)
        return _Page(rows, last if seen > size else None)

    def _paged(self, rows_max: int) -> Query:
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

    def _json(self, body: bytes) -> Answer:
        return self._answer(body, self._form.content_type)

    def _answer(self, body: bytes | None, content_type: str) -> Answer:
        return Answer(body, content_type, self._session.snapshot)


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


def _unpageable(size: int) -> Problem:
    return Problem(
        "not_supported",
        "Groups in the order of a standard deviation are answered in one page only.",
        f"Order by something else, or ask for at most {size} with $top.",
        {"target": "$orderby", "construct": "paging by a standard deviation"},
    )


def _unknown_entity() -> Problem:
    return Problem("unknown_entity", "There is no entity with this key.")
