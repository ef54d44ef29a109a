"""Every way to ask one question, each of which must give the rows that Python has worked out.

The engine is asked as it is served, without pruning, without any pass, without each single one, with texts of
statements that it has built before and without any, whole and in pages, of each state in which the same rows lie
differently in files. The doors are asked where they have words for the question, twice with answers being kept and once
without.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from starlette.testclient import TestClient

from api.app import build_app
from api.graphql.naming import camel
from api.limits import Limits
from api.odata.compile import compile_url
from engine.pipeline import Engine
from engine.planner import PASSES, Pass
from engine.planner.model import relations_in
from engine.query import Page, Query
from tests.same_query.asked_lake import AskedLake, Rows, State
from tests.same_query.spoken import document_of, parsed, url_of, whole
from tests.support.graphql_door import GraphQLDoor


@dataclass(frozen=True)
class Asked:
    """A question, which of the states it is asked of (modulo their number), and in how many pages it is read."""

    query: Query
    state: int
    pages: int


class Ways:
    """Over one lake, which nobody writes to. `compared` counts the answers that were held against the oracle."""

    def __init__(self, asked: AskedLake, passes: tuple[Pass, ...] = PASSES) -> None:
        self._asked = asked
        self._passes = passes
        lake = asked.lake
        self.compared = Counter[str]()
        variants = {"served": (passes, True), "unpruned": (passes, False), "no pass": ((), True), "bare": ((), False)}
        for left_out in passes:
            variants[f"without {left_out.__name__}"] = (tuple(each for each in passes if each is not left_out), True)
        self._engines = {name: lake.other_engine(some, prunes=prunes) for name, (some, prunes) in variants.items()}
        self._graphql = GraphQLDoor(lake.engine, lake.writer)
        self._keeping, self._forgetful = (
            TestClient(build_app(lake.settings, limits, lake.services), raise_server_exceptions=False)
            for limits in (Limits(), Limits(answers_bytes_max=0))
        )

    def check(self, asked: Asked) -> None:
        """Raises AssertionError where two ways differ."""
        state = self._asked.states[asked.state % len(self._asked.states)]
        expected = self._asked.expected(asked.query, state)
        for name, engine in self._engines.items():
            self._same(name, _answered(engine, asked.query, state), expected, asked.query)
        cold = self._asked.lake.other_engine(self._passes, prunes=True)
        self._same("cold", _answered(cold, asked.query, state), expected, asked.query)
        self._in_pages(asked, state)
        for other in self._asked.final if state in self._asked.final else ():
            self._same(other.name, _answered(self._engines["served"], asked.query, other), expected, asked.query)
        self._by_odata(asked, state, expected)
        self._by_graphql(asked.query, state, expected)

    def _same(self, way: str, rows: Rows, expected: Rows, query: Query) -> None:
        self.compared[way] += 1
        assert rows == _shown(expected, query), way

    def _in_pages(self, asked: Asked, state: State) -> None:
        query = whole(asked.query)
        if query.count_only:
            return
        expected = self._asked.expected(query, state)
        size = len(expected) // asked.pages + 1
        rows: Rows = []
        after = None
        while True:
            page = replace(query, page=Page(size, 0, after)).pinned(state.token)
            with self._engines["served"].answer(page, keyset=True) as result:
                batches = [batch for batch in result.batches() if batch.num_rows]
                found = [row for batch in batches for row in batch.to_pylist()]
                rows += [{name: row[name] for name, _ in result.columns} for row in found]
                if len(found) < size:
                    break
                after = result.after(batches[-1], batches[-1].num_rows - 1)
        self._same("in pages", rows, expected, query)

    def _by_odata(self, asked: Asked, state: State, expected: Rows) -> None:
        query = asked.query
        lake = self._asked.lake
        url = url_of(query, state.token, lake.limits.related_conditions_max)
        if url is None:
            return
        path, _, options = url.partition("?")
        compiled = compile_url(path, options, lake.engine.tables, lake.limits).query
        # The door says of one other entity in one condition what a question may say in several.
        assert relations_in(query.where) or compiled == query.pinned(state.token), url
        bodies = [client.get(f"/odata/{url}") for client in (self._keeping, self._keeping, self._forgetful)]
        assert [body.status_code for body in bodies] == [200] * 3, (url, bodies[0].text)
        assert len({body.content for body in bodies}) == 1, "kept answers differ"
        assert bodies[1].headers["Server-Timing"] == 'cache;desc="hit"'
        if query.count_only:
            self._same("odata", [{"count": int(bodies[0].text)}], expected, query)
            return
        self._same("odata", self._parsed(_json(bodies[0].content)["value"], query), expected, query)
        self._same("odata in pages", self._linked(url, len(expected) // asked.pages + 1, query), expected, query)

    def _linked(self, url: str, size: int, query: Query) -> Rows:
        """The rows of all pages of a URL, by their links."""
        link, rows = f"/odata/{url}", []
        while link:
            answer = _json(self._keeping.get(link, headers={"Prefer": f"maxpagesize={size}"}).content)
            rows += answer["value"]
            link = answer.get("@odata.nextLink", "")
        return self._parsed(rows, query)

    def _by_graphql(self, query: Query, state: State, expected: Rows) -> None:
        document = document_of(query, state.token)
        if document is None:
            return
        answer = self._graphql.ask(document.text, document.variables)
        if not expected and answer.codes == ["unknown_entity"]:
            return
        assert not answer.errors, answer.errors
        assert replace(answer.asked[0], snapshot=None) == query, document.text
        rows = self._parsed(document.rows(_json(answer.text)), query, camel)
        self._same("graphql", rows, expected, query)
        body = {"query": document.text, "variables": document.variables}
        bodies = [c.post("/graphql", json=body) for c in (self._keeping, self._keeping, self._forgetful)]
        assert len({body.content for body in bodies}) == 1, "kept answers differ"
        assert _json(bodies[0].content)["data"] == _json(answer.text)

    def _parsed(self, rows: Rows, query: Query, shown_as: Callable[[str], str] = str) -> Rows:
        table = self._asked.lake.engine.tables.by_name[query.table]
        names = query.columns or tuple(column.name for column in table.visible)
        return parsed(rows, table, {name: shown_as(name) for name in names})


def _answered(engine: Engine, query: Query, state: State) -> Rows:
    with engine.answer(query.pinned(state.token)) as result:
        return result.table().to_pylist()


def _shown(expected: Rows, query: Query) -> Rows:
    """What a query selects of its rows."""
    if query.count_only:
        return [{"count": len(expected)}]
    return [{name: row[name] for name in query.columns} if query.columns else row for row in expected]


def _json(body: bytes) -> Any:
    return json.loads(body, parse_float=Decimal)
