"""How much one statement may read: refused by what the files say of themselves, before anything is opened."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from catalog.scan import ScanFiles
from engine.errors import QueryTooLarge


@dataclass(frozen=True, slots=True)
class ScanBounds:
    """What the files of one statement may hold together. Each is a limit: `scan_` and its name."""

    rows_max: int = 2_000_000_000
    bytes_max: int = 64 * 2**30

    def check(self, scans: Iterable[ScanFiles]) -> None:
        """Raises QueryTooLarge. Files are counted whole, though a statement may skip parts of them."""
        listed = tuple(scans)
        rows, size = sum(scan.rows for scan in listed), sum(scan.size_bytes for scan in listed)
        for what, found, most in (("rows", rows, self.rows_max), ("bytes", size, self.bytes_max)):
            if found > most:
                raise QueryTooLarge(
                    f"The files that have the answer hold {found} {what}, where {most} may be read.",
                    "Narrow the question: name series or a range of dates.",
                    limit=f"scan_{what}_max",
                    value=most,
                    found=found,
                )
