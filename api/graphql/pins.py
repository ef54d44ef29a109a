"""Which snapshot a document names: by the `snapshot` arguments and the cursors of its root fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graphql.execution import Executor
from graphql.execution.collect_fields import collect_fields
from graphql.execution.values import get_argument_values

from api import cursors
from api.problems import Problem


def pinned_snapshot(executor: Executor[Any]) -> str | None:
    """The one snapshot of the document; None where it names none.

    A request reads one snapshot from start to end, so this looks at all root fields before the first is resolved.
    Raises Problem `invalid_parameter` where there are two, `invalid_page` for a broken cursor.
    """
    named = set(_named_snapshots(executor))
    if len(named) > 1:
        raise Problem(
            "invalid_parameter",
            "The document names more than one snapshot.",
            "Use one snapshot, and cursors of one snapshot, in a request.",
            {"snapshots": sorted(named)},
        )
    return next(iter(named), None)


def _named_snapshots(executor: Executor[Any]) -> Iterator[str]:
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
