"""What became of a batch."""

from __future__ import annotations

from dataclasses import dataclass, field

from api.writing import Failure, Verdicts
from catalog.batches import BatchRecord


@dataclass(frozen=True, slots=True)
class Outcome:
    """`points` counts the points of the batch that are stored now, those stored before included.

    `rejected` says that all of it was refused, not `found` that what it names is not there: nothing is stored then.
    `earlier` is the record of the batch that came under the same key before.
    """

    points: int = 0
    failures: tuple[Failure, ...] = ()
    verdicts: Verdicts = field(default_factory=Verdicts)
    rejected: bool = False
    found: bool = True
    earlier: BatchRecord | None = None

    @property
    def is_final(self) -> bool:
        """Whether it goes on record. What was refused as a whole may be sent again under its key, mended."""
        return self.found and not self.rejected
