"""Receipts: from what became of a batch, and back from what is on record of it."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from api.ingest.batch import Batch
from api.ingest.outcome import Outcome
from api.problems import Problem
from api.writing import Receipt
from catalog.batches import BatchRecord

RECORDED_FAILURES_MAX = 100


def receipt_of(batch: Batch, outcome: Outcome, snapshot: str, failures_max: int) -> Receipt:
    """The receipt of a batch that was applied."""
    total = batch.points_total + outcome.verdicts.deleted
    successful = outcome.points + outcome.verdicts.deleted
    failures = outcome.failures[:failures_max]
    id_ = batch.delivery.id
    return Receipt(total, successful, total - successful, snapshot, failures, outcome.verdicts, id_)


def record_of(batch: Batch, outcome: Outcome) -> BatchRecord:
    """What to put on record; the snapshot is not known yet."""
    receipt = msgspec.json.encode(receipt_of(batch, outcome, "", RECORDED_FAILURES_MAX)).decode()
    return BatchRecord(batch.delivery.id, batch.delivery.fingerprint, receipt)


def receipt_from(record: BatchRecord, snapshot: str) -> Receipt:
    """The receipt on record. `snapshot` is given where the record knows none: of a state that holds the batch."""
    receipt = msgspec.json.decode(record.receipt, type=Receipt)
    return replace(receipt, snapshot=record.snapshot or snapshot)


def conflict(batch: Batch) -> Problem:
    return Problem("idempotency_conflict", f"Something else was sent under this key, as batch {batch.delivery.id}.")
