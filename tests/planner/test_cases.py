"""Questions as tables: the query, what each pass changed, the SQL, its parameters and the rows, read in one place.

`make accept` rewrites `cases.yaml`; the diff is what a reviewer reads.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from api.odata.compile import compile_url
from catalog.identity import series_id
from catalog.scan import every_file, prune
from engine.explain import effects
from engine.lower import lower
from engine.planner import PASSES, plan, stages
from engine.query import Query
from tests.support.oracle import Point
from tests.support.printing import printed
from tests.support.warehouse import Warehouse, warehouse

CASES = Path(__file__).parent / "cases.yaml"
KEYS = {"name", "ask", "query", "passes", "files", "sql", "parameters", "rows"}
NAMES = {name: series_id("X", name) for name in ("A", "B", "C")}


def load() -> list[dict[str, Any]]:
    cases = yaml.safe_load(CASES.read_text())
    for case in cases:
        assert not set(case) - KEYS, f"{case['name']}: unknown keys {set(case) - KEYS}"
    return cases


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """Three series, three months, a commit a release; C is withdrawn in the second release."""
    with warehouse(tmp_path_factory.mktemp("cases")) as lake:
        for release, day in enumerate((dt.date(2020, 4, 30), dt.date(2020, 5, 31)), 1):
            points = [
                Point(name, dt.date(2020, month, 1), None if (name, release) == ("C", 2) else month * release, day)
                for name in NAMES
                for month in (1, 2, 3)
            ]
            lake.write({"data_points": [point.document("X") for point in points]})
        yield lake


@pytest.mark.parametrize("index", range(len(load())), ids=[case["name"] for case in load()])
def test_case(lake: Warehouse, index: int, *, accept: bool) -> None:
    cases = load()
    found = answered(cases[index], lake)
    if accept:
        cases[index] = found
        CASES.write_text(yaml.safe_dump(cases, sort_keys=False, width=140, allow_unicode=True))
    assert found == cases[index] or accept


def answered(case: dict[str, Any], lake: Warehouse) -> dict[str, Any]:
    path, _, options = case["ask"].format(**NAMES).partition("?")
    query = compile_url(path, options.replace(" ", "%20"), lake.engine.tables, lake.limits).query
    planned = plan(query, lake.engine.tables)
    snapshot = lake.engine.snapshots.current()
    scan = prune(snapshot, planned.scan)
    statement = lower(planned, scan)
    return {
        "name": case["name"],
        "ask": case["ask"],
        "query": named(printed(query).replace("\n", "; ")),
        "passes": changes(query, lake),
        "files": f"{len(scan.files)} of {scan.considered}",
        "sql": statement.sql,
        "parameters": {name: named(str(value)) for name, value in statement.parameters.items() if not files(value)},
        "rows": rows(query, lake, len(every_file(snapshot, query.table).files)),
    }


def changes(query: Query, lake: Warehouse) -> dict[str, list[str]]:
    """By pass, the parts of the plan that it changed and what they became."""
    acted = {effect.name: effect.changes for effect in effects(stages(query, lake.engine.tables))}
    return {
        step.__name__: [f"{change.part}: {named(change.after)}" for change in acted.get(step.__name__, ())]
        for step in PASSES
    }


def rows(query: Query, lake: Warehouse, files_in_all: int) -> list[str]:
    """The rows, which leaving out every pass and all pruning must not change."""
    found = lake.table(query).to_pylist()
    plain = lake.other_engine((), prunes=False)
    with plain.answer(query) as result:
        assert result.files_read == files_in_all
        assert result.table().to_pylist() == found
    return [named(" ".join(str(value) for value in row.values())) for row in found]


def files(value: Any) -> bool:
    return isinstance(value, list) and str(value[:1]).endswith(".parquet']")


def named(text: str) -> str:
    for name, id_ in NAMES.items():
        text = text.replace(id_, f"<{name}>")
    return text
