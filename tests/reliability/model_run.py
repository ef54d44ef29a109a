"""The random run against a model: every step that a lake knows, in any order, and after each few of them reads of
every kind, compared with dictionaries and loops.

`python -m tests.reliability.model_run --steps 10000 --seed 7` runs it at any length. It stops at the first difference.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from api import logging
from api.config import Settings
from catalog.errors import CatalogError
from catalog.model import DATA_POINTS
from engine.errors import EngineError
from engine.query import View
from tests.reliability import other_readers, posts, reads, upkeep
from tests.reliability.world import World

STEPS_A_TURN = 300
READS_AT_ONCE = 3
STEPS_SHOWN = 500

# What may happen, and how often. A new kind of step is one more line.
STEPS: tuple[tuple[Callable[[World], None], float], ...] = (
    (posts.post, 40),
    (posts.post_together, 8),
    (posts.post_again, 5),
    (posts.delete_series, 2),
    (posts.delete_points, 4),
    (posts.patch, 3),
    (upkeep.delta_merge, 3),
    (upkeep.base_merge, 2),
    (upkeep.merge_all, 1),
    (upkeep.upkeep, 2),
    (upkeep.broken_merge, 1),
    (upkeep.expire, 3),
    (upkeep.expire_all, 0.5),
    (upkeep.tag, 2),
    (upkeep.restart, 1),
    (upkeep.sleep, 10),
    (upkeep.check_lake, 0.5),
)


def model_run(
    chance: random.Random, folder: Path, steps: int = STEPS_A_TURN, progress: Callable[[int], None] = lambda _: None
) -> str:
    """What was done and read, in a few lines. Raises AssertionError with the last steps at the first difference.

    `progress` is told the number of each step that is done.
    """
    world = World(chance, folder)
    try:
        _run(world, steps, progress)
    except Exception as error:
        last = "\n".join(world.log)
        raise AssertionError(f"step {sum(world.steps.values())}: {error!r}\nthe last steps:\n{last}") from error
    finally:
        world.close()
    done, compared = (", ".join(f"{n} {name}" for name, n in each.most_common()) for each in (world.steps, world.reads))
    return f"{sum(world.steps.values())} steps: {done}\n{sum(world.reads.values())} reads, 0 differences: {compared}"


def _run(world: World, steps: int, progress: Callable[[int], None]) -> None:
    until_read = 0
    for number in range(1, steps + 1):
        step = _drawn(world, STEPS)
        world.steps[step.__name__] += 1
        step(world)
        world.remember()
        until_read -= 1
        if until_read < 0:
            until_read = world.chance.randrange(4)
            for _ in range(READS_AT_ONCE):
                _drawn(world, reads.READS)(world)
        progress(number)
    _finish(world)


def _drawn(world: World, choices: tuple[tuple[Callable[[World], None], float], ...]) -> Callable[[World], None]:
    actions, weights = zip(*choices, strict=True)
    return world.chance.choices(actions, weights)[0]


def _finish(world: World) -> None:
    """Every kind of read once more, of the whole; and a file that is missing makes no short answer."""
    for read, _ in reads.READS:
        read(world)
    query = reads.Query("data_points", reads.COLUMNS, order=reads.KEY, view=View.EVERY)
    expected = reads.rows_of(world.oracle, View.EVERY, None)
    files = sorted(other_readers.files_of(world.lake.services.lake, DATA_POINTS))
    if not files:
        return
    path = Path(world.one(files))
    away = path.with_suffix(".away")
    for source, target in ((path, away), (away, path)):
        world.close()
        source.rename(target)
        world.open()
        if target is away:
            with pytest.raises((CatalogError, EngineError)):
                world.lake.rows(query)
        else:
            reads.assert_rows(world.lake.rows(query), expected, query)


def _show(step: int) -> None:
    if step % STEPS_SHOWN == 0:
        print(f"{step} steps", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    given = parser.parse_args()
    logging.configure(Settings(log_level="warning"))
    print(f"seed {given.seed}", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="finlake-") as folder:
        try:
            print(model_run(random.Random(given.seed), Path(folder), given.steps, _show))
        except AssertionError as difference:
            print(f"1 difference with seed {given.seed}, {difference}")
            return 1
        finally:
            print(f"{time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
