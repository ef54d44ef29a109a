"""Posts a file's rows in batches: each receipt is put on record before the next batch leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from api.client import Client
from api.resume import Journal, Progress
from api.row_files import Point, RowFile
from api.writing import Failure


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file. `rows` and `failed` count all runs together, `resumed_at` what earlier runs had done.

    `failures` are those of this run, numbered by the row in the file (from 0); the service may cut a receipt's short.
    """

    rows: int
    failed: int
    resumed_at: int
    failures: tuple[Failure, ...] = ()


def load_rows(
    client: Client,
    rows: RowFile,
    journal: Journal,
    source: str | None,
    batch_rows: int,
    on_progress: Callable[[int], None] = lambda _rows: None,
) -> Outcome:
    """Post what is not acknowledged yet. `on_progress` is told the rows acknowledged so far.

    Raises ClientError and UnreadableFile; all that was acknowledged before is stored and on record.
    """
    started = progress = journal.read()
    failures: list[Failure] = []
    on_progress(progress.rows)
    if started.finished:
        return Outcome(progress.rows, progress.failed, started.rows)
    for batch in _batches(rows.points(progress.rows), batch_rows):
        receipt = client.post(_document(batch, source))
        failures += (_numbered(failure, progress.rows) for failure in receipt.failures)
        progress = Progress(progress.rows + len(batch), progress.failed + receipt.failed)
        journal.write(progress)
        on_progress(progress.rows)
    journal.write(Progress(progress.rows, progress.failed, finished=True))
    return Outcome(progress.rows, progress.failed, started.rows, tuple(failures))


def _batches(points: Iterable[Point], size: int) -> Iterator[list[Point]]:
    remaining = iter(points)
    while batch := list(islice(remaining, size)):
        yield batch


def _document(batch: list[Point], source: str | None) -> dict[str, object]:
    named = {"source": {"name": source}} if source else {}
    return {**named, "data_points": batch}


def _numbered(failure: Failure, first: int) -> Failure:
    return Failure(failure.part, failure.index + first, failure.field, failure.code, failure.message)
