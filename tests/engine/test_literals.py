"""Constants that doors hand over as texts: read as what they say, or refused; never a surprise of Python's."""

from __future__ import annotations

from decimal import Decimal

import pytest

from catalog.model import Type
from engine.errors import InvalidLiteral
from engine.literals import LONG_MAX, coerce, literal


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", "1"), ("-1.50", "-1.5"), ("+.5", "0.5"), ("5.", "5"), ("1e3", "1000"), ("1E-18", "0.000000000000000001")],
)
def test_a_text_is_read_as_a_number(text: str, value: str) -> None:
    assert coerce(literal(text), Type.DECIMAL).value == Decimal(value)


@pytest.mark.parametrize(
    "text",
    ["", ".", "1_000", " 1", "1 ", "٣", "nan", "sNaN", "inf", "0x1", "1e999999999", "1e99999999999999999999", "1e-19"],
)
def test_a_text_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(InvalidLiteral):
        coerce(literal(text), Type.DECIMAL)


def test_a_text_is_read_as_a_whole_number() -> None:
    assert coerce(literal(f"-{LONG_MAX}"), Type.LONG).value == -LONG_MAX


@pytest.mark.parametrize("text", ["", "-", "--5", "5-", "1.5", "٣", "9" * 20, "9" * 5_000])
def test_a_text_that_is_no_whole_number_is_refused(text: str) -> None:
    with pytest.raises(InvalidLiteral):
        coerce(literal(text), Type.LONG)
