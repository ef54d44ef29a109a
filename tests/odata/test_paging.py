"""Server-driven paging: no gap, no double, one snapshot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from api.limits import Limits
from api.reading import SNAPSHOT_HEADER
from tests.odata.door import GDP, LIMITS, POINTS, ROOT, SOURCE, Door, client_of
from tests.support.warehouse import warehouse


def _pages(door: Door, path: str, **headers: str) -> list[list[dict[str, Any]]]:
    """All pages of a collection; each link is absolute and every page reads one snapshot."""
    answer = door.get(path, **headers)
    pages, snapshots = [answer.json()["value"]], {answer.headers[SNAPSHOT_HEADER]}
    while link := answer.json().get("@odata.nextLink"):
        assert link.startswith(ROOT)
        answer = door.get(link.removeprefix(ROOT), **headers)
        pages.append(answer.json()["value"])
        snapshots.add(answer.headers[SNAPSHOT_HEADER])
    assert len(snapshots) == 1
    return pages


@pytest.mark.parametrize(
    ("options", "sizes"),
    [
        ("", [5, 5, 3]),
        ("$top=13", [5, 5, 3]),
        ("$top=5", [5]),
        ("$top=6", [5, 1]),
        ("$skip=4", [5, 4]),
        ("$top=7&$skip=2", [5, 2]),
        ("$orderby=value desc", [5, 5, 3]),
        ("$orderby=value", [5, 5, 3]),
        ("$orderby=value eq null desc,is_original_release,value desc&$count=true", [5, 5, 3]),
        ("$orderby=year(date),date desc", [5, 5, 3]),
        ("$orderby=now() desc,hour(now())", [5, 5, 3]),
        ("$filter=date lt 2020-09-01 and date gt 2000-01-01", [5, 3]),
        ("$filter=date lt 1900-01-01", [0]),
    ],
)
def test_pages_have_no_gap_and_no_double(door: Door, options: str, sizes: list[int]) -> None:
    pages = _pages(door, f"DataPoints?{options}")
    assert [len(page) for page in pages] == sizes
    rows = [row for page in pages for row in page]
    whole = client_of(door.lake.engine, Limits(page_rows_max=1000), door.lake.settings)
    assert rows == whole.get(f"/odata/DataPoints?{options}").json()["value"]


def test_the_client_may_ask_for_smaller_pages(door: Door) -> None:
    answer = door.get("DataPoints", Prefer="odata.maxpagesize=2")
    assert answer.headers["Preference-Applied"] == "odata.maxpagesize=2"
    assert [len(page) for page in _pages(door, "DataPoints", Prefer="maxpagesize=4")] == [4, 4, 4, 1]
    clamped = door.get("DataPoints", Prefer="odata.maxpagesize=1000000")
    assert clamped.headers["Preference-Applied"] == f"odata.maxpagesize={LIMITS.preferred_page_rows_max}"
    assert "Preference-Applied" not in door.get("DataPoints").headers


def test_a_link_keeps_the_options(door: Door) -> None:
    link = door.get("DataPoints?$orderby=date&$skip=1&asOf=2022-06-01&$select=date").json()["@odata.nextLink"]
    assert "$skip=" not in link
    assert "$orderby=date" in link
    assert "asOf=2022-06-01" in link
    dates = [row["date"] for row in door.value("DataPoints?$orderby=date&$skip=6&asOf=2022-06-01&$select=date")]
    assert [row["date"] for row in door.value(link.removeprefix(ROOT))] == dates


def test_pages_read_the_snapshot_they_began_with(tmp_path: Path) -> None:
    with warehouse(tmp_path, limits=LIMITS) as lake:
        lake.write({"source": {"name": SOURCE}, "data_points": POINTS})
        door = Door(client_of(lake.engine, LIMITS, lake.settings), lake)
        first = door.get("DataPoints?$orderby=date")
        link = first.json()["@odata.nextLink"].removeprefix(ROOT)
        before = door.value(link)
        late = {"external_id": "GDP", "date": "2020-06-15", "value": "1", "revision_date": "2021-02-01"}
        assert lake.write({"source": {"name": SOURCE}, "data_points": [late]}).failed == 0
        assert door.value(link) == before
        assert door.get("DataPoints/$count").text == "14"
        assert door.get(f"DataPoints/$count?snapshot={first.headers[SNAPSHOT_HEADER]}").text == "13"


def test_counts_ignore_the_page(door: Door) -> None:
    for options in ("$top=0", "$top=1", "$top=1&$skip=3", "$skip=1000", "$orderby=value"):
        assert door.get(f"Series({GDP})/DataPoints?$count=true&{options}").json()["@odata.count"] == 12
    assert "@odata.count" not in door.get("DataPoints?$count=false").json()


@pytest.mark.parametrize(
    "other",
    [
        "Series?",
        f"Series({GDP})/DataPoints?",
        "DataPoints?$orderby=value desc",
        "DataPoints?$filter=value gt 1",
        "DataPoints?asOf=2022-06-01",
        "DataPoints?release=first",
        "Revisions?",
    ],
)
def test_a_mark_of_another_question_is_refused(door: Door, other: str) -> None:
    """Even where the order is alike: rows before the mark would be left out without a word."""
    mark = door.get("DataPoints").json()["@odata.nextLink"].partition("$skiptoken=")[2]
    assert door.error(f"{other}&$skiptoken={mark}", 400)["code"] == "invalid_page"


def test_a_mark_goes_with_other_columns_and_fewer_rows(door: Door) -> None:
    mark = door.get("DataPoints").json()["@odata.nextLink"].partition("$skiptoken=")[2]
    assert [list(row) for row in door.value(f"DataPoints?$select=date&$top=2&$skiptoken={mark}")] == [["date"]] * 2


def test_a_mark_and_a_snapshot_agree(door: Door) -> None:
    token = door.lake.engine.current()
    link = door.get(f"DataPoints?snapshot={token}").json()["@odata.nextLink"].removeprefix(ROOT)
    assert door.value(link)
    mark = link.partition("$skiptoken=")[2]
    assert door.error(f"DataPoints?snapshot=0-0-0-0&$skiptoken={mark}", 400)["target"] == "snapshot"
