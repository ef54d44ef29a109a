"""Killed at each kind of step that posting and merging have: nothing acknowledged is lost, nothing is there in part,
and what is sent again settles to once. Tags and passes of expiry are killed at every step in tests/catalog."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.reliability.scenarios import crash_points
from tests.support.crashing import Origin, killed_at, steps_of
from tests.support.posting import check, merge, post

POSTING = (
    "accept batch",
    "create data file",
    "fsync data file",
    "closed data file",
    "fsync folder",
    "close manifest",
    "closed manifest",
    "close manifest list",
    "closed manifest list",
    "close metadata",
    "closed metadata",
    "write iceberg_tables",
    "write finlake_batches",
    "commit iceberg_tables",
    "committed iceberg_tables",
    "reply batch",
)
MERGING = (
    "fsync data file",
    "close manifest list",
    "close metadata",
    "commit iceberg_tables",
    "committed iceberg_tables",
)
STORED, POSTED = (1, 2), (3, 4)


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Origin]:
    """A lake that holds some batches."""
    folder = tmp_path_factory.mktemp("crashes") / "lake"
    post(folder, folder / "acks", STORED)
    with Origin(folder) as origin:
        yield origin


@pytest.fixture
def lake(origin: Origin) -> Path:
    origin.restore()
    return origin.folder


def killed_somewhere(kind: str, work: Callable[..., None], *given: Any) -> None:
    """At one of the steps of a kind: which, the name of the kind decides."""
    at = random.Random(kind).choice((1, 2))
    assert killed_at(at, work, *given, kinds=(kind,))


@pytest.mark.parametrize("kind", POSTING)
def test_a_post_that_is_killed(lake: Path, kind: str) -> None:
    killed_somewhere(kind, post, lake, lake / "acks", POSTED)
    check(lake, lake / "acks", (*STORED, *POSTED))


@pytest.mark.parametrize("kind", MERGING)
def test_a_merge_that_is_killed(lake: Path, kind: str) -> None:
    killed_somewhere(kind, merge, lake)
    check(lake, lake / "acks", STORED)
    merge(lake)
    check(lake, lake / "acks", STORED)


def test_no_kind_of_step_is_left_out(lake: Path) -> None:
    """A kill finds what is written, synced or not: of a file there are the states before it is closed and after."""
    merging, posting = set(steps_of(merge, lake)), set(steps_of(post, lake, lake / "acks", POSTED))
    same = {
        f"{done} {kind}"
        for done in ("create", "fsync", "fsynced")
        for kind in ("manifest", "manifest list", "metadata")
    }
    # The folders of this lake are there already.
    same |= {"fsynced folder", "fsynced data file", "close data file", "mkdir folder"}
    assert posting - same == set(POSTING)
    assert merging <= posting


def test_one_lake_through_many_crashes(tmp_path: Path) -> None:
    crash_points(random.Random(2), tmp_path, turns=5)
