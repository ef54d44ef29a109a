"""Filters by properties of other entities: the rows that loops over the entities find, and few files read for them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from api.limits import Limits
from api.odata.compile import compile_url
from api.problems import Problem
from catalog.model import DATA_POINTS, SERIES, SOURCES
from engine.query import Query
from tests.same_query.asked_lake import AskedLake, Rows
from tests.support.service import client_of

Row = dict[str, Any]


class World:
    """The entities, each with what it leads to."""

    def __init__(self, asked: AskedLake) -> None:
        state = asked.states[-1]
        self.sources = [dict(row) for row in state.rows(SOURCES)]
        self.series = [dict(row) for row in state.rows(SERIES)]
        self.points = [dict(row) for row in state.rows(DATA_POINTS)]
        for series in self.series:
            series["of"] = next(each for each in self.sources if each["id"] == series["source_id"])
            series["points"] = [each for each in self.points if each["series_id"] == series["id"]]
        for source in self.sources:
            source["series"] = [each for each in self.series if each["source_id"] == source["id"]]
        for point in self.points:
            point["of"] = next(each for each in self.series if each["id"] == point["series_id"])

    def of(self, set_: str) -> Rows:
        return {"Sources": self.sources, "Series": self.series, "DataPoints": self.points}[set_]


@pytest.fixture(scope="module")
def world(asked: AskedLake) -> World:
    return World(asked)


@pytest.fixture(scope="module")
def client(asked: AskedLake) -> TestClient:
    return client_of(asked.lake)


def has(text: str | None, part: str) -> bool | None:
    return None if text is None else part in text


def flip(value: bool | None) -> bool | None:
    return None if value is None else not value


CASES: list[tuple[str, str, Callable[[Row], bool | None]]] = [
    ("DataPoints", "Series/title eq 'Alpha'", lambda p: p["of"]["title"] == "Alpha"),
    ("DataPoints", "'Alpha' ne Series/title", lambda p: p["of"]["title"] != "Alpha"),
    ("DataPoints", "Series/units eq null", lambda p: p["of"]["units"] is None),
    ("DataPoints", "Series/units in ('index',null)", lambda p: p["of"]["units"] in ("index", None)),
    ("DataPoints", "contains(Series/units,'x')", lambda p: has(p["of"]["units"], "x")),
    ("DataPoints", "not contains(Series/units,'x')", lambda p: flip(has(p["of"]["units"], "x"))),
    (
        "DataPoints",
        "not (contains(Series/units,'x') or value gt 5)",
        lambda p: has(p["of"]["units"], "x") is False and not (p["value"] is not None and p["value"] > 5),
    ),
    (
        "DataPoints",
        "not (date eq 2023-01-01 and startswith(Series/units,'i')) and Series/frequency ne 'daily'",
        lambda p: (str(p["date"]) != "2023-01-01" or flip(has(p["of"]["units"], "i")))
        and p["of"]["frequency"] != "daily",
    ),
    ("DataPoints", "Series/title eq Series/units", lambda p: p["of"]["title"] == p["of"]["units"]),
    ("DataPoints", "length(Series/title) gt 5", lambda p: len(p["of"]["title"]) > 5),
    ("DataPoints", "Series/SourceEntity/name eq 'TEST'", lambda p: p["of"]["of"]["name"] == "TEST"),
    (
        "DataPoints",
        "Series/SourceEntity/title eq 'A test' and (Series/title eq 'Alpha' or Series/frequency eq 'daily')",
        lambda p: p["of"]["of"]["title"] == "A test"
        and (p["of"]["title"] == "Alpha" or p["of"]["frequency"] == "daily"),
    ),
    (
        "DataPoints",
        "$it/Series/title eq 'Alpha' and $it/value ne null",
        lambda p: p["of"]["title"] == "Alpha" and p["value"] is not None,
    ),
    (
        "DataPoints",
        "Series/DataPoints/any(p:p/value gt 100)",
        lambda p: any((q["value"] or 0) > 100 for q in p["of"]["points"]),
    ),
    ("Series", "DataPoints/any(p:p/value lt 0 and p/date ge 2023-03-01)", lambda s: any(
        q["value"] is not None and q["value"] < 0 and str(q["date"]) >= "2023-03-01" for q in s["points"])),
    ("Series", "not DataPoints/any(p:p/value eq null)", lambda s: not any(q["value"] is None for q in s["points"])),
    ("Series", "DataPoints/all(p:p/value lt 100)", lambda s: all(
        q["value"] is not None and q["value"] < 100 for q in s["points"])),
    ("Series", "DataPoints/ANY()", lambda s: bool(s["points"])),
    (
        "Series",
        "SourceEntity/url ne null and not (title eq 'Alpha')",
        lambda s: s["of"]["url"] is not None and s["title"] != "Alpha",
    ),
    ("Sources", "Series/any(s:s/frequency eq 'daily' and s/DataPoints/any(p:p/value eq 0))", lambda o: any(
        s["frequency"] == "daily" and any(q["value"] == 0 for q in s["points"]) for s in o["series"])),
    ("Sources", "Series/any(s:s/SourceEntity/name eq 'TEST')", lambda o: o["name"] == "TEST"),
]  # fmt: skip


@pytest.mark.parametrize(("set_", "filter_", "holds"), CASES, ids=[case[1] for case in CASES])
def test_the_rows_are_those_that_loops_find(
    client: TestClient, world: World, set_: str, filter_: str, holds: Callable[[Row], bool | None]
) -> None:
    keys = ("series_id", "date") if set_ == "DataPoints" else ("id",)
    answer = client.get(f"/odata/{set_}", params={"$filter": filter_, "$select": ",".join(keys)})
    assert answer.status_code == 200, answer.text
    expected = sorted(tuple(str(row[key]) for key in keys) for row in world.of(set_) if holds(row) is True)
    assert sorted(tuple(row[key] for key in keys) for row in answer.json()["value"]) == expected
    assert expected or filter_ == "Series/title eq Series/units"
    count = client.get(f"/odata/{set_}/$count", params={"$filter": filter_})
    assert int(count.text) == len(expected)


def compiled(url: str, asked: AskedLake, limits: Limits | None = None) -> Query:
    path, _, options = url.partition("?")
    return compile_url(path, quote(options, safe="=&$"), asked.lake.engine.tables, limits or Limits()).query


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("DataPoints?$filter=Series/title eq external_id", "not_supported"),
        ("Series?$filter=DataPoints/any(p:p/value gt 1) eq true", "not_supported"),
        ("Series?$filter=DataPoints/any(p:date gt 2020-01-01)", "not_supported"),
        ("Series?$filter=DataPoints/any(p:$it/title eq 'x')", "not_supported"),
        ("Series?$filter=DataPoints/any(p:p/Series/title eq title)", "not_supported"),
        ("Series?$filter=DataPoints/any(p:p)", "not_supported"),
        ("Series?$filter=DataPoints/value gt 1", "not_supported"),
        ("Series?$filter=DataPoints/$count gt 1", "not_supported"),
        ("DataPoints?$orderby=Series/title", "not_supported"),
        ("DataPoints?$filter=Series/titel eq 'x'", "unknown_column"),
        ("DataPoints?$filter=Series/hidden_through gt 1", "unknown_column"),
        ("DataPoints?$filter=Serie/title eq 'x'", "unknown_column"),
        ("DataPoints?$filter=Series/title", "wrong_type"),
        ("DataPoints?$filter=Series/title gt 1", "invalid_literal"),
        ("DataPoints?$filter=Series eq 'x'", "not_supported"),
        ("DataPoints?$filter=Series/any(s:s/title eq 'x')", "syntax_error"),
    ],
)
def test_what_is_no_condition_on_others(asked: AskedLake, url: str, code: str) -> None:
    with pytest.raises(Problem) as found:
        compiled(url, asked)
    assert found.value.code == code


def test_conditions_on_others_are_counted(asked: AskedLake) -> None:
    three = "Series?$filter=" + " or ".join(f"DataPoints/any(p:p/value gt {n})" for n in (1, 2, 3))
    nested = "Sources?$filter=Series/any(s:s/DataPoints/any(p:p/Series/units eq null))"
    for url in (three, nested):
        assert compiled(url, asked, Limits(related_conditions_max=3))
        with pytest.raises(Problem) as found:
            compiled(url, asked, Limits(related_conditions_max=2))
        assert found.value.details["limit"] == "related_conditions_max"
    one = "DataPoints?$filter=" + " or ".join(f"Series/title eq '{n}'" for n in range(50))
    assert compiled(one, asked, Limits(related_conditions_max=1)), "all of one entity is one condition"


def test_the_clocks_of_a_request_hold_for_the_others(asked: AskedLake, client: TestClient) -> None:
    """`asOf` and `release` say which points there are, wherever they are asked about."""
    old, new = asked.states[0], asked.states[-1]
    for state, day in ((old, "2024-01-05"), (new, "2024-01-05"), (new, "2020-01-01"), (new, "")):
        rows = state.rows(DATA_POINTS, as_of=dt.date.fromisoformat(day) if day else None)
        params = {"$filter": "DataPoints/any(p:p/value gt 2)", "$select": "id", "snapshot": state.token}
        answer = client.get("/odata/Series", params=params | ({"asOf": day} if day else {}))
        expected = {row["series_id"] for row in rows if (row["value"] or 0) > 2}
        assert {row["id"] for row in answer.json()["value"]} == expected
