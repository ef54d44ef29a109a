"""Verify: every fault that is made is found, and nothing else is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from api.keeping import retention_of
from api.verification import Report, inspected
from catalog.entries import FileEntry
from catalog.garbage import Garbage
from catalog.ledger import Ledger
from catalog.model import BASE_LEVEL
from catalog.reach import Reach
from catalog.staging import ROW_GROUP_ROWS
from engine.execute import Database, DatabaseSettings
from tests.support.keeping import HOUR, Keeper, make_old, make_tag
from tests.support.warehouse import Warehouse, warehouse

EARLY, LATE = dt.date(2019, 4, 1), dt.date(2079, 4, 1)
Change = Callable[[pa.Table], pa.Table]


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Warehouse]:
    """Three series; 80 points in a base file or more, 20 revisions of them and a new series in fresh files."""
    with warehouse(tmp_path / "lake") as opened:
        post(opened, range(40), "2020-02-01", "A")
        post(opened, range(40), "2020-02-01", "B")
        post(opened, range(10), "2020-03-01", "A")
        opened.compact()
        post(opened, range(20), "2020-04-01", "A")
        post(opened, range(5), "2020-02-01", "C")
        yield opened


def post(lake: Warehouse, days: Sequence[int], revision: str, series: str) -> None:
    rows = [
        {
            "source": "S",
            "external_id": series,
            "date": f"2019-{1 + day // 28:02d}-{1 + day % 28:02d}",
            "value": f"{day}.{revision[6]}",
            "revision_date": revision,
        }
        for day in days
    ]
    lake.write({"data_points": rows})


def verified(lake: Warehouse, *, every: bool = False) -> Report:
    ledger = Ledger(lake.services.lake)
    periods = retention_of(lake.settings, lake.limits).periods
    garbage = Garbage(lake.services.lake, ledger, Reach(lake.services.lake), periods)
    told: list[tuple[int, int]] = []
    # One of its own: the service's database knows the footers of files that a test has put others in the place of.
    database = Database(DatabaseSettings(lake.services.lake.data_dir, 2, "256MB", 30_000))
    report = inspected(lake.services.lake, database, ledger, garbage, lambda *done: told.append(done), every=every)
    database.close()
    assert told == [(number + 1, report.files) for number in range(report.files)]
    return report


def faults(lake: Warehouse, *, every: bool = False) -> list[str]:
    return [fault.says for fault in verified(lake, every=every).faults]


def entry(lake: Warehouse, level: int, table: str = "data_points") -> FileEntry:
    """The longest file of a level."""
    files = [file for file in lake.engine.snapshots.current().tables[table].files if file.level == level]
    return max(files, key=lambda file: file.rows)


def rewrite(lake: Warehouse, level: int, change: Change) -> None:
    """Put other rows into a file that keeps its length, so that nothing but the rows is wrong."""
    file = entry(lake, level)
    rows = change(pq.read_table(file.path))
    for level_of_zstd in range(1, 23):
        pq.write_table(rows, file.path, compression="zstd", compression_level=level_of_zstd, store_schema=False)
        short = file.size_bytes - Path(file.path).stat().st_size
        if short >= 0:
            break
    _pad(Path(file.path), short)


def _pad(path: Path, bytes_: int) -> None:
    """Parquet begins with its magic and is read from its end, so that bytes between are never looked at."""
    content = path.read_bytes()
    meta_length = int.from_bytes(content[-8:-4], "little")
    cut = len(content) - 8 - meta_length
    path.write_bytes(content[:cut] + bytes(bytes_) + content[cut:])


def with_column(rows: pa.Table, name: str, values: Any) -> pa.Table:
    position = rows.schema.get_field_index(name)
    return rows.set_column(
        position, rows.schema.field(position), pa.chunked_array([values]).cast(rows.schema.field(position).type)
    )


def replaced(name: str, at: int, value: Callable[[list[Any]], Any]) -> Change:
    def change(rows: pa.Table) -> pa.Table:
        values = rows.column(name).to_pylist()
        values[at] = value(values)
        return with_column(rows, name, pa.array(values, rows.schema.field(name).type))

    return change


def turned(rows: pa.Table) -> pa.Table:
    return rows.take(pc.sort_indices(rows, [("date", "descending")]))


def doubled(rows: pa.Table) -> pa.Table:
    """The first row in the place of the second: a key twice, in order."""
    return pa.concat_tables([rows.slice(0, 1), rows.slice(0, 1), rows.slice(2)])


def test_a_sound_lake_has_no_faults(lake: Warehouse) -> None:
    report = verified(lake)
    assert (report.faults, report.snapshots, report.orphans, report.queued) == ((), 3, 0, 0)
    points = lake.engine.snapshots.current().tables["data_points"]
    assert report.rows > sum(file.rows for file in points.files) == 115
    assert verified(lake, every=True).files > report.files


@pytest.mark.parametrize(
    ("level", "change", "says"),
    [
        (0, turned, "are not in the order of the table"),
        (0, replaced("level", 3, lambda _: 1), "have another level than 0"),
        (0, replaced("seq", 3, lambda _: 7), "carry a sequence"),
        (0, replaced("superseded_on", 3, lambda values: None if values[3] else EARLY),
         "carry a superseded_on"),
        (0, replaced("first_revision", 3, lambda _: EARLY), "carry a first_revision"),
        (0, replaced("date", -1, lambda _: LATE), "beyond the recorded bounds of date"),
        (0, replaced("series_id", 0, lambda _: "-"), "are of another partition"),
        (BASE_LEVEL, replaced("seq", 3, lambda _: None), "carry no sequence"),
        (BASE_LEVEL, replaced("first_revision", 3, lambda _: None), "a first_revision that is not their key's"),
        (BASE_LEVEL, replaced("superseded_on", -1, lambda values: min(filter(None, values))),
         "a superseded_on that is not their successor's"),
        (BASE_LEVEL, doubled, "share their key"),
        (0, lambda rows: rows.slice(1), "are recorded"),
    ],
)  # fmt: skip
def test_a_wrong_row_is_found(lake: Warehouse, level: int, change: Change, says: str) -> None:
    rewrite(lake, level, change)
    found = faults(lake)
    assert any(says in fault for fault in found), found


def test_rewriting_alone_is_no_fault(lake: Warehouse) -> None:
    """What the tests above do to a file is not what they find."""
    for level in (0, BASE_LEVEL):
        rewrite(lake, level, lambda rows: rows)
    assert faults(lake) == []


@pytest.mark.parametrize("pattern", ["data/*.parquet", "metadata/snap-*.avro", "metadata/*-m0.avro"])
@pytest.mark.parametrize("damage", ["truncated", "missing", "emptied"])
def test_a_damaged_file_is_named(lake: Warehouse, pattern: str, damage: str) -> None:
    reach = Reach(lake.services.lake).everything()
    folder = lake.services.lake.data_dir
    needed = sorted(path for path in (folder / "warehouse/finlake/series").glob(pattern))
    victim = next(path for path in reversed(needed) if str(path.relative_to(folder)) in reach)
    content = victim.read_bytes()
    if damage == "missing":
        victim.unlink()
    else:
        victim.write_bytes(content[: len(content) // 2] if damage == "truncated" else b"")
    report = verified(lake, every=True)
    assert victim.name in {fault.file for fault in report.faults}
    assert {fault.table for fault in report.faults} == {"series"}
    assert (report.orphans is None) == ("metadata" in pattern), "without the manifests nobody knows them"


def test_a_missing_metadata_file_is_told(lake: Warehouse) -> None:
    Path(lake.services.lake.metadata_locations()["sources"].removeprefix("file://")).unlink()
    report = verified(lake)
    assert [(fault.table, fault.file) for fault in report.faults] == [("sources", "metadata")]
    assert report.orphans == 0, "what it said is still in memory"


def test_any_flipped_byte_of_a_page_is_found(lake: Warehouse) -> None:
    """Compressed pages carry no checksum of their own, so a wrong value could be read as a right one."""
    file = entry(lake, 0)
    content = Path(file.path).read_bytes()
    group = pq.read_metadata(file.path).row_group(0)
    assert group.num_rows < ROW_GROUP_ROWS
    for number in range(group.num_columns):
        column = group.column(number)
        begin = column.dictionary_page_offset or column.data_page_offset
        flipped = bytearray(content)
        flipped[begin + column.total_compressed_size - 1] ^= 0x01
        Path(file.path).write_bytes(bytes(flipped))
        assert faults(lake), column.path_in_schema
    Path(file.path).write_bytes(content)
    assert faults(lake) == []


def test_older_states_and_tags_are_looked_at_only_when_asked(lake: Warehouse) -> None:
    old = {file.path for file in lake.engine.snapshots.current().tables["data_points"].files}
    make_tag(lake.services.lake, "kept")
    lake.compact()
    new = {file.path for file in lake.engine.snapshots.current().tables["data_points"].files}
    Path(min(old - new)).write_bytes(b"")
    assert faults(lake) == []
    Keeper(lake.services.lake, kept=1, seconds=0).after(HOUR)
    assert faults(lake, every=True)


def test_retired_states_are_looked_at_too(lake: Warehouse) -> None:
    files = {file.path for file in lake.engine.snapshots.current().tables["data_points"].files}
    lake.compact()
    gone = files - {file.path for file in lake.engine.snapshots.current().tables["data_points"].files}
    Keeper(lake.services.lake, kept=1).after(0)
    assert faults(lake, every=True) == []
    Path(min(gone)).unlink()
    assert faults(lake, every=True)


def test_strays_are_counted(lake: Warehouse) -> None:
    stray = Path(entry(lake, 0).path).with_name("stray.parquet")
    stray.write_bytes(b"x")
    assert verified(lake).orphans == 0, "it is young"
    make_old(stray)
    assert verified(lake).orphans == 1
    keeper = Keeper(lake.services.lake, kept=1, grace=0)
    done = keeper.after(0, sweep=True)
    report = verified(lake)
    assert (report.orphans, report.queued) == (0, done.queued + done.orphans)
    for _ in range(3):
        keeper.after(2 * HOUR)
    assert verified(lake).trashed == done.queued + done.orphans
