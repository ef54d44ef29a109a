"""How long what is kept, from the settings: for the commands and for the service's own upkeep."""

from __future__ import annotations

from api.config import Settings
from api.limits import Limits
from catalog.expiry import Retention
from catalog.garbage import Periods


def retention_of(settings: Settings, limits: Limits) -> Retention:
    """The grace goes beyond the longest query: a read that began before its snapshot expired finds its files."""
    periods = Periods(
        grace=settings.garbage_grace_seconds + limits.query_time_ms_max / 1000,
        trash=settings.trash_seconds,
        orphan=settings.orphan_age_seconds,
    )
    return Retention(settings.snapshots_kept_min, settings.snapshot_retention_seconds, periods)
