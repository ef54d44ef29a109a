"""A large answer has the rows of its pages, in every form, whole and in the same order."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalog.identity import series_id
from tests.streaming.large import DAYS, FIRST_DAY, PAGE, POINTS, SERIES

SELECT = "$select=series_id,date,value"
CSV, ARROW, PARQUET = "text/csv", "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"
NAMES = {CSV: "csv", ARROW: "arrow", PARQUET: "parquet"}

Row = tuple[str, dt.date, Decimal]


def expected() -> list[Row]:
    """All points, in the order of their key."""
    rows = [
        (series_id("L", f"S{number}"), FIRST_DAY + dt.timedelta(day), Decimal(f"{number}.{day:04d}"))
        for number in range(SERIES)
        for day in range(DAYS)
    ]
    return sorted(rows)


def get(url: str, path: str, **headers: str) -> httpx.Response:
    answer = httpx.get(f"{url}/odata/{path}", headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text[:500]
    return answer


def parsed(rows: list[dict[str, Any]]) -> list[Row]:
    return [(row["series_id"], dt.date.fromisoformat(row["date"]), Decimal(row["value"])) for row in rows]


def of_table(table: pa.Table) -> list[Row]:
    return [(row["series_id"], row["date"], row["value"]) for row in table.to_pylist()]


def of_csv(text: str) -> list[Row]:
    return parsed(list(csv.DictReader(io.StringIO(text))))


def pages(url: str, path: str, **headers: str) -> Iterator[httpx.Response]:
    answer = get(url, path, **headers)
    yield answer
    while link := answer.json().get("@odata.nextLink"):
        answer = get(url, link.partition("/odata/")[2], **headers)
        yield answer


@pytest.mark.parametrize("size", [POINTS, 45_000])
def test_a_large_page_is_streamed(url: str, size: int) -> None:
    prefer, exact = f"odata.maxpagesize={size}", "application/json;IEEE754Compatible=true"
    answers = list(pages(url, "DataPoints?$count=true", Prefer=prefer, Accept=exact))
    assert [len(answer.json()["value"]) for answer in answers] == [size, *([POINTS - size] if size < POINTS else [])]
    assert parsed([row for answer in answers for row in answer.json()["value"]]) == expected()
    first = answers[0]
    assert first.headers["Transfer-Encoding"] == "chunked"
    assert first.headers["Preference-Applied"] == prefer
    assert first.headers["X-Finlake-Snapshot"]
    assert "execute;dur=" in first.headers["Server-Timing"]
    assert [*first.json()][:3] == ["@odata.context", "@odata.count", "value"]
    assert {answer.json()["@odata.count"] for answer in answers} == {str(POINTS)}


def test_a_small_answer_goes_out_whole(url: str) -> None:
    answer = get(url, "DataPoints?$top=3")
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    assert len(get(url, "DataPoints").json()["value"]) == 10_000


@pytest.mark.parametrize("form", NAMES)
@pytest.mark.parametrize("options", [SELECT, f"{SELECT}&$orderby=value desc&$skip=5&$top=40000", "$filter=value lt 0"])
def test_an_export_has_all_rows_in_one_body(url: str, form: str, options: str) -> None:
    accepted = get(url, f"DataPoints?{options}", Accept=f"application/xml, {form};q=0.9, application/json;q=0.8")
    named = get(url, f"DataPoints?{options}&$format={NAMES[form]}")
    assert accepted.content == named.content
    assert accepted.headers["Content-Type"] == named.headers["Content-Type"]
    assert accepted.headers["Content-Type"].startswith(form)
    read = {
        CSV: lambda content: of_csv(content.decode()),
        ARROW: lambda content: of_table(pa.ipc.open_stream(content).read_all()),
        PARQUET: lambda content: of_table(pq.read_table(io.BytesIO(content))),
    }[form]
    rows = {SELECT: expected(), "$filter=value lt 0": []}.get(options)
    if rows is None:
        rows = sorted(expected(), key=lambda row: -row[2])[5:40_005]
    assert read(accepted.content) == rows


def test_an_answer_that_is_held_is_not_made_again(url: str) -> None:
    etag = get(url, "DataPoints", **PAGE).headers["ETag"]
    for _ in range(3):
        answer = httpx.get(f"{url}/odata/DataPoints", headers=PAGE | {"If-None-Match": etag}, timeout=60)
        assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", etag)
    assert get(url, "DataPoints", **PAGE).headers["ETag"] == etag
    assert get(url, "DataPoints?$format=csv").headers["ETag"] != etag


def test_head_sends_nothing(url: str) -> None:
    answer = httpx.head(f"{url}/odata/DataPoints", headers=PAGE, timeout=60)
    assert (answer.status_code, answer.content) == (200, b"")
    assert len(get(url, "DataPoints", **PAGE).json()["value"]) == POINTS


def test_sql_has_every_row(url: str) -> None:
    sql = "SELECT series_id, date, value FROM data_points ORDER BY ALL"
    for form in (CSV, ARROW, PARQUET, "application/json"):
        answer = httpx.post(f"{url}/sql", json={"sql": sql}, headers={"Accept": form}, timeout=60)
        assert answer.status_code == 200
        match form:
            case "text/csv":
                rows = of_csv(answer.text)
            case "application/json":
                names = [column["name"] for column in answer.json()["columns"]]
                rows = parsed([dict(zip(names, row, strict=True)) for row in orjson.loads(answer.content)["rows"]])
            case _ if form == ARROW:
                rows = of_table(pa.ipc.open_stream(answer.content).read_all())
            case _:
                rows = of_table(pq.read_table(io.BytesIO(answer.content)))
        if form == "application/json":
            assert [(row[0], row[1], round(row[2], 4)) for row in rows] == expected()
        else:
            assert rows == expected()
