"""The debt of the lake as it was last looked at: by it merges are chosen, posts made to wait, and operators told."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from catalog.debt import Debt, Debts
from catalog.snapshot import Snapshots


@dataclass(frozen=True, slots=True)
class DebtFigures:
    """All partitions together. `partition_files_max` is of the one that has most files to read for one key."""

    files: int = 0
    size_bytes: int = 0
    rows: int = 0
    oldest_seconds: float = 0.0
    partition_files_max: int = 0


class DebtWatch:
    """One thread looks; `figures` may be read from any. `told` is given them after each look."""

    def __init__(
        self,
        snapshots: Snapshots,
        told: Callable[[DebtFigures], object] = lambda _: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.snapshots = snapshots
        self.figures = DebtFigures()
        self._told = told
        self._monotonic = monotonic
        self._debts = Debts()

    def look(self) -> tuple[Debt, ...]:
        """The debts of the newest snapshot; the figures are set by them."""
        debts = self._debts.at(self.snapshots.current(), self._monotonic())
        self.figures = DebtFigures(
            files=sum(debt.files for debt in debts),
            size_bytes=sum(debt.size_bytes for debt in debts),
            rows=sum(debt.rows for debt in debts),
            oldest_seconds=max((debt.age_seconds for debt in debts), default=0.0),
            partition_files_max=max((debt.stacked_files for debt in debts), default=0),
        )
        self._told(self.figures)
        return debts
