"""Relay connections with keyset cursors: a page starts behind the last row of the one before, in the same snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa

from api import cursors
from api.cursors import Cursor
from api.graphql.compile import list_condition, page_query
from api.graphql.entities import Entity
from api.graphql.request import Request, Row, Scope
from api.graphql.resolvers import FieldInfo, Resolver, check_count
from api.graphql.selection import named
from api.problems import Problem
from engine.execute import Result
from engine.query import Expr, Literal


@dataclass(frozen=True, slots=True)
class PageInfo:
    """`has_previous_page` is exact for a cursor of the same filter: the row that it stands behind is such a row."""

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
    """One page of an entity's rows, behind the position `after` in its snapshot.

    `counts` asks for the number of all rows.
    """

    entity: Entity
    columns: frozenset[str]
    where: Expr
    first: int
    after: tuple[Literal, ...] | None
    scope: Scope
    counts: bool = False

    def read(self, request: Request) -> Connection:
        """Blocking. One row more than the page shows tells whether there is a next one."""
        query = page_query(self.entity.table, self.columns, where=self.where, first=self.first, after=self.after)
        edges: list[Edge] = []
        with request.answer(query, self.scope, ahead=1, keyset=True) as result:
            for batch in result.batches():
                edges += self._edges(result, batch)
        total = self._total(request) if self.counts else None
        shown = edges[: self.first]
        ends = (shown[0].cursor, shown[-1].cursor) if shown else (None, None)
        return Connection(shown, PageInfo(len(edges) > self.first, self.after is not None, *ends), total)

    def _edges(self, result: Result, batch: pa.RecordBatch) -> Iterator[Edge]:
        for index, values in enumerate(batch.select([name for name, _ in result.columns]).to_pylist()):
            position = Cursor(self.scope.snapshot, result.after(batch, index))
            yield Edge(Row(values, self.scope), cursors.encode(position))

    def _total(self, request: Request) -> int:
        query = page_query(self.entity.table, self.columns, where=self.where).counted()
        with request.answer(query, self.scope) as result:
            return result.table().column("count")[0].as_py()


def connection_resolver(entity: Entity) -> Resolver:
    """`seriesList`."""

    async def resolve(info: FieldInfo, **given: Any) -> Connection:
        request = info.context
        edges_max = request.limits.graphql_edges_max
        check_count("first", given.get("first"), "graphql_edges_max", edges_max)
        scope = (await request.scope()).at(given.get("asOf"))
        ask = PageAsk(
            entity,
            info.selection_below(entity, "edges", "node").columns,
            list_condition(entity.table, given.get("filter"), given.get("ids"), request.limits.in_items_max),
            edges_max if given.get("first") is None else given["first"],
            None if given.get("after") is None else cursors.decode(given["after"]).after,
            scope,
            bool(named(info.grouped(), "totalCount")),
        )
        return await request.reader.run(partial(ask.read, request))

    return resolve


def list_resolver(entity: Entity) -> Resolver:
    """`sources`: all of them at once, where they are few enough."""

    async def resolve(info: FieldInfo, **given: Any) -> list[Row]:
        request = info.context
        edges_max = request.limits.graphql_edges_max
        scope = await request.scope()
        where = list_condition(entity.table, given.get("filter"), None, request.limits.in_items_max)
        ask = PageAsk(entity, info.selection(entity).columns, where, edges_max, None, scope)
        page = await request.reader.run(partial(ask.read, request))
        if page.page_info.has_next_page:
            details = {"limit": "graphql_edges_max", "value": edges_max}
            raise Problem("limit_exceeded", "The list is too long.", "Page through the connection.", details)
        return [edge.node for edge in page.edges]

    return resolve
