"""What a SQL says of a series in a join, or behind an IN, leaves files of points unread, and never rows out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.sql.lake import CPI, TITLES, SqlDoor, source_id
from tests.sql.test_answers import _sorted

ONE, TWO = "s.title = 'Prices, all items'", "s.frequency = 'quarterly'"
NARROWED = [
    f"SELECT p.date, p.value FROM data_points p JOIN series s ON s.id = p.series_id WHERE {ONE}",
    f"SELECT p.date FROM series s JOIN revisions p ON p.series_id = s.id AND {TWO}",
    f"SELECT p.date FROM data_points p, series s WHERE p.series_id = s.id AND {TWO} AND p.date > '2002-01-01'",
    (
        "SELECT P.date FROM data_points AS P INNER JOIN series S ON (S.id = P.series_id) "
        "WHERE S.title IN ('x', 'It''s people; at work -- all')"
    ),
    f"SELECT count(*) FROM data_points_as_of('2002-01-01') p JOIN series s ON s.id = p.series_id WHERE {ONE}",
    "SELECT date FROM data_points WHERE series_id IN (SELECT id FROM series WHERE frequency = 'monthly')",
    f"SELECT date FROM data_points d WHERE d.series_id IN (SELECT s.id AS x FROM series s WHERE {ONE} LIMIT 5)",
    f"WITH t AS (SELECT p.date FROM data_points p JOIN series s ON s.id = p.series_id WHERE {ONE}) SELECT * FROM t",
    (
        "SELECT p.date FROM data_points p JOIN series s ON s.id = p.series_id JOIN sources o ON o.id = s.source_id "
        f"WHERE {ONE}"
    ),
    f"SELECT p.date, s.title FROM data_points p LEFT JOIN series s ON TRUE WHERE s.id = p.series_id AND {TWO}",
    (
        "SELECT p.date FROM data_points p JOIN series s ON s.id = p.series_id JOIN sources o ON s.source_id = o.id "
        "WHERE o.name = 'nobody'"
    ),
]
WHOLE = [
    f"SELECT p.date, s.title FROM data_points p LEFT JOIN series s ON s.id = p.series_id AND {ONE}",
    f"SELECT p.date FROM data_points p JOIN series s ON s.id = p.series_id OR {ONE}",
    f"SELECT p.date FROM data_points p JOIN series s ON s.id <> p.series_id WHERE {ONE}",
    f"SELECT p.date FROM data_points p JOIN series s ON s.id = p.series_id WHERE NOT ({ONE})",
    f"SELECT p.date FROM data_points p WHERE p.series_id NOT IN (SELECT s.id FROM series s WHERE {ONE})",
    ("SELECT p.date FROM data_points p JOIN series s ON s.source_id = p.series_id OR s.source_id <> p.series_id "
    f"WHERE {ONE}"),
    f"SELECT p.date FROM data_points p FULL JOIN series s ON s.id = p.series_id AND {ONE}",
    f"SELECT p.date FROM data_points p WHERE EXISTS (SELECT 1 FROM series s WHERE s.id = p.series_id AND {ONE})",
    f"SELECT p.date FROM data_points p JOIN (SELECT * FROM series s WHERE {ONE}) s ON s.id = p.series_id",
    "SELECT p.date FROM data_points p JOIN series s ON s.id = p.series_id WHERE s.title LIKE 'Prices%'",
    ("SELECT p.date FROM data_points p, data_points p2, series s "
    f"WHERE p.series_id = p2.series_id AND p2.date = p.date AND {ONE}"),
]  # fmt: skip


@pytest.fixture
def files_read(door: SqlDoor, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], int]:
    """How many files of points are opened by the statement that answers a SQL, and by no other."""

    def read(sql: str) -> int:
        given: list[int] = []
        opened = door.lake.services.sql_database.open
        monkeypatch.setattr(
            door.lake.services.sql_database,
            "open",
            lambda each: given.append(sum("data_points" in file.path for file in each.files)) or opened(each),
        )
        door.post(sql)
        monkeypatch.undo()
        return given[-1]

    return read


@pytest.mark.parametrize("sql", [*NARROWED, *WHOLE])
def test_the_rows_are_those_of_the_oracle(door: SqlDoor, sql: str) -> None:
    rows = door.rows(sql)
    assert _sorted(rows) == _sorted(door.expected(sql))
    assert rows or "nobody" in sql


@pytest.mark.parametrize("sql", NARROWED)
def test_files_of_other_series_are_not_read(files_read: Callable[[str], int], sql: str) -> None:
    assert files_read(sql) < files_read("SELECT date FROM data_points")


@pytest.mark.parametrize("sql", WHOLE)
def test_what_says_nothing_of_the_series_reads_them_all(files_read: Callable[[str], int], sql: str) -> None:
    assert files_read(sql) >= files_read("SELECT date FROM data_points")


def test_the_lake_has_series_in_several_partitions() -> None:
    assert len(TITLES) == 3
    assert CPI[0] != source_id("BLS")[0]
