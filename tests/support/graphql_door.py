"""The GraphQL door without HTTP: documents in, answers out, and the queries that they asked."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from api.graphql.faults import error_document
from api.graphql.request import Request
from api.graphql.schema import build_schema
from api.limits import Limits
from api.reading import Reader
from api.writing import Writer
from engine.pipeline import Engine
from engine.query import Query


@dataclass(frozen=True)
class Answer:
    """`text` is the data as JSON; `asked` the queries as compiled, before the server's limits and the snapshot."""

    text: bytes
    errors: list[dict[str, Any]]
    asked: list[Query]
    snapshot: str | None

    @property
    def data(self) -> Any:
        return orjson.loads(self.text)

    @property
    def codes(self) -> list[str]:
        return [error["extensions"]["code"] for error in self.errors]


class GraphQLDoor:
    def __init__(self, engine: Engine, writer: Writer, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.schema = build_schema(engine.tables, self.limits)
        self._engine = engine
        self._writer = writer

    def ask(self, document: str, variables: Mapping[str, Any] | None = None, *, lists_as_json: bool = True) -> Answer:
        return asyncio.run(self._ask(document, dict(variables or {}), lists_as_json=lists_as_json))

    def data(self, document: str, **variables: Any) -> Any:
        """The data of a document that must not fail."""
        answer = self.ask(document, variables)
        assert not answer.errors, answer.errors
        return answer.data

    async def _ask(self, document: str, variables: dict[str, Any], *, lists_as_json: bool) -> Answer:
        request = Request(Reader(self._engine, self.limits), self._writer, self.limits, lists_as_json=lists_as_json)
        result = await self.schema.execute(document, variable_values=variables, context_value=request)
        errors = [error_document(error, self.limits.graphql_tokens_max) for error in result.errors or []]
        return Answer(orjson.dumps(result.data), errors, request.asked, request.snapshot)
