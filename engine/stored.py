"""The stored rows of files that are alive, each with its effective sequence: what writers and merges start from.

The reading side builds the same out of a plan, in `engine.lower`.
"""

from __future__ import annotations

from typing import Any

from catalog.scan import ScanFiles

# A folder named like a partition, as in `level=7`, must not put its value in the place of the stored column.
ALIVE = """
    SELECT * FROM (
        SELECT * REPLACE (coalesce(seq, list_extract($sequences, CAST(file_index + 1 AS BIGINT))) AS seq)
        FROM read_parquet($files, hive_partitioning = false)
    )
    WHERE seq > coalesce(list_extract($hidden_sequences, list_position($hidden_series, series_id)), -1)
"""


def alive_parameters(files: ScanFiles) -> dict[str, Any]:
    """The parameters of ALIVE."""
    return {
        "files": [file.path for file in files.files],
        "sequences": [file.sequence for file in files.files],
        "hidden_series": [series for series, _ in files.hidden],
        "hidden_sequences": [sequence for _, sequence in files.hidden],
    }
