"""What operators see: health, metrics, one log line a request."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from typing_extensions import override

from api.ingest.batch import Batch
from api.ingest.outcome import Outcome
from api.logging import log_request
from api.merges import MergeFigures
from api.parameters import check_names
from api.reading import SNAPSHOT_HEADER, Reader
from api.upkeep import Upkeep
from catalog.commit import Committer
from catalog.snapshot import LakeSnapshot
from engine.execute import ENGINE

# The labels of the metrics: a caller may send any path and any method.
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
DOORS = ("odata", "graphql", "api", "health", "metrics")
SECONDS_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The service's own registry, so that two services in one process do not meet."""

    def __init__(self, pending_bytes: Callable[[], int], merges: Callable[[], MergeFigures]) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "finlake_requests", "Requests answered.", ("door", "method", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "finlake_request_seconds", "Time to answer.", ("door",), registry=self.registry, buckets=SECONDS_BUCKETS
        )
        pending = Gauge("finlake_pending_bytes", "Bodies that wait for their commit.", registry=self.registry)
        pending.set_function(pending_bytes)
        self.repeated = Counter("finlake_repeated", "Requests answered from memory.", ("door",), registry=self.registry)
        self._by_labels: dict[tuple[str, str, int], tuple[Counter, Histogram, Counter]] = {}
        self.merges = merges
        self.registry.register(_MergeMetrics(merges))

    def count(self, scope: Scope, status: int, seconds: float) -> None:
        """Of every request, once it is answered."""
        method = scope["method"] if scope["method"] in METHODS else "other"
        requests, duration, _ = self._labelled(_door(scope), method, status)
        requests.inc()
        duration.observe(seconds)

    def count_repeated(self, scope: Scope, status: int, seconds: float) -> None:
        """Of a request that was answered from memory. It has no line in the log: writing one takes longer."""
        requests, duration, repeated = self._labelled(_door(scope), scope["method"], status)
        requests.inc()
        duration.observe(seconds)
        repeated.inc()

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


def _door(scope: Scope) -> str:
    first = scope["path"].strip("/").split("/")[0]
    return first if first in DOORS else "other"


# The figures of merges: name, whether it only grows, what it says.
MERGE_METRICS = (
    ("files", "debt_files", False, "Delta files that wait for a base merge."),
    ("size_bytes", "debt_bytes", False, "Bytes of those files."),
    ("rows", "debt_rows", False, "Rows of those files."),
    ("oldest_seconds", "debt_oldest_seconds", False, "Since when a partition has had deltas."),
    ("partition_files_max", "debt_partition_files_max", False, "Delta files of the partition that has most."),
    ("merges", "merges", True, "Partitions merged."),
    ("merged_rows", "merged_rows", True, "Rows that merges have read."),
    ("merge_seconds", "merge_seconds", True, "Time spent on merges."),
)


class _MergeMetrics(Collector):
    """Reads the figures when Prometheus asks."""

    def __init__(self, figures: Callable[[], MergeFigures]) -> None:
        self._figures = figures

    @override
    def collect(self) -> Iterable[Metric]:
        values = asdict(self._figures())
        for field, name, grows, says in MERGE_METRICS:
            kind = CounterMetricFamily if grows else GaugeMetricFamily
            yield kind(f"finlake_{name}", says, value=values[field])


class Observed:
    """ASGI middleware: counts, times and logs each request."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500
        snapshot = ""

        async def watched(message: Message) -> None:
            nonlocal status, snapshot
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = {name.decode().lower(): value.decode("latin-1") for name, value in message["headers"]}
                snapshot = headers.get(SNAPSHOT_HEADER.lower(), "")
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            self._record(scope, status, snapshot, time.perf_counter() - started)

    def _record(self, scope: Scope, status: int, snapshot: str, seconds: float) -> None:
        self._metrics.count(scope, status, seconds)
        log_request(scope["method"], scope["path"], status, seconds * 1000, snapshot=snapshot)


def operations_router(
    reader: Reader, committer: Committer[Batch, Outcome], upkeep: Sequence[Upkeep], metrics: Metrics, version: str
) -> APIRouter:
    router = APIRouter(tags=["operations"])
    started = time.time()

    @router.head("/health", include_in_schema=False)
    @router.get("/health", summary="Whether the service is up")
    async def health(request: Request) -> dict[str, str]:
        check_names(request.query_params.multi_items(), ())
        return {"status": "ok"}

    @router.head("/health/detailed", include_in_schema=False)
    @router.get("/health/detailed", summary="Whether each part works, and what the lake holds")
    async def detailed(request: Request) -> dict[str, object]:
        check_names(request.query_params.multi_items(), ())
        snapshot = await reader.run(reader.engine.snapshots.current)
        return {
            "status": "ok" if committer.alive else "degraded",
            "version": version,
            "engine": ENGINE,
            "uptime_seconds": round(time.time() - started, 1),
            "snapshot": snapshot.token,
            "tables": _table_facts(snapshot),
            "committer": {"alive": committer.alive, "pending_bytes": committer.pending_bytes},
            "maintenance": {"alive": all(each.alive for each in upkeep), **asdict(metrics.merges())},
        }

    @router.head("/metrics", include_in_schema=False)
    @router.get("/metrics", summary="Figures for Prometheus")
    async def figures(request: Request) -> Response:
        check_names(request.query_params.multi_items(), ())
        return Response(generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return router


def _table_facts(snapshot: LakeSnapshot) -> dict[str, dict[str, int]]:
    return {
        name: {
            "files": len(table.files),
            "stored_rows": sum(file.rows for file in table.files),
            "bytes": sum(file.size_bytes for file in table.files),
        }
        for name, table in snapshot.tables.items()
    }
