"""The page about this door is true: its requests run, and it names every option and function."""

from __future__ import annotations

import re

import pytest

from api.odata.apply import METHODS, OWN_METHODS
from api.odata.expressions import UNSERVED_FUNCTIONS
from api.odata.options import IGNORED_OPTIONS, OWN_OPTIONS, SERVED_OPTIONS, UNSERVED_OPTIONS
from catalog.model import MODEL
from engine.functions import FUNCTIONS, OWN_FUNCTIONS
from tests.odata.door import Door
from tests.support.tree import ROOT

PAGE = (ROOT / "docs" / "odata.md").read_text(encoding="utf-8")
REQUESTS = re.findall(r"^GET /odata/(.*)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: path or "/")
def test_request(door: Door, path: str) -> None:
    assert door.get(path).content


def test_every_name_is_told() -> None:
    told = set(re.findall(r"[\w$@.-]+", PAGE))
    names = {*OWN_OPTIONS, *IGNORED_OPTIONS, *UNSERVED_OPTIONS, *MODEL.by_collection}
    names |= {f"finlake.{name}" if name in OWN_FUNCTIONS else name for name in FUNCTIONS}
    names |= set(METHODS) | set(OWN_METHODS)
    assert names | set(SERVED_OPTIONS) - {"$skiptoken"} <= told


def test_a_function_is_served_or_not() -> None:
    assert not set(FUNCTIONS) & set(UNSERVED_FUNCTIONS)
