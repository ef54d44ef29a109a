"""From an analyst's SQL to a statement: read it, check it, put the planner's tables into it.

The names of the tables of the finished statement are none of the caller's: a logical table becomes a subquery that the
planner made, a common table expression gets a name of ours, and the caller's names are aliases, in quotes. So no text
of a caller is ever looked up as a file, a function or a system table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ErrorLevel, ParseError, SqlglotError, TokenError, UnsupportedError
from sqlglot.tokenizer_core import TokenType

from catalog.model import Tables
from catalog.scan import ScanFiles
from engine.errors import InvalidSql, SqlNotAllowed, SqlTooLarge
from engine.lower.expressions import Parameters
from engine.lower.grammar import check_allowed, refused
from engine.lower.growth import bound_texts
from engine.lower.references import Reference, references
from engine.lower.statement import DIALECT, Statement, check_readable, select_rows
from engine.lower.templates import Bound
from engine.planner.model import Plan
from engine.query import Query
from engine.sql import SqlBounds, SqlQuestion

# What no SQL needs, and what readers of text disagree about.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Selection:
    """An analyst's SQL, read and checked: a tree, which is used once, and the logical tables in it."""

    tree: exp.Query
    references: tuple[Reference, ...]
    parameters: Parameters

    @property
    def queries(self) -> tuple[Query, ...]:
        """The rows wanted of each logical table, in the order that `lower_selection` takes their plans."""
        return tuple(reference.query for reference in self.references)


def read_selection(question: SqlQuestion, tables: Tables) -> Selection:
    """The tree of a text. Raises InvalidSql, SqlNotAllowed, SqlTooLarge, UnknownTable."""
    tree = _parsed(question.text, question.bounds)
    check_allowed(tree)
    _check_values(tree, question)
    places, most = len(list(tree.find_all(exp.Table))), question.bounds.tables_max
    if places > most:
        raise _too_large("tables", places, "sql_tables_max", most)
    found = references(tree, question, tables)
    _limit(tree, question)
    parameters = _bound(tree, question)
    bound_texts(tree, question.bounds.text_bytes_max)
    for name in list(tree.find_all(exp.Identifier)):
        name.set("quoted", True)
    return Selection(tree, found, parameters)


def lower_selection(selection: Selection, scans: Iterable[tuple[Plan, ScanFiles]]) -> Statement:
    """The statement, with a scan in the place of each reference. Raises SqlNotAllowed, InvalidSql, ScanRefused."""
    files: list[ScanFiles] = []
    names: dict[str, None] = {}
    for reference, (plan, scan) in zip(selection.references, scans, strict=True):
        check_readable(scan)
        reference.replace(select_rows(Bound(plan, (), scan), selection.parameters))
        files.append(scan)
        names |= dict.fromkeys(column.name for column in plan.table.visible)
    entries = tuple(entry for scan in files for entry in scan.files)
    return Statement(_written(selection.tree), selection.parameters.values, entries, tuple(names))


def _parsed(text: str, bounds: SqlBounds) -> exp.Query:
    if len(text) > bounds.characters_max:
        raise _too_large("characters", len(text), "sql_characters_max", bounds.characters_max)
    if found := _CONTROL.search(text):
        raise InvalidSql(f"The SQL holds the control character U+{ord(found[0]):04X}.", "Leave it out.")
    try:
        statements = sqlglot.parse(_numbered(text), dialect=DIALECT)
    except ParseError as error:
        raise _misread(error) from error
    except TokenError as error:
        raise InvalidSql("The SQL ends inside a text, a quoted name or a comment.", "Close what is open.") from error
    except (SqlglotError, ValueError) as error:
        raise InvalidSql("The SQL cannot be read.", "Write it as DuckDB reads it.") from error
    except RecursionError as error:
        raise _too_large("levels", "more", "sql_depth_max", bounds.depth_max) from error
    return _one_query(statements, bounds)


def _numbered(text: str) -> str:
    """The text with `$1`, `$2` and so on for each `?`: a tree does not keep the order of what stands in the text."""
    tokens = [token for token in Dialect.get_or_raise(DIALECT).tokenize(text) if token.text == "?"]
    marks = [token for token in tokens if token.token_type == TokenType.PLACEHOLDER]
    for position, mark in reversed(list(enumerate(marks, 1))):
        text = f"{text[: mark.start]}${position}{text[mark.end + 1 :]}"
    return text


def _one_query(statements: list[exp.Expr | None], bounds: SqlBounds) -> exp.Query:
    given = [statement for statement in statements if statement is not None]
    if len(given) != 1:
        raise refused(f"A request of {len(given)} statements")
    (tree,) = given
    while type(tree) is exp.Subquery and {name for name, part in tree.args.items() if part} == {"this"}:
        tree = tree.this
    if not isinstance(tree, exp.Select | exp.SetOperation):
        raise refused(f"The statement {tree.key.upper()}")
    _check_size(tree, bounds)
    return tree


def _check_size(tree: exp.Expr, bounds: SqlBounds) -> None:
    depths: dict[int, int] = {}
    for count, node in enumerate(tree.bfs(), 1):
        depth = depths[id(node)] = depths.get(id(node.parent), 0) + 1
        if count > bounds.nodes_max:
            raise _too_large("parts", "more", "sql_nodes_max", bounds.nodes_max)
        if depth > bounds.depth_max:
            raise _too_large("levels", "more", "sql_depth_max", bounds.depth_max)


def _check_values(tree: exp.Expr, question: SqlQuestion) -> None:
    """Every placeholder has a value, and every value a placeholder."""
    named = {mark.name for mark in tree.find_all(exp.Placeholder)}
    if absent := sorted(named - set(question.parameters)):
        raise InvalidSql(f"There is no value for the parameter {absent[0][:80]!r}.", "Give one in `parameters`.")
    if unused := sorted(set(question.parameters) - named):
        raise InvalidSql(f"The SQL has no parameter {unused[0][:80]!r}.", "Leave its value out.")


def _bound(tree: exp.Expr, question: SqlQuestion) -> Parameters:
    parameters = Parameters()
    for mark in list(tree.find_all(exp.Placeholder)):
        mark.replace(parameters.add_value(question.parameters[mark.name]))
    return parameters


def _written(tree: exp.Query) -> str:
    """Without comments: a caller's would be printed, too."""
    try:
        return tree.sql(DIALECT, copy=False, comments=False, unsupported_level=ErrorLevel.RAISE)
    except UnsupportedError as error:
        raise SqlNotAllowed("A part of the SQL is not served.", "Write it in another way.") from error
    except RecursionError as error:
        raise InvalidSql("The SQL is nested too deeply.", "Nest it less deeply.") from error


def _too_large(what: str, found: int | str, limit: str, most: int) -> SqlTooLarge:
    return SqlTooLarge(
        f"The SQL has {found} {what}, where {most} may be.", "Ask for less at once.", limit=limit, value=most
    )


def _misread(error: ParseError) -> InvalidSql:
    where = error.errors[0] if error.errors else {}
    line, column, near = where.get("line"), where.get("col"), str(where.get("highlight") or "")[:40]
    return InvalidSql(
        f"The SQL cannot be read at line {line}, column {column}, near {near!r}.",
        "Write it as DuckDB reads it.",
        line=line,
        column=column,
    )


def _limit(tree: exp.Query, question: SqlQuestion) -> None:
    """One row more than is wanted tells whether there are more."""
    most = question.rows_max + 1
    given = tree.args.get("limit")
    if given is None:
        tree.set("limit", exp.Limit(expression=exp.Literal.number(most)))
        return
    asked = given.expression
    rows = question.parameters[asked.name] if isinstance(asked, exp.Placeholder) else _whole(asked)
    if isinstance(rows, bool) or not isinstance(rows, int) or rows < 0:
        raise SqlNotAllowed("The outermost LIMIT is no whole number.", "Give one.", construct="LIMIT")
    if rows > most:
        tree.set("limit", exp.Limit(expression=exp.Literal.number(most)))


def _whole(node: exp.Expr | None) -> int | None:
    return int(node.this) if isinstance(node, exp.Literal) and re.fullmatch(r"[0-9]{1,18}", str(node.this)) else None
