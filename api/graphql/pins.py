"""Which snapshots a document names: by the `snapshot` arguments and the cursors of its root fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graphql.execution import Executor
from graphql.execution.collect_fields import collect_fields
from graphql.execution.values import get_argument_values

from api import cursors


def named_snapshots(executor: Executor[Any]) -> Iterator[str]:
    """The snapshots of all root fields, looked at before the first is resolved, as a request reads only one.

    Raises Problem `invalid_page` for a broken cursor.
    """
    root = executor.schema.get_root_type(executor.operation.operation)
    if root is None:
        return
    grouped = collect_fields(
        executor.schema, executor.fragments, executor.variable_values, root, executor.operation
    ).grouped_field_set
    for details in grouped.values():
        node = details[0].node
        field = root.fields.get(node.name.value)
        if field is None or not ("snapshot" in field.args or "after" in field.args):
            continue
        given = get_argument_values(field, node, executor.variable_values)
        if given.get("snapshot") is not None:
            yield given["snapshot"]
        if given.get("after") is not None:
            yield cursors.decode(given["after"]).snapshot
