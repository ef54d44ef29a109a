"""The random run against the model, in its short form."""

from __future__ import annotations

import datetime as dt
import random
from pathlib import Path

import pytest

from tests.reliability.model_run import model_run

STEPS = 100


@pytest.mark.parametrize("seed", [7, dt.date.today().toordinal()])
def test_no_answer_differs_from_the_oracle(tmp_path: Path, seed: int) -> None:
    """One seed for ever, and one of the day; pytest prints it where it fails."""
    told = model_run(random.Random(seed), tmp_path, STEPS)
    assert f"{STEPS} steps" in told
    assert "0 differences" in told
