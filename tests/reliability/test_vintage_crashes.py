"""A post of whole vintages that is killed after each commit it makes: sent again under its key, it is answered and read
as if nothing had happened, also where somebody else posted in between."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest

from api.writing import Receipt
from tests.support.posting import faults
from tests.support.views import assert_equal
from tests.support.vintage_posts import COMMITS, DAYS, FEB, KILLED, LATE, TODAY, killed_lake, post, vintage
from tests.support.warehouse import warehouse


def verdicts(receipt: Receipt) -> Counter[str]:
    return +Counter(asdict(receipt.verdicts))


@pytest.mark.parametrize("commits", range(1, COMMITS + 1))
def test_sent_again_it_is_as_if_nothing_had_happened(tmp_path: Path, commits: int) -> None:
    oracle = killed_lake(tmp_path / "lake", commits)
    with warehouse(tmp_path / "lake", TODAY) as lake:
        if commits < COMMITS:
            assert_equal(lake, oracle, *DAYS)
        told = oracle.post(KILLED, TODAY, changes_only=True)
        assert verdicts(post(lake, KILLED, "killed")) == told
        assert verdicts(post(lake, KILLED, "killed")) == told
        assert_equal(lake, oracle, *DAYS)
        assert verdicts(post(lake, LATE)) == oracle.post(LATE, TODAY, changes_only=True)
        assert_equal(lake, oracle, *DAYS)
        assert faults(lake) == ()


@pytest.mark.parametrize("commits", range(1, COMMITS + 1))
def test_it_does_not_win_over_what_came_in_between(tmp_path: Path, commits: int) -> None:
    """Where it was stored it stays before the correction, and after it where it was not."""
    correction = vintage(FEB, 13)
    oracle = killed_lake(tmp_path / "lake", commits)
    with warehouse(tmp_path / "lake", TODAY) as lake:
        if commits == COMMITS:
            oracle.post(KILLED, TODAY, changes_only=True)
        post(lake, correction, changes_only=False)
        oracle.post(correction, TODAY)
        if commits < COMMITS:
            oracle.post(KILLED, TODAY, changes_only=True)
        post(lake, KILLED, "killed")
        assert_equal(lake, oracle, *DAYS)


@pytest.mark.parametrize("commits", range(1, COMMITS))
def test_a_late_vintage_in_between(tmp_path: Path, commits: int) -> None:
    oracle = killed_lake(tmp_path / "lake", commits)
    with warehouse(tmp_path / "lake", TODAY) as lake:
        for points, key in ((LATE, ""), (KILLED, "killed")):
            post(lake, points, key)
            oracle.post(points, TODAY, changes_only=True)
        assert_equal(lake, oracle, *DAYS)
