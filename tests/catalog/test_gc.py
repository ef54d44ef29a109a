"""Garbage: orphans, the trash, commits that stood still, and a kill at every step."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from catalog import joint
from catalog.data_files import WrittenFile
from catalog.errors import CommitFailed, SnapshotExpired, StorageDamaged
from catalog.iceberg import Lake
from catalog.members import Members
from catalog.model import DATA_POINTS, MODEL
from catalog.scan import check_files
from catalog.snapshot import Snapshots
from catalog.staging import stage
from tests.support.committing import ids, open_committer, points, stored_ids
from tests.support.crashing import crashes
from tests.support.keeping import DAY, HOUR, PASSES, Keeper, make_old, one_pass, stored, trashed


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    lake = Lake(tmp_path / "lake", MODEL)
    yield lake
    lake.close()


def commit_names(lake: Lake, *names: str) -> list[str]:
    """One commit a name; the tokens."""
    committer = open_committer(lake)
    tokens = [committer.submit(name, 1).result(30).token for name in names]
    committer.close()
    return tokens


def staged(lake: Lake, name: str) -> tuple[WrittenFile, ...]:
    with ThreadPoolExecutor(1) as executor:
        return stage(DATA_POINTS, points(name), lake.load(DATA_POINTS), executor, Members())


def path_of(file: WrittenFile) -> Path:
    return Path(file.location.removeprefix("file://"))


def append(lake: Lake, files: tuple[WrittenFile, ...]) -> None:
    joint._append_files(lake.load(DATA_POINTS), files, {})  # pyright: ignore[reportPrivateUsage]


def test_what_crashed_commits_left_goes_and_nothing_else(lake: Lake) -> None:
    commit_names(lake, "a", "b")
    needed = stored(lake)
    keeper = Keeper(lake)
    (orphan,) = staged(lake, "crashed")
    metadata = Path(lake.load(DATA_POINTS).metadata_location.removeprefix("file://"))
    stray = metadata.with_name(f"00009-{uuid.uuid4()}.metadata.json")
    stray.write_text("{}")
    assert keeper.after(0, sweep=True).orphans == 0, "a young file may be of a commit under way"
    for path in (path_of(orphan), stray):
        make_old(path)
    assert keeper.after(0, sweep=True).orphans == 2
    assert keeper.after(0, sweep=True).orphans == 0, "they are queued already"
    assert len(stored(lake) - needed) == 2
    keeper.after(HOUR, sweep=True)
    assert stored(lake) == needed
    assert len(trashed(lake)) == 2
    keeper.after(DAY)
    assert trashed(lake) == set()
    assert stored_ids(Snapshots(lake)) == ids("a", "b")


def test_a_file_must_be_seen_unneeded_on_two_passes(lake: Lake) -> None:
    keeper = Keeper(lake, grace=0)
    (orphan,) = staged(lake, "crashed")
    make_old(path_of(orphan))
    assert keeper.after(100 * DAY, sweep=True).orphans == 1
    assert keeper.after(100 * DAY).trashed == 0
    assert keeper.after(1).trashed == 1


def test_a_commit_whose_files_were_swept_fails_and_stores_nothing(lake: Lake) -> None:
    commit_names(lake, "a")
    keeper = Keeper(lake, grace=0)
    files = staged(lake, "stalled")
    make_old(path_of(files[0]))
    for _ in range(3):
        keeper.after(1, sweep=True)
    assert not path_of(files[0]).exists()
    with pytest.raises(CommitFailed):
        append(lake, files)
    assert stored_ids(Snapshots(lake)) == ids("a")


def test_files_that_are_swept_while_the_commit_is_written_fail_it(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped between the reading of the footers and the commit: the last look finds the files gone."""
    commit_names(lake, "a")
    keeper = Keeper(lake, grace=0)
    files = staged(lake, "stalled")
    real = joint.check_staged

    def stalled(*args: object) -> None:
        make_old(path_of(files[0]))
        for _ in range(3):
            keeper.after(1, sweep=True)
        real(*args)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(joint, "check_staged", stalled)
    with pytest.raises(CommitFailed):
        append(lake, files)
    assert stored_ids(Snapshots(lake)) == ids("a")


def test_a_commit_that_landed_with_swept_files_is_mended(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped between the last look and the database: no look helps, so the next pass brings the files back."""
    commit_names(lake, "a")
    keeper = Keeper(lake, grace=0)
    files = staged(lake, "stalled")

    def stalled(*_: object) -> None:
        make_old(path_of(files[0]))
        for _ in range(3):
            keeper.after(1, sweep=True)

    monkeypatch.setattr(joint, "check_staged", stalled)
    append(lake, files)
    (_, missing) = sorted(Snapshots(lake).current().tables["data_points"].files, key=lambda file: file.sequence)
    with pytest.raises(StorageDamaged):
        check_files([missing])
    assert keeper.after(1).restored >= 1
    check_files([missing])
    assert stored_ids(Snapshots(lake)) == ids("a", "stalled")
    assert keeper.after(10 * DAY).deleted == 0


def test_a_damaged_manifest_stops_the_pass_before_anything_goes(lake: Lake) -> None:
    commit_names(lake, "a", "b")
    (orphan,) = staged(lake, "crashed")
    make_old(path_of(orphan))
    Keeper(lake, grace=0).after(0, sweep=True)
    manifest = next((lake.data_dir / "warehouse/finlake/data_points/metadata").glob("*-m0.avro"))
    manifest.write_bytes(b"")
    before = stored(lake)
    keeper = Keeper(lake, grace=0)
    for _ in range(3):
        with pytest.raises(StorageDamaged):
            keeper.after(1, sweep=True)
    assert stored(lake) == before


def test_a_preview_tells_and_changes_nothing(lake: Lake) -> None:
    tokens = commit_names(lake, "a", "b", "c", "d")
    (orphan,) = staged(lake, "crashed")
    make_old(path_of(orphan))
    keeper = Keeper(lake)
    before = stored(lake)
    told = keeper.expiry.preview()
    assert (told.retired, told.orphans, told.expired) == (2, 1, 0)
    assert stored(lake) == before
    assert keeper.expiry.preview() == told
    done = keeper.after(0, sweep=True)
    assert (done.retired, done.queued, done.orphans) == (told.retired, told.queued, told.orphans)
    keeper.machine.seconds += HOUR
    assert keeper.expiry.preview().expired == 2
    assert Snapshots(lake).at(tokens[0]).token == tokens[0]


@pytest.mark.parametrize("done", [0, 1, 3, 4])
def test_a_kill_at_any_step_leaves_what_the_next_pass_goes_on_from(tmp_path: Path, done: int) -> None:
    folder = tmp_path / "lake"
    lake = Lake(folder, MODEL)
    tokens = commit_names(lake, "a", "b", "c", "d")
    make_old(path_of(staged(lake, "crashed")[0]))
    lake.close()
    for earlier in range(done):
        one_pass(folder, earlier)
    killed = 0
    for killed in crashes(folder, one_pass, done, stride=2):  # noqa: B007 - the last one is looked at below
        _check(folder, tokens)
        for later in range(done, PASSES):
            one_pass(folder, later)
        _check(folder, tokens)
        _check_all_is_gone(folder, tokens)
    assert killed > 0


def _check(folder: Path, tokens: list[str]) -> None:
    """The newest states answer; an older one answers in full, or says that it has expired."""
    lake = Lake(folder, MODEL)
    for number, token in enumerate(tokens):
        try:
            state = Snapshots(lake).at(token)
        except SnapshotExpired:
            assert number < 2
        else:
            assert sum(file.rows for file in state.tables["data_points"].files) == number + 1
            assert all(Path(file.path).exists() for file in state.tables["data_points"].files)
    assert stored_ids(Snapshots(lake)) == ids("a", "b", "c", "d")
    lake.close()


def _check_all_is_gone(folder: Path, tokens: list[str]) -> None:
    lake = Lake(folder, MODEL)
    with pytest.raises(SnapshotExpired):
        Snapshots(lake).at(tokens[0])
    data = {path for path in stored(lake) if path.endswith(".parquet")}
    assert len(data) == 4, "the crashed commit's file is left"
    assert len([path for path in stored(lake) if "/snap-" in path]) == 2
    assert trashed(lake) == set()
    lake.close()
