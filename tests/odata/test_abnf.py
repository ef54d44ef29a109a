"""The OASIS ABNF cases of the rules that this door claims: positives parse or are refused as 501, negatives as 400.

The names that the cases use become a small model of their own. What the cases call collections, complex values, types
and functions is a navigation there, as finlake has neither: they must be recognised, not answered.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml

from api.limits import Limits
from api.odata.compile import compile_url
from api.odata.edm import entity_type
from api.odata.expressions import Scope, expression
from api.odata.parser import parse_expression
from api.problems import Problem
from catalog.model import Collection, Column, Relation, Table, Tables, Type

FOLDER = Path(__file__).parents[2].parent / "shared" / "conformance"
OPTION_RULES = ("filter", "orderby", "orderBy", "select")
EXPRESSION_RULES = (
    "commonExpr",
    "boolCommonExpr",
    "boolcommonExpr",
    "notExpr",
    "isofExpr",
    "primitiveLiteral",
    "propertyPathExpr",
)
# Clients send blanks around values (see the notes on tolerance), so this one negative is read.
TOLERATED = ("$filter= true",)
# Well-formed, but the two sides have different types.
ILL_TYPED = ("Size eq true",)
TAB_CASE = "$orderby=Name    asc"

TYPES = {
    Type.DECIMAL: ("Age", "Amount", "Cost", "Population", "Price", "Quantity", "Rating", "Revenue", "Size", "TaxRate"),
    Type.TIMESTAMP: ("BirthDate", "LifeTime", "ReleaseDate"),
    Type.BOOLEAN: ("Completed",),
    Type.DATE: ("Date",),
}


def _document(file: Path) -> dict[str, Any]:
    if not file.exists():
        return {"Constraints": {}, "TestCases": []}
    # A raw tab in one input stops every loader: it is loaded as blanks and put back.
    return yaml.load(file.read_text("utf-8").replace("\t", "    "), yaml.BaseLoader)


DOCUMENT = _document(FOLDER / "odata-abnf-testcases.yaml")
AGGREGATION = _document(FOLDER / "odata-aggregation-testcases.yaml")
APPLY = "$apply="
APPLY_CASES = [case for case in AGGREGATION["TestCases"] if case["Input"].startswith(APPLY)]
CASES = [case for case in DOCUMENT["TestCases"] if case["Rule"] in (*OPTION_RULES, *EXPRESSION_RULES)]


def _model(constraints: dict[str, list[str]]) -> Tables:
    types = {name: type_ for type_, names in TYPES.items() for name in names}
    columns = (*constraints.get("primitiveKeyProperty", []), *constraints.get("primitiveNonKeyProperty", []))
    unlisted = ("keyPathLiteral", "namespacePart", "parameterName", "customName", "entitySetName")
    names = {name for rule, values in constraints.items() if rule not in unlisted for name in values}
    others = [*sorted({name for name in names if name.isidentifier()} - set(columns)), "lambda"]
    things = Table(
        name="things",
        description="",
        columns=tuple(Column(n, name, types.get(name, Type.STRING), "") for n, name in enumerate(columns, 1)),
        key=("ID",),
        sort=("ID",),
        relations=(Relation("others", "others", ("ID",), ("id",), many=True),),
    )
    id_ = Column(1, "id", Type.STRING, "", False)
    other = Table(name="others", description="", columns=(id_,), key=("id",), sort=("id",))
    return Tables(
        (things, other),
        (Collection("Things", "Thing", "things", ""), *(Collection(n, f"_{n}", "others", "") for n in others)),
    )


def _read(case: dict[str, str]) -> None:
    """Raises Problem."""
    tables, limits = _model(DOCUMENT["Constraints"]), Limits()
    text = case["Input"].replace("Name    asc", "Name\tasc") if case["Input"] == TAB_CASE else case["Input"]
    if case["Rule"] in OPTION_RULES:
        compile_url("Things", text.replace("#", "%23"), tables, limits)
        return
    scope = Scope(entity_type(tables, "Things"), {}, limits)
    expression(parse_expression(unquote(text), limits), scope)


def _outcome(case: dict[str, str]) -> str:
    """The code of the refusal, nothing where it is read."""
    try:
        _read(case)
    except Problem as problem:
        return problem.code
    return ""


def _name(case: dict[str, str]) -> str:
    return f"{case['Rule']}: {case['Input'][:60]}"


@pytest.mark.skipif(not CASES, reason="the folder with the OASIS cases is not beside the project")
@pytest.mark.parametrize("case", [case for case in CASES if "FailAt" not in case], ids=_name)
def test_positive(case: dict[str, str]) -> None:
    allowed = {"", "not_supported", *(["invalid_literal"] if case["Input"] in ILL_TYPED else [])}
    assert _outcome(case) in allowed


@pytest.mark.skipif(not CASES, reason="the folder with the OASIS cases is not beside the project")
@pytest.mark.parametrize("case", [case for case in CASES if "FailAt" in case], ids=_name)
def test_negative(case: dict[str, str]) -> None:
    if case["Input"] in TOLERATED:
        _read(case)
        return
    with pytest.raises(Problem) as caught:
        _read(case)
    assert caught.value.status == 400


@pytest.mark.skipif(not APPLY_CASES, reason="the folder with the OASIS cases is not beside the project")
@pytest.mark.parametrize("case", APPLY_CASES, ids=_name)
def test_apply(case: dict[str, str]) -> None:
    """What is well-formed is applied, or refused by the name of what is not served; what is not, is refused."""
    try:
        compile_url(
            "Things", case["Input"].replace("#", "%23"), _model(_without_aliases(AGGREGATION["Constraints"])), Limits()
        )
        outcome = ""
    except Problem as problem:
        outcome = problem.code
    assert outcome if "FailAt" in case else outcome in {"", "not_supported"}


def _without_aliases(constraints: dict[str, list[str]]) -> dict[str, list[str]]:
    """The cases list names that they give to values among the properties, too, which may not be given again."""
    given = set(constraints.get("expressionAlias", ()))
    return {rule: [name for name in names if name not in given] for rule, names in constraints.items()}
