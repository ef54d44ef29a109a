"""Texts that a SQL makes: the same as a bare DuckDB makes, up to a length; past it a limit, at once."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from api.limits import Limits
from engine.errors import MemoryExceeded
from tests.sql.lake import SqlDoor, fill, revisions
from tests.sql.test_answers import _sorted
from tests.support.service import client_of
from tests.support.warehouse import warehouse

SAME = [
    "SELECT title || 'x' || external_id || date '2020-01-01' || 1.50 || true FROM series",
    "SELECT frequency || 'x', concat(frequency, 'x', NULL, 2), concat_ws(frequency, 'a', NULL, 'b') FROM series",
    "SELECT concat_ws(', ', title, frequency, 1), title || (NULL || 'x') FROM series",
    "SELECT replace(title, 'e', title), replace(title, '', 'x'), replace(title, frequency, 'y') FROM series",
    "SELECT regexp_replace(title, '[aeiou]', '<\\0>', 'g'), regexp_replace(title, '^.', '') FROM series",
    "SELECT string_agg(title, ' | ' ORDER BY title) FROM series",
    "SELECT string_agg(DISTINCT frequency || '!', ',' ORDER BY frequency || '!') FROM series",
    "SELECT string_agg(title, ',') FILTER (WHERE frequency = 'monthly'), count(*) FROM series",
    "SELECT external_id, string_agg(title, ',') OVER (ORDER BY title) FROM series",
    "SELECT source || '/' || external_id, count(*) FROM series GROUP BY source || '/' || external_id",
    "SELECT upper(title || 'ß') AS t, count(*) FROM series GROUP BY ALL HAVING count(*) || '' = '1' ORDER BY t",
    "SELECT 1 FROM series WHERE title || '' IN (SELECT title || '' FROM series) AND title LIKE '%' || 'e' || '%'",
    "SELECT sum(value) || ' in ' || year(date) FROM data_points GROUP BY year(date)",
    "SELECT CASE WHEN title || 'x' > 'P' THEN concat(concat(concat(title, 'a'), 'b'), 'c') END FROM series",
    "SELECT row_number() OVER (PARTITION BY frequency || 'x' ORDER BY title || 'x') FROM series",
    "SELECT strftime(date, '%Y' || '-%m') FROM data_points",
    "WITH t AS (SELECT title || parts AS t FROM (SELECT title, 'p' AS parts FROM series)) SELECT t || t FROM t",
]


@pytest.mark.parametrize("sql", SAME)
def test_texts_are_those_of_the_oracle(door: SqlDoor, sql: str) -> None:
    assert _sorted(door.rows(sql)) == _sorted(door.expected(sql))


def chain(step: str, turns: int = 30) -> str:
    steps = ", ".join(f"t{n} AS (SELECT {step} AS t FROM t{n - 1})" for n in range(1, turns))
    return f"WITH t0 AS (SELECT '{'x' * 400}' AS t), {steps} SELECT length(t) FROM t{turns - 1}"


GROWING = {
    "pipes": chain("t || t"),
    "concat": chain("concat(t, t, t)"),
    "concat_ws": chain("concat_ws(t, t, t, t)"),
    "replace": chain("replace(t, 'x', t)"),
    "regexp_replace": chain("regexp_replace(t, '.', t, 'g')"),
    "references": chain("regexp_replace(t, '(.*)', '\\1\\1\\1\\0\\0')"),
    "replaced by itself": f"SELECT replace(replace('{'x' * 3000}', 'x', '{'y' * 3000}'), 'y', '{'z' * 3000}')",
    "hidden in CASE": chain("CASE WHEN true THEN t || t ELSE t END"),
    "hidden in a subquery": chain("(SELECT t || t)"),
    "aggregated": chain("(SELECT string_agg(u.t, ',') FROM (SELECT t UNION ALL SELECT t) u)"),
    "aggregated in windows": chain("string_agg(t, ',') OVER () || t", turns=12),
}


@pytest.mark.parametrize("sql", GROWING.values(), ids=GROWING)
def test_what_grows_is_refused_at_once(door: SqlDoor, sql: str) -> None:
    most = 100_000
    door.lake.limits = Limits(sql_text_bytes_max=most, sql_tables_max=100)
    try:
        client = client_of(door.lake)
    finally:
        door.lake.limits = Limits(query_time_ms_max=3_000)
    began = time.process_time()
    answer = client.post("/sql", json={"sql": sql})
    assert time.process_time() - began < 5
    assert answer.status_code == 400, answer.text[:300]
    assert answer.json()["details"] == {"limit": "sql_text_bytes_max", "value": most}


def test_columns_without_a_name_keep_their_text(door: SqlDoor) -> None:
    columns = door.post("SELECT title || 'x', upper(concat(title, 1)) FROM series").json()["columns"]
    assert [column["name"] for column in columns] == ["title || 'x'", "UPPER(CONCAT(title, 1))"]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlDoor]:
    """A door whose SQL has little memory."""
    with warehouse(tmp_path_factory.mktemp("small") / "lake", sql_memory="100MB") as lake:
        fill(lake, revisions())
        yield SqlDoor(client_of(lake), lake, None)  # pyright: ignore[reportArgumentType]


def test_out_of_memory_is_a_problem_and_others_do_not_suffer(small: SqlDoor) -> None:
    sql = f"SELECT length(string_agg('{'x' * 10_000}', '')) FROM revisions a, revisions b"
    answer = small.client.post("/sql", json={"sql": sql})
    assert (answer.status_code, answer.json()["code"]) == (503, MemoryExceeded.code)
    assert answer.json()["hint"]
    assert small.client.get("/odata/DataPoints?$top=1").status_code == 200
    assert small.client.post("/sql", json={"sql": "SELECT count(*) FROM revisions"}).status_code == 200
