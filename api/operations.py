"""What operators see: health, metrics, one log line a request."""

from __future__ import annotations

import os
import time

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.config import Settings
from api.ingest.batch import Batch
from api.ingest.outcome import Outcome
from api.logging import log_request
from api.metrics import Metrics
from api.parameters import check_names
from api.processes import Role
from api.reading import SNAPSHOT_HEADER, Reader
from catalog.commit import Committer
from catalog.snapshot import LakeSnapshot
from engine.execute import ENGINE


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
    reader: Reader, committer: Committer[Batch, Outcome], metrics: Metrics, settings: Settings, version: str
) -> APIRouter:
    router = APIRouter(tags=["operations"])

    @router.head("/health", include_in_schema=False)
    @router.get("/health", summary="Whether the service is up")
    async def health(request: Request) -> dict[str, str]:
        check_names(request.query_params.multi_items(), ())
        return {"status": "ok"}

    def facts() -> dict[str, object]:
        alive = {role: metrics.processes.alive(role) for role in Role}
        totals = metrics.totals()
        pending_bytes = totals.pop("pending_bytes")
        snapshot = reader.engine.snapshots.current()
        whole = alive[Role.WORKER] >= settings.workers and (alive[Role.MAINTENANCE] or not settings.maintenance)
        return {
            "status": "ok" if committer.alive and whole else "degraded",
            "version": version,
            "engine": ENGINE,
            "uptime_seconds": round(time.time() - metrics.processes.since, 1),
            "snapshot": snapshot.token,
            "tables": _table_facts(snapshot),
            "workers": {"expected": settings.workers, "alive": alive[Role.WORKER], "answering": os.getpid()},
            "committer": {"alive": committer.alive, "pending_bytes": pending_bytes},
            "maintenance": {"alive": alive[Role.MAINTENANCE] > 0, **totals},
        }

    @router.head("/health/detailed", include_in_schema=False)
    @router.get("/health/detailed", summary="Whether each part works, and what the lake holds")
    async def detailed(request: Request) -> dict[str, object]:
        """The committer is that of the worker that answers; all else is of the service."""
        check_names(request.query_params.multi_items(), ())
        return await reader.run(facts)

    @router.head("/metrics", include_in_schema=False)
    @router.get("/metrics", summary="Figures for Prometheus")
    async def figures(request: Request) -> Response:
        check_names(request.query_params.multi_items(), ())
        return Response(generate_latest(metrics.exposed()), headers={"Content-Type": CONTENT_TYPE_LATEST})

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
