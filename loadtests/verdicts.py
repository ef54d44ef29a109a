"""What locust counted, held against the budgets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from loadtests.budgets import Budget


class Counted(msgspec.Struct, frozen=True):
    """One entry of locust's statistics. `response_times`: how many requests took so many (rounded) milliseconds."""

    name: str
    num_requests: int
    num_failures: int
    response_times: dict[float, int]

    def percentile(self, share: float) -> float:
        """The shortest time within which that share of the requests was answered."""
        wanted, seen = share * sum(self.response_times.values()), 0
        for milliseconds, count in sorted(self.response_times.items()):
            seen += count
            if seen >= wanted:
                return milliseconds
        raise ValueError(f"No request of {self.name} was answered.")


@dataclass(frozen=True)
class Verdict:
    """One figure of one request name. Without a figure nothing was measured, and that is a miss."""

    request: str
    what: str
    figure: float | None
    most: float | None

    @property
    def met(self) -> bool:
        return self.figure is not None and self.most is not None and self.figure <= self.most

    def text(self) -> str:
        figure = "never asked" if self.figure is None else f"{self.figure:g}"
        aim = "no budget" if self.most is None else f"at most {self.most:g}"
        return f"{self.request}, {self.what}: {figure} [{aim}: {'met' if self.met else 'MISSED'}]"


def read_counted(content: bytes) -> list[Counted]:
    """The entries of locust's `--json-file`."""
    return msgspec.json.decode(content, type=list[Counted])


def verdicts(budgets: Mapping[str, Budget], counted: Sequence[Counted]) -> list[Verdict]:
    """Four verdicts a budget; a request without a budget and a budget without a request are misses."""
    by_name = {entry.name: entry for entry in counted if entry.num_requests}
    unbudgeted = [
        Verdict(name, "requests", entry.num_requests, None) for name, entry in by_name.items() if name not in budgets
    ]
    judged = [verdict for name, budget in budgets.items() for verdict in _judged(name, budget, by_name.get(name))]
    return judged + unbudgeted


def _judged(name: str, budget: Budget, entry: Counted | None) -> Iterator[Verdict]:
    for what, share, most in (("p50", 0.50, budget.p50_ms), ("p95", 0.95, budget.p95_ms), ("p99", 0.99, budget.p99_ms)):
        yield Verdict(name, f"{what} ms", entry and entry.percentile(share), most)
    yield Verdict(name, "error share", entry and entry.num_failures / entry.num_requests, budget.error_share)
