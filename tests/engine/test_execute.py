"""Statements that cannot be run: a damaged file, a telling data folder, too little memory, odd parameters."""

from __future__ import annotations

import sys
import threading
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path

import pytest

from catalog.errors import StorageDamaged
from engine.errors import ExecutionFailed
from engine.execute import JOINED_VALUES_MAX, Database, DatabaseSettings
from engine.lower import Statement
from engine.query import Query
from tests.support.warehouse import warehouse

POINT = {"source": "S", "external_id": "A", "date": "2020-01-01", "value": "1", "revision_date": "2020-02-01"}


@pytest.mark.skipif(find_spec("pandas") is not None, reason="pandas is installed")
def test_statements_do_not_look_for_pandas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They would, for each parameter, in every folder where modules may be."""
    monkeypatch.setattr(sys, "meta_path", [each for each in sys.meta_path if not is_ours(each)])
    looked_for: list[str] = []
    databases = [Database(DatabaseSettings(tmp_path, 1, "64MB", 1_000)) for _ in range(2)]
    monkeypatch.setattr(PathFinder, "find_spec", lambda name, *_: looked_for.append(name))
    for database in databases:
        rows = database.open(Statement("SELECT $a, $b, $c", {"a": 1, "b": ["x"], "c": "y"})).batches()
        assert [batch.num_rows for batch in rows] == [1]
        database.close()
    assert sum(map(is_ours, sys.meta_path)) == 1
    assert "pandas" not in looked_for


def is_ours(finder: object) -> bool:
    return type(finder).__module__ == "engine.execute"


@pytest.mark.parametrize("length", [None, 0, 100])
def test_a_damaged_data_file_is_told_to_readers_and_writers(tmp_path: Path, length: int | None) -> None:
    with warehouse(tmp_path) as lake:
        lake.write({"data_points": [POINT]})
    (file,) = (tmp_path / "warehouse" / "finlake" / "data_points" / "data").iterdir()
    content = file.read_bytes()
    file.unlink()
    if length is not None:
        file.write_bytes(content[:length])
    with warehouse(tmp_path) as lake:
        with pytest.raises(StorageDamaged) as told:
            lake.rows(Query("data_points"))
        assert told.value.details == {"file": file.name}
        with pytest.raises(Exception, match="storage_damaged"):
            lake.write({"data_points": [POINT | {"value": "2"}]})
        assert len(lake.rows(Query("series"))) == 1


@pytest.mark.parametrize("name", ["level=7/value=3", "is_deleted=true", "a[b]*", "it's"])
def test_the_name_of_the_data_folder_says_nothing_of_the_rows(tmp_path: Path, name: str) -> None:
    with warehouse(tmp_path / name) as lake:
        token = lake.write({"data_points": [POINT]}).snapshot
        assert lake.write({"data_points": [POINT]}).snapshot == token
        assert [row["value"] for row in lake.rows(Query("data_points"))] == [1]
        assert len(lake.rows(Query("series"))) == 1


def test_too_little_memory_is_told(tmp_path: Path) -> None:
    database = Database(DatabaseSettings(tmp_path, threads=1, memory="32MB", query_time_ms_max=30_000))
    with pytest.raises(ExecutionFailed, match="more memory") as told:
        list(database.open(Statement("SELECT list(range) FROM range(50000000)", {})).batches())
    assert told.value.hint.startswith("Narrow")
    database.close()


def test_a_statement_that_cannot_start_leaves_no_timer(tmp_path: Path) -> None:
    database = Database(DatabaseSettings(tmp_path, threads=1, memory="64MB", query_time_ms_max=30_000))
    for value in (object(), "\ud800", 2**200):
        with pytest.raises((ExecutionFailed, RuntimeError)):
            database.open(Statement("SELECT $value", {"value": value}))
    timers = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    assert all(timer.finished.is_set() for timer in timers)
    database.close()


def test_statements_run_under_the_settings(tmp_path: Path) -> None:
    """A setting can be of one connection alone, and each statement has a connection of its own."""
    database = Database(DatabaseSettings(tmp_path, threads=1, memory="64MB", query_time_ms_max=30_000))
    names = (
        "TimeZone",
        "parquet_metadata_cache",
        "preserve_insertion_order",
        "dynamic_or_filter_threshold",
        "max_temp_directory_size",
    )
    shown = ", ".join(f"current_setting('{name}') AS {name}" for name in names)
    (row,) = database.transform(Statement(f"SELECT {shown}", {}), {}).to_pylist()
    database.close()
    assert row == {
        "TimeZone": "UTC",
        "parquet_metadata_cache": True,
        "preserve_insertion_order": False,
        "dynamic_or_filter_threshold": JOINED_VALUES_MAX,
        "max_temp_directory_size": "1000.0 TiB",
    }
