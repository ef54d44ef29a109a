"""The door over HTTP, on a small lake: what clients send, and what they get."""

from __future__ import annotations

from decimal import Decimal

import httpx
import orjson
import pytest

from api.config import Settings
from api.reading import AS_OF_HEADER, SNAPSHOT_HEADER
from catalog.identity import source_id
from tests.odata.door import EMPTY, GDP, LIMITS, MISSING, ODD, SOURCE, TITLES, Door, client_of

POWER_QUERY = {
    "Accept": (
        "application/json;odata.metadata=minimal;q=1.0,application/json;odata=minimalmetadata;q=0.9,"
        "application/atomsvc+xml;q=0.8,application/atom+xml;q=0.8,application/xml;q=0.7,text/plain;q=0.7"
    ),
    "MaxDataServiceVersion": "3.0",
    "OData-MaxVersion": "4.0",
    "User-Agent": "Microsoft.Data.Mashup (https://go.microsoft.com/fwlink/?LinkID=304225)",
}


REPLAY = (
    "",
    "$metadata",
    "DataPoints?$top=1000",
    "DataPoints?$select=series_id,date,value&$top=1000",
    "DataPoints?$count=true&$top=0",
    f"DataPoints/$count?$filter=series_id eq '{GDP}'",
    f"Series({GDP})/DataPoints?$top=1000",
    f"Series('{GDP}')/DataPoints?$top=1000",
    f"DataPoints?$filter=series_id eq '{GDP}' and date ge 2015-01-01 and date lt 2021-01-01&$orderby=date",
    "DataPoints?$filter=updated_at ge 2020-01-01T00:00:00Z and updated_at lt 2030-02-01T00:00:00Z",
    "Series?$select=title,DataPoints",
)


def _spellings(path: str) -> list[str]:
    resource, _, query = path.partition("?")
    plain = f"{resource}?{query}" if query else resource
    return [
        plain,
        plain.replace("$", "%24").replace("'", "%27").replace("(", "%28").replace(")", "%29"),
        f"{resource}?{query.replace(' ', '+').replace(',', '%2C')}",
        f"{resource}/?{query}",
        f"{resource}?{query.replace('$', '')}",
    ]


@pytest.mark.parametrize("path", REPLAY, ids=lambda path: path or "/")
def test_replay(door: Door, path: str) -> None:
    answers = [door.get(spelling, **POWER_QUERY) for spelling in _spellings(path)]
    bodies = {answer.text.partition(',"@odata.nextLink"')[0] for answer in answers}
    assert len(bodies) == 1
    first = answers[0]
    if path == "$metadata":
        assert first.headers["Content-Type"] == "application/xml;charset=utf-8"
    elif "/$count" in path:
        assert first.headers["Content-Type"] == "text/plain;charset=utf-8"
        assert first.text == "12"
    else:
        assert first.headers["Content-Type"].startswith("application/json;odata.metadata=minimal")
        assert first.json()["@odata.context"].startswith("http://testserver/odata/$metadata")


def test_rows_and_context(door: Door) -> None:
    answer = door.get(f"Series({GDP})/DataPoints?$select=value,date&$top=4&$count=true")
    assert answer.text == (
        '{"@odata.context":"http://testserver/odata/$metadata#DataPoints(date,value)","@odata.count":12,"value":['
        '{"date":"2020-01-01","value":1.5},{"date":"2020-02-01","value":2.5},{"date":"2020-03-01","value":null},'
        '{"date":"2020-04-01","value":0.000000000000000001}]}'
    )
    assert answer.headers[SNAPSHOT_HEADER] == door.lake.engine.current()
    for step in ("parse", "plan", "prune", "execute", "render"):
        assert f"{step};dur=" in answer.headers["Server-Timing"]


def test_contexts(door: Door) -> None:
    root = "http://testserver/odata/$metadata"
    contexts = {
        "Series": "#Series",
        f"Series({GDP})": "#Series/$entity",
        f"Series({GDP})?$select=title": "#Series(title)/$entity",
        f"Series({GDP})/SourceEntity": "#Sources/$entity",
        f"Series({GDP})/Revisions": "#Revisions",
        f"Series({GDP})/title": f"#Series({GDP})/title",
        "DataPoints?$select=date,Series": "#DataPoints(date,Series)",
    }
    for path, context in contexts.items():
        assert door.get(path).json()["@odata.context"] == root + context


def test_decimals_are_exact_and_texts_where_asked(door: Door) -> None:
    plain = orjson.loads(door.get(f"Series({ODD})/DataPoints").content)
    assert b'"value":12345678901234567890.5' in door.get(f"Series({ODD})/DataPoints").content
    assert set(plain["value"][0]) >= {"series_id", "date", "revision_date", "value"}
    exact = door.get(f"Series({ODD})/DataPoints?$count=true", Accept="application/json;IEEE754Compatible=true")
    assert exact.json()["value"][0]["value"] == "12345678901234567890.5"
    assert exact.json()["@odata.count"] == "1"
    assert "IEEE754Compatible=true" in exact.headers["Content-Type"]
    found = door.value("DataPoints?$filter=value eq 12345678901234567890.5&$select=value,series_id")
    assert [row["series_id"] for row in found] == [ODD]


def test_no_metadata(door: Door) -> None:
    document = door.get("DataPoints?$top=7", Accept="application/json;odata.metadata=none").json()
    assert set(document) == {"value", "@odata.nextLink"}


def test_knowledge_dates(door: Door) -> None:
    path = f"Series({GDP})/DataPoints(2020-03-01)"
    assert door.get(f"{path}?asOf=2021-06-01").json()["value"] == 3.5
    assert door.get(f"{path}?asOf=2021-06-01").headers[AS_OF_HEADER] == "2021-06-01"
    assert door.get(path).json()["value"] is None
    assert door.get(f"{path}?release=first").json()["value"] == 3.5
    assert door.value(f"Series({GDP})/DataPoints?asof=2020-01-01") == []
    revisions = door.value(f"Series({GDP})/Revisions?$filter=date eq 2020-03-01&$select=revision_date,value")
    assert revisions == [{"revision_date": "2021-01-01", "value": 3.5}, {"revision_date": "2022-01-01", "value": None}]


def test_a_revision_by_its_key_is_the_one_in_the_list(door: Door) -> None:
    listed = door.value(f"Series({GDP})/Revisions?$filter=date eq 2020-03-01")
    for row in listed:
        key = f"series_id={GDP},date=2020-03-01,revision_date={row['revision_date']}"
        one = door.get(f"Revisions({key})").json()
        assert {name: one[name] for name in row} == row


def test_keys_and_navigation(door: Door) -> None:
    by_id = door.get(f"Series({GDP})").json()
    for spelling in (f"Series('{GDP}')", f"Series(id={GDP})", f"Series(source='{SOURCE}',external_id='GDP')"):
        assert door.get(spelling).json() == by_id
    odd = door.get(f"Series(source='{SOURCE}',external_id='a%2Fb''c')").json()
    assert (odd["id"], odd["external_id"]) == (ODD, "a/b'c")
    assert door.get(f"Sources(name='{SOURCE}')").json()["id"] == source_id(SOURCE)
    assert door.get(f"Series(source='{SOURCE}',external_id='GDP')/DataPoints/$count").text == "12"
    assert door.get(f"DataPoints(series_id={GDP},date='2020-01-01')/Series?$select=title").json()["title"] == "Output"
    assert door.get(f"Series({GDP})/SourceEntity/Series/$count").text == "3"


def test_properties(door: Door) -> None:
    assert door.get(f"Series({GDP})/title").json()["value"] == "Output"
    assert door.get(f"Series({GDP})/title/$value").text == "Output"
    assert door.get(f"Series({ODD})/title/$value").text == TITLES["a/b'c"]
    assert door.get(f"Series({GDP})/DataPoints(2020-04-01)/value/$value").text == "0.000000000000000001"
    assert door.get(f"Series({GDP})/created_at/$value").text.endswith("Z")
    assert not door.get(f"Series({GDP})/description", 204).content
    assert not door.get(f"Series({GDP})/description/$value", 204).content


def test_what_does_not_exist(door: Door) -> None:
    for path in (
        f"Series({MISSING})",
        f"Series({MISSING})/title",
        f"Series({MISSING})/DataPoints",
        f"Series({MISSING})/DataPoints/$count",
        f"Series(source='{SOURCE}',external_id='nope')/DataPoints",
        f"DataPoints(series_id={GDP},date=1800-01-01)/Series",
        "Series(null)",
    ):
        assert door.error(path, 404)["code"] == "unknown_entity"
    assert door.value(f"Series({EMPTY})/DataPoints") == []
    assert door.get(f"Series({EMPTY})/DataPoints/$count").text == "0"


def test_errors_say_where(door: Door) -> None:
    error = door.error("DataPoints?$filter=vlaue gt 1", 400)
    assert (error["code"], error["target"], error["innererror"]["position"]) == ("unknown_column", "$filter", 0)
    assert error["innererror"]["hint"] == "Did you mean value?"
    assert door.error("DataPoints?$expand=Series", 501)["target"] == "$expand"
    assert door.error("DataPoints?snapshot=zzz", 404)["code"] == "unknown_snapshot"
    assert door.error("DataPoints?$skiptoken=zzz", 400)["code"] == "invalid_page"
    assert door.error("Nowhere", 404)["code"] == "unknown_table"
    assert door.error("DataPoints", 406, Accept="application/atom+xml")["code"] == "not_acceptable"
    assert door.error("DataPoints", 400, OData_MaxVersion="3.0")["target"] == "OData-MaxVersion"
    assert door.error("?$filter=a eq 1", 400)["target"] == "$filter"
    assert door.error("$metadata?$top=1", 400)["target"] == "$top"


def test_an_answer_names_a_snapshot_on_record(door: Door) -> None:
    """What a caller calls a snapshot never comes back as it was written: it would reach a header."""
    for token in ("", "zzz", "zzz%0d%0aX-Evil:1", "%0d%0a0-0-0-0", "%E6%97%A5", "2024-06-15", "no-tag"):
        for path in ("Series?$top=0", "Series?", "Series/$count?"):
            assert door.error(f"{path}&snapshot={token}", 404)["code"] == "unknown_snapshot"
    assert door.error("Series/$count?snapshot=1-2-3-4", 410)["code"] == "snapshot_expired"
    assert door.get("Series/$count?snapshot=0-0-0-0").headers[SNAPSHOT_HEADER] == "0-0-0-0"


@pytest.mark.parametrize("path", ["", "$metadata", "Series", "Series/$count", f"Series({GDP})/title/$value"])
def test_every_answer_tells_its_times(door: Door, path: str) -> None:
    assert "parse;dur=" in door.get(path).headers["Server-Timing"]


def test_own_options_pass_everywhere(door: Door) -> None:
    """Power Query's `Query=[asOf=..]` puts them on the service document and on $metadata too."""
    for path in ("", "$metadata", "Series", "Sources", "DataPoints", "DataPoints/$count"):
        door.get(f"{path}?asOf=2022-01-01&release=first&_=1")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "MERGE", "OPTIONS"])
def test_writes_are_refused(door: Door, method: str) -> None:
    response = door.client.request(method, f"/odata/Series({GDP})")
    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, HEAD"
    assert response.headers.get_list("OData-Version") == ["4.0"]
    assert response.json()["error"]["code"] == "method_not_allowed"


def test_posted_reads_are_named(door: Door) -> None:
    assert door.client.post("/odata/$batch").json()["error"]["code"] == "not_supported"
    assert door.client.post("/odata/Series/$query").status_code == 501


@pytest.mark.parametrize("path", ["", "$metadata", "Series", "Series/$count", "Nowhere"])
def test_head_is_get_without_a_body(door: Door, path: str) -> None:
    got = door.client.get(f"/odata/{path}")
    head = door.client.head(f"/odata/{path}")
    assert head.status_code == got.status_code
    assert not head.content
    for name in ("Content-Type", "Content-Length", "OData-Version"):
        assert head.headers[name] == got.headers[name]


def test_root_without_a_slash(door: Door) -> None:
    assert door.client.get("/odata", follow_redirects=False).json() == door.get("").json()


def test_links_behind_a_proxy(door: Door) -> None:
    settings = Settings(public_url="https://data.example.org/lake/")
    document = client_of(door.lake.engine, LIMITS, settings).get("/odata/DataPoints").json()
    assert document["@odata.context"] == "https://data.example.org/lake/odata/$metadata#DataPoints"
    assert document["@odata.nextLink"].startswith("https://data.example.org/lake/odata/DataPoints?$skiptoken=")


def test_a_mounted_application(door: Door) -> None:
    client = client_of(door.lake.engine, LIMITS, door.lake.settings, root_path="/lake")
    document = client.get("/lake/odata/DataPoints").json()
    assert document["@odata.context"] == "http://testserver/lake/odata/$metadata#DataPoints"
    assert document["@odata.nextLink"].startswith("http://testserver/lake/odata/DataPoints?")


HOSTILE = (
    "'; DROP TABLE series; --",
    "%' OR 1=1 --",
    "zzz'' OR 1=1 --",
    "\u202eabc",
    "_",
    "%",
    "\\",
    "''''",
    "$1",
    "?",
    ":p0",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_values(door: Door, text: str) -> None:
    quoted = httpx.QueryParams(
        {"$filter": f"contains(title,'{text.replace(chr(39), chr(39) * 2)}')", "$select": "title"}
    )
    titles = {row["title"] for row in door.value(f"Series?{quoted}")}
    assert titles == {title for title in TITLES.values() if text in title}


def test_decimal_precision_of_numbers(door: Door) -> None:
    body = door.get(f"Series({GDP})/DataPoints(2020-04-01)?$select=value").text
    assert Decimal(body.partition('"value":')[2].rstrip("}")) == Decimal("1E-18")


def test_failures_tell_nothing(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a secret path")

    monkeypatch.setattr(type(door.lake.engine), "answer", broken)
    error = door.error("DataPoints", 500)
    assert error["code"] == "internal"
    assert "secret" not in str(error)
