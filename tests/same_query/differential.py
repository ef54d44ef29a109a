"""`make differential`: random questions, each asked in every way that there is; all ways must give the oracle's rows.

Run as `python -m tests.same_query.differential --count 2000 --seed 7`. The seed decides the questions. A failure names
the round that it happened in, and shrinks to the smallest question that still fails.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import structlog
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.same_query.asked_lake import asked_lake
from tests.same_query.random_queries import listed, queries, timelines
from tests.same_query.ways import Asked, Ways
from tests.support.printing import printed

ROUND_QUESTIONS = 250
QUESTIONS = st.builds(
    Asked, st.one_of(queries(), queries(), queries(), listed(), timelines()), st.integers(0, 3), st.integers(1, 4)
)


def ask_round(check: Callable[[Asked], None], count: int, chance: int, *, shrinks: bool = True) -> None:
    """Raises what a check of one of so many questions raised; where it `shrinks`, of the smallest that raises."""
    phases = (Phase.generate, Phase.shrink) if shrinks else (Phase.generate,)

    @seed(chance)
    @settings(max_examples=count, deadline=None, database=None, phases=phases, suppress_health_check=list(HealthCheck))
    @given(asked=QUESTIONS)
    def ask(asked: Asked) -> None:
        try:
            check(asked)
        except BaseException as error:
            error.add_note(f"asked in {asked.pages} pages of state {asked.state}:\n{printed(asked.query)}")
            raise

    ask()


def differential(count: int, seed: int) -> int:
    """The exit status: 0 where no two ways differ over so many different questions."""
    began, seen = time.monotonic(), set[Asked]()
    with tempfile.TemporaryDirectory(prefix="finlake-differential-") as folder, asked_lake(Path(folder)) as lake:
        ways = Ways(lake)

        def check(asked: Asked) -> None:
            if len(seen) < count:
                seen.add(asked)
                ways.check(asked)

        for turn in range(10 * count):
            try:
                ask_round(check, min(ROUND_QUESTIONS, count), seed * 10_000 + turn)
            except Exception:  # noqa: BLE001 - whatever it was, it is the finding
                traceback.print_exc()
                print(f"FAILED: seed {seed}, round {turn}", flush=True)
                return 1
            print(f"{time.monotonic() - began:6.0f} s, round {turn}: {len(seen)} questions", flush=True)
            if len(seen) >= count:
                break
    spoken = ", ".join(f"{ways.compared[way]} by {way}" for way in ("odata", "graphql"))
    print(
        f"PASSED: seed {seed}, {len(seen)} questions ({spoken}), {ways.compared.total()} answers of "
        f"{len(ways.compared)} ways, 0 differences, {time.monotonic() - began:.0f} s",
        flush=True,
    )
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="differential")
    parser.add_argument("--count", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=None)
    given_ = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    return differential(given_.count, random.randrange(10**6) if given_.seed is None else given_.seed)


if __name__ == "__main__":
    sys.exit(main())
