"""The composition root: settings, catalog, engine, committer, and the doors over them. Nothing is wired elsewhere."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version

import anyio.to_thread
import structlog
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse

from api import logging
from api.answers import Answers
from api.compression import Compressed
from api.config import Settings
from api.debts import DebtWatch
from api.front import Front
from api.graphql.router import graphql_routes
from api.ingest.batch import Batch
from api.ingest.outcome import Outcome
from api.ingest.prepare import Preparer
from api.ingest.router import ingest_router
from api.ingest.service import IngestService
from api.keeping import utc_now
from api.limits import Limits
from api.metrics import Metrics
from api.odata.router import odata_routes
from api.operations import Observed, operations_router
from api.parameters import check_names
from api.problems import Problem, problem_from
from api.processes import Processes, Role
from api.reading import Reader
from api.sql.router import sql_router
from api.upkeep import Upkeep
from catalog.batches import BatchLog
from catalog.commit import Committer
from catalog.errors import CatalogError
from catalog.evolution import open_lake
from catalog.iceberg import Lake
from catalog.model import MODEL
from catalog.snapshot import Snapshots
from engine.bounds import ScanBounds
from engine.errors import EngineError
from engine.execute import Database, DatabaseSettings
from engine.pipeline import Engine

log = structlog.get_logger("finlake.app")

PROBLEM_JSON = "application/problem+json"
VERSION = version("finlake")
LINKS = {
    "odata": "/odata/",
    "graphql": "/graphql",
    "sql": "/sql",
    "bulk": "/api/v1/financial-data/bulk",
    "documentation": "/docs",
    "health": "/health/detailed",
    "metrics": "/metrics",
}


@dataclass(frozen=True, slots=True)
class Services:
    """What the doors share, in the order it is closed."""

    watching: Upkeep
    debt: DebtWatch
    committer: Committer[Batch, Outcome]
    batches: BatchLog
    database: Database
    points: Database
    sql_database: Database
    lake: Lake
    engine: Engine
    metrics: Metrics

    def close(self) -> None:
        """Finish what is queued, then let go. Blocks."""
        self.watching.close()
        self.committer.close()
        self.database.close()
        self.points.close()
        self.sql_database.close()
        self.lake.close()


def open_services(
    settings: Settings,
    limits: Limits,
    clock: Callable[[], dt.datetime] = utc_now,
    processes: Processes | None = None,
) -> Services:
    """Open the lake and what reads and writes it. `clock` gives the present instant in UTC, `processes` are those that
    count together with this one."""
    lake = open_lake(settings.data_dir, MODEL, settings.partition_width)
    snapshots = Snapshots(lake)
    metrics = Metrics(processes)
    database = Database(
        DatabaseSettings(lake.data_dir, settings.engine_threads, settings.engine_memory, limits.query_time_ms_max)
    )
    points = Database(
        DatabaseSettings(lake.data_dir, 1, settings.points_memory, limits.query_time_ms_max, keeps_order=True)
    )
    # Its own, so that what an analyst asks for takes no memory from the others.
    sql_database = Database(
        DatabaseSettings(lake.data_dir, settings.engine_threads, settings.sql_memory, limits.query_time_ms_max)
    )
    batches = BatchLog(lake, clock)
    committer = Committer(
        lake,
        snapshots,
        Preparer(database, batches, clock, limits.held_points_max),
        batches,
        alone=lambda batch: batch.is_alone,
        pending_bytes_max=limits.pending_bytes_max,
        writer_threads=settings.writer_threads,
    )
    debt = DebtWatch(snapshots, metrics.set_debt)
    watching = Upkeep((debt.look,))
    if settings.maintenance:
        watching.start()
    bounds = ScanBounds(limits.scan_rows_max, limits.scan_bytes_max)
    engine = Engine(snapshots, database, points, sql_database, bounds=bounds, related_keys_max=limits.related_keys_max)
    return Services(watching, debt, committer, batches, database, points, sql_database, lake, engine, metrics)


def create_app() -> Front:
    """The service as its environment sets it: what the server starts in each worker."""
    settings, limits, processes = Settings(), Limits(), Processes.here()
    logging.configure(settings)
    settings, limits = settings.of_worker(), limits.of_worker(settings.workers)
    app = build_app(settings, limits, open_services(settings, limits, processes=processes))
    processes.join(Role.WORKER)
    return app


def build_app(settings: Settings, limits: Limits, services: Services) -> Front:
    """The service over open services, which it closes when it stops."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        log.info("started", data_dir=str(settings.data_dir), version=VERSION)
        yield
        await anyio.to_thread.run_sync(services.close)
        log.info("stopped")

    app = FastAPI(title="finlake", version=VERSION, lifespan=lifespan, redirect_slashes=False)
    reader = Reader(services.engine, limits)
    metrics = services.metrics
    writer = IngestService(
        services.committer,
        services.batches,
        limits,
        lambda: services.debt.figures.partition_files_max,
        metrics.pending.inc,
    )
    app.add_middleware(Compressed)
    app.add_middleware(Observed, metrics=metrics)
    # Routes are tried in their order, and those of routers at some cost: what is asked most often comes first.
    app.router.routes.extend(odata_routes(reader, limits, settings))
    app.router.routes.extend(graphql_routes(reader, writer, limits, settings))
    app.include_router(ingest_router(writer, limits))
    app.include_router(operations_router(reader, services.committer, metrics, settings, VERSION))
    app.include_router(sql_router(reader, limits))
    app.add_api_route("/", _index, methods=["GET", "HEAD"], include_in_schema=False)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(ClientDisconnect, _gone)
    for kind in (Problem, EngineError, CatalogError, Exception):
        app.add_exception_handler(kind, _answer)
    return Front(app, services.engine.snapshots, Answers(limits.answers_bytes_max), metrics.count_repeated)


async def _index(request: Request) -> dict[str, object]:
    check_names(request.query_params.multi_items(), ())
    return {"name": "finlake", "version": VERSION, "links": LINKS}


async def _answer(_: Request, error: Exception) -> Response:
    problem = problem_from(error)
    if problem.status >= 500:
        log.error("problem", code=problem.code, message=problem.message, exc_info=error)
    return JSONResponse(problem.document(), problem.status, headers=dict(problem.headers), media_type=PROBLEM_JSON)


async def _gone(_: Request, __: Exception) -> Response:
    """For the log: the caller hung up before its request was whole, and reads no answer."""
    return Response(status_code=499)


async def _http_error(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException) and error.status_code == 405:
        allowed = dict(error.headers or {})
        return await _answer(
            request, Problem("method_not_allowed", f"{request.method} is not for this path.", headers=allowed)
        )
    return await _answer(request, Problem("not_found", f"There is nothing at {request.url.path[:200]}."))
