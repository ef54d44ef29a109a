"""Nulls in conditions, over HTTP."""

from __future__ import annotations

from tests.odata.door import GDP, Door


def test_null_table(door: Door) -> None:
    """`eq` and `ne` are two-valued; an order against null is false, and true under not."""
    base = f"Series({GDP})/DataPoints/$count?$filter="
    counts = {
        "value eq null": 1, "value ne null": 11, "null eq value": 1, "value ne 1.5": 11, "not (value eq 1.5)": 11,
        "value lt 5": 3, "not (value lt 5)": 9, "value in (null,1.5)": 2, "not (value in (null,1.5))": 10,
        "value gt null": 0, "not (value gt null)": 12, "null": 0, "true": 12, "null eq null": 12,
    }  # fmt: skip
    assert {text: int(door.get(base + text).text) for text in counts} == counts


def test_conditions_compare_with_conditions(door: Door) -> None:
    counts = {
        "is_original_release eq (value eq null)": 1,
        "(value eq null) eq is_original_release": 1,
        "(value eq 1.5) eq (date eq 2020-01-01)": 13,
        "(value gt 1) eq (value lt 5)": 3,
        "not ((value eq 1.5) eq true)": 12,
        "(value eq 1.5 or value eq 2.5) ne (value eq 1.5 and date eq 2020-01-01)": 1,
        "value eq 1.5 eq true eq true eq false": 12,
    }
    assert {text: int(door.get(f"DataPoints/$count?$filter={text}").text) for text in counts} == counts
