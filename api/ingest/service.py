"""The Writer: from a document to the receipt of what is committed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import anyio
import anyio.to_thread
import msgspec

from api.ingest.batch import Batch, batch_of
from api.ingest.decode import decode, fields_of
from api.ingest.prepare import Outcome
from api.limits import Limits
from api.problems import Problem, problem_from
from api.writing import Failure, Mode, Receipt
from catalog.commit import RETRY_AFTER_SECONDS, Committed, Committer
from catalog.errors import CatalogError, Overloaded
from engine.errors import EngineError

DECODERS_MAX = 2
DEBT_RETRY_SECONDS = 5


class IngestService:
    """Stores documents through the committer; the event loop only waits."""

    def __init__(
        self, committer: Committer[Batch, Outcome], limits: Limits, debt_files: Callable[[], int] = lambda: 0
    ) -> None:
        """`debt_files` tells how many files of one partition wait for a merge."""
        self._committer = committer
        self._limits = limits
        self._debt_files = debt_files
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

    async def write(self, document: Mapping[str, Any], mode: Mode) -> Receipt:
        """See `api.writing.Writer`."""
        self._check_debt()
        return await self.write_json(msgspec.json.encode(document), mode)

    async def write_json(self, body: bytes, mode: Mode) -> Receipt:
        """The same from JSON text."""
        batch = await anyio.to_thread.run_sync(self._decoded, body, mode, limiter=self._decoders)
        committed = await self._commit(batch, len(body))
        return self._receipt(batch, committed)

    async def update_series(self, series_id: str, body: bytes) -> Receipt:
        """Set the fields of an existing series from a JSON object; absent ones keep their values, null clears.

        Raises Problem `unknown_entity`, `malformed_json`, `invalid_body`, `rejected_batch`, and those of storage.
        """
        document = {"series": [{**fields_of(body), "series_id": series_id}]}
        content = msgspec.json.encode(document)
        batch = await anyio.to_thread.run_sync(self._decoded, content, "atomic", limiter=self._decoders)
        committed = await self._commit(batch, len(body))
        if any(failure.code == "unknown_series" for failure in committed.outcome.failures):
            raise _unknown(series_id)
        return self._receipt(batch, committed)

    async def delete_series(self, series_id: str) -> Receipt:
        """See `api.writing.Writer`."""
        committed = await self._commit(Batch("atomic", deletes=series_id), len(series_id))
        if not committed.outcome.found:
            raise _unknown(series_id)
        return Receipt(0, 0, 0, committed.token)

    def _check_debt(self) -> None:
        limit = self._limits.debt_files_max
        if self._debt_files() > limit:
            raise _overloaded(
                Overloaded("Too many files wait to be merged.", limit="debt_files_max", value=limit), DEBT_RETRY_SECONDS
            )

    def _decoded(self, body: bytes, mode: Mode) -> Batch:
        document = decode(body)
        rows = document.points_total + len(document.series)
        if rows > self._limits.bulk_rows_max:
            limit = self._limits.bulk_rows_max
            raise Problem(
                "body_too_large",
                f"The request has {rows} rows, more than {limit}.",
                details={"limit": "bulk_rows_max", "value": limit},
            )
        return batch_of(document, mode, self._limits)

    async def _commit(self, batch: Batch, size_bytes: int) -> Committed[Outcome]:
        try:
            return await asyncio.wrap_future(self._committer.submit(batch, size_bytes))
        except Overloaded as error:
            raise _overloaded(error) from error
        except (CatalogError, EngineError) as error:
            raise problem_from(error) from error

    def _receipt(self, batch: Batch, committed: Committed[Outcome]) -> Receipt:
        """Raises Problem `rejected_batch` where nothing of the batch could be stored."""
        outcome = committed.outcome
        failed = batch.points_total - outcome.points
        listed = outcome.failures[: self._limits.failures_reported_max]
        if outcome.rejected or (outcome.failures and _stored_nothing(batch, outcome)):
            raise _rejected(batch, outcome, listed)
        return Receipt(batch.points_total, outcome.points, failed, committed.token, listed)


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
