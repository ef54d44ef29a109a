"""What must not get through: every text is refused with a caller's error, or answers without having done harm.

A file of the test lies inside the data directory, where DuckDB itself may read: nothing that it holds is ever answered.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.sql.lake import SqlDoor

SECRET = "the-secret-of-the-test"
POINTS = "data_points"

# {file} is a path of a file with the secret, {lake} the data directory. One text a line.
FOLDER = Path(__file__).parent
REFUSED = (FOLDER / "refused.txt").read_text(encoding="utf-8").splitlines()

# Texts that are served, and mean only what they say.
HARMLESS = (FOLDER / "harmless.txt").read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="module")
def planted(door: SqlDoor) -> Path:
    """A file that DuckDB could read as text and as CSV."""
    file = door.lake.services.lake.data_dir / "planted.csv"
    file.write_text(f"content\n{SECRET}\n")
    return file


@pytest.fixture(autouse=True)
def _nothing_changes(door: SqlDoor, planted: Path) -> object:
    before = _state(door)
    yield
    assert _state(door) == before


def _state(door: SqlDoor) -> object:
    lake = door.lake.services.lake.data_dir
    files = sorted(str(path) for path in lake.rglob("*") if "tmp" not in path.relative_to(lake).parts)
    return files, door.lake.engine.current(), door.rows("SELECT count(*), sum(value) FROM revisions")


def _told(text: str, planted: Path) -> str:
    return text.format(file=planted, lake=planted.parent)


def test_the_corpus_is_large() -> None:
    assert len(REFUSED) > 200


@pytest.mark.parametrize("text", REFUSED)
def test_refused(door: SqlDoor, planted: Path, text: str) -> None:
    response = door.client.post("/sql", json={"sql": _told(text, planted)})
    assert response.status_code in {400, 404}, response.text
    problem = response.json()
    assert problem["code"] in {"invalid_sql", "sql_not_allowed", "unknown_table"}, problem
    assert problem["hint"]
    assert SECRET not in response.text
    assert ".venv" not in response.text


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless(door: SqlDoor, planted: Path, text: str) -> None:
    response = door.client.post("/sql", json={"sql": _told(text, planted)})
    assert response.status_code == 200, response.text
    assert SECRET not in response.text


def test_the_planted_file_can_be_read_by_who_may(door: SqlDoor, planted: Path) -> None:
    """Else the tests above show nothing."""
    database = door.lake.services.sql_database
    cursor = database._connection.cursor()
    assert SECRET in str(cursor.execute(f"SELECT content FROM read_text('{planted}')").fetchall())


@pytest.mark.parametrize("character", ["\x00", "\x01", "\x1b", "\x7f"])
def test_control_characters(door: SqlDoor, character: str) -> None:
    problem = door.post(f"SELECT title FROM series WHERE title = 'a{character}b'", 400).json()
    assert problem["code"] == "invalid_sql"


_DOUBLED = ", ".join(f"t{at} AS (SELECT {' || '.join('t' * 8)} AS t FROM t{at - 1})" for at in range(1, 14))
BOMBS = {
    "cross joins": "SELECT count(*) FROM revisions a, revisions b, revisions c, revisions d "
    "WHERE a.value + b.value > c.value * d.value::DOUBLE",
    "doubling": f"WITH t0 AS (SELECT '{'x' * 15_000}' AS t), {_DOUBLED} SELECT length(t) FROM t13",
    "sorting": "SELECT a.value + b.value + c.value AS x FROM revisions a, revisions b, revisions c "
    "ORDER BY x DESC, a.date LIMIT 5",
}


@pytest.mark.parametrize("sql", BOMBS.values(), ids=BOMBS)
def test_what_takes_too_long_is_broken_off(door: SqlDoor, sql: str) -> None:
    started = time.monotonic()
    response = door.client.post("/sql", json={"sql": sql})
    assert time.monotonic() - started < 60
    assert response.status_code == 200 or response.json()["code"] in {
        "query_timeout",
        "limit_exceeded",
        "memory_exceeded",
        "invalid_sql",
    }


def test_a_parameter_is_never_sql(door: SqlDoor, planted: Path) -> None:
    for value in (f"' UNION SELECT content FROM read_text('{planted}') --", "'; DROP TABLE series; --", "$1", "?"):
        assert door.rows("SELECT ? AS x", parameters=[value]) == [(value,)]
        assert door.rows("SELECT title FROM series WHERE title = ?", parameters=[value]) == []
