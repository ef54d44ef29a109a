"""Base merges: the deltas of a partition, and the base files they touch, become new base files in one commit.

A merge reads what one snapshot shows. Appends that land while it runs stay as they are: the sequence of their rows is
above that of every row the merge wrote. The commit is refused where one of the inputs has vanished, because another
merge was faster; then nothing has changed and the output is removed.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.exceptions import CommitFailedException, ValidationException
from pyiceberg.io.pyarrow import parquet_file_to_data_file
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table as IcebergTable

from catalog.commit import ATTEMPTS_MAX, COMMIT_ID, WAIT_SECONDS_MAX, landed
from catalog.errors import CommitFailed, StorageDamaged
from catalog.iceberg import Lake, translated
from catalog.model import BASE_LEVEL, Table
from catalog.scan import ScanFiles
from catalog.snapshot import FileEntry, LakeSnapshot, Snapshots, TableSnapshot
from catalog.staging import discard, stage

BASE_FILE_ROWS_MAX = 2_000_000
OPERATION = "finlake.operation"


class Outdated(Exception):
    """An input of the merge is no longer in the table: nothing has changed."""


@dataclass(frozen=True, slots=True)
class Merging:
    """What a merge needs of the engine: the surviving rows of files, and whether written files hold just their keys."""

    merge: Callable[[ScanFiles], pa.Table]
    agrees: Callable[[ScanFiles, tuple[str, ...]], bool]


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge did in one partition."""

    partition: str | None
    files_before: int
    files_after: int
    rows_before: int
    rows_after: int


def partitions_due(snapshot: LakeSnapshot, table: Table) -> tuple[str | None, ...]:
    """The partitions that hold deltas."""
    found = {file.partition for file in snapshot.tables[table.name].files if file.level < BASE_LEVEL}
    return tuple(sorted(found, key=str))


def base_merge(
    lake: Lake, snapshots: Snapshots, table: Table, partition: str | None, merging: Merging, executor: Executor
) -> Merged | None:
    """Merge the deltas of one partition into its base; None where it has none.

    Raises Outdated, StorageDamaged where what was written is not what was read, and the errors of storage.
    """
    snapshot = snapshots.current()
    inputs = _inputs(snapshot, snapshot.tables[table.name], partition)
    if not inputs.files:
        return None
    rows = merging.merge(inputs)
    outputs = _write(lake, table, inputs, rows, merging, executor)
    _replace(lake, table, inputs.files, outputs)
    rows_before = sum(file.rows for file in inputs.files)
    return Merged(partition, len(inputs.files), len(outputs), rows_before, rows.num_rows)


def _write(
    lake: Lake, table: Table, inputs: ScanFiles, rows: pa.Table, merging: Merging, executor: Executor
) -> tuple[str, ...]:
    """Locations of the written and checked base files; none are left behind where this raises."""
    target = lake.load(table)
    written: list[str] = []
    try:
        for part in _cut(rows.sort_by([(name, "ascending") for name in table.sort]), table):
            written.extend(stage(table, part, target, executor))
        _check(merging.agrees(inputs, tuple(location.removeprefix("file://") for location in written)))
    except BaseException:
        discard(lake.io, tuple(written))
        raise
    return tuple(written)


def _check(agrees: bool) -> None:
    if not agrees:
        raise StorageDamaged("A merge did not write what it read; it was not committed.")


def _inputs(snapshot: LakeSnapshot, stored: TableSnapshot, partition: str | None) -> ScanFiles:
    """All deltas of a partition, and the base files that may hold a key of theirs."""
    files = stored.by_partition.get(partition, ())
    deltas = [file for file in files if file.level < BASE_LEVEL]
    spans = [file.bounds[stored.table.key[0]] for file in deltas]
    bases = [file for file in files if file.level == BASE_LEVEL and _touches(file, spans, stored.table)]
    chosen = tuple(sorted((*deltas, *bases), key=lambda file: (file.sequence, file.path))) if deltas else ()
    hidden = tuple(snapshot.hidden.items())
    return ScanFiles(stored.table.name, chosen, len(stored.files), stored.delete_files, stored.schema_id, hidden)


def _touches(file: FileEntry, spans: list[tuple[str, str]], table: Table) -> bool:
    least, greatest = file.bounds[table.key[0]]
    return any(low <= greatest and least <= high for low, high in spans)


def _cut(ordered: pa.Table, table: Table) -> Iterator[pa.Table]:
    """Parts of at most BASE_FILE_ROWS_MAX rows, never through a series: the ranges of base files do not overlap."""
    if ordered.num_rows == 0:
        return
    runs = pc.run_end_encode(ordered.column(table.key[0]).combine_chunks()).run_ends.to_pylist()
    start = end = 0
    for run in runs:
        if run - start > BASE_FILE_ROWS_MAX and end > start:
            yield ordered.slice(start, end - start)
            start = end
        end = run
    yield ordered.slice(start)


def _replace(lake: Lake, table: Table, victims: tuple[FileEntry, ...], outputs: tuple[str, ...]) -> None:
    """Commit outputs in the place of victims, whatever was appended meanwhile.

    Outputs are removed only where it is certain that no snapshot holds them. Raises Outdated, CommitFailed,
    CommitUnknown, and the errors of storage.
    """
    commit_id = str(uuid.uuid4())
    for _ in range(ATTEMPTS_MAX):
        target = lake.load(table)
        try:
            with translated():
                _overwrite(target, _data_files(lake, target, victims), outputs, commit_id)
        except CommitFailedException:
            time.sleep(random.uniform(0, WAIT_SECONDS_MAX))  # noqa: S311 - spreads rivals, guards nothing
            continue
        except (Outdated, ValidationException) as error:
            discard(lake.io, outputs)
            raise Outdated from error
        except Exception:
            if landed(lake, table, commit_id) is not None:
                return
            discard(lake.io, outputs)
            raise
        return
    discard(lake.io, outputs)
    raise CommitFailed(f"Other writers were faster {ATTEMPTS_MAX} times.")


def _data_files(lake: Lake, target: IcebergTable, victims: tuple[FileEntry, ...]) -> list[DataFile]:
    wanted = {victim.path for victim in victims}
    snapshot = target.current_snapshot()
    entries = (
        entry.data_file
        for manifest in (snapshot.manifests(lake.io) if snapshot else ())
        for entry in manifest.fetch_manifest_entry(lake.io, discard_deleted=True)
    )
    found = [file for file in entries if file.file_path.removeprefix("file://") in wanted]
    if len(found) < len(wanted):
        raise Outdated
    return found


def _overwrite(target: IcebergTable, victims: list[DataFile], outputs: tuple[str, ...], commit_id: str) -> None:
    properties = {COMMIT_ID: commit_id, OPERATION: "base merge"}
    with (
        target.transaction() as transaction,
        transaction.update_snapshot(snapshot_properties=properties).overwrite() as overwrite,
    ):
        for victim in victims:
            overwrite.delete_data_file(victim)
        for location in outputs:
            overwrite.append_data_file(parquet_file_to_data_file(target.io, transaction.table_metadata, location))
