"""Queries as short texts: what the case tables compare."""

from __future__ import annotations

from engine.printing import grouping_text, text_of
from engine.query import TRUE, Query, View


def printed(query: Query) -> str:
    """Every part of a query that is not the default, one a line."""
    lines = [f"table {query.table}"]
    lines += [f"columns {', '.join(query.columns)}"] if query.columns else []
    lines += [f"where {text_of(query.where)}"] if query.where != TRUE else []
    lines += [f"groups {grouping_text(query.grouping)}"] if query.grouping else []
    lines += [f"having {text_of(query.having)}"] if query.having != TRUE else []
    orders = [f"{text_of(order.by)}{' desc' if order.descending else ''}" for order in query.order]
    lines += [f"order {', '.join(orders)}"] if orders else []
    lines += [f"limit {query.page.limit}"] if query.page.limit is not None else []
    lines += [f"offset {query.page.offset}"] if query.page.offset else []
    lines += [f"view {query.view.value}"] if query.view is not View.LATEST else []
    lines += [f"as of {query.as_of}"] if query.as_of else []
    lines += [f"snapshot {query.snapshot}"] if query.snapshot else []
    lines += ["count"] if query.count_only else []
    return "\n".join(lines)
