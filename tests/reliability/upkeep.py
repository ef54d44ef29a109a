"""The steps of a random run that change no answer: merges, whole and broken off, expiry, tags, restarts, verify."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable, Iterator
from dataclasses import replace

import pyarrow as pa
import pytest
from rich.console import Console

from api.verification import verify
from catalog.debt import MergeTask
from catalog.errors import UnknownSnapshot
from catalog.maintenance import Merging, bundles, merge, recent_from
from catalog.model import BASE_LEVEL, DELTA_LEVEL
from engine.merge import merging_of
from tests.reliability import posts
from tests.reliability.world import World
from tests.support.keeping import DAY, HOUR, Keeper, delete_tag, make_tag, tags_of

TAGS_MAX = 4


class BrokenOff(Exception):
    """A merge that was stopped, by us."""


def delta_merge(world: World) -> None:
    _merge(world, DELTA_LEVEL)


def base_merge(world: World) -> None:
    _merge(world, BASE_LEVEL)


def merge_all(world: World) -> None:
    """As `finlake compact`."""
    world.note("compact")
    world.lake.compact()


def upkeep(world: World) -> None:
    """The merges that the service itself would run."""
    world.note("upkeep")
    merges, _ = world.lake.merges()
    merges()


def broken_merge(world: World) -> None:
    """Stopped between two partitions, or in the middle of one: nothing has happened."""
    before = world.lake.engine.current()
    between = world.happens(0.5)
    world.note(f"merge broken off {'between' if between else 'within'} partitions")
    merging = merging_of(world.lake.services.database)
    if not between:
        merging = replace(merging, rows=_stops(merging))
    for bundle in bundles(_tasks(world, world.one((DELTA_LEVEL, BASE_LEVEL)))):
        with pytest.raises(BrokenOff):
            merge(world.lake.services.lake, bundle, merging, None, _break_off)
    assert world.lake.engine.current() == before


def _stops(merging: Merging) -> Callable[[MergeTask], Iterator[pa.RecordBatch]]:
    def rows(task: MergeTask) -> Iterator[pa.RecordBatch]:
        yield from merging.rows(task)
        raise BrokenOff

    return rows


def _break_off() -> None:
    raise BrokenOff


def _merge(world: World, level: int) -> None:
    """Of some partitions, with or without a cut, mostly alone; else others write, or merge the same, meanwhile."""
    cut = world.one((0, 20, 89))
    recent = recent_from(world.today, cut)
    rivals = (posts.post, posts.post_together, posts.delete_series, posts.delete_points, merge_all)
    rival = world.one(rivals) if world.happens(0.3) else None
    world.note(f"merge to level {level} with cut {cut}, meanwhile {rival.__name__ if rival else 'nothing'}")
    for bundle in bundles(_tasks(world, level)):
        merging = merging_of(world.lake.services.database)
        between = (lambda: rival(world)) if rival else (lambda: None)
        merge(world.lake.services.lake, bundle, merging, recent, between)


def _tasks(world: World, level: int) -> list[MergeTask]:
    return [task for task in world.lake.tasks(level) if world.happens(0.7)]


def expire(world: World) -> None:
    """A pass after a while, with a sweep at times: nobody writes meanwhile, so it may take the youngest orphans."""
    kept, seconds = world.one((1, 2, 5, 20)), world.one((0.0, 60.0, HOUR / 2, 3 * HOUR, 2 * DAY))
    orphan = world.one((0.0, DAY))
    _pass(world, kept, seconds, orphan, sweep=world.happens(0.5))


def expire_all(world: World) -> None:
    """Afterwards every state but the newest and those with tags has expired."""
    _pass(world, 1, 0.0, DAY, sweep=False)
    _pass(world, 1, 2 * HOUR, DAY, sweep=False)
    named = [world.lake.engine.current(), *(token for token, _ in world.tags.values())]
    kept = [set(column) for column in zip(*(token.split("-") for token in named), strict=True)]
    for moment in world.moments:
        ids = zip(moment.token.split("-"), kept, strict=True)
        moment.expired = any(id_ not in (there | {"0"}) for id_, there in ids)


def _pass(world: World, kept: int, seconds: float, orphan: float, *, sweep: bool) -> None:
    world.note(f"expire after {seconds} s, keeping {kept}{', with sweep' if sweep else ''}")
    world.remember()
    grace, trash = world.one((0.0, HOUR)), world.one((0.0, HOUR))
    keeper = Keeper(world.lake.services.lake, world.machine, kept=kept, grace=grace, trash=trash, orphan=orphan)
    keeper.after(seconds, sweep=sweep)
    world.seconds += seconds
    if world.moments[-1].token == world.lake.engine.current():
        world.moments[-1].until = world.seconds


def tag(world: World) -> None:
    """Make one, or delete one; a deleted one is known no more."""
    if len(world.tags) < TAGS_MAX and world.happens(0.6):
        name = f"tag-{sum(world.steps.values())}"
        world.note(f"tag {name}")
        world.tags[name] = (make_tag(world.lake.services.lake, name).token, world.oracle.frozen())
    elif world.tags:
        name = world.one(list(world.tags))
        world.note(f"delete {name}")
        delete_tag(world.lake.services.lake, name)
        del world.tags[name]
        with pytest.raises(UnknownSnapshot):
            world.lake.engine.snapshots.at(name)
    assert {tag.name for tag in tags_of(world.lake.services.lake).all()} == set(world.tags)


def restart(world: World) -> None:
    is_machine = world.happens(0.3)
    world.note(f"restart of the {'machine' if is_machine else 'service'}")
    world.remember()
    world.close()
    if is_machine:
        world.machine.restart()
    world.open()


def sleep(world: World) -> None:
    days = world.one((1, 1, 2, 5, 30))
    world.note(f"{days} days pass")
    world.lake.clock.now += dt.timedelta(days=days)


def check_lake(world: World) -> None:
    """`finlake verify`."""
    every = world.happens(0.5)
    world.note(f"verify{' all' if every else ''}")
    told = io.StringIO()
    lake = world.lake
    status = verify(
        lake.services.lake, lake.settings, lake.limits, Console(file=told), Console(file=io.StringIO()), every=every
    )
    assert status == 0, told.getvalue()
