"""The runner of `make torture`: it ends in time, tells its seed, and fails where a scenario does."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.reliability.torture import torture


def test_a_run_is_told_by_its_seed(capsys: pytest.CaptureFixture[str]) -> None:
    drawn: dict[int, list[int]] = {5: [], 6: []}
    for seed in (5, 6, 5):
        mine: list[int] = []

        def scenario(chance: random.Random, folder: Path, mine: list[int] = mine) -> str:
            assert not list(folder.iterdir())
            mine.append(chance.randrange(10**9))
            return "drawn"

        assert torture(0.05, seed, (scenario,)) == 0
        common = min(len(mine), len(drawn[seed]))
        assert mine[:common] == drawn[seed][:common]
        drawn[seed] = mine
    assert drawn[5][0] != drawn[6][0]
    assert "PASSED: seed 5" in capsys.readouterr().out


def test_a_failure_ends_it_and_names_seed_and_turn(capsys: pytest.CaptureFixture[str]) -> None:
    turns: list[int] = []

    def scenario(_: random.Random, __: Path) -> str:
        turns.append(1)
        assert len(turns) < 3, "lost a row"
        return "fine"

    assert torture(60, 9, (scenario,)) == 1
    told = capsys.readouterr()
    assert "FAILED: seed 9, turn 3, scenario" in told.out
    assert "lost a row" in told.err
