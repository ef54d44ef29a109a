"""Tells how a compiled URL would be answered, instead of answering it. Everything here blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from api.odata.compile import Compiled
from api.odata.path import Shape
from api.problems import Problem
from api.reading import one_snapshot
from engine.explain import Explanation
from engine.pipeline import Engine
from engine.query import Page, Query


@dataclass(frozen=True, slots=True)
class Explained:
    """One explanation a statement, without the server's page size and what it adds to find where a page ends."""

    snapshot: str
    explain: tuple[Explanation, ...]


def explain(engine: Engine, compiled: Compiled, footers_max: int) -> Explained:
    """Raises Problem `not_supported` where a row would have to be read first, and the errors of the floors below."""
    if compiled.parents and not compiled.parents[-1].bound:
        raise Problem(
            "not_supported",
            "What the path leads to is only known once an entity on it is read.",
            "Name the entity by the key that what follows refers to, as in Series(<id>)/DataPoints.",
            {"target": "explain", "construct": "explain"},
        )
    snapshot = one_snapshot(engine, compiled.snapshots)
    asked = (query.pinned(snapshot) for query in _queries(compiled))
    return Explained(snapshot, tuple(engine.explain(query, footers_max=footers_max) for query in asked))


def _queries(compiled: Compiled) -> Iterator[Query]:
    query, cursor = compiled.query, compiled.cursor
    page = query.page if cursor is None else Page(limit=query.page.limit, after=cursor.behind(query))
    yield replace(query, page=page)
    if compiled.shape is Shape.COLLECTION and compiled.options.count:
        yield query.counted()
