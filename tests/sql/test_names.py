"""Names of a caller: common table expressions, columns renamed in order, and what the messages of the database hold."""

from __future__ import annotations

import pytest

from engine.errors import InvalidSql
from engine.lower import read_selection
from engine.sql import SqlBounds, SqlQuestion
from engine.sql_faults import fault_of
from tests.sql.lake import SqlDoor
from tests.sql.test_answers import _sorted

BOUNDS = SqlBounds(20_000, 5_000, 100, 16, 2**20)

# Names that would mean something where DuckDB looks up tables, and scopes in which the nearest name is meant.
RENAMED = [
    "WITH stored AS (SELECT title FROM series) SELECT * FROM stored",
    "WITH rows AS (SELECT date FROM data_points), chosen AS (SELECT * FROM rows) SELECT count(*) FROM chosen",
    "WITH duckdb_settings AS (SELECT title FROM series) SELECT * FROM duckdb_settings",
    "WITH series AS (SELECT title FROM series) SELECT * FROM series",
    "WITH t AS (SELECT 1 AS a), u AS (WITH t AS (SELECT 2 AS a) SELECT a FROM t) SELECT t.a, u.a FROM t, u",
    "WITH t AS (SELECT id FROM series) SELECT (SELECT count(*) FROM t) FROM (WITH t AS (SELECT 5 AS x) FROM t) q",
    'WITH "T" AS (SELECT title FROM series) SELECT x.title FROM t AS x JOIN T AS y USING (title)',
]  # fmt: skip


@pytest.mark.parametrize("sql", RENAMED)
def test_expressions_of_a_caller_are_renamed(door: SqlDoor, sql: str) -> None:
    selection = read_selection(SqlQuestion(sql, {}, BOUNDS, 100), door.lake.engine.tables)
    named = {expression.alias for expression in selection.tree.find_all(type(_first_cte(selection.tree)))}
    assert named == {f"cte_{number}" for number in range(len(named))}
    assert _sorted(door.rows(sql)) == _sorted(door.expected(sql))


def _first_cte(tree: object) -> object:
    return tree.args["with_"].expressions[0]  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a, b FROM series AS s(a, b) WHERE b IS NOT NULL",
        "SELECT s.c FROM series s(a, b, c)",
        "SELECT count(p.b) FROM data_points AS p(a, b)",
    ],
)
def test_columns_renamed_in_order_are_all_there(door: SqlDoor, sql: str) -> None:
    """A table whose columns are renamed must have them all, in the model's order, whatever names the SQL holds."""
    assert _sorted(door.rows(sql)) == _sorted(door.expected(sql))


@pytest.mark.parametrize(
    "told",
    [
        "Invalid Input Error: No magic bytes found at end of file '/data/lake/points/0.parquet'",
        "Invalid Input Error: cannot open C:\\lake\\points",
        "Binder Error: read_parquet($p0, hive_partitioning) has no such option",
        "Conversion Error: could not read x.PARQUET",
    ],
)
def test_no_message_holds_a_path(told: str) -> None:
    fault = fault_of(told, ("date",))
    assert isinstance(fault, InvalidSql)
    assert fault.message == "The database cannot run the SQL."


def test_other_messages_are_told() -> None:
    fault = fault_of("Binder Error: No function matches sum(VARCHAR)\n\nLINE 1: ...", ("date",))
    assert fault is not None
    assert fault.message == "No function matches sum(VARCHAR)"
    assert fault_of("IO Error: No files found that match '/data'", ("date",)) is None
