"""Time travel: what a name means, and which state an instant is, against a replay of all commits."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import SnapshotExpired, StorageDamaged, UnknownSnapshot
from catalog.iceberg import Lake
from catalog.ledger import Kept
from catalog.model import MODEL
from catalog.snapshot import Snapshots
from catalog.travel import Instant, TagName, Token, is_tag_name, parsed, state_at
from engine.query import Query
from tests.support.keeping import DAY, HOUR, Keeper
from tests.support.warehouse import Warehouse, warehouse

NAMES = ("sources", "series", "data_points")
NOON = 1_718_452_800_000  # 2024-06-15T12:00:00Z


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("0-0-0", Token((0, 0, 0))),
        ("1a-0-ffffffffffffffff", Token((26, 0, 2**64 - 1))),
        ("2024-06-15T12:00:00Z", Instant(NOON)),
        ("2024-06-15t12:00z", Instant(NOON)),
        ("2024-06-15T14:30:00+02:30", Instant(NOON)),
        ("2024-06-15T14:30:00 02:30", Instant(NOON)),
        ("2024-06-15T07:00:00-05:00", Instant(NOON)),
        ("2024-06-15T12:00:00.0019Z", Instant(NOON + 1)),
        ("2024-06-15T12:00:00.123456789Z", Instant(NOON + 123)),
        ("1969-12-31T23:59:59.999Z", Instant(-1)),
        ("release-2024", TagName("release-2024")),
        ("v1.0", TagName("v1.0")),
        ("beef", TagName("beef")),
        ("2024", TagName("2024")),
    ],
)
def test_the_form_of_a_name_says_what_it_is(name: str, meaning: object) -> None:
    assert parsed(name, 3) == meaning


@pytest.mark.parametrize(
    "name",
    [
        "",
        "2024-06-15",
        "2024-10-10",
        "2024-06-15T12:00:00",
        "2024-06-15T12:00:61Z",
        "2024-02-30T12:00:00Z",
        "2024-06-15T12Z",
        "2024-06-15T12:00:00+99:00",
        "2024-06-15T12:00:00ZZ",
        "2024-06-15 12:00:00Z",
        "٢٠٢٤-06-15T12:00:00Z",
        "0-0",
        "0-0-0-0",
        "-x",
        "a b",
        "é",
        "x\n",
    ],
)
def test_what_is_none_of_them_is_refused(name: str) -> None:
    with pytest.raises(UnknownSnapshot):
        parsed(name, 3)


def test_a_day_is_refused_with_a_hint() -> None:
    with pytest.raises(UnknownSnapshot) as told:
        parsed("2024-10-10", 3)
    assert "2024-10-10T23:59:59.999Z" in told.value.hint


@pytest.mark.parametrize("name", ["0-0-0", "1a-2b-3c", "dead-beef", "2024-06-15", "2024-06-15T12:00:00Z", "", "a/b"])
def test_no_tag_reads_like_a_token_or_an_instant(name: str) -> None:
    assert not is_tag_name(name)


@dataclass
class Commit:
    """One commit of one table, at a time."""

    table: str
    kept: Kept


def history(groups: Sequence[tuple[int, set[str]]]) -> list[Commit]:
    """The commits of groups (milliseconds, tables), each on the state of the one before."""
    state, commits, sequences = dict.fromkeys(NAMES, 0), list[Commit](), dict.fromkeys(NAMES, 0)
    for at, tables in groups:
        for name in NAMES:
            if name in tables:
                upon = "-".join(f"{id_:x}" for id_ in state.values())
                sequences[name] += 1
                state[name] = len(commits) + 1
                commits.append(Commit(name, Kept(state[name], sequences[name], at, "", 0, upon)))
    return commits


def histories(commits: Sequence[Commit]) -> dict[str, list[Kept]]:
    return {name: [each.kept for each in commits if each.table == name] for name in NAMES}


def replayed(commits: Sequence[Commit], until: int) -> dict[str, int]:
    """The oracle: the state after all commits that were made by then."""
    state = dict.fromkeys(NAMES, 0)
    for each in commits:
        if each.kept.timestamp_ms <= until:
            state[each.table] = each.kept.id
    return state


GROUPS = st.lists(st.tuples(st.integers(0, 3), st.sets(st.sampled_from(NAMES), min_size=1)), max_size=12)


@given(GROUPS, st.integers(-1, 40))
def test_an_instant_is_the_state_after_all_commits_until_then(groups: list[tuple[int, set[str]]], until: int) -> None:
    clock, timed = 0, list[tuple[int, set[str]]]()
    for step, tables in groups:
        clock += step
        timed.append((clock, tables))
    commits = history(timed)
    assert state_at(histories(commits), Instant(until)) == replayed(commits, until)


@given(GROUPS, st.integers(-1, 40), st.tuples(*[st.integers(0, 12)] * 3), st.sets(st.integers(1, 40)))
def test_after_expiry_the_answer_is_the_same_or_expired(
    groups: list[tuple[int, set[str]]], until: int, gone: tuple[int, ...], tagged: set[int]
) -> None:
    commits = history([(2 * position, tables) for position, (_, tables) in enumerate(groups)])
    full = histories(commits)
    left = {
        name: [
            kept for at, kept in enumerate(full[name]) if at >= min(dropped, len(full[name]) - 1) or kept.id in tagged
        ]
        for (name, dropped) in zip(NAMES, gone, strict=True)
    }
    wanted = replayed(commits, until)
    kept = {name: {0, *(each.id for each in left[name])} for name in NAMES}
    try:
        found = state_at(left, Instant(until))
    except SnapshotExpired:
        assert any(len(left[name]) < len(full[name]) for name in NAMES)
    else:
        assert found == wanted
        assert all(found[name] in kept[name] for name in NAMES)


@given(st.lists(st.tuples(st.integers(0, 20), st.sets(st.sampled_from(NAMES), min_size=1)), max_size=12), st.data())
def test_whatever_the_clock_did_no_table_is_older_than_what_was_built_on_it(
    groups: list[tuple[int, set[str]]], data: st.DataObject
) -> None:
    commits = history(groups)
    skewed = [
        Commit(
            each.table, Kept(each.kept.id, each.kept.sequence, data.draw(st.integers(0, 20)), "", 0, each.kept.after)
        )
        for each in commits
    ]
    found = state_at(histories(skewed), Instant(data.draw(st.integers(0, 20))))
    for each in skewed:
        if found[each.table] == each.kept.id:
            upon = [int(part, 16) for part in each.kept.after.split("-")]
            for other, id_ in list(zip(NAMES, upon, strict=True))[: NAMES.index(each.table)]:
                assert found[other] >= id_


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Warehouse]:
    with warehouse(tmp_path) as opened:
        yield opened


def post(lake: Warehouse, value: int, series: str) -> str:
    point = {"source": "S", "external_id": series, "date": "2020-01-01", "value": value, "revision_date": "2020-02-01"}
    token = lake.write({"data_points": [point]}).snapshot
    time.sleep(0.002)
    return token


def instant(lake: Warehouse, token: str, milliseconds: int = 0) -> str:
    """When the last table of a state was committed, and so many milliseconds later."""
    ids = {int(part, 16) for part in token.split("-")}
    every = [each for table in MODEL.tables for each in lake.services.lake.load(table).metadata.snapshots]
    last = max(each.timestamp_ms for each in every if each.snapshot_id in ids) + milliseconds
    return (dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(milliseconds=last)).isoformat()


def test_instants_of_a_lake_lead_to_the_states_of_receipts(lake: Warehouse) -> None:
    tokens = [post(lake, number, f"S{number % 3}") for number in range(5)]
    instants = [instant(lake, token) for token in tokens]
    assert lake.engine.snapshots.at("2000-01-01T00:00:00Z").token == "0-0-0-0"
    for _ in range(2):
        assert [lake.engine.snapshots.at(each).token for each in instants] == tokens
        assert lake.engine.snapshots.at(instant(lake, tokens[-1], 86_400_000)).token == tokens[-1]
        Keeper(lake.services.lake).after(0)


def test_no_point_of_an_instant_lacks_its_series(lake: Warehouse) -> None:
    """Before, at and between all commits, the milliseconds between the tables of one commit included."""
    tokens = [post(lake, number, f"S{number}") for number in range(5)]
    first = dt.datetime.fromisoformat(instant(lake, tokens[0], -60))
    last = dt.datetime.fromisoformat(instant(lake, tokens[-1], 5))
    seen: set[int] = set()
    while first <= last:
        state = lake.engine.snapshots.at(first.isoformat()).token
        known = {row["id"] for row in lake.rows(Query("series").pinned(state))}
        points = {row["series_id"] for row in lake.rows(Query("data_points").pinned(state))}
        assert points <= known
        seen.add(len(points))
        first += dt.timedelta(milliseconds=5)
    assert len(seen) > 2


def test_an_instant_before_the_oldest_kept_state_has_expired(lake: Warehouse) -> None:
    tokens = [post(lake, number, "A") for number in range(5)]
    instants = [instant(lake, token) for token in tokens]
    keeper = Keeper(lake.services.lake)
    keeper.after(0)
    keeper.after(HOUR)
    for early in ("2000-01-01T00:00:00Z", *instants[:3]):
        with pytest.raises(SnapshotExpired):
            lake.engine.snapshots.at(early)
    assert [lake.engine.snapshots.at(each).token for each in instants[3:]] == tokens[3:]


def test_a_clock_that_goes_back_hides_no_later_commit(lake: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time
    post(lake, 1, "A")
    monkeypatch.setattr(time, "time", lambda: real() + DAY)
    post(lake, 2, "B")
    monkeypatch.setattr(time, "time", real)
    token = post(lake, 3, "C")
    now = dt.datetime.now(dt.UTC).isoformat()
    assert lake.engine.snapshots.at(now).token == token


def test_metadata_that_goes_while_it_is_read_is_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the row of the catalog and the file it names, twenty commits may land."""
    opened = Lake(tmp_path, MODEL)
    real, gone = Lake.metadata_locations, list[str]()

    def stale(self: Lake) -> dict[str, str]:
        locations = dict(real(self))
        if not gone:
            gone.append(locations["series"])
            locations["series"] = f"{locations['series']}.deleted"
        return locations

    monkeypatch.setattr(Lake, "metadata_locations", stale)
    assert Snapshots(opened).current().token == "0-0-0-0"
    monkeypatch.setattr(Lake, "metadata_locations", lambda self: dict.fromkeys(real(self), "file:///nowhere"))
    with pytest.raises(StorageDamaged):
        Snapshots(opened).current()
    opened.close()
