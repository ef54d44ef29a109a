"""Evolution: a lake whose files are of all generations answers as if they were of one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from api.writing import Receipt
from catalog.debt import Debts, base_tasks
from catalog.domains import Domain
from catalog.entries import FileEntry, roots
from catalog.errors import SnapshotExpired
from catalog.identity import series_id
from catalog.maintenance import Merged, bundles, merge
from catalog.model import BASE_LEVEL, DATA_POINTS
from catalog.scan import ScanRequest, every_file, prune
from catalog.snapshot import LakeSnapshot, TableSnapshot
from engine.literals import literal
from engine.lower.ways import Way
from engine.merge import merging_of
from engine.planner import PASSES
from engine.query import Compare, Field, Op, Query, View
from tests.catalog.test_verify import faults
from tests.support.generations import SERIES, UNTOUCHED, History, be_narrow, be_noting, expected_notes, notes
from tests.support.keeping import HOUR, Keeper
from tests.support.oracle import Point
from tests.support.views import SOURCE, assert_equal, document, prefer
from tests.support.warehouse import Warehouse, warehouse

# Whether integers are long, whether there are notes, how wide the partition is.
ALL_GENERATIONS = {(False, False, 1), (True, False, 1), (True, True, 1), (True, True, 2)}
DAYS = (dt.date(2024, 6, 12), dt.date(2024, 6, 15))


def generations(lake: Warehouse) -> set[tuple[bool, bool, int]]:
    """Of the files of points, as in ALL_GENERATIONS."""
    files = lake.engine.snapshots.current().tables["data_points"].files
    schemas = [(pq.read_schema(file.path), len(file.partition or "")) for file in files]
    return {(schema.field("level").type == pa.int64(), "note" in schema.names, width) for schema, width in schemas}


def assert_right(lake: Warehouse, history: History) -> None:
    """Every view; and nothing is ever pruned wrongly."""
    assert_equal(lake, history.oracle, *DAYS)
    whole = lake.other_engine(PASSES, prunes=False)
    for name in SERIES:
        series = Compare(Op.EQ, Field("series_id"), literal(series_id(SOURCE, name)))
        for view in View:
            query = Query("data_points", where=series, view=view)
            with whole.answer(query) as result:
                assert _sorted(result.table()) == _sorted(lake.table(query))


def _sorted(rows: pa.Table) -> list[str]:
    return sorted(map(str, rows.to_pylist()))


@pytest.mark.parametrize(("seed", "way"), [(1, Way.WINDOW), (2, Way.JOIN)])
def test_files_of_all_generations_answer_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, way: Way
) -> None:
    prefer(monkeypatch, way)
    history = History(seed)
    narrow, wide, noting, split = UNTOUCHED
    with pytest.MonkeyPatch.context() as patch:
        be_narrow(patch)
        with warehouse(tmp_path, history.day) as lake:
            history.work(lake, 12, untouched=narrow)
    with warehouse(tmp_path, history.day) as lake:
        history.work(lake, 5, untouched=wide)
        assert_right(lake, history)
    for width, untouched in ((1, noting), (2, split), (1, split)):
        with pytest.MonkeyPatch.context() as patch:
            be_noting(patch)
            with warehouse(tmp_path, history.day, partition_width=width) as lake:
                history.work(lake, 8, untouched=untouched, notes=True)
                assert_right(lake, history)
    with pytest.MonkeyPatch.context() as patch:
        be_noting(patch)
        with warehouse(tmp_path, history.day) as lake:
            assert generations(lake) >= ALL_GENERATIONS
            assert frozenset({1, 2}) in history.widths
            for snapshot, oracle, noted in history.kept:
                assert_equal(lake, oracle, DAYS[1], snapshot=snapshot)
                assert notes(lake, snapshot) == expected_notes(oracle, noted)
            assert not faults(lake, every=True)


def test_an_evolved_lake_is_kept_as_any_other(tmp_path: Path) -> None:
    """Merges bring it to the present spec, expiry drops what they left, a key is known from before."""
    point = Point(SERIES[0], dt.date(2024, 1, 1), Decimal(1), dt.date(2024, 2, 1))
    with warehouse(tmp_path) as lake:
        first = lake.commit_together([lake.batch(document([point]), key="once")])[0]
        for name in SERIES:
            lake.write(document([replace(point, series=name)]))
        lake.compact()
        lake.write(document([replace(point, value=Decimal(2))]))
    with pytest.MonkeyPatch.context() as patch:
        be_noting(patch)
        with warehouse(tmp_path, partition_width=2) as lake:
            token = lake.engine.current()
            again = lake.commit_together([lake.batch(document([point]), key="once")])[0]
            assert isinstance(first, Receipt)
            assert again == first
            lake.write(document([replace(point, value=Decimal(3)), replace(point, series=SERIES[2], value=Decimal(4))]))
            compacted(lake)
            assert {len(file.partition or "") for file in files(lake)} == {2}
            assert compacted(lake) == []
            assert values(lake) == [1, 1, 3, 4]
            assert values(lake, token) == [1, 1, 1, 2]
            keeper = Keeper(lake.services.lake, seconds=0, grace=0, trash=0)
            passes = [keeper.after(HOUR, sweep=True) for _ in range(6)]
            assert sum(each.deleted for each in passes) > 0
            with pytest.raises(SnapshotExpired):
                values(lake, token)
            assert values(lake) == [1, 1, 3, 4]
            assert not faults(lake, every=True)


def compacted(lake: Warehouse) -> list[Merged]:
    """As `finlake compact`."""
    snapshot, merging = lake.engine.snapshots.current(), merging_of(lake.services.database)
    tasks = [task for table in lake.services.lake.model.tables for task in base_tasks(snapshot, table)]
    return [each for bundle in bundles(tasks) for each in merge(lake.services.lake, bundle, merging)]


def files(lake: Warehouse) -> tuple[FileEntry, ...]:
    return lake.engine.snapshots.current().tables["data_points"].files


def values(lake: Warehouse, snapshot: str = "") -> list[int]:
    query = Query("data_points", ("value",))
    return sorted(int(row["value"]) for row in lake.rows(query.pinned(snapshot) if snapshot else query))


def made_up(partition: str, level: int, spec_id: int, series: str) -> FileEntry:
    bounds = {"series_id": (series, series), "date": DAYS, "level": (level, level)}
    return FileEntry(f"{partition}{level}{series}", partition, 1, 10, 80, level, bounds, spec_id)


OLD_BASE, NEW_DELTA = made_up("a", BASE_LEVEL, 0, "ab"), made_up("ab", 0, 1, "ab")
NEW_BASE, OTHER = made_up("ac", BASE_LEVEL, 1, "ac"), made_up("b", BASE_LEVEL, 0, "b0")


def snapshot_of(*entries: FileEntry) -> LakeSnapshot:
    return LakeSnapshot({"data_points": TableSnapshot(DATA_POINTS, 1, 1, 0, entries, 0, spec_id=1)}, {})


def paths(files: Iterable[FileEntry]) -> set[str]:
    return {file.path for file in files}


def test_files_of_two_widths_that_lie_in_each_other_are_one_partition() -> None:
    """To settling, to debts and to merges; to pruning each is its own."""
    snapshot = snapshot_of(OLD_BASE, NEW_DELTA, NEW_BASE, OTHER)
    table = snapshot.tables["data_points"]
    assert {name: len(each) for name, each in table.by_partition.items()} == {"a": 3, "b": 1}
    scan = every_file(snapshot, "data_points")
    assert paths(scan.mixed) == paths([OLD_BASE, NEW_DELTA])
    assert paths(scan.settled) == paths([NEW_BASE, OTHER])
    assert paths(pruned(snapshot, "ac")) == paths([NEW_BASE])
    assert paths(pruned(snapshot, "ab")) == paths([OLD_BASE, NEW_DELTA])
    (debt,) = Debts().at(snapshot, 0)
    assert (debt.partition, debt.files, debt.base_rows) == ("a", 1, 20)
    old, other = base_tasks(snapshot, DATA_POINTS)
    assert paths(old.inputs.files) >= paths([OLD_BASE, NEW_DELTA])
    assert other.inputs.files == (OTHER,), "it has the old width"


def pruned(snapshot: LakeSnapshot, *series: str) -> tuple[FileEntry, ...]:
    return prune(snapshot, ScanRequest("data_points", {"series_id": Domain(values=series)})).files


def test_a_base_of_the_old_width_beside_deltas_that_do_not_touch_it_is_merged_with_them() -> None:
    far = replace(OLD_BASE, bounds={**OLD_BASE.bounds, "series_id": ("a0", "a1")}, rows=10**9)
    snapshot = snapshot_of(far, NEW_DELTA)
    (task,) = base_tasks(snapshot, DATA_POINTS)
    assert paths(task.inputs.files) == paths([far, NEW_DELTA])


def test_a_debt_counts_the_files_that_one_key_meets() -> None:
    """A commit of many narrow partitions inside of one wide one is no debt of many files."""
    deltas = [made_up(f"a{digit}", 0, 1, f"a{digit}") for digit in "0123"]
    (debt,) = Debts().at(snapshot_of(OLD_BASE, made_up("a", 0, 0, "a9"), *deltas, *deltas[:1]), 0)
    assert (debt.files, debt.fresh_files, debt.stacked_files) == (6, 3, 3)


def test_roots() -> None:
    found = roots(["b", "ab", "a", None, "abc", "ca", "cab", "cb"])
    assert found == {None: None, "a": "a", "ab": "a", "abc": "a", "b": "b", "ca": "ca", "cab": "ca", "cb": "cb"}
