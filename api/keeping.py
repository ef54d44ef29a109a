"""How long what is kept, from the settings: for the commands and for the service's own upkeep."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import asdict

import structlog

from api.config import Settings
from api.limits import Limits
from catalog.batches import BatchLog
from catalog.expiry import Expiry, Pass, Retention
from catalog.garbage import Periods
from catalog.iceberg import Lake

log = structlog.get_logger("finlake.keeping")


def utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def retention_of(settings: Settings, limits: Limits) -> Retention:
    """The grace goes beyond the longest read, so that one which began before its snapshot expired finds its files."""
    periods = Periods(
        grace=settings.garbage_grace_seconds + max(limits.query_time_ms_max, limits.stream_ms_max) / 1000,
        trash=settings.trash_seconds,
        orphan=settings.orphan_age_seconds,
    )
    return Retention(settings.snapshots_kept_min, settings.snapshot_retention_seconds, periods)


class Keeping:
    """The passes that let go of what is old: `expire` of snapshots and of the files that only they reached, `sweep` of
    files that a broken-off commit left, `forget` of receipts. For one thread; each says whether it did anything."""

    def __init__(
        self, lake: Lake, batches: BatchLog, settings: Settings, limits: Limits, clock: Callable[[], dt.datetime]
    ) -> None:
        self._expiry = Expiry(lake, retention_of(settings, limits))
        self._batches = batches
        self._receipt_age = dt.timedelta(seconds=settings.receipt_retention_seconds)
        self._receipts_max = limits.receipts_max
        self._clock = clock

    def expire(self) -> bool:
        return self._told(self._expiry.run(sweep=False))

    def sweep(self) -> bool:
        return self._told(self._expiry.run(sweep=True))

    def forget(self) -> bool:
        gone = self._batches.forget(self._clock() - self._receipt_age, self._receipts_max)
        if gone:
            log.info("receipts_forgotten", receipts=gone)
        return gone > 0

    def _told(self, done: Pass | None) -> bool:
        figures = asdict(done) if done is not None else {}
        if not any(figures.values()):
            return False
        log.info("expired", **figures)
        return True
