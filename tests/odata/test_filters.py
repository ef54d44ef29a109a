"""Filters: the case table, hostile sizes, names that look like keywords."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from api.limits import Limits
from api.odata.edm import EntityType, entity_type
from api.odata.expressions import Scope, condition
from api.odata.faults import within
from api.odata.parser import parse_expression
from api.problems import Problem
from catalog.model import MODEL, Collection, Column, Table, Tables, Type
from engine.printing import text_of
from engine.query import Expr, Field, In, Or

CASES: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("filters.yaml").read_text("utf-8"))
KEYS = {"set", "filter", "where", "aliases", "error", "position", "hint", "construct", "target"}


def compiled(text: str, entity: EntityType | str = "DataPoints", aliases: dict[str, str] | None = None) -> Expr:
    entity = entity_type(MODEL, entity) if isinstance(entity, str) else entity
    limits = Limits()
    with within("$filter"):
        return condition(parse_expression(text, limits), Scope(entity, aliases or {}, limits))


@pytest.mark.parametrize("case", CASES, ids=[case["filter"][:60] or "nothing" for case in CASES])
def test_case(case: dict[str, Any]) -> None:
    assert set(case) <= KEYS
    arguments = (case["filter"], case.get("set", "DataPoints"), case.get("aliases"))
    if "where" in case:
        assert text_of(compiled(*arguments)) == case["where"]
        return
    with pytest.raises(Problem) as caught:
        compiled(*arguments)
    problem = caught.value
    assert problem.code == case["error"], problem
    assert problem.details.get("target") == case.get("target", "$filter")
    assert isinstance(problem.details["position"], int)
    assert case.get("position", problem.details["position"]) == problem.details["position"]
    assert case.get("hint", problem.hint) == problem.hint
    assert case.get("construct", "") in problem.details.get("construct", "")


def test_five_thousand_terms_need_no_deep_stack() -> None:
    expr = compiled(" or ".join(f"value lt {number}" for number in range(5_000)))
    assert isinstance(expr, Or)
    assert len(expr.args) == 5_000


def test_equalities_of_one_column_are_one_membership() -> None:
    expr = compiled(" or ".join(f"value eq {number}" for number in range(5_000)))
    assert isinstance(expr, In)
    assert len(expr.items) == 5_000


def test_five_thousand_items_parse() -> None:
    text = f"value in ({','.join(str(number) for number in range(5_000))})"
    started = time.perf_counter()
    expr = compiled(text)
    assert isinstance(expr, In)
    assert len(expr.items) == 5_000
    assert time.perf_counter() - started < 5  # no budget: a quadratic parser would take minutes


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        (f"value in ({','.join(['1'] * 5_001)})", "in_items_max"),
        (" or ".join(["value eq 1"] * 6_700), "expression_tokens_max"),
        ("(" * 101 + "value eq 1" + ")" * 101, "expression_depth_max"),
        ("not " * 101 + "is_original_release", "expression_depth_max"),
        ("tolower(" * 101 + "'x'" + ")" * 101 + " eq 'x'", "expression_depth_max"),
        ("[" * 101 + "]" * 101, "expression_depth_max"),
        ("value eq 1" + " eq true" * 101, "expression_depth_max"),
        (f"({'(value eq 1' + ' eq true' * 60})" + " eq true" * 60 + ")", "expression_depth_max"),
        ("-" * 200 + "value", "expression_depth_max"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_limits(text: str, limit: str) -> None:
    with pytest.raises(Problem) as caught:
        compiled(text)
    assert caught.value.code == "limit_exceeded"
    assert caught.value.details["limit"] == limit


@pytest.mark.parametrize(
    "text",
    [
        "(" * 98 + "value eq 1" + ")" * 98,
        "not (" * 49 + "value eq 1" + ")" * 49,
        "contains(" + "tolower(" * 90 + "'x'" + ")" * 90 + ",'x')",
        "value eq 1" + " eq true" * 90,
        "(value eq 2 or " * 24 + "(value eq 3 and " * 24 + "value eq 1" + ")" * 48,
    ],
    ids=lambda value: str(value)[:20],
)
def test_deep_expressions_within_the_limit(text: str) -> None:
    assert compiled(text) is not None


WORDS = (
    "date", "time", "duration", "not", "in", "eq", "and", "or", "any", "all", "has", "asc", "desc", "nullable",
    "all_items_index", "anything", "not_before", "in_stock", "order", "trueish", "INFO", "NaNs", "größe", "価格", "_x",
    "case", "year", "now", "guid", "mod",
)  # fmt: skip
ODD = Table(
    name="odd",
    description="Names like keywords.",
    columns=tuple(Column(number, word, Type.LONG, "") for number, word in enumerate(WORDS, 1)),
    key=("date",),
    sort=("date",),
)
ODD_TYPE = EntityType(Tables((ODD,), (Collection("Odds", "Odd", "odd", ""),)), Collection("Odds", "Odd", "odd", ""))


@pytest.mark.parametrize("word", WORDS)
def test_columns_may_be_called_like_keywords(word: str) -> None:
    expr = compiled(f"{word} eq 1 and ({word} in (1,2) or 3 lt {word}) and not ({word} eq 4)", ODD_TYPE)
    assert f"Field(name={word!r})" in repr(expr)
    assert compiled(f"{word} eq {word}", ODD_TYPE) == compiled(f"({word}) eq ({word})", ODD_TYPE)


def test_fields_compare_with_fields() -> None:
    assert "Field" in repr(compiled("date eq revision_date"))
    assert Field("date") == Field("date")
