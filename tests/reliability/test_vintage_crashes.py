"""A post of whole vintages whose process dies around the one transaction that makes all its tables valid: sent again
under its key, it is told and read as if nothing had happened, also where somebody else posted in between."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest

from api.writing import Receipt
from tests.support.posting import faults
from tests.support.views import assert_equal
from tests.support.vintage_posts import (
    DAYS,
    FEB,
    KILLED,
    LATE,
    MOMENTS,
    TODAY,
    Moment,
    killed_lake,
    post,
    vintage,
)
from tests.support.warehouse import warehouse

around = pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: f"{moment.kind} {moment.nth}".replace(" ", "-"))


def verdicts(receipt: Receipt) -> Counter[str]:
    return +Counter(asdict(receipt.verdicts))


@around
def test_sent_again_it_is_as_if_nothing_had_happened(tmp_path: Path, moment: Moment) -> None:
    oracle = killed_lake(tmp_path / "lake", moment)
    with warehouse(tmp_path / "lake", TODAY) as lake:
        if not moment.stored:
            assert_equal(lake, oracle, *DAYS)
        told = oracle.post(KILLED, TODAY, changes_only=True)
        if moment.stored:
            assert_equal(lake, oracle, *DAYS)
        for _ in range(2):
            assert verdicts(post(lake, KILLED, "killed")) == told
            assert_equal(lake, oracle, *DAYS)
        assert verdicts(post(lake, LATE)) == oracle.post(LATE, TODAY, changes_only=True)
        assert_equal(lake, oracle, *DAYS)
        assert faults(lake) == ()


@around
def test_a_correction_in_between(tmp_path: Path, moment: Moment) -> None:
    """A post that is not on record yet counts from when it is sent again; one that is, from when it was stored."""
    correction = vintage(FEB, 13)
    oracle = killed_lake(tmp_path / "lake", moment)
    with warehouse(tmp_path / "lake", TODAY) as lake:
        if moment.stored:
            oracle.post(KILLED, TODAY, changes_only=True)
        post(lake, correction, changes_only=False)
        oracle.post(correction, TODAY)
        if not moment.stored:
            oracle.post(KILLED, TODAY, changes_only=True)
        post(lake, KILLED, "killed")
        assert_equal(lake, oracle, *DAYS)


@around
def test_a_late_vintage_in_between(tmp_path: Path, moment: Moment) -> None:
    oracle = killed_lake(tmp_path / "lake", moment)
    order = (KILLED, LATE) if moment.stored else (LATE, KILLED)
    with warehouse(tmp_path / "lake", TODAY) as lake:
        for points in order:
            oracle.post(points, TODAY, changes_only=True)
        post(lake, LATE)
        post(lake, KILLED, "killed")
        assert_equal(lake, oracle, *DAYS)
