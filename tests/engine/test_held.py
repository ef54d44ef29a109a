"""What the writer holds in memory of the points on file says the same as the files."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import pyarrow.parquet as pq
import pytest

from api.limits import Limits
from api.problems import Problem
from api.writing import Verdicts
from catalog.identity import series_id
from catalog.scan import ScanFiles
from catalog.snapshot import LakeSnapshot
from engine.errors import ExecutionFailed
from engine.held import SERIES_OVERHEAD, HeldPoints, SeriesPoints
from tests.support.warehouse import Warehouse, warehouse

NAMES = tuple("ABCDEF")
IDS = tuple(sorted(series_id("S", name) for name in NAMES))
FIRST = dt.date(2020, 1, 1)

Facts = Mapping[str, tuple[frozenset[dt.date], dt.date | None]]


def day(number: int) -> dt.date:
    return FIRST + dt.timedelta(days=number)


def post(lake: Warehouse, chance: random.Random, count: int = 12, stated: float = 1.0) -> None:
    """Some points, of which so many state their revision: the rules look at what is held where all do."""
    points = [
        {
            "source": "S",
            "external_id": chance.choice(NAMES),
            "date": str(day(chance.randrange(30))),
            "value": chance.choice([None, *range(5)]),
            "revision_date": str(day(50 + chance.randrange(40))) if chance.random() < stated else None,
        }
        for _ in range(count)
    ]
    lake.write({"data_points": points})


def one_step(lake: Warehouse, other: Warehouse, chance: random.Random) -> None:
    match chance.choice(("post", "post", "post", "other", "delta", "base", "delete", "points")):
        case "post":
            post(lake, chance)
        case "other":
            post(other, chance)
        case "delta":
            other.delta_merge()
        case "base":
            lake.compact()
        case "delete":
            with suppress(Problem):  # there may be no such series, or no longer
                lake.delete_series(chance.choice(IDS))
        case _:
            with suppress(Problem):
                lake.delete_points(chance.choice(IDS), day(chance.randrange(30)), day(30))


def on_file(snapshot: LakeSnapshot) -> Facts:
    """By reading every file, one row after another."""
    days: dict[str, set[dt.date]] = {id_: set() for id_ in IDS}
    revisions: dict[str, set[dt.date]] = {id_: set() for id_ in IDS}
    for file in snapshot.tables["data_points"].files:
        for row in pq.read_table(file.path).to_pylist():
            id_, sequence = row["series_id"], file.sequence if row["seq"] is None else row["seq"]
            if sequence > snapshot.hidden.get(id_, -1):
                days[id_].add(row["date"])
                revisions[id_].add(row["revision_date"])
    return {id_: (frozenset(days[id_]), max(revisions[id_], default=None)) for id_ in IDS}


def told(held: Mapping[str, SeriesPoints]) -> Facts:
    for points in held.values():
        assert len(points.days) == len(set(points.days.to_pylist())), "a day is held twice"
    return {id_: (frozenset(points.days.to_pylist()), points.last_revision) for id_, points in held.items()}


@pytest.mark.parametrize("seed", range(3))
def test_what_is_held_is_what_is_on_file(tmp_path: Path, seed: int) -> None:
    """Whoever wrote, merged or deleted, in whatever order, and whichever series were asked for when."""
    chance, from_memory = random.Random(seed), 0
    with warehouse(tmp_path) as lake, warehouse(tmp_path) as other:
        held = HeldPoints(lake.services.database, 10_000)
        for _ in range(30):
            for _ in range(chance.randrange(3)):
                one_step(lake, other, chance)
            snapshot = lake.engine.snapshots.current()
            asked = chance.sample(IDS, chance.randint(1, 4))
            found = told(held.of(snapshot, asked))
            expected = on_file(snapshot)
            assert found == {id_: expected[id_] for id_ in found}
            assert set(found) <= set(asked)
            from_memory += len(found)
    assert from_memory > 30


class Watched(HeldPoints):
    """Counts the rows that were read to bring it up to date."""

    made: ClassVar[list[Watched]] = []

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.rows_read = 0
        self.made.append(self)

    def _read(self, files: ScanFiles, series: Sequence[str], through: int | None = None) -> Mapping[str, SeriesPoints]:
        self.rows_read += files.rows if through is not None else 0
        return super()._read(files, series, through)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Watched]:
    """What the writer that was opened last holds."""
    monkeypatch.setattr("api.ingest.prepare.HeldPoints", Watched)
    return lambda: Watched.made[-1]


@pytest.mark.parametrize("seed", range(4))
def test_what_the_writer_has_taken_from_its_own_commits_is_on_file(
    tmp_path: Path, watched: Callable[[], Watched], seed: int
) -> None:
    chance, from_memory = random.Random(seed), 0
    with warehouse(tmp_path) as other, warehouse(tmp_path) as lake:
        held = watched()
        for _ in range(30):
            for _ in range(chance.randrange(3)):
                one_step(lake, other, chance)
            post(lake, chance, stated=chance.choice((0.9, 1.0, 1.0)))
            # The writer looks at what it has committed when the next post comes.
            lake.services.committer._prepare._take_own()
            snapshot = lake.engine.snapshots.current()
            found, expected = told(held.of(snapshot, IDS)), on_file(snapshot)
            assert found == {id_: expected[id_] for id_ in found}
            from_memory += len(found)
    assert from_memory > 30


@pytest.mark.parametrize("seed", range(3))
def test_what_is_held_changes_no_verdict(tmp_path: Path, seed: int) -> None:
    """Of two lakes with the same history one holds nothing. Few series, which are deleted often."""
    names = NAMES[: 1 + seed % 2]
    told: list[list[Verdicts | None]] = []
    for name, limits in (("holding", Limits()), ("not", Limits(held_points_max=1))):
        chance, verdicts = random.Random(seed), list[Verdicts | None]()
        with warehouse(tmp_path / name, limits=limits) as lake, warehouse(tmp_path / name, limits=limits) as other:
            for _ in range(50):
                verdicts.append(one_life_or_death(lake, other, names, chance))
        told.append(verdicts)
    assert told[0] == told[1]


def one_life_or_death(
    lake: Warehouse, other: Warehouse, names: Sequence[str], chance: random.Random
) -> Verdicts | None:
    writer = chance.choice((lake, lake, lake, other))
    if chance.random() < 0.4:
        with suppress(Problem):
            writer.delete_series(series_id("S", chance.choice(names)))
        return None
    stated = {"revision_date": str(day(50 + chance.randrange(5)))} if chance.random() < 0.8 else {}
    points = [
        {"source": "S", "external_id": chance.choice(names), "date": str(day(n)), "value": chance.randrange(3)}
        for n in range(3)
    ]
    return writer.write({"data_points": [point | stated for point in points]}).verdicts


def test_own_commits_are_not_read_again(tmp_path: Path, watched: Callable[[], Watched]) -> None:
    with warehouse(tmp_path) as other, warehouse(tmp_path) as lake:
        for seed in range(6):
            post(lake, random.Random(seed), 100)
        assert watched().points > 0
        assert watched().rows_read == 0
        post(other, random.Random(7), 1)
        for seed in range(2):
            post(lake, random.Random(seed), 1)
        assert watched().rows_read == 1, "what another process wrote is"


def test_a_series_is_held_from_the_second_time_on(tmp_path: Path) -> None:
    with warehouse(tmp_path) as lake:
        post(lake, random.Random(1), 100)
        held, snapshot = HeldPoints(lake.services.database, 10_000), lake.engine.snapshots.current()
        assert held.of(snapshot, IDS[:2]) == {}
        assert set(held.of(snapshot, IDS[1:3])) == {IDS[1]}
        assert set(held.of(snapshot, IDS)) == set(IDS[:3])


@pytest.mark.parametrize("others", [0, 2])
@pytest.mark.parametrize("lives", range(1, 4))
def test_points_of_an_earlier_life_are_none(tmp_path: Path, lives: int, others: int) -> None:
    """Where others are posted in between, what is held is brought up to date in each life; else it is not."""

    def verdicts(name: str) -> Verdicts:
        points = [{"source": "S", "external_id": name, "date": str(day(n)), "value": 1} for n in range(2)]
        return lake.write({"data_points": [point | {"revision_date": str(day(50))} for point in points]}).verdicts

    with warehouse(tmp_path) as lake:
        for _ in range(3):
            verdicts("A")
        for _ in range(lives):
            lake.delete_series(series_id("S", "A"))
            assert verdicts("A") == Verdicts(inserted=2)
            for _ in range(others):
                verdicts("B")


def test_a_series_that_takes_too_much_memory_is_looked_up_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with warehouse(tmp_path) as lake:
        post(lake, random.Random(1), 100)
        held, snapshot = HeldPoints(lake.services.database, 10_000), lake.engine.snapshots.current()
        held.of(snapshot, IDS)
        with monkeypatch.context() as patch:
            patch.setattr(held, "_read", raising(ExecutionFailed("The database needs more memory than it may use.")))
            assert held.of(snapshot, IDS[:2]) == {}
        assert held.of(snapshot, IDS[:2]) == {}, "nor is it tried again at every post"
        assert set(held.of(snapshot, IDS)) == set(IDS[2:])
        with monkeypatch.context() as patch:
            patch.setattr(held, "_read", raising(ExecutionFailed("The database needs more memory than it may use.")))
            post(lake, random.Random(2))
            assert held.of(lake.engine.snapshots.current(), IDS[:2]) == {}
        assert held.points == 0, "what could not be brought up to date is let go"


def raising(error: Exception) -> Callable[..., Any]:
    def fail(*_: object) -> Any:
        raise error

    return fail


def test_a_merge_of_known_rows_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Merged files are newer than what is held, their rows are not: the bounds of their sequences tell."""
    with warehouse(tmp_path) as lake, warehouse(tmp_path) as other:
        post(lake, random.Random(1), 100)
        held = HeldPoints(lake.services.database, 10_000)
        for _ in range(2):
            held.of(lake.engine.snapshots.current(), IDS)
        read: list[int] = []
        real = held._read
        monkeypatch.setattr(held, "_read", lambda files, *rest: read.append(files.rows) or real(files, *rest))
        other.compact()
        held.of(lake.engine.snapshots.current(), IDS)
        assert read == []
        post(other, random.Random(2), 1)
        other.delta_merge()
        held.of(lake.engine.snapshots.current(), IDS)
        assert read == [1]


def test_no_more_is_held_than_may_be(tmp_path: Path) -> None:
    """What does not fit is read each time, and right."""
    chance = random.Random(2)
    with warehouse(tmp_path) as lake:
        for points_max in (1, 150, 300):
            held = HeldPoints(lake.services.database, points_max)
            for _ in range(5):
                post(lake, chance)
                snapshot = lake.engine.snapshots.current()
                found, expected = told(held.of(snapshot, IDS)), on_file(snapshot)
                assert found == {id_: expected[id_] for id_ in found}
                assert held.points <= points_max


def test_after_more_news_than_may_be_held_all_is_let_go(tmp_path: Path) -> None:
    with warehouse(tmp_path) as lake:
        post(lake, random.Random(3), 30)
        held = HeldPoints(lake.services.database, 1_000)
        for _ in range(2):
            held.of(lake.engine.snapshots.current(), IDS)
        for seed in range(3):
            post(lake, random.Random(seed), 500)
        snapshot = lake.engine.snapshots.current()
        assert told(held.of(snapshot, IDS[:1])) == {IDS[0]: on_file(snapshot)[IDS[0]]}
        assert held.points == SERIES_OVERHEAD + len(on_file(snapshot)[IDS[0]][0])
