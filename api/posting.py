"""Posts points of any number in batches, and goes on after a crash where it stopped: the function for crawlers.

Each batch goes out under an idempotency key of its own, and what goes out is put on record first. So a batch whose
receipt was lost is sent again as it was: the service answers it from its record, and a correction that somebody posted
meanwhile stands.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from api.client import Client, Refused, Terms
from api.resume import Journal, Progress, default_folder, journal_of
from api.wire import Body, Cut, Points, bodies
from api.writing import Failure, Mode, Receipt, Verdicts

BATCH_ROWS = 50_000
BATCH_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the points. `rows`, `failed` and `verdicts` count all runs of the job together, `resumed_at` is
    what earlier runs had done, `snapshot` the token of a state that holds all that was stored.

    `failures` are those of this run, numbered by the row in the input (from 0); the service may cut a receipt's short.
    """

    rows: int
    failed: int
    resumed_at: int
    failures: tuple[Failure, ...] = ()
    verdicts: Verdicts = field(default_factory=Verdicts)
    snapshot: str = ""


def post_points(
    client: Client,
    points: Points,
    *,
    source: str | Mapping[str, Any] | None = None,
    series: Iterable[Mapping[str, Any]] = (),
    mode: Mode = "partial",
    changes_only: bool = False,
    batch_rows: int = BATCH_ROWS,
    batch_bytes: int = BATCH_BYTES,
    job: str | None = None,
    state_dir: Path | None = None,
    again: bool = False,
    on_progress: Callable[[int], None] = lambda _rows: None,
) -> Outcome:
    """Post points in batches of at most `batch_rows` rows and about `batch_bytes` bytes.

    `points` are mappings, or a table or stream of Arrow (pyarrow, pandas and polars have them), with the fields of the
    bulk post. `source`, a name or its fields, is that of the rows that name none; `series` are fields of series. Both
    are posted first. `mode` and `changes_only` hold for each batch.

    A `job` names one set of rows in one order: its progress is kept in `state_dir` (else the user's state folder), a
    second run goes on behind what was acknowledged, a finished job is not posted again unless `again` is true. One
    process at a time posts a job: the others get JobRunning. Without a job nothing is kept.

    `on_progress` is told the rows acknowledged so far. Raises ClientError and UnreadableRows; all that was
    acknowledged before is stored and on record.
    """
    terms = Terms(_name_of(source), mode, changes_only)
    journal = Journal() if job is None else journal_of(job, state_dir or default_folder(), repr((client.url, terms)))
    with journal.alone():
        if again:
            journal.forget()
        progress = journal.read()
        resumed_at = progress.rows
        on_progress(progress.rows)
        failures: list[Failure] = []
        if not progress.finished:
            progress = _begun(journal, progress)
            failures += _post_head(client, source, tuple(series), terms, progress)
            for body in bodies(points, progress.rows, Cut(batch_rows, batch_bytes, progress.pending)):
                receipt = _post_body(client, body, terms, journal, progress)
                failures += (_numbered(failure, progress.rows) for failure in receipt.failures)
                progress = _after(progress, body.rows, receipt)
                journal.write(progress)
                on_progress(progress.rows)
            journal.write(msgspec.structs.replace(progress, finished=True))
    return Outcome(progress.rows, progress.failed, resumed_at, tuple(failures), progress.verdicts, progress.snapshot)


def _name_of(source: str | Mapping[str, Any] | None) -> str | None:
    return source["name"] if isinstance(source, Mapping) else source


def _begun(journal: Journal, progress: Progress) -> Progress:
    """Keys are new for every job that starts afresh: what is posted anew on purpose is no repeat."""
    if progress.run:
        return progress
    begun = msgspec.structs.replace(progress, run=uuid.uuid4().hex)
    journal.write(begun)
    return begun


def _post_head(
    client: Client,
    source: str | Mapping[str, Any] | None,
    series: tuple[Mapping[str, Any], ...],
    terms: Terms,
    progress: Progress,
) -> tuple[Failure, ...]:
    """The fields of the source and of series; a second run gets the receipt of the first."""
    fields = source if isinstance(source, Mapping) else {"name": source} if source and series else None
    document: dict[str, Any] = {"series": [dict(each) for each in series]} if series else {}
    if fields is not None:
        document["source"] = dict(fields)
    return client.post(document, terms.mode, f"{progress.run}-head").failures if document else ()


def _post_body(client: Client, body: Body, terms: Terms, journal: Journal, progress: Progress) -> Receipt:
    """Its key tells the batch by its place: cut otherwise, it is another one."""
    journal.write(msgspec.structs.replace(progress, pending=body.rows))
    try:
        return client.post_body(body, terms, f"{progress.run}-{progress.rows}-{body.rows}")
    except Refused as refused:
        if refused.code == "rejected_batch" and terms.mode == "partial":
            return Receipt(body.rows, 0, body.rows, "", refused.failures, Verdicts(rejected=body.rows))
        if refused.code != "idempotency_conflict":
            # Nothing of it is stored: the next run may cut it otherwise.
            journal.write(msgspec.structs.replace(progress, pending=0))
        raise _explained(refused, progress.rows, body.rows) from refused


def _after(progress: Progress, rows: int, receipt: Receipt) -> Progress:
    pairs = zip(astuple(progress.verdicts), astuple(receipt.verdicts), strict=True)
    return msgspec.structs.replace(
        progress,
        rows=progress.rows + rows,
        failed=progress.failed + receipt.failed,
        pending=0,
        verdicts=Verdicts(*(before + now for before, now in pairs)),
        snapshot=receipt.snapshot or progress.snapshot,
    )


def _numbered(failure: Failure, first: int) -> Failure:
    return replace(failure, index=failure.index + first)


def _explained(refused: Refused, first: int, rows: int) -> Refused:
    """Which rows, and what to change."""
    failures = tuple(_numbered(failure, first) for failure in refused.failures)
    message = f"Rows {first + 1} to {first + rows} were refused. {refused.message}"
    return Refused(message, _hint(refused), refused.code, failures, refused.limit)


def _hint(refused: Refused) -> str:
    if refused.code == "idempotency_conflict":
        return "An earlier run of this job sent other rows: give them a job of their own, or post again from the first."
    match refused.limit:
        case ("bulk_rows_max", most):
            return f"Post at most {most} rows at once: --batch-rows, or batch_rows in Python."
        case ("body_bytes_max", most):
            return f"Post less than {most} bytes at once: --batch-bytes or --batch-rows, batch_bytes in Python."
        case _:
            return refused.hint
