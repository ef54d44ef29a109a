"""The pieces that trees of SQL are made of, without the copies that sqlglot's builders make: a tree is used once."""

from __future__ import annotations

from sqlglot import exp


def column(name: str) -> exp.Column:
    return exp.column(name, quoted=True)


def named(expr: exp.Expr, name: str) -> exp.Alias:
    return exp.Alias(this=expr, alias=exp.to_identifier(name, quoted=True))


def call(name: str, *args: exp.Expr) -> exp.Expr:
    """A function by the name that the database has for it."""
    return exp.Anonymous(this=name, expressions=list(args))


def select_of(*columns: exp.Expr) -> exp.Select:
    return exp.Select(expressions=list(columns))
