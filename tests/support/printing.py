"""Queries and expressions as text for people to compare."""

from __future__ import annotations

from engine.query import And, Call, Compare, Expr, Field, In, Literal, Not, Or, Query, View


def printed(node: Query | Expr) -> str:
    match node:
        case Query():
            return _query(node)
        case Literal():
            return "null" if node.type is None else f"{node.type.value} {node.value}"
        case Field():
            return node.name
        case Call():
            return f"{node.name}({', '.join(printed(arg) for arg in node.args)})"
        case Compare():
            return f"{printed(node.left)} {node.op.value} {printed(node.right)}"
        case And():
            return " and ".join(f"({printed(arg)})" for arg in node.args)
        case Or():
            return " or ".join(f"({printed(arg)})" for arg in node.args)
        case Not():
            return f"not ({printed(node.arg)})"
        case In():
            return f"{printed(node.arg)} in ({', '.join(printed(item) for item in node.items)})"


def _query(query: Query) -> str:
    parts = [f"{'count' if query.count_only else ', '.join(query.columns) or '*'} of {query.table}"]
    if query.where != Literal(True, query.where.type if isinstance(query.where, Literal) else None):
        parts.append(f"where {printed(query.where)}")
    if query.order:
        terms = (f"{printed(term.by)}{' desc' if term.descending else ''}" for term in query.order)
        parts.append(f"order by {', '.join(terms)}")
    parts += [
        f"{name} {value}" for name, value in (("limit", query.page.limit), ("offset", query.page.offset)) if value
    ]
    if query.view is not View.LATEST:
        parts.append(f"view {query.view.value}")
    if query.as_of is not None:
        parts.append(f"as of {query.as_of}")
    return "; ".join(parts)
