"""A process that stands still in the middle of its work, while others commit, merge, expire and take its locks."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.reliability.scenarios import stopped
from tests.support.crashing import stopped_at
from tests.support.posting import acknowledged, check, expire, merge, post


@pytest.mark.parametrize("kind", ["accept batch", "create data file", "closed metadata", "committed iceberg_tables"])
def test_a_committer_that_is_overtaken(tmp_path: Path, kind: str) -> None:
    """Between the loading of the table and its commit, and after it: the slower one commits upon what it finds."""
    lake, acks = tmp_path / "lake", tmp_path / "acks"
    post(lake, acks, (1, 2))
    with stopped_at(1, post, lake, acks, (3,), kinds=(kind,)) as stands:
        assert stands
        post(lake, tmp_path / "other", (4, 5))
        merge(lake)
        expire(lake, 0)
    assert acknowledged(acks) == [1, 2, 3]
    check(lake, acks, range(1, 6), ordered=False)


@pytest.mark.parametrize("work", [merge, expire])
def test_a_merge_or_a_pass_whose_lock_was_stolen(tmp_path: Path, work: object) -> None:
    lake, acks = tmp_path / "lake", tmp_path / "acks"
    post(lake, acks, (1, 2, 3))
    expire(lake, 0)
    given = (merge, lake) if work is merge else (expire, lake, 1)
    with stopped_at(
        2, *given, kinds=("closed manifest", "committed finlake_garbage", "committed finlake_clock")
    ) as stands:
        assert stands
        for lock in lake.glob("*.lock"):
            lock.unlink()
        post(lake, acks, (4,))
        merge(lake)
        for done in range(1, 4):
            expire(lake, done)
    check(lake, acks, range(1, 5))


def test_many_that_stand_still(tmp_path: Path) -> None:
    stopped(random.Random(7), tmp_path, turns=2)
