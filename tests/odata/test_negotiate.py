"""Accept, $format, Prefer and OData-MaxVersion."""

from __future__ import annotations

import pytest

from api.formats import Form
from api.odata.negotiate import Format, accept_xml, answer_format, check_version, page_size
from api.problems import Problem

POWER_QUERY = (
    "application/json;odata.metadata=minimal;q=1.0,application/json;odata=minimalmetadata;q=0.9,"
    "application/atomsvc+xml;q=0.8,application/atom+xml;q=0.8,application/xml;q=0.7,text/plain;q=0.7"
)


@pytest.mark.parametrize(
    ("accept", "option", "expected"),
    [
        ("", None, Format()),
        ("*/*", None, Format()),
        (POWER_QUERY, None, Format()),
        ("application/json;odata=verbose", None, Format()),
        ("application/json;odata.metadata=none", None, Format("none")),
        ("application/json;metadata=none;IEEE754Compatible=true", None, Format("none", exact_texts=True)),
        ("application/json;q=0.1, application/json;odata.metadata=none;q=0.9", None, Format("none")),
        ("application/json;odata.metadata=full, application/json", None, Format()),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", None, Format()),
        ("application/atom+xml", "json", Format()),
        ("*/*", "JSON", Format()),
        ("*/*", "application/json;odata.metadata=none;IEEE754Compatible=true", Format("none", exact_texts=True)),
        ("*/*", "json;odata.metadata=minimal", Format()),
        ("application/json;q=bad", None, Format()),
    ],
)
def test_json(accept: str, option: str | None, expected: Format) -> None:
    assert answer_format(accept, option, exports=True) == expected
    assert answer_format(accept, option, exports=False) == expected


@pytest.mark.parametrize(
    ("accept", "option", "code"),
    [
        ("application/xml", None, "not_acceptable"),
        ("application/atom+xml", None, "not_acceptable"),
        ("application/json;q=0", None, "not_acceptable"),
        ("application/json;odata.metadata=full", None, "not_acceptable"),
        ("*/*", "atom", "not_acceptable"),
        ("*/*", "xml", "not_acceptable"),
        ("*/*", "json;odata.metadata=full", "not_supported"),
        ("*/*", "csv", "not_acceptable"),
        ("text/csv", None, "not_acceptable"),
        ("*/*", "xlsx", "not_supported"),
    ],
)
def test_no_json(accept: str, option: str | None, code: str) -> None:
    with pytest.raises(Problem) as caught:
        answer_format(accept, option, exports=False)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("accept", "option", "form"),
    [
        ("text/csv", None, Form.CSV),
        ("*/*", "CSV", Form.CSV),
        ("application/json", "text/csv", Form.CSV),
        ("application/vnd.apache.arrow.stream", None, Form.ARROW),
        ("*/*", "arrow", Form.ARROW),
        ("application/vnd.apache.parquet, */*;q=0.1", None, Form.PARQUET),
        ("*/*", "application/vnd.apache.parquet", Form.PARQUET),
        ("text/csv;q=0.5, application/json;q=0.4", None, Form.CSV),
        ("text/csv;q=0.4, application/json;q=0.5", None, Form.JSON),
        ("application/json, text/csv", None, Form.JSON),
        ("*/*, text/csv;q=0.9", None, Form.JSON),
        ("text/csv;q=0, */*", None, Form.JSON),
    ],
)
def test_exports(accept: str, option: str | None, form: Form) -> None:
    assert answer_format(accept, option, exports=True).form is form


def test_content_type_says_what_was_chosen() -> None:
    assert Format().content_type == "application/json;odata.metadata=minimal;odata.streaming=true;charset=utf-8"
    assert "IEEE754Compatible=true" in Format("none", exact_texts=True).content_type
    assert Format(form=Form.CSV).content_type.startswith("text/csv;charset=utf-8")
    assert Format(form=Form.PARQUET).content_type == "application/vnd.apache.parquet"


@pytest.mark.parametrize("accept", ["", "*/*", "application/xml", "text/xml", POWER_QUERY])
def test_xml(accept: str) -> None:
    accept_xml(accept, None)


@pytest.mark.parametrize(
    ("accept", "option", "code"),
    [("application/json", None, "not_acceptable"), ("*/*", "json", "not_supported"), ("*/*", "csv", "not_acceptable")],
)
def test_no_xml(accept: str, option: str | None, code: str) -> None:
    with pytest.raises(Problem) as caught:
        accept_xml(accept, option)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("prefer", "rows"),
    [
        ([], None),
        (["odata.maxpagesize=50"], 50),
        (["maxpagesize=50"], 50),
        (["respond-async, odata.maxpagesize=1000000"], 100),
        (["respond-async", 'maxpagesize="7"; x=1'], 7),
        (["maxpagesize=0"], None),
        (["maxpagesize=-1"], None),
        (["omit-values=nulls"], None),
    ],
)
def test_page_size(prefer: list[str], rows: int | None) -> None:
    assert page_size(prefer, rows_max=100) == rows


@pytest.mark.parametrize("version", [None, "4.0", "4.01", " 4.0 ", "5.0"])
def test_versions_that_include_ours(version: str | None) -> None:
    check_version(version)


@pytest.mark.parametrize("version", ["3.0", "2.0", "", "four"])
def test_versions_that_do_not(version: str) -> None:
    with pytest.raises(Problem):
        check_version(version)
