"""The stored rows of files that are alive, each with its effective sequence: what writers and merges start from.

EFFECTIVE leaves rows of deleted lives in: tables whose rows hide nothing have none.

The reading side builds the same out of a plan, in `engine.lower`.
"""

from __future__ import annotations

from typing import Any

from catalog.scan import ScanFiles

# A folder named like a partition, as in `level=7`, must not put its value in the place of the stored column.
EFFECTIVE = """
    SELECT * REPLACE (coalesce(seq, list_extract($sequences, CAST(file_index + 1 AS BIGINT))) AS seq)
    FROM read_parquet($files, hive_partitioning = false)
"""
ALIVE = f"""
    SELECT * FROM ({EFFECTIVE})
    WHERE seq > coalesce(list_extract($hidden_sequences, list_position($hidden_series, series_id)), -1)
"""  # noqa: S608 - constants alone


def effective_parameters(files: ScanFiles) -> dict[str, Any]:
    """The parameters of EFFECTIVE."""
    return {"files": [file.path for file in files.files], "sequences": [file.sequence for file in files.files]}


def alive_parameters(files: ScanFiles) -> dict[str, Any]:
    """The parameters of ALIVE."""
    hidden = {
        "hidden_series": [series for series, _ in files.hidden],
        "hidden_sequences": [sequence for _, sequence in files.hidden],
    }
    return effective_parameters(files) | hidden
