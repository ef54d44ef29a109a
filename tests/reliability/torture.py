"""`make torture`: the scenarios of the reliability tests in random turns, until the time is up.

Run as `python -m tests.reliability.torture --seconds 3600 --seed 7`. The seed decides the turns and all chance within
them; how processes interleave it does not, so a failure may take several runs of its turn to be seen again.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from tests.reliability.kill_loop import kill_loop
from tests.reliability.model_run import model_run
from tests.reliability.scenarios import crash_points, power_loss, stopped, storm, two_that_talk

# Does some 5 to 60 seconds of what its chance says, in an empty folder; says in a line what it did, raises what failed.
Scenario: TypeAlias = Callable[[random.Random, Path], str]

SCENARIOS: tuple[Scenario, ...] = (kill_loop, crash_points, power_loss, stopped, storm, two_that_talk, model_run)


def torture(seconds: float, seed: int, scenarios: tuple[Scenario, ...] = SCENARIOS) -> int:
    """The exit status. A folder in which something failed is kept."""
    print(f"torture: seed {seed}, {seconds:.0f} s", flush=True)
    chance, done = random.Random(seed), Counter[str]()
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        turn = done.total() + 1
        scenario = chance.choice(scenarios)
        folder = Path(tempfile.mkdtemp(prefix=f"finlake-torture-{turn}-"))
        try:
            line = scenario(random.Random(f"{seed} {turn}"), folder)
        except Exception:  # noqa: BLE001 - whatever it was, it is the finding
            traceback.print_exc()
            print(f"FAILED: seed {seed}, turn {turn}, {scenario.__name__}, in {folder}", flush=True)
            return 1
        shutil.rmtree(folder)
        done[scenario.__name__] += 1
        print(f"{time.monotonic() - began:6.0f} s, turn {turn}: {line}", flush=True)
    counts = ", ".join(f"{name} {count}" for name, count in sorted(done.items()))
    print(f"PASSED: seed {seed}, {done.total()} turns: {counts}", flush=True)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="torture")
    parser.add_argument("--seconds", type=float, default=3_600)
    parser.add_argument("--seed", type=int, default=None)
    given = parser.parse_args()
    return torture(given.seconds, random.randrange(10**6) if given.seed is None else given.seed)


if __name__ == "__main__":
    sys.exit(main())
