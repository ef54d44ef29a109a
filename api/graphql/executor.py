"""The executor: graphql-core's, but that lists which are JSON already are passed through, not completed.

graphql-core takes an executor class, but its completion methods are no public API: the differential test of
tests/graphql runs on every new version.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import orjson
from graphql import GraphQLList, GraphQLResolveInfo
from graphql.execution.collect_fields import FieldDetailsList
from graphql.pyutils import AwaitableOrValue, Path
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from api.graphql.request import Request


@dataclass(frozen=True, slots=True)
class ListJson:
    """A completed list as JSON. Made only from `json_rows`: nothing checks the text again."""

    text: bytes


class Executor(StrawberryGraphQLCoreExecutionContext):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if isinstance(self.context_value, Request):
            self.context_value.executor = self

    def complete_list_value(
        self,
        return_type: GraphQLList[Any],
        field_details_list: FieldDetailsList,
        info: GraphQLResolveInfo[Any],
        path: Path,
        result: Any,
        position_context: Any,
    ) -> AwaitableOrValue[Any]:
        request = self.context_value
        if isinstance(result, ListJson):
            request.spend("graphql_response_bytes_max", len(result.text))
            return orjson.Fragment(result.text)
        # The lists of introspection are the schema's own, and stay answerable whatever the limit.
        if isinstance(result, list) and isinstance(request, Request) and not info.parent_type.name.startswith("__"):
            request.spend("graphql_rows_max", len(cast("list[Any]", result)))
        ordinary: Any = super()
        return ordinary.complete_list_value(return_type, field_details_list, info, path, result, position_context)
