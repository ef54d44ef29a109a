"""A slice of the differential run, and that it would find a planner that answers wrongly."""

from __future__ import annotations

from dataclasses import replace

import pytest

from catalog.domains import Domain
from engine.lower.ways import Way
from engine.planner import Pass
from engine.planner.model import Plan
from engine.planner.prune_files import prune_files
from engine.planner.push_filters import push_filters
from engine.query import TRUE
from tests.same_query.asked_lake import AskedLake
from tests.same_query.differential import ask_round, differential
from tests.same_query.ways import Ways
from tests.support.views import prefer


def pushes_too_much(plan: Plan) -> Plan:
    """Tests a value before the revision is chosen: a revision that loses may show."""
    return replace(plan, stored_where=plan.where, where=TRUE)


def prunes_too_much(plan: Plan) -> Plan:
    """Takes half of the partitions for proven empty."""
    half = {plan.table.partition: Domain(low="8")} if plan.table.partition else {}
    pruned = prune_files(plan)
    return replace(pruned, scan=replace(pruned.scan, domains={**pruned.scan.domains, **half}))


@pytest.mark.parametrize("broken", [(pushes_too_much,), (push_filters, prunes_too_much)])
def test_a_broken_pass_is_found(asked: AskedLake, broken: tuple[Pass, ...]) -> None:
    with pytest.raises(AssertionError, match=r"served|without|no pass|unpruned") as found:
        ask_round(Ways(asked, broken).check, 100, 1, shrinks=False)
    assert "table data_points" in found.value.__notes__[0]


@pytest.mark.parametrize("way", [Way.WINDOW, Way.JOIN])
def test_no_two_ways_differ(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, way: Way) -> None:
    prefer(monkeypatch, way)
    assert differential(40, 20261127) == 0
    assert "PASSED: seed 20261127, 40 questions" in capsys.readouterr().out
