"""Relay connections with keyset cursors: a page starts behind the last row of the one before, in the same snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pyarrow as pa

from api.cursors import Cursor, decode, encode, question_of
from api.graphql.compile import list_condition, page_query
from api.graphql.entities import Entity
from api.graphql.request import Request, Row, Scope
from api.graphql.resolvers import FieldInfo, Resolver, check_count
from api.graphql.selection import named
from api.problems import Problem
from engine.execute import Result
from engine.query import Expr


@dataclass(frozen=True, slots=True)
class PageInfo:
    """`has_previous_page` is exact: the row that a cursor stands behind is one of the list."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@dataclass(frozen=True, slots=True)
class Edge:
    node: Row
    cursor: str


@dataclass(frozen=True, slots=True)
class Connection:
    edges: Sequence[Edge]
    page_info: PageInfo
    total_count: int | None


@dataclass(frozen=True, slots=True)
class PageAsk:
    """One page of an entity's rows, behind the mark `after`.

    `counts` asks for the number of all rows.
    """

    entity: Entity
    columns: frozenset[str]
    where: Expr
    first: int
    after: Cursor | None
    scope: Scope
    counts: bool = False

    def read(self, request: Request) -> Connection:
        """Blocking. One row more than the page shows tells whether there is a next one."""
        query = page_query(self.entity.table, self.columns, where=self.where, first=self.first)
        if self.after is not None:
            query = replace(query, page=replace(query.page, after=self.after.behind(query)))
        edges: list[Edge] = []
        with request.answer(query, self.scope, ahead=1, keyset=True) as result:
            for batch in result.batches():
                edges += self._edges(result, batch, question_of(query))
        total = self._total(request) if self.counts else None
        shown = edges[: self.first]
        ends = (shown[0].cursor, shown[-1].cursor) if shown else (None, None)
        return Connection(shown, PageInfo(len(edges) > self.first, self.after is not None, *ends), total)

    def _edges(self, result: Result, batch: pa.RecordBatch, question: str) -> Iterator[Edge]:
        for index, values in enumerate(batch.select([name for name, _ in result.columns]).to_pylist()):
            position = Cursor(self.scope.snapshot, question, result.after(batch, index))
            yield Edge(Row(values, self.scope), encode(position))

    def _total(self, request: Request) -> int:
        query = page_query(self.entity.table, self.columns, where=self.where).counted()
        with request.answer(query, self.scope) as result:
            return result.table().column("count")[0].as_py()


def connection_resolver(entity: Entity) -> Resolver:
    """`seriesList`."""

    async def resolve(info: FieldInfo, **given: Any) -> Connection:
        request = info.context
        check_count("first", given.get("first"), "graphql_edges_max", request.limits.graphql_edges_max)
        scope = (await request.scope()).at(given.get("asOf"))
        columns = info.selection_below(entity, "edges", "node").columns
        counts = bool(named(info.grouped(), "totalCount"))
        return await request.reader.run(partial(_page, request, entity, columns, given, scope, counts=counts))

    return resolve


def list_resolver(entity: Entity) -> Resolver:
    """`sources`: all of them at once, where they are few enough."""

    async def resolve(info: FieldInfo, **given: Any) -> list[Row]:
        request = info.context
        columns = info.selection(entity).columns
        page = await request.reader.run(partial(_page, request, entity, columns, given, await request.scope()))
        if page.page_info.has_next_page:
            details = {"limit": "graphql_edges_max", "value": request.limits.graphql_edges_max}
            raise Problem("limit_exceeded", "The list is too long.", "Page through the connection.", details)
        return [edge.node for edge in page.edges]

    return resolve


def _page(
    request: Request,
    entity: Entity,
    columns: frozenset[str],
    given: Mapping[str, Any],
    scope: Scope,
    *,
    counts: bool = False,
) -> Connection:
    """The page that the arguments ask for. Blocking: already its filter may hold thousands of conditions."""
    limits = request.limits
    where = list_condition(entity.table, given.get("filter"), given.get("ids"), limits.in_items_max)
    first = limits.graphql_edges_max if given.get("first") is None else given["first"]
    after = None if given.get("after") is None else decode(given["after"])
    return PageAsk(entity, columns, where, first, after, scope, counts).read(request)
