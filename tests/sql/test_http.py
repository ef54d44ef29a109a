"""The door as HTTP: bodies, forms of answers, snapshots, limits, and what a caller is told."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from api.limits import Limits
from tests.sql.lake import TITLES, SqlDoor, fill, revisions
from tests.support.service import client_of
from tests.support.warehouse import warehouse

TITLES_SQL = "SELECT external_id, title FROM series ORDER BY external_id"
CSV, ARROW, PARQUET = "text/csv", "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"


def test_values_as_json(door: SqlDoor) -> None:
    sql = """SELECT 1::BIGINT AS a, 12345678901234567890.5::DECIMAL(38, 18) AS b, 0.5::DOUBLE AS c, 'NaN'::DOUBLE AS d,
        '-Infinity'::DOUBLE AS e, DATE '2003-12-31' AS f, TIMESTAMPTZ '2003-12-31 10:00:00.25+00' AS g, TRUE AS h,
        'it''s "x" \\ ' || chr AS i, NULL AS j, sum(1::BIGINT) AS k, TIME '10:30:00' AS l,
        date_trunc('month', DATE '2003-12-31') AS m
        FROM (SELECT 'ä' AS chr) GROUP BY chr"""
    answer = door.post(sql).json()
    assert answer["rows"] == [
        [1, 12345678901234567890.5, 0.5, None, None, "2003-12-31", "2003-12-31T10:00:00.250000Z", True,
         'it\'s "x" \\ ä', None, 1, "10:30:00.000000", "2003-12-01T00:00:00Z"]
    ]  # fmt: skip
    assert "12345678901234567890.5," in door.post(sql).text, "a decimal keeps its digits"
    assert [column["type"] for column in answer["columns"]] == [
        "long", "decimal", "double", "double", "double", "date", "timestamp", "boolean", "string", "long", "decimal",
        "time", "timestamp",
    ]  # fmt: skip


def test_the_same_rows_in_every_form(door: SqlDoor) -> None:
    rows = door.post(TITLES_SQL).json()["rows"]
    assert rows == sorted([name, title] for name, title in TITLES.items())
    answers = {form: door.post(TITLES_SQL, headers={"Accept": form}) for form in (CSV, ARROW, PARQUET)}
    assert all(answer.headers["content-type"].startswith(form) for form, answer in answers.items())
    assert list(csv.reader(io.StringIO(answers[CSV].text))) == [["external_id", "title"], *rows]
    for table in (
        pa.ipc.open_stream(answers[ARROW].content).read_all(),
        pq.read_table(io.BytesIO(answers[PARQUET].content)),
    ):
        assert [list(row.values()) for row in table.to_pylist()] == rows


def test_csv_tells_null_from_empty(door: SqlDoor) -> None:
    answer = door.post('SELECT \'\' AS a, NULL AS b, \'x,"y"\' AS "c""d", 1.50 AS e', headers={"Accept": CSV})
    assert answer.text == '"a","b","c""d","e"\r\n"",,"x,""y""",1.5\r\n'


def test_no_rows(door: SqlDoor) -> None:
    answer = door.post("SELECT title FROM series WHERE FALSE").json()
    assert (answer["rows"], answer["truncated"]) == ([], False)
    assert door.post("SELECT title FROM series WHERE FALSE", headers={"Accept": CSV}).text == '"title"\r\n'


@pytest.mark.parametrize("type_", ["application/sql", "text/plain; charset=utf-8"])
def test_the_text_alone(door: SqlDoor, type_: str) -> None:
    answer = door.client.post(
        "/sql?asOf=2001-02-10", content="SELECT count(*) FROM data_points", headers={"Content-Type": type_}
    )
    assert answer.json()["rows"] == [list(door.expected("SELECT count(*) FROM data_points_as_of('2001-02-10')")[0])]
    assert answer.headers["X-Finlake-As-Of"] == "2001-02-10"


def test_headers(door: SqlDoor) -> None:
    answer = door.post("SELECT 1 AS x")
    assert answer.headers["X-Finlake-Snapshot"] == answer.json()["snapshot"] == door.lake.engine.current()
    assert answer.headers["X-Finlake-Truncated"] == "false"
    steps = [part.split(";")[0] for part in answer.headers["Server-Timing"].split(", ")]
    assert steps == ["parse", "plan", "prune", "lower", "execute", "render"]


def test_one_snapshot_for_all_tables(tmp_path: Path) -> None:
    with warehouse(tmp_path / "lake") as lake:
        rows = revisions()
        fill(lake, rows[:10])
        before = lake.engine.current()
        fill(lake, rows)
        client = client_of(lake)
        sql = "SELECT (SELECT count(*) FROM revisions), (SELECT count(*) FROM revisions r WHERE r.date > '1900-01-01')"
        then = client.post("/sql", json={"sql": sql, "snapshot": before})
        assert then.json()["rows"] == [[10, 10]]
        assert then.headers["X-Finlake-Snapshot"] == before
        assert client.post("/sql", json={"sql": sql}).json()["rows"] == [[len(rows), len(rows)]]
        both = client.post(f"/sql?snapshot={lake.engine.current()}", json={"sql": sql, "snapshot": before})
        assert both.json()["code"] == "invalid_parameter"
        assert client.post("/sql", json={"sql": sql, "snapshot": "nonsense"}).status_code in {400, 404}


LIMITED = {
    "sql_body_bytes_max": ("SELECT '" + "x" * 900 + "'", 413),
    "sql_characters_max": ("SELECT '" + "x" * 600 + "'", 400),
    "sql_nodes_max": ("SELECT " + ",".join("1" * 90), 400),
    "sql_depth_max": ("SELECT " + "(" * 30 + "1" + ")" * 30, 400),
    "sql_tables_max": ("SELECT 1 FROM series a, series b, series c, series d, series e", 400),
    "sql_text_bytes_max": ("SELECT title || title || title FROM series", 400),
}


@pytest.mark.parametrize("name", LIMITED)
def test_limits(door: SqlDoor, name: str) -> None:
    values = {"sql_body_bytes_max": 800, "sql_characters_max": 500, "sql_nodes_max": 80, "sql_depth_max": 20}
    values |= {"sql_tables_max": 4, "sql_text_bytes_max": 60}
    door.lake.limits = Limits.model_validate({name: values[name]})
    try:
        sql, status = LIMITED[name]
        answer = client_of(door.lake).post("/sql", json={"sql": sql})
    finally:
        door.lake.limits = Limits(query_time_ms_max=3_000)
    assert (answer.status_code, answer.json()["details"]) == (status, {"limit": name, "value": values[name]})
    assert door.post(sql).status_code == 200, "only the limit refuses it"


@pytest.mark.parametrize("end", ["", " LIMIT 9", " LIMIT 5000000000", " LIMIT ?"])
def test_more_rows_than_an_answer_has(door: SqlDoor, end: str) -> None:
    door.lake.limits = Limits(sql_rows_max=5)
    try:
        client = client_of(door.lake)
    finally:
        door.lake.limits = Limits(query_time_ms_max=3_000)
    body: dict[str, Any] = {
        "sql": f"SELECT date FROM revisions ORDER BY date{end}",
        "parameters": [9] if "?" in end else [],
    }
    answer = client.post("/sql", json=body)
    expected = door.expected("SELECT date FROM revisions ORDER BY date LIMIT 5")
    assert answer.json()["rows"] == [[day.isoformat()] for (day,) in expected]
    assert answer.json()["truncated"] is True
    assert answer.headers["X-Finlake-Truncated"] == "true"
    assert client.post("/sql", json={"sql": "SELECT date FROM revisions LIMIT 5"}).json()["truncated"] is False


def test_days_and_times_without_a_text_are_null(door: SqlDoor) -> None:
    sql = """SELECT DATE 'infinity' AS a, DATE '-infinity' AS b, TIMESTAMPTZ 'infinity' AS c, DATE '294247-01-10' AS d,
        TIME '24:00:00' AS e, DATE '9999-12-31' AS f UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL ORDER BY f"""
    assert door.post(sql).json()["rows"] == [[*[None] * 5, "9999-12-31"], [None] * 6]
    assert door.post(sql, headers={"Accept": CSV}).text == '"a","b","c","d","e","f"\r\n,,,,,9999-12-31\r\n,,,,,\r\n'


@pytest.mark.parametrize("form", [PARQUET, CSV])
def test_what_is_cut_off_is_told_of_a_large_answer_too(
    door: SqlDoor, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """Of Parquet nothing leaves before a row group is full, so that all rows may have been read by then."""
    monkeypatch.setattr("api.streaming.WHOLE_BYTES_MAX", 10)
    door.lake.limits = Limits(sql_rows_max=5)
    try:
        client = client_of(door.lake)
    finally:
        door.lake.limits = Limits(query_time_ms_max=3_000)
    answer = client.post("/sql", json={"sql": "SELECT date FROM revisions"}, headers={"Accept": form})
    assert "Content-Length" not in answer.headers
    whole = form == PARQUET
    assert answer.headers.get("X-Finlake-Truncated") == ("true" if whole else None)
    assert answer.content.endswith(b"PAR1" if whole else b'\r\n"')


@pytest.mark.parametrize(
    ("sql", "code", "said"),
    [
        ("SELECT valeu FROM data_points", "unknown_column", "is_original_release"),
        ("SELECT d.valeu FROM data_points d", "unknown_column", "is_original_release"),
        ("SELECT seq FROM data_points", "unknown_column", "is_original_release"),
        ("SELECT 1 FROM datapoints", "unknown_table", "data_points_as_of"),
        ("SELECT x.date FROM data_points d", "invalid_sql", '"x" not found'),
        ("SELECT sum(title) FROM series", "invalid_sql", "sum(VARCHAR)"),
        ("SELECT title::DATE FROM series", "invalid_sql", "date"),
        ("SELECT date, sum(value) FROM data_points", "invalid_sql", "GROUP BY"),
        ("SELECT (SELECT date FROM data_points)", "invalid_sql", "More than one row"),
        ("SELECT date\nFROM data_points\nWHERE WHERE", "invalid_sql", "line 3"),
        ("SELECT read_text('x')", "sql_not_allowed", "read_text"),
        ("DROP TABLE series", "sql_not_allowed", "DROP"),
        ("SELECT d FROM data_points d", "wrong_type", "struct"),
        ("SELECT INTERVAL 1 DAY AS i", "wrong_type", "'i'"),
    ],
)
def test_what_a_caller_is_told(door: SqlDoor, sql: str, code: str, said: str) -> None:
    problem = door.client.post("/sql", json={"sql": sql}).json()
    assert problem["code"] == code
    assert said in problem["message"] + problem["hint"]
    assert "parquet" not in str(problem)
    assert str(door.lake.settings.data_dir) not in str(problem)


@pytest.mark.parametrize(
    ("content", "type_", "code"),
    [
        (b"{", "application/json", "malformed_json"),
        (b'{"sql": 1}', "application/json", "malformed_json"),
        (b'{"sql": "SELECT 1", "asof": "2001-01-01"}', "application/json", "malformed_json"),
        (b'{"sql": "SELECT ?", "parameters": [[1]]}', "application/json", "malformed_json"),
        (b'{"sql": "SELECT ?", "parameters": [99999999999999999999]}', "application/json", "invalid_literal"),
        (b'{"sql": "SELECT ?", "parameters": []}', "application/json", "invalid_sql"),
        (b'{"sql": "SELECT 1", "parameters": [1]}', "application/json", "invalid_sql"),
        (b'{"sql": "SELECT 1", "asOf": "yesterday"}', "application/json", "invalid_parameter"),
        (b"SELECT \xff", "application/sql", "malformed_body"),
        (b"SELECT 1", "application/x-www-form-urlencoded", "unsupported_media_type"),
        (b"SELECT 1", "text/plain; charset=latin-1", "unsupported_media_type"),
    ],
)
def test_what_is_no_request(door: SqlDoor, content: bytes, type_: str, code: str) -> None:
    assert door.client.post("/sql", content=content, headers={"Content-Type": type_}).json()["code"] == code


def test_other_requests(door: SqlDoor) -> None:
    assert door.client.get("/sql").status_code == 405
    assert door.client.post("/sql?asof=2001-01-01", json={"sql": "SELECT 1"}).json()["code"] == "unknown_parameter"
    assert door.post("SELECT 1", 406, headers={"Accept": "image/png"}).json()["code"] == "not_acceptable"
    ranked = door.post("SELECT 1 AS x", headers={"Accept": "text/csv;q=0.5, application/json;q=0.1"})
    assert ranked.headers["content-type"].startswith(CSV)
    assert door.client.get("/").json()["links"]["sql"] == "/sql"
    assert "/sql" in door.client.get("/openapi.json").json()["paths"]


def test_files_are_pruned(door: SqlDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planner sees the conditions of the SQL: of a source that does not exist no file is opened."""
    read: list[int] = []
    database = door.lake.services.sql_database
    opened = database.open
    monkeypatch.setattr(database, "open", lambda statement: read.append(len(statement.files)) or opened(statement))
    for condition in ("TRUE", "date < '1990-01-01'", "d.date < DATE '1990-01-01' AND TRUE", "date < ?", "abs(1) = 1"):
        values = ["1990-01-01"] if "?" in condition else []
        door.post(f"SELECT value FROM data_points d WHERE {condition}", parameters=values)
    everything, *pruned, again = read
    assert everything == again > 0
    assert pruned == [0, 0, 0]
