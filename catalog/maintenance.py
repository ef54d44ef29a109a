"""Merges: files of a partition become fewer ones, of several partitions in one commit.

A merge reads what one snapshot shows. Appends that land while it runs stay as they are: the sequence of their rows is
above that of every row the merge wrote. Where an input of a partition has vanished because another merge was faster,
that partition stays as it is and what was written for it is removed.
"""

from __future__ import annotations

import datetime as dt
import random
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.exceptions import CommitFailedException, ValidationException
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table as IcebergTable

from catalog.commit import ATTEMPTS_MAX, WAIT_SECONDS_MAX
from catalog.data_files import COMMIT_ID, FileTransaction, WrittenFile, data_files, landed
from catalog.debt import MergeTask
from catalog.errors import CommitFailed, StorageDamaged
from catalog.iceberg import Lake, translated
from catalog.model import BASE_LEVEL, Table
from catalog.schemas import arrow_schema
from catalog.staging import ROW_GROUP_ROWS, SortedFiles, check_staged, discard

# DuckDB looks at the statistics of every row group of a file that it opens, which costs a read of one series more than
# the rows do; to know which file to open costs next to nothing.
BASE_FILE_ROWS_MAX = 16 * ROW_GROUP_ROWS
BUNDLE_ROWS_MAX = 5_000_000
OPERATION = "finlake.operation"


@dataclass(frozen=True, slots=True)
class Merging:
    """What a merge needs of the engine: the surviving rows of a task, sorted as the table is, and whether written files
    hold just their keys."""

    rows: Callable[[MergeTask], Iterator[pa.Table]]
    agrees: Callable[[MergeTask, tuple[str, ...]], bool]


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge did in one partition. `outdated` says that it was left alone, as another merge was faster, or the
    table has evolved meanwhile."""

    task: MergeTask
    files_after: int
    rows_after: int
    outdated: bool = False

    @property
    def files_before(self) -> int:
        return len(self.task.inputs.files)

    @property
    def rows_before(self) -> int:
        return self.task.rows


@dataclass(frozen=True, slots=True)
class _Part:
    """The inputs of a task, and the written and checked files that replace them. `shape` is that of the table for which
    they were written."""

    task: MergeTask
    outputs: tuple[WrittenFile, ...]
    rows: int
    shape: tuple[int, int]


def bundles(tasks: Iterable[MergeTask]) -> Iterator[tuple[MergeTask, ...]]:
    """Tasks that share a commit: of one table and level, in their order, not more rows than a broken pass may lose."""
    bundle: list[MergeTask] = []
    for task in tasks:
        full = sum(each.rows for each in bundle) + task.rows > BUNDLE_ROWS_MAX
        alike = bundle and bundle[0].table is task.table and bundle[0].level == task.level
        if bundle and (full or not alike):
            yield tuple(bundle)
            bundle = []
        bundle.append(task)
    if bundle:
        yield tuple(bundle)


def recent_from(today: dt.date, cut_days: int) -> dt.date | None:
    """The first date that lies in the files of recent dates; None where there is no cut.

    It moves once in `cut_days` days, so that the rows that grow old then make one file, not one every day.
    """
    if not cut_days:
        return None
    return dt.date.fromordinal(max(1, (today.toordinal() // cut_days - 1) * cut_days))


def merge(
    lake: Lake,
    bundle: tuple[MergeTask, ...],
    merging: Merging,
    recent: dt.date | None = None,
    between: Callable[[], object] = lambda: None,
) -> tuple[Merged, ...]:
    """Replace the files of each task of a bundle, all in one commit. `between` is called after each task's part.

    Base files hold the dates before `recent` or those from it on. Nothing is left behind where this raises:
    StorageDamaged where what was written is not what was read, CommitFailed, CommitUnknown, and the errors of storage
    and of the engine.
    """
    parts: list[_Part] = []
    try:
        for task in bundle:
            parts.append(_write(lake, task, merging, recent))
            between()
    except BaseException:
        _discard(lake, parts)
        raise
    replaced = _replace(lake, bundle[0].table, parts)
    return tuple(
        Merged(part.task, len(part.outputs), part.rows) if part in replaced else Merged(part.task, 0, 0, outdated=True)
        for part in parts
    )


def _write(lake: Lake, task: MergeTask, merging: Merging, recent: dt.date | None) -> _Part:
    """The checked files of one task; none are left behind where this raises."""
    target = lake.load(task.table)
    whole, history = (SortedFiles(task.table, target, BASE_FILE_ROWS_MAX) for _ in range(2))
    cut = task.table.axis if task.level == BASE_LEVEL else None
    try:
        for merged_rows in merging.rows(task):
            rows = _as_stored(merged_rows, task.table)
            if cut is not None and recent is not None:
                old = pc.less(rows.column(cut), pa.scalar(recent))
                history.add(rows.filter(old))
                rows = rows.filter(pc.invert(old))
            whole.add(rows)
        for files in (whole, history):
            files.end_file()
        outputs = (*whole.files, *history.files)
        _check(merging.agrees(task, tuple(file.path for file in outputs)))
    except BaseException:
        for files in (whole, history):
            files.abort()
            discard(lake.io, files.locations)
        raise
    if task.level < BASE_LEVEL:
        lake.members.learn({file.path: file.members for file in outputs})
    return _Part(task, outputs, whole.rows + history.rows, _shape(target))


def _shape(target: IcebergTable) -> tuple[int, int]:
    return target.metadata.current_schema_id, target.metadata.default_spec_id


def _check(agrees: bool) -> None:
    if not agrees:
        raise StorageDamaged("A merge did not write what it read; it was not committed.")


def _as_stored(rows: pa.Table, table: Table) -> pa.Table:
    return rows.select([column.name for column in table.columns]).cast(arrow_schema(table))


def _discard(lake: Lake, parts: Iterable[_Part]) -> None:
    for part in parts:
        discard(lake.io, (file.location for file in part.outputs))


def _replace(lake: Lake, table: Table, parts: list[_Part]) -> list[_Part]:
    """Commit the outputs of parts in the place of their inputs, whatever was appended meanwhile; the parts that landed.

    Outputs are removed only where it is certain that no snapshot holds them.
    """
    commit_id = str(uuid.uuid4())
    for _ in range(ATTEMPTS_MAX):
        try:
            with lake.turns.mine():
                target = lake.load(table)
                stored = _data_files(lake, target)
                parts = _still_there(lake, parts, stored, _shape(target))
                if parts:
                    with translated():
                        _overwrite(target, parts, stored, commit_id)
        except (CommitFailedException, ValidationException):
            time.sleep(random.uniform(0, WAIT_SECONDS_MAX))  # noqa: S311 - spreads rivals, guards nothing
            continue
        except Exception:
            if landed(lake, table, commit_id) is not None:
                return parts
            _discard(lake, parts)
            raise
        return parts
    _discard(lake, parts)
    raise CommitFailed(f"Other writers were faster {ATTEMPTS_MAX} times.")


def _still_there(lake: Lake, parts: list[_Part], stored: Mapping[str, DataFile], shape: tuple[int, int]) -> list[_Part]:
    """The parts whose inputs a table of their shape still holds; what was written for the others is removed."""
    there = [
        part for part in parts if part.shape == shape and all(file.path in stored for file in part.task.inputs.files)
    ]
    _discard(lake, (part for part in parts if part not in there))
    return there


def _data_files(lake: Lake, target: IcebergTable) -> Mapping[str, DataFile]:
    """The files that a table holds, by path."""
    snapshot = target.current_snapshot()
    with translated():
        entries = [
            entry.data_file
            for manifest in (snapshot.manifests(lake.io) if snapshot else ())
            for entry in manifest.fetch_manifest_entry(lake.io, discard_deleted=True)
        ]
    return {file.file_path.removeprefix("file://"): file for file in entries}


def _overwrite(target: IcebergTable, parts: list[_Part], stored: Mapping[str, DataFile], commit_id: str) -> None:
    operation = "base merge" if any(part.task.level == BASE_LEVEL for part in parts) else "delta merge"
    properties = {COMMIT_ID: commit_id, OPERATION: operation}
    with FileTransaction(target) as transaction:
        with transaction.update_snapshot(snapshot_properties=properties).overwrite() as overwrite:
            for part in parts:
                for file in part.task.inputs.files:
                    overwrite.delete_data_file(stored[file.path])
                for added in data_files(transaction.table_metadata, part.outputs):
                    overwrite.append_data_file(added)
        check_staged(target.io, (file for part in parts for file in part.outputs))
