"""One request: the snapshot it reads, the questions it asks, and the loaders that turn many equal fields into one."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from graphql import OperationType
from graphql.execution import Executor
from strawberry.dataloader import DataLoader

from api.answers import Repeatable, digest
from api.graphql.body import Operation
from api.graphql.pins import named_snapshots
from api.graphql.selection import Selection
from api.limits import Limits
from api.problems import Problem
from api.reading import Reader, Stopwatch, one_snapshot
from api.writing import Writer
from engine.execute import Result
from engine.explain import Explanation
from engine.planner.model import is_repeatable
from engine.query import Query


@dataclass(frozen=True, slots=True)
class Scope:
    """The two clocks that a value is read at: the snapshot and the knowledge date. Fields below inherit them."""

    snapshot: str
    as_of: dt.date | None = None

    def at(self, as_of: dt.date | None) -> Scope:
        """The nearest knowledge date wins."""
        return self if as_of is None else Scope(self.snapshot, as_of)


@dataclass(frozen=True, slots=True)
class Row:
    """One row, by the names of its columns."""

    values: Mapping[str, Any]
    scope: Scope


class Batch(Protocol):
    """A question that many fields of a document ask alike, each with its own key. Equal batches are asked at once."""

    def read(self, request: Request, keys: Sequence[str]) -> list[Any]:
        """One answer, or one exception, a key; blocking."""
        ...

    def __hash__(self) -> int: ...


class Request:
    """What the resolvers of one request share.

    `asked` are the queries as they were compiled, in order, before the server's limits and the snapshot are put in.
    `is_pinned` tells whether the document names the snapshot that it reads.
    Where it `explains`, `explanations` tell of each of them how it was answered.
    `key` is the idempotency key of its mutations, empty for none.
    `executor` is set by the executor itself before the first field is resolved. `lists_as_json` off makes every list
    complete field by field: slower, the same answer.
    """

    executor: Executor[Any]

    def __init__(
        self, reader: Reader, writer: Writer, limits: Limits, *, key: str = "", lists_as_json: bool = True
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.limits = limits
        self.key = key
        self.lists_as_json = lists_as_json
        self.stopwatch = Stopwatch()
        self.asked: list[Query] = []
        self.explains = False
        self.explanations: list[Explanation] = []
        self.snapshot: str | None = None
        self.is_pinned = False
        self.knowledge_dates: set[dt.date | None] = set()
        self.selections: dict[Any, Selection] = {}
        self._scope: asyncio.Task[Scope] | None = None
        self._spent: dict[str, int] = {}
        self._loaders: dict[Batch, DataLoader[str, Any]] = {}

    def repeatable(self, operation: Operation, media_type: str) -> Repeatable | None:
        """How the answer is named where it is the same each time: that of a query, once it has been executed."""
        if self.snapshot is None or self.executor.operation.operation is not OperationType.QUERY:
            return None
        if not all(is_repeatable(query) for query in self.asked):
            return None
        parts = (operation, media_type)
        return Repeatable(digest(b"graphql", repr(parts).encode()), self.snapshot, pinned=self.is_pinned)

    @property
    def as_of(self) -> dt.date | None:
        """The knowledge date of the answer, where all of it has the same."""
        return next(iter(self.knowledge_dates)) if len(self.knowledge_dates) == 1 else None

    async def scope(self) -> Scope:
        """What the root of a query reads: one snapshot from start to end, that of the document or the newest.

        Raises UnknownSnapshot, SnapshotExpired, and Problem `invalid_parameter` where the document names two.
        """
        if self._scope is None:
            self._scope = asyncio.ensure_future(self._find_scope())
        return await self._scope

    async def _find_scope(self) -> Scope:
        named = list(named_snapshots(self.executor))
        self.is_pinned = bool(named)
        return self.at(await self.reader.run(partial(one_snapshot, self.reader.engine, named)))

    def at(self, snapshot: str) -> Scope:
        """A scope at a snapshot, which becomes the one that the answer names."""
        self.snapshot = snapshot
        return Scope(snapshot)

    @contextmanager
    def answer(
        self, query: Query, scope: Scope, *, rows_max: int | None = None, ahead: int = 0, keyset: bool = False
    ) -> Generator[Result]:
        """The engine's answer to a compiled query: at most `rows_max` rows, `ahead` of them past its page. Blocking."""
        self.asked.append(query)
        asked = query.pinned(scope.snapshot)
        if self.explains:
            footers_max = self.limits.explain_footers_max
            self.explanations.append(self.reader.engine.explain(asked, footers_max=footers_max))
        if asked.page.limit is not None:
            asked = replace(asked, page=replace(asked.page, limit=asked.page.limit + ahead))
        asked = asked if rows_max is None else asked.limited(rows_max)
        with self.reader.engine.answer(asked, keyset=keyset) as result:
            yield result
            self.stopwatch.add_all(result.timings)

    def spend(self, limit: str, amount: int) -> None:
        """Counts towards a limit of the whole answer. Raises Problem `limit_exceeded`.

        The limits of the single lists do not bound an answer: a list that hangs below the rows of another one is read
        once, but shown once a row.
        """
        spent = self._spent[limit] = self._spent.get(limit, 0) + amount
        most = getattr(self.limits, limit)
        if spent > most:
            details = {"limit": limit, "value": most}
            raise Problem("limit_exceeded", "The answer is too large.", "Ask for less at once.", details)

    def load(self, batch: Batch, key: str) -> Awaitable[Any]:
        """The answer for one key, read together with those of all equal batches that are asked meanwhile."""
        loader = self._loaders.get(batch)
        if loader is None:
            loader = DataLoader(partial(self._read, batch), max_batch_size=self.limits.in_items_max)
            self._loaders[batch] = loader
        return loader.load(key)

    async def _read(self, batch: Batch, keys: list[str]) -> list[Any]:
        return await self.reader.run(partial(batch.read, self, keys))
