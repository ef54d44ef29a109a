"""What to measure, as the command line says it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from benchmarks.dataset import Dataset
from benchmarks.report import Line


@dataclass(frozen=True)
class Options:
    """`only` and `lake` choose cases, all where they are empty; `seconds` is the length of each run of crawlers.

    `series` is how many the lake of suite `reads` has; `ten_times` lets it build a lake of ten times as many.
    """

    only: tuple[str, ...] = ()
    lake: tuple[str, ...] = ()
    seconds: int = 600
    series: int = Dataset.series
    ten_times: bool = False

    @property
    def whole(self) -> bool:
        """Whether all is measured that a suite has by default, so that its section may be written."""
        return replace(self, ten_times=False) == Options()

    def chosen(self, names: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
        """The wanted ones of some names, in their order."""
        return tuple(name for name in names if not wanted or name in wanted)

    def told(self, lines: Iterable[Line]) -> list[Line]:
        """The lines, each printed as soon as it is known."""
        kept: list[Line] = []
        for line in lines:
            sys.stdout.write(f"{line.text()}\n")
            sys.stdout.flush()
            kept.append(line)
        return kept
