"""The Writer: from a document to the receipt of what is committed."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import anyio
import anyio.to_thread
import msgspec

from api.ingest.batch import Batch, Deletion, batch_of
from api.ingest.decode import decode, fields_of
from api.ingest.delivery import delivery_of, id_of
from api.ingest.media import BodyKind
from api.ingest.outcome import Outcome
from api.ingest.receipts import conflict, receipt_from, receipt_of
from api.ingest.unpack import unpacked
from api.limits import Limits
from api.problems import Problem, problem_from
from api.writing import Failure, Mode, Receipt
from catalog.batches import BatchLog
from catalog.commit import RETRY_AFTER_SECONDS, Committed, Committer
from catalog.errors import CatalogError, Overloaded
from engine.errors import EngineError

DECODERS_MAX = 2
DEBT_RETRY_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Terms:
    """How a document is to be stored; `key` is its idempotency key, empty for none."""

    mode: Mode = "partial"
    changes_only: bool = False
    key: str = ""


class IngestService:
    """Stores documents through the committer; the event loop only waits."""

    def __init__(
        self,
        committer: Committer[Batch, Outcome],
        batches: BatchLog,
        limits: Limits,
        debt_files: Callable[[], int] = lambda: 0,
        pending: Callable[[int], object] = lambda _: None,
    ) -> None:
        """`debt_files` tells how many files of one partition wait for a merge; `pending` is told by how many bytes what
        waits for its commit grows or shrinks."""
        self._committer = committer
        self._batches = batches
        self._limits = limits
        self._debt_files = debt_files
        self._pending = pending
        self._decoders = anyio.CapacityLimiter(DECODERS_MAX)
        self._received_bytes = 0

    @contextmanager
    def receiving(self) -> Generator[Callable[[int], None]]:
        """Counts the bytes of one body from its first until it is answered for: `pending_bytes_max` bounds all bodies
        together, those included that no decoder has come to yet. A lone body passes whatever its size.

        What it yields is told the size of each chunk, and raises Problem `overloaded`; so does entering where merges
        are too far behind.
        """
        self._check_debt()
        counted = 0

        def count(size_bytes: int) -> None:
            nonlocal counted
            if self._received_bytes > counted and self._received_bytes + size_bytes > self._limits.pending_bytes_max:
                limit = self._limits.pending_bytes_max
                raise _overloaded(
                    Overloaded("Too much is waiting to be stored.", limit="pending_bytes_max", value=limit)
                )
            counted += size_bytes
            self._received_bytes += size_bytes

        try:
            yield count
        finally:
            self._received_bytes -= counted

    async def write(self, document: Mapping[str, Any], mode: Mode, key: str = "") -> Receipt:
        """See `api.writing.Writer`."""
        self._check_debt()
        return await self.write_body(msgspec.json.encode(document), BodyKind(), Terms(mode, key=key))

    async def write_body(self, body: bytes, kind: BodyKind, terms: Terms) -> Receipt:
        """The same from a body of any format, as it came in."""
        batch = await anyio.to_thread.run_sync(self._decoded, body, kind, terms, limiter=self._decoders)
        # Of a packed body what waits for its commit is what came out of it.
        committed = await self._commit(batch, max(len(body), batch.points.nbytes))
        return self._receipt(batch, committed)

    async def update_series(self, series_id: str, body: bytes, key: str) -> Receipt:
        """Set the fields of an existing series from a JSON object; absent ones keep their values, null clears.

        Raises Problem `unknown_entity`, `malformed_json`, `invalid_body`, `rejected_batch`, and those of storage.
        """
        document = {"series": [{**fields_of(body), "series_id": series_id}]}
        content = msgspec.json.encode(document)
        terms = Terms("atomic", key=key)
        batch = await anyio.to_thread.run_sync(self._decoded, content, BodyKind(), terms, limiter=self._decoders)
        committed = await self._commit(batch, len(body))
        if any(failure.code == "unknown_series" for failure in committed.outcome.failures):
            raise _unknown(series_id)
        return self._receipt(batch, committed)

    async def delete_series(self, series_id: str, key: str = "") -> Receipt:
        """See `api.writing.Writer`."""
        return await self._delete(Deletion(series_id), key)

    async def delete_points(self, series_id: str, span: tuple[dt.date, dt.date], key: str) -> Receipt:
        """Delete the points of a series from one date to another, both included: they are gone from the latest view,
        and as of today; as of an earlier day, and among the revisions, they are still there.

        Raises Problem `unknown_entity`, and those of storage.
        """
        return await self._delete(Deletion(series_id, span), key)

    async def knows(self, key: str) -> bool:
        """See `api.writing.Writer`."""
        found = await anyio.to_thread.run_sync(self._batches.get, id_of(key), limiter=self._decoders)
        return found is not None

    async def receipt(self, batch_id: str) -> Receipt:
        """The receipt of a batch. Raises Problem `unknown_entity` where none is on record, any more or at all."""
        record = await anyio.to_thread.run_sync(self._batches.get, batch_id, limiter=self._decoders)
        if record is None:
            raise Problem("unknown_entity", f"There is no receipt of a batch {batch_id}.", "Check the id.")
        return receipt_from(record, record.snapshot)

    async def _delete(self, deletion: Deletion, key: str) -> Receipt:
        delivery = delivery_of(key, "delete", repr(deletion).encode())
        batch = Batch(delivery, "atomic", deletes=deletion)
        committed = await self._commit(batch, len(deletion.series_id))
        if not committed.outcome.found:
            raise _unknown(deletion.series_id)
        return self._receipt(batch, committed)

    def _check_debt(self) -> None:
        limit = self._limits.debt_files_max
        if self._debt_files() > limit:
            raise _overloaded(
                Overloaded("Too many files wait to be merged.", limit="debt_files_max", value=limit), DEBT_RETRY_SECONDS
            )

    def _decoded(self, body: bytes, kind: BodyKind, terms: Terms) -> Batch:
        body = unpacked(body, kind.packing, self._limits)
        document = decode(body, kind, self._limits)
        # How it was packed is no part of what is sent: a client may pack it anew.
        delivery = delivery_of(terms.key, repr((terms, kind.format, kind.source)), body)
        return replace(batch_of(document, delivery, terms.mode, self._limits), changes_only=terms.changes_only)

    async def _commit(self, batch: Batch, size_bytes: int) -> Committed[Outcome]:
        self._pending(size_bytes)
        try:
            return await asyncio.wrap_future(self._committer.submit(batch, size_bytes))
        except Overloaded as error:
            raise _overloaded(error) from error
        except (CatalogError, EngineError) as error:
            raise problem_from(error) from error
        finally:
            self._pending(-size_bytes)

    def _receipt(self, batch: Batch, committed: Committed[Outcome]) -> Receipt:
        """Raises Problem `rejected_batch` where nothing of the batch could be stored."""
        outcome = committed.outcome
        if outcome.earlier is not None:
            if outcome.earlier.fingerprint != batch.delivery.fingerprint:
                raise conflict(batch)
            return receipt_from(outcome.earlier, committed.token)
        if outcome.rejected or (outcome.failures and _stored_nothing(batch, outcome)):
            raise _rejected(batch, outcome, outcome.failures[: self._limits.failures_reported_max])
        return receipt_of(batch, outcome, committed.token, self._limits.failures_reported_max)


def _overloaded(error: Overloaded, seconds: int = RETRY_AFTER_SECONDS) -> Problem:
    problem = problem_from(error)
    problem.headers = {"Retry-After": str(seconds)}
    return problem


def _unknown(series_id: str) -> Problem:
    return Problem("unknown_entity", f"There is no series {series_id}.")


def _stored_nothing(batch: Batch, outcome: Outcome) -> bool:
    failed = {failure.index for failure in outcome.failures if failure.part == "series"}
    return not (outcome.points or batch.sources or any(patch.index not in failed for patch in batch.series))


def _rejected(batch: Batch, outcome: Outcome, listed: tuple[Failure, ...]) -> Problem:
    first = outcome.failures[0]
    return Problem(
        "rejected_batch",
        f"Nothing was stored: {len(outcome.failures)} rows have faults, the first is {first.part}[{first.index}]: "
        f"{first.message}",
        details={
            "total_processed": batch.points_total,
            "successful": 0,
            "failed": len(outcome.failures),
            "failures": [asdict(failure) for failure in listed],
        },
    )
