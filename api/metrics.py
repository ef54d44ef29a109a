"""What is counted for Prometheus: by each process, and told of all of them together by whichever is asked."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from starlette.types import Scope
from typing_extensions import override

from api.debts import DebtFigures
from api.processes import Processes, Role

# The labels of the metrics: a caller may send any path and any method.
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
DOORS = ("odata", "graphql", "sql", "api", "health", "metrics")
SECONDS_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

# The figures of the debt: name, what it says.
DEBT_METRICS = (
    ("files", "debt_files", "Delta files that wait for a base merge."),
    ("size_bytes", "debt_bytes", "Bytes of those files."),
    ("rows", "debt_rows", "Rows of those files."),
    ("oldest_seconds", "debt_oldest_seconds", "Since when a partition has had deltas."),
    ("partition_files_max", "debt_partition_files_max", "Delta files of the partition that has most."),
)
# The figures without labels: how health calls them, and what their samples are called.
TOTALS = {field: name for field, name, _ in DEBT_METRICS} | {
    "pending_bytes": "pending_bytes",
    "merges": "merges_total",
    "merged_rows": "merged_rows_total",
    "merge_seconds": "merge_seconds_total",
}


class Metrics:
    """The service's own registry, so that two services in one process do not meet."""

    def __init__(self, processes: Processes | None = None) -> None:
        self.processes = processes or Processes()
        self._own = registry = CollectorRegistry()
        self.requests = Counter(
            "finlake_requests", "Requests answered.", ("door", "method", "status"), registry=registry
        )
        self.seconds = Histogram(
            "finlake_request_seconds",
            "Time to make an answer; those from memory are left out.",
            ("door",),
            registry=registry,
            buckets=SECONDS_BUCKETS,
        )
        self.repeated = Counter("finlake_repeated", "Requests answered from memory.", ("door",), registry=registry)
        self.pending = Gauge(
            "finlake_pending_bytes",
            "Bodies that wait for their commit.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        # All processes look at one lake, so the last look counts; but who began later has seen a debt for less long.
        self._debt = {
            field: Gauge(
                f"finlake_{name}",
                says,
                registry=registry,
                multiprocess_mode="livemax" if field == "oldest_seconds" else "livemostrecent",
            )
            for field, name, says in DEBT_METRICS
        }
        self.merges = Counter("finlake_merges", "Partitions merged.", registry=registry)
        self.merged_rows = Counter("finlake_merged_rows", "Rows that merges have read.", registry=registry)
        self.merge_seconds = Counter("finlake_merge_seconds", "Time spent on merges.", registry=registry)
        self._by_labels: dict[tuple[str, str, int], tuple[Counter, Histogram, Counter]] = {}

    def count(self, scope: Scope, status: int, seconds: float) -> None:
        """Of every request, once it is answered."""
        method = scope["method"] if scope["method"] in METHODS else "other"
        requests, duration, _ = self._labelled(_door(scope), method, status)
        requests.inc()
        duration.observe(seconds)

    def count_repeated(self, scope: Scope, status: int) -> None:
        """Of a request that was answered from memory. A line in the log, or its time among those of answers that had
        to be made, would take longer than it did."""
        requests, _, repeated = self._labelled(_door(scope), scope["method"], status)
        requests.inc()
        repeated.inc()

    def count_merges(self, partitions: int, rows: int, seconds: float) -> None:
        """Of each bundle that was merged."""
        self.merges.inc(partitions)
        self.merged_rows.inc(rows)
        self.merge_seconds.inc(seconds)

    def set_debt(self, figures: DebtFigures) -> None:
        for field, gauge in self._debt.items():
            gauge.set(getattr(figures, field))

    def exposed(self) -> CollectorRegistry:
        """What all processes of the service have counted, together."""
        registry = CollectorRegistry()
        registry.register(_Alive(self.processes))
        if self.processes.folder is None:
            registry.register(self._own)
        else:
            self.processes.forget_dead()
            MultiProcessCollector(registry, str(self.processes.folder))
        return registry

    def totals(self) -> dict[str, float]:
        """Those of the figures that have no labels, by name, of all processes together; 0 what none has told yet."""
        found = {
            sample.name: sample.value
            for metric in self.exposed().collect()
            for sample in metric.samples
            if not sample.labels
        }
        totals = {name: found.get(f"finlake_{sample}", 0.0) for name, sample in TOTALS.items()}
        return {name: value if name.endswith("seconds") else int(value) for name, value in totals.items()}

    def _labelled(self, door: str, method: str, status: int) -> tuple[Counter, Histogram, Counter]:
        """The metrics of one kind of request. Finding them by their labels takes longer than counting."""
        known = self._by_labels.get((door, method, status))
        if known is None:
            known = (
                self.requests.labels(door, method, str(status)),
                self.seconds.labels(door),
                self.repeated.labels(door),
            )
            self._by_labels[door, method, status] = known
        return known


class _Alive(Collector):
    """Counts the processes when Prometheus asks."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    @override
    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily("finlake_processes", "Processes of the service that are alive.", labels=["role"])
        for role in Role:
            family.add_metric([role], self._processes.alive(role))
        yield family


def _door(scope: Scope) -> str:
    first = scope["path"].strip("/").split("/")[0]
    return first if first in DOORS else "other"
