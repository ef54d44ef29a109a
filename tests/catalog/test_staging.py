"""Rows in any order, as texts or as numbers of texts -> sorted files, and the entries that commits tell of them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.io.pyarrow import parquet_file_to_data_file

from catalog.data_files import WrittenFile, data_files
from catalog.iceberg import Lake
from catalog.members import Members
from catalog.model import DATA_POINTS, MODEL
from catalog.schemas import arrow_schema
from catalog.staging import stage
from tests.support.committing import points

NAMES = [f"name {number}" for number in range(60)]
SORT = [(name, "ascending") for name in DATA_POINTS.sort]


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    lake = Lake(tmp_path, MODEL)
    yield lake
    lake.close()


def staged(lake: Lake, rows: pa.Table) -> tuple[WrittenFile, ...]:
    with ThreadPoolExecutor(2) as executor:
        return stage(DATA_POINTS, rows, lake.load(DATA_POINTS), executor, Members())


def with_dictionary(rows: pa.Table, ids: list[str]) -> pa.Table:
    """The series as numbers of the texts in `ids`."""
    indices = pa.array([ids.index(id_) for id_ in rows.column("series_id").to_pylist()], pa.int32())
    return rows.set_column(0, "series_id", pa.DictionaryArray.from_arrays(indices, pa.array(ids)))


def columns_in(rows: pa.Table, how: str) -> pa.Table:
    ids = sorted(set(rows.column("series_id").to_pylist()))
    match how:
        case "texts":
            return rows
        case "chunks":
            return pa.concat_tables([rows.slice(0, 7), rows.slice(7)])
        case "sorted dictionary":
            return with_dictionary(rows, ids)
        case "dictionary with more":
            return with_dictionary(rows, sorted([*ids, "0", "7", "z"]))
        case "dictionaries of their own":
            parts = [with_dictionary(rows.slice(0, 7), ids), with_dictionary(rows.slice(7), ids[::-1])]
            return pa.concat_tables(parts)
        case _:
            return with_dictionary(rows, ids[::-1])


@pytest.mark.parametrize("order", ["sorted", "shuffled"])
@pytest.mark.parametrize(
    "how",
    [
        "texts",
        "chunks",
        "sorted dictionary",
        "dictionary with more",
        "dictionaries of their own",
        "dictionary from behind",
    ],
)
def test_files_are_sorted_and_hold_one_partition_each(lake: Lake, how: str, order: str) -> None:
    expected = points(*NAMES).sort_by(SORT)
    chance = random.Random(1)
    places = chance.sample(range(60), 60) if order == "shuffled" else list(range(60))
    files = staged(lake, columns_in(expected.take(places), how))
    paths = [file.location.removeprefix("file://") for file in files]
    read = [pq.read_table(path) for path in paths]
    assert all(part.schema.equals(arrow_schema(DATA_POINTS)) for part in read)
    assert pa.concat_tables(read).equals(expected)
    prefixes = [{id_[:1] for id_ in part.column("series_id").to_pylist()} for part in read]
    assert [len(each) for each in prefixes] == [1] * len(read)
    assert len(set.union(*prefixes)) == len(read)
    assert [file.size_bytes for file in files] == [Path(path).stat().st_size for path in paths]


def test_entries_are_those_that_the_files_would_give(lake: Lake) -> None:
    """What the writer knows of a file is what pyiceberg finds when it reads the file's footer."""
    files = staged(lake, columns_in(points(*NAMES), "sorted dictionary"))
    target = lake.load(DATA_POINTS)
    read = [parquet_file_to_data_file(target.io, target.metadata, file.location) for file in files]
    assert [str(entry) for entry in data_files(target.metadata, files)] == [str(entry) for entry in read]
    assert len({str(entry) for entry in read}) == len(files)
