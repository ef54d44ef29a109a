"""A post of whole vintages that is killed after each commit it makes: sent again under its key, it is read as if
nothing had happened, also where somebody else posted in between. Its answer says what had been stored before it."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest

from api.writing import Receipt
from tests.support.crashing import killed_at
from tests.support.oracle import Oracle
from tests.support.posting import faults
from tests.support.views import assert_equal
from tests.support.vintage_posts import (
    COMMITS,
    DAYS,
    FEB,
    JAN,
    KILLED,
    LATE,
    MAR,
    POINTS_STORED,
    TODAY,
    killed_lake,
    post,
    post_killed,
    vintage,
)
from tests.support.warehouse import warehouse


def verdicts(receipt: Receipt) -> Counter[str]:
    return +Counter(asdict(receipt.verdicts))


@pytest.mark.parametrize("commits", range(1, COMMITS + 1))
def test_sent_again_it_is_as_if_nothing_had_happened(tmp_path: Path, commits: int) -> None:
    oracle = killed_lake(tmp_path / "lake", commits)
    with warehouse(tmp_path / "lake", TODAY) as lake:
        if commits < POINTS_STORED:
            assert_equal(lake, oracle, *DAYS)
        told = oracle.post(KILLED, TODAY, changes_only=True)
        if commits >= POINTS_STORED:
            assert_equal(lake, oracle, *DAYS)
        if commits == POINTS_STORED:
            told = Counter(unchanged=len(KILLED))
        assert verdicts(post(lake, KILLED, "killed")) == told
        assert verdicts(post(lake, KILLED, "killed")) == told
        assert_equal(lake, oracle, *DAYS)
        assert verdicts(post(lake, LATE)) == oracle.post(LATE, TODAY, changes_only=True)
        assert_equal(lake, oracle, *DAYS)
        assert faults(lake) == ()


@pytest.mark.parametrize("commits", range(1, COMMITS + 1))
def test_a_correction_in_between(tmp_path: Path, commits: int) -> None:
    """A post that is not on record yet counts from when it is sent again; one that is, from when it was stored."""
    correction = vintage(FEB, 13)
    oracle = killed_lake(tmp_path / "lake", commits)
    with warehouse(tmp_path / "lake", TODAY) as lake:
        if commits >= POINTS_STORED:
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


@pytest.mark.parametrize("between", ["nothing", "another post", "a merge"])
def test_it_does_not_close_its_own_vintages(tmp_path: Path, between: str) -> None:
    """Whatever is committed before it is sent again."""
    folder, oracle = tmp_path / "lake", Oracle()
    january, body = vintage(JAN, 10, 5, 7), [*vintage(FEB, 11, 6, 7), *vintage(MAR, 11)]
    other = vintage(FEB, 1, series="B")
    with warehouse(folder, TODAY) as lake:
        post(lake, january)
        oracle.post(january, TODAY, changes_only=True)
    assert killed_at(1, post_killed, folder, body, kinds=("committed iceberg_tables",))
    with warehouse(folder, TODAY) as lake:
        if between == "another post":
            post(lake, other, changes_only=False)
            oracle.post(other, TODAY)
        if between == "a merge":
            lake.delta_merge()
        post(lake, body, "killed")
        oracle.post(body, TODAY, changes_only=True)
        assert_equal(lake, oracle, *DAYS)
