"""Every answer is the one that a bare DuckDB gives to the same SQL over plain tables of the same rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sql.lake import CPI, PAYROLLS, SqlDoor

_LINES = (Path(__file__).parent / "answers.sql").read_text(encoding="utf-8").splitlines()
QUERIES = [line.format(cpi=CPI, payrolls=PAYROLLS, upper=CPI.upper()) for line in _LINES[1:]]


def _sorted(rows: list[tuple[Any, ...]]) -> list[str]:
    return sorted(str(tuple(f"{v:.9g}" if isinstance(v, float) else v for v in row)) for row in rows)


@pytest.mark.parametrize("sql", QUERIES)
def test_as_the_oracle(door: SqlDoor, sql: str) -> None:
    asked = sql.replace(" EXCLUDE (created_at, updated_at)", "")
    assert _sorted(door.rows(sql)) == _sorted(door.expected(asked))


def test_order_and_limit(door: SqlDoor) -> None:
    sql = "SELECT date, value FROM revisions ORDER BY value DESC NULLS LAST, date, revision_date LIMIT 7 OFFSET 2"
    assert door.rows(sql) == door.expected(sql)


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [
        ("SELECT count(*) FROM data_points WHERE date >= ? AND series_id = ? AND value > ?", ["2001-07-01", CPI, 12.5]),
        ("SELECT date FROM data_points WHERE value > ? AND date < ? ORDER BY date LIMIT ?", [0, "2002-01-01", 3]),
        ("SELECT '?', ? AS \"?\" -- ?\n FROM series WHERE title <> ?", ["'; DROP", "x' OR 'a'='a"]),
        ("SELECT count(*) FROM series WHERE title = $t OR external_id = $t", {"t": "CPI"}),
        ("SELECT ?, ?, ?", [True, None, "\u0000'"]),
    ],
)
def test_parameters(door: SqlDoor, sql: str, parameters: Any) -> None:
    assert door.rows(sql, parameters=parameters) == door.expected(sql, parameters)


def test_the_knowledge_date_of_a_request(door: SqlDoor) -> None:
    count = "SELECT count(*), sum(value) FROM "
    assert door.rows(f"{count} data_points", asOf="2002-01-01") == door.expected(
        f"{count} data_points_as_of('2002-01-01')"
    )
    own = f"{count} data_points_as_of('2001-06-06')"
    assert door.rows(own, asOf="2002-01-01") == door.expected(own)
    assert door.rows(f"{count} revisions", asOf="2002-01-01") == door.expected(
        f"{count} revisions WHERE revision_date <= '2002-01-01'"
    )


_DATES = st.sampled_from(["2001-01-01", "2001-06-01", "2002-02-01", "2003-12-01", "1990-01-01"])
_TERMS = st.one_of(
    st.builds("{0}date {1} '{2}'".format, st.just("{a}"), st.sampled_from(["=", "<", "<=", ">", ">="]), _DATES),
    st.builds("{0}date BETWEEN '{1}' AND DATE '{2}'".format, st.just("{a}"), _DATES, _DATES),
    st.builds("'{1}' {2} {0}revision_date".format, st.just("{a}"), _DATES, st.sampled_from(["=", "<", ">="])),
    st.builds("{0}series_id IN ('{1}', '{2}')".format, st.just("{a}"), st.sampled_from([CPI, "x"]), st.just(PAYROLLS)),
    st.sampled_from(["{a}value > 100", "{a}value IS NULL", "{a}is_original_release"]),
)
_CONDITIONS = st.recursive(
    _TERMS,
    lambda inner: st.one_of(
        st.builds("({0} AND {1})".format, inner, inner),
        st.builds("({0} OR {1})".format, inner, inner),
        st.builds("NOT ({0})".format, inner),
    ),
    max_leaves=5,
)
_VIEWS = st.sampled_from(["data_points", "revisions", "first_releases", "data_points_as_of('2002-03-03')"])
_JOINS = st.sampled_from(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "SEMI JOIN", "ANTI JOIN"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_VIEWS, _VIEWS, _JOINS, _CONDITIONS, _CONDITIONS)
def test_what_the_planner_is_told_never_changes_an_answer(
    door: SqlDoor, left: str, right: str, join: str, on: str, where: str
) -> None:
    both = join not in {"SEMI JOIN", "ANTI JOIN"}
    shown = "a.date, a.revision_date, a.value" + (", b.date, b.revision_date" if both else "")
    tested = on.format(a="b.")
    sql = (
        f"SELECT {shown} FROM {left} a {join} {right} b ON a.series_id = b.series_id AND a.date = b.date AND {tested} "
        f"WHERE {where.format(a='a.')}"
    )
    assert _sorted(door.rows(sql)) == _sorted(door.expected(sql))
