"""URLs and the Queries they become: the case table, and what a table cannot say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from api.limits import Limits
from api.odata.compile import compile_url
from api.problems import PROBLEMS, Problem
from catalog.model import MODEL
from tests.support.printing import printed

SERIES = "9f0c6a52-0f5e-5c43-a9ac-1f2b6d3f8a11"
CASES: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("cases.yaml").read_text("utf-8"))
KEYS = {"name", "url", "query", "error", "hint", "position", "target"}


def _filled(text: str) -> str:
    """The stand-ins of the table: `S` between marks is a series id, `D` a date."""
    words = {"S": SERIES, "D": "2020-03-01"}
    parts = [words.get(part, part) for part in _split(text)]
    return "".join(parts)


def _split(text: str) -> list[str]:
    parts, word = [], ""
    for character in text:
        if character.isalnum() or character in "%_":
            word += character
            continue
        parts += [word, character]
        word = ""
    return [*parts, word]


def _url(case: dict[str, Any]) -> tuple[str, str]:
    path, _, query = case["url"].replace("%27S%27", f"%27{SERIES}%27").partition("?")
    return _filled(path), _filled(query)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_case(case: dict[str, Any]) -> None:
    assert set(case) <= KEYS
    path, query = _url(case)
    if "query" in case:
        compiled = compile_url(path, query, MODEL, Limits())
        wanted = _filled(case["query"]).strip().splitlines()
        assert {_sorted(line) for line in printed(compiled.query).splitlines()} == {_sorted(line) for line in wanted}
        return
    with pytest.raises(Problem) as caught:
        compile_url(path, query, MODEL, Limits())
    problem = caught.value
    assert problem.code == case["error"]
    assert problem.code in PROBLEMS
    assert problem.hint
    assert case.get("hint", problem.hint) == problem.hint
    for detail in ("position", "target"):
        if detail in case:
            assert problem.details[detail] == case[detail]


def _sorted(line: str) -> str:
    """Conjuncts in a fixed order: the table writes them as people do, the Query as it sorts them."""
    head, _, rest = line.partition(" ")
    return f"{head} {' and '.join(sorted(rest.split(' and ')))}" if head in ("where", "having") else line


def test_parents_are_looked_up_only_where_the_key_does_not_say_it() -> None:
    bound = compile_url(f"Series({SERIES})/DataPoints", "", MODEL, Limits())
    assert [parent.bound for parent in bound.parents] == [True]
    alternate = compile_url("Series(source='X',external_id='Y')/DataPoints", "", MODEL, Limits())
    assert [parent.bound for parent in alternate.parents] == [False]
    assert alternate.parents[0].query.columns == ("id",)
    chain = compile_url(f"DataPoints(series_id={SERIES},date=2020-01-01)/Series/SourceEntity", "", MODEL, Limits())
    assert [(parent.query.table, parent.bound) for parent in chain.parents] == [
        ("data_points", False),
        ("series", False),
    ]


def test_a_long_query_string_is_refused() -> None:
    with pytest.raises(Problem) as caught:
        compile_url("Series", "$filter=" + "x" * 70_000, MODEL, Limits())
    assert caught.value.code == "uri_too_long"
