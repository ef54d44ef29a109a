"""The stored rows of files that are alive, each with its effective sequence: what writers and merges start from.

The reading side builds the same out of a plan, in `engine.lower`.
"""

from __future__ import annotations

from typing import Any

from catalog.scan import ScanFiles
from catalog.schemas import sql_by_id
from engine.lower import check_readable

# A folder named like a partition, as in `level=7`, must not put its value in the place of the stored column.
_PARQUET = "read_parquet($files, hive_partitioning = false{schema})"
_EFFECTIVE = """
    SELECT * REPLACE (coalesce(seq, list_extract($sequences, CAST(file_index + 1 AS BIGINT))) AS seq)
    FROM {parquet}
"""
_ALIVE = """
    SELECT * FROM ({effective})
    WHERE seq > coalesce(list_extract($hidden_sequences, list_position($hidden_series, series_id)), -1)
"""


def parquet(files: ScanFiles) -> str:
    """The rows of files as they are stored; the parameter `files` is theirs. Raises ScanRefused."""
    check_readable(files)
    return _PARQUET.format(schema=f", schema = {sql_by_id(files.columns)}" if files.columns else "")


def effective(files: ScanFiles) -> str:
    """Rows of deleted lives are left in: tables whose rows hide nothing have none."""
    return _EFFECTIVE.format(parquet=parquet(files))


def alive(files: ScanFiles) -> str:
    """Where no series was deleted, `seq` need not be read."""
    if not files.hidden:
        return effective(files)
    return _ALIVE.format(effective=effective(files))


def effective_parameters(files: ScanFiles) -> dict[str, Any]:
    """The parameters of `effective`."""
    return {"files": [file.path for file in files.files], "sequences": [file.sequence for file in files.files]}


def alive_parameters(files: ScanFiles) -> dict[str, Any]:
    """The parameters of `alive`."""
    if not files.hidden:
        return effective_parameters(files)
    hidden = {
        "hidden_series": [series for series, _ in files.hidden],
        "hidden_sequences": [sequence for _, sequence in files.hidden],
    }
    return effective_parameters(files) | hidden
