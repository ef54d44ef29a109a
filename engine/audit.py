"""Verify, the part that looks at rows: whether files hold what the reading side relies on.

A filter prunes by bounds and partitions, a point read by the order of rows, and a base row is read without its rivals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from catalog.entries import FileEntry
from catalog.model import BASE_LEVEL, FIRST_REVISION, SUPERSEDED, Table
from catalog.schemas import sql_by_id
from engine.execute import Database
from engine.lower import Statement

_ROWS = """
SELECT {counts} FROM (
    SELECT *, lag(row({sort})) OVER (ORDER BY file_row_number) AS previous
    FROM read_parquet($files, hive_partitioning = false, schema = {schema}, file_row_number = true)
)
"""

_BASE = """
SELECT {counts} FROM (
    SELECT *, {windows}
    FROM read_parquet($files, hive_partitioning = false, schema = {schema})
)
"""


def file_faults(database: Database, table: Table, file: FileEntry) -> list[str]:
    """What is wrong with the rows of one file. Raises ExecutionFailed, StorageDamaged."""
    parameters: dict[str, Any] = {"level": file.level, "files": [file.path]}
    tests = {
        "are not in the order of the table": f"row({_names(table.sort)}) < previous",
        f"have another level than {file.level}": "level IS DISTINCT FROM $level",
        **_marks(table, file.level),
        **_partition(table, file, parameters),
        **_bounds(file, parameters),
    }
    return _told(database, _ROWS, tests, {"sort": _names(table.sort), "schema": sql_by_id(table.columns)}, parameters)


def base_faults(database: Database, table: Table, files: Sequence[FileEntry]) -> list[str]:
    """What is wrong with the base files that a snapshot shows together in a partition. Raises ExecutionFailed."""
    windows = {"same": f"count(*) OVER (PARTITION BY {_names(table.row_key)})"}
    tests = {"share their key with another row of the base": "same > 1"}
    if table.revision:
        key, revision = _names(table.key), table.revision
        windows["next"] = f"lead({revision}) OVER (PARTITION BY {key} ORDER BY {revision})"
        windows["earliest"] = f"min({revision}) OVER (PARTITION BY {key})"
        tests[f"have a {SUPERSEDED} that is not their successor's"] = f"{SUPERSEDED} IS DISTINCT FROM next"
        tests[f"have a {FIRST_REVISION} that is not their key's"] = f"{FIRST_REVISION} IS DISTINCT FROM earliest"
    written = ", ".join(f"{sql} AS {name}" for name, sql in windows.items())
    parts = {"windows": written, "schema": sql_by_id(table.columns)}
    return _told(database, _BASE, tests, parts, {"files": [file.path for file in files]})


def _marks(table: Table, level: int) -> dict[str, str]:
    """What only merges may have set, and must have."""
    tests = {"carry a sequence, as only merges set it": "seq IS NOT NULL"}
    if level:
        tests = {"carry no sequence, as merges set it": "seq IS NULL"}
    if table.revision and level < BASE_LEVEL:
        tests[f"carry a {SUPERSEDED}, as only base merges set it"] = f"{SUPERSEDED} IS NOT NULL"
        tests[f"carry a {FIRST_REVISION}, as only base merges set it"] = f"{FIRST_REVISION} IS NOT NULL"
    return tests


def _partition(table: Table, file: FileEntry, parameters: dict[str, Any]) -> dict[str, str]:
    if table.partition is None or file.partition is None:
        return {}
    parameters["partition"] = file.partition
    return {"are of another partition": f"left({table.partition}, {len(file.partition)}) <> $partition"}


def _bounds(file: FileEntry, parameters: dict[str, Any]) -> dict[str, str]:
    tests: dict[str, str] = {}
    for name, (least, greatest) in file.bounds.items():
        parameters |= {f"least_{name}": least, f"greatest_{name}": greatest}
        tests[f"lie beyond the recorded bounds of {name}"] = f"{name} NOT BETWEEN $least_{name} AND $greatest_{name}"
    return tests


def _told(
    database: Database, template: str, tests: Mapping[str, str], parts: Mapping[str, str], parameters: Mapping[str, Any]
) -> list[str]:
    """Sentences on the tests that rows fail. No name in them comes from a caller."""
    counts = ", ".join(f"count(*) FILTER (WHERE {test})" for test in tests.values())
    statement = Statement(template.format(counts=counts, **parts), parameters)
    table = database.transform(statement, {})
    found = [column[0].as_py() for column in table.columns]
    return [f"{count:,} rows {says}." for says, count in zip(tests, found, strict=True) if count]


def _names(names: Sequence[str]) -> str:
    return ", ".join(names)
