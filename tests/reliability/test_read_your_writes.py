"""Two processes on one lake: what one of them was told is there for the other, and their history has one order."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.reliability.scenarios import two_that_talk
from tests.support.history import Event, check_history


def test_a_history_of_two_has_one_order(tmp_path: Path) -> None:
    two_that_talk(random.Random(13), tmp_path, turns=8)


WRITES = (Event("write", 0, 1, 0, 1), Event("write", 0, 2, 3, 6))


@pytest.mark.parametrize(
    ("reads", "holds"),
    [
        ([(1, 1.5, 2)], True),
        ([(0, 1.5, 2)], False),  # an acknowledged write is not seen
        ([(2, 1.5, 2)], False),  # a write is seen before it began
        ([(1, 4, 5)], True),
        ([(2, 4, 5)], True),
        ([(2, 3.5, 4), (1, 4.5, 5)], False),  # what was seen once is gone again
        ([(2, 7, 8)], True),
        ([(1, 7, 8)], False),
    ],
)
def test_a_history_without_one_is_told(reads: list[tuple[int, float, float]], *, holds: bool) -> None:
    events = [*WRITES, *(Event("read", 0, value, begun, ended) for value, begun, ended in reads)]
    if holds:
        check_history(events)
    else:
        with pytest.raises(AssertionError):
            check_history(events)
