"""`$apply` at the door: answers against sums done in Python, composed with every option, and truthful metadata."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from statistics import mean, median
from typing import Any
from xml.etree import ElementTree as ET

import orjson
import pytest

from api.limits import Limits
from api.odata.metadata import metadata_document
from api.odata.transformations import SERVED_TRANSFORMATIONS, UNSERVED_TRANSFORMATIONS
from catalog.model import MODEL
from tests.odata.door import GDP, ODD, POINTS, Door, client_of
from tests.support.warehouse import Warehouse, warehouse

EDM = "{http://docs.oasis-open.org/odata/ns/edm}"


def latest(name: str = "GDP") -> list[tuple[int, Decimal | None]]:
    """(month, value) of the last revision of each point."""
    rows = sorted((row for row in POINTS if row["external_id"] == name), key=lambda row: row["revision_date"])
    values = {row["date"]: row["value"] for row in rows}
    return [(int(day[5:7]), None if value is None else Decimal(value)) for day, value in sorted(values.items())]


def by_quarter() -> dict[str, list[Decimal | None]]:
    found: dict[str, list[Decimal | None]] = {}
    for month, value in latest():
        found.setdefault(f"2020-{(month - 1) // 3 * 3 + 1:02d}-01", []).append(value)
    return found


QUARTERS = f"filter(series_id eq {GDP})/compute(finlake.startofquarter(date) as quarter)/groupby((quarter)"


def asked(door: Door, url: str, **headers: str) -> Any:
    return orjson.loads(door.get(url, **headers).content)


def test_statistics_by_quarter_are_those_of_python(door: Door) -> None:
    terms = (
        "$count as n", "value with finlake.count as present", "value with sum as total", "value with average as mean",
        "value with min as least", "value with max as most", "value with finlake.median as middle",
        "value with finlake.first as first", "value with finlake.last as last",
        "value with countdistinct as different",
    )  # fmt: skip
    url = f"DataPoints?$apply={QUARTERS},aggregate({','.join(terms)}))"
    rows = asked(door, url)["value"]
    assert [row["quarter"] for row in rows] == list(by_quarter())
    for row, values in zip(rows, by_quarter().values(), strict=True):
        there = [value for value in values if value is not None]
        assert (row["n"], row["present"], row["different"]) == (len(values), len(there), len(set(there)))
        assert row["mean"] == pytest.approx(float(mean(there)))
        assert row["middle"] == pytest.approx(float(median(there)))
        exact = [Decimal(str(row[name])) for name in ("least", "most", "first", "last")]
        assert exact == [min(there), max(there), there[0], there[-1]]
    assert '"total":12.000000000000000001' in door.get(url).text  # every digit of 10^-18 + 5.5 + 6.5


def test_types_that_nobody_declares_are_annotated(door: Door) -> None:
    url = f"DataPoints?$apply={QUARTERS},aggregate($count as n,value with sum as s,value with average as m))&$top=1"
    document = asked(door, url)
    assert document["@odata.context"].endswith("$metadata#DataPoints(quarter,m,n,s)")
    (row,) = document["value"]
    assert {name: value for name, value in row.items() if "@" in name} == {
        "quarter@odata.type": "#Date",
        "n@odata.type": "#Int64",
        "s@odata.type": "#Decimal",
    }
    bare = asked(door, url, Accept="application/json;odata.metadata=none")
    assert set(bare["value"][0]) == {"quarter", "n", "s", "m"}
    exact = asked(door, url, Accept="application/json;IEEE754Compatible=true")["value"][0]
    assert (exact["n"], exact["s"], exact["m"]) == ("3", "4", 2.0)
    keyed = asked(door, "DataPoints?$apply=groupby((series_id,date))&$top=1")
    assert set(keyed["value"][0]) == {"series_id", "date"}


COMPOSED = [
    ("filter(year(date) eq 2020)/aggregate($count as n)", "", [{"n": 12}]),
    ("identity/filter(year(date) eq 1999)/identity/aggregate($count as n)", "", [{"n": 1}]),
    ("filter(year(date) eq 1850)/aggregate($count as n,value with max as m)", "", [{"n": 0, "m": None}]),
    ("groupby((series_id),aggregate($count as n))/filter(n gt 1)", "", [{"series_id": GDP, "n": 12}]),
    ("groupby((series_id),aggregate($count as n))", "&$filter=n eq 1", [{"series_id": ODD, "n": 1}]),
    ("groupby((series_id),aggregate($count as n))", f"&$filter=series_id eq {ODD}", [{"series_id": ODD, "n": 1}]),
    ("groupby((series_id),aggregate($count as n))", "&$orderby=n desc&$top=1&$select=n", [{"n": 12}]),
    ("groupby((series_id),aggregate($count as n))", "&$orderby=n desc&$skip=1", [{"series_id": ODD, "n": 1}]),
    ("groupby((series_id),aggregate($count as n))", "&asOf=1999-12-31", [{"series_id": ODD, "n": 1}]),
    ("compute(month(date) as m)/groupby((m),aggregate($count as n))", "&$filter=m gt 11", [{"m": 12, "n": 1}]),
    ("compute(year(date) as y)/filter(y lt 2000)/groupby((y))", "", [{"y": 1999}]),
    ("aggregate(value with max as m)", "&release=first&$filter=m gt 1", [{"m": 12345678901234567890.5}]),
]


@pytest.mark.parametrize(("apply", "options", "rows"), COMPOSED)
def test_it_composes_with_every_option(door: Door, apply: str, options: str, rows: list[dict[str, Any]]) -> None:
    found = asked(door, f"DataPoints?$apply={apply}{options}", Accept="application/json;odata.metadata=none")
    assert found["value"] == rows


def test_counts_are_of_groups(door: Door) -> None:
    grouping = "$apply=groupby((series_id),aggregate($count as n))"
    assert asked(door, f"DataPoints?{grouping}&$count=true&$top=0")["@odata.count"] == 2
    assert door.get(f"DataPoints/$count?{grouping}").text == "2"
    assert door.get(f"DataPoints/$count?{grouping}&$filter=n gt 5").text == "1"


def test_revisions_paths_and_other_sets(door: Door) -> None:
    none = {"Accept": "application/json;odata.metadata=none"}
    counted = "$apply=aggregate($count as n)"
    assert asked(door, f"Revisions?{counted}", **none)["value"] == [{"n": len(POINTS)}]
    assert asked(door, f"Series({GDP})/DataPoints?{counted}", **none)["value"] == [{"n": 12}]
    assert asked(door, f"Series?{counted}", **none)["value"] == [{"n": 3}]
    by_title = "Series?$apply=groupby((title),aggregate($count as n))&$filter=startswith(title,'Out')"
    assert asked(door, by_title, **none)["value"] == [{"title": "Output", "n": 1}]


@pytest.mark.parametrize("order", ["", "&$orderby=total desc", "&$orderby=mean,n desc", "&$orderby=month desc"])
def test_pages_join_to_the_whole_answer(door: Door, order: str) -> None:
    grouping = "compute(finlake.startofmonth(date) as month)/groupby((month),aggregate($count as n,"
    url = f"DataPoints?$apply={grouping}value with sum as total,value with average as mean)){order}"
    whole = asked(Door(client_of(door.lake.engine, Limits(), door.lake.settings), door.lake), url)["value"]
    assert len(whole) == 13
    assert list(pages(door, url)) == whole


def pages(door: Door, url: str) -> Iterator[dict[str, Any]]:
    """Followed link by link, as a client does."""
    while True:
        page = asked(door, url)
        yield from page["value"]
        if "@odata.nextLink" not in page:
            return
        assert len(page["value"]) == 5
        _, _, url = page["@odata.nextLink"].partition("/odata/")


def test_a_standard_deviation_orders_one_page_only(door: Door) -> None:
    by_month = "compute(month(date) as m)/groupby((m),aggregate(value with finlake.stddev as s))"
    error = door.error(f"DataPoints?$apply={by_month}&$orderby=s", 501)
    assert error["target"] == "$orderby"
    assert len(asked(door, f"DataPoints?$apply={by_month}&$orderby=s&$top=5")["value"]) == 5


REFUSED = [
    ("concat(identity,identity)", 501, "the transformation concat"),
    ("groupby((rollup(series_id,date)))", 501, "rollup"),
    ("groupby((rolluprecursive($root/Series,H,id,start,keep start)))", 501, "rolluprecursive"),
    ("compute(value div $these/aggregate(value with sum) as part)", 501, "the arithmetic operator div"),
    ("filter($these/aggregate(value with sum) eq 1)/aggregate($count as n)", 501, "the path $these/aggregate"),
    ("groupby((Series/title))", 501, "grouping by anything but properties and names of compute"),
    ("groupby((series_id),topcount(1,value))", 501, "the transformation topcount inside groupby"),
    ("groupby((series_id),aggregate($count as n)/filter(n gt 1))", 501, "a sequence of transformations inside groupby"),
    ("aggregate($count as n)/aggregate(n with sum as s)", 501, "a second groupby or aggregate"),
    ("aggregate($count as n)/compute(n as m)", 501, "compute behind groupby or aggregate"),
    ("compute(year(date) as y)", 501, "compute without groupby or aggregate"),
    ("aggregate(value mul 2 with sum as s)", 501, "the arithmetic operator mul"),
    ("aggregate(Forecast)", 501, "a custom aggregate"),
    ("aggregate(value)", 400, None),
    ("aggregate(value with my.method as s)", 501, "the aggregation method my.method"),
    ("aggregate(value with sum as s from date with average)", 400, None),
    ("aggregate(value with sum from date with average as s)", 501, "from in aggregate"),
    ("my.transformation", 501, "the transformation my.transformation: finlake declares none of its own"),
    ("aggregate(value with sum)", 400, None),
    ("aggregate(value with avg as a)", 400, None),
    ("aggregate(value with finlake.quantile as q)", 400, None),
    ("aggregate(value with finlake.quantile(2) as q)", 400, None),
    ("aggregate(value with finlake.quantile('a') as q)", 400, None),
    ("aggregate(value with sum(1) as s)", 400, None),
    ("aggregate(date with sum as s)", 400, None),
    ("aggregate($count as n,value with sum as N)", 400, None),
    ("aggregate($count as größe)", 400, None),
    ("aggregate(value with average as value)", 400, None),
    ("compute(year(date) as y)/groupby((y),aggregate($count as y))", 400, None),
    ("groupby((absent))", 400, None),
    ("groupby(series_id)", 400, None),
    ("compute(year(date) as date)/groupby((date))", 400, None),
    ("groupby((series_id))/filter(date gt 2020-01-01)", 400, None),
    ("aggregate($count as n))", 400, None),
    ("", 400, None),
]


@pytest.mark.parametrize(("apply", "status", "construct"), REFUSED)
def test_what_is_not_applied_is_refused_by_name(door: Door, apply: str, status: int, construct: str | None) -> None:
    error = door.error(f"DataPoints?$apply={apply}", status)
    assert error["target"] == "$apply"
    assert error["innererror"].get("construct") == construct


def test_every_transformation_of_the_standard_is_known(door: Door) -> None:
    for name in UNSERVED_TRANSFORMATIONS:
        assert door.error(f"DataPoints?$apply={name}(1)", 501)["innererror"]["construct"].endswith(name)


def test_the_columns_of_a_group_are_limited(door: Door) -> None:
    most = Limits().group_columns_max
    terms = ",".join(f"$count as n{number}" for number in range(most + 1))
    error = door.error(f"DataPoints?$apply=aggregate({terms})", 400)
    assert (error["code"], error["innererror"]["limit"]) == ("limit_exceeded", "group_columns_max")
    fewer, _, _ = terms.rpartition(",")
    assert len(asked(door, f"DataPoints?$apply=aggregate({fewer})")["value"][0]) == 2 * most


def test_what_metadata_lists_is_applied(door: Door) -> None:
    """Each advertised transformation and method is tried, on each set."""
    schema = ET.fromstring(metadata_document(MODEL)).find(f".//{EDM}Schema")
    assert schema is not None
    for entity_set in schema.findall(f".//{EDM}EntitySet"):
        record = entity_set.find(f"{EDM}Annotation[@Term='Aggregation.ApplySupported']/{EDM}Record")
        assert record is not None
        listed = {
            value.get("Property"): [item.text or "" for item in value.iter(f"{EDM}String")]
            for value in record.findall(f"{EDM}PropertyValue")
        }
        assert set(listed["Transformations"]) <= set(SERVED_TRANSFORMATIONS)
        name = entity_set.get("Name", "")
        tried = {
            "aggregate": "aggregate($count as n)",
            "filter": "filter(created_at gt 2000-01-01)",
            "groupby": "groupby((created_at))",
            "identity": "identity",
        }
        for transformation in listed["Transformations"]:
            door.get(f"{name}?$apply={tried[transformation]}")
        if name in ("DataPoints", "Revisions"):
            for method in listed["CustomAggregationMethods"]:
                door.get(f"{name}?$apply=aggregate(value with {method}{'(0.5)' if 'quantile' in method else ''} as x)")
    for function in schema.findall(f"{EDM}Function"):
        start = f"finlake.{function.get('Name')}(date)"
        (row,) = asked(door, f"DataPoints?$filter={start} eq {start} and series_id eq {ODD}")["value"]
        assert row["date"] == "1999-01-01"


def test_one_statement_answers_and_is_explained(door: Door) -> None:
    url = f"DataPoints?$apply={QUARTERS},aggregate(value with average as m))&explain=true"
    (told,) = asked(door, url)["explain"]
    assert told["grouping"] == "avg(value) as m by startofquarter(date) as quarter"
    assert len(re.findall(r"READ_PARQUET", told["sql"])) == 1
    assert "created_at" not in told["sql"]


def test_a_sum_with_too_many_digits_is_a_problem(overflowing: Warehouse) -> None:
    door = Door(client_of(overflowing.engine, Limits(), overflowing.settings), overflowing)
    error = door.error("DataPoints?$apply=aggregate(value with sum as s)", 400)
    assert error["code"] == "numeric_overflow"
    assert asked(door, "DataPoints?$apply=aggregate(value with max as m)")["value"]


@pytest.fixture
def overflowing(tmp_path: Any) -> Iterator[Warehouse]:
    with warehouse(tmp_path) as lake:
        most = "99999999999999999999.999999999999999999"
        points = [{"external_id": "A", "date": f"2020-0{month}-01", "value": most} for month in (1, 2)]
        lake.write({"source": {"name": "S"}, "data_points": points})
        yield lake
