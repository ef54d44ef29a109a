"""Runs the service: granian workers, each a process that makes `api.app:create_app`, and one process for maintenance.

All of them end with this one, the supervisor. A worker that cannot start ends the service; later, what dies is started
again.
"""

from __future__ import annotations

import errno
import gc
import multiprocessing
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from typing import Any

import structlog
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.mp import MPServer

from api.config import Settings
from api.logging import server_config
from api.processes import Processes, Role, shared_folder

log = structlog.get_logger("finlake.server")

TARGET = "api.app:create_app"
LOOK_SECONDS = 0.2
RESTART_SECONDS = 1.0

# Read by the worker's allocators as it starts, unless the user has set them. Arrow's own pool and many arenas keep what
# large posts needed for a moment; with these the worker gives it back. A buffer below the threshold for maps is used
# again: to map and unmap the pieces of a large answer was a quarter of its processor time.
_ALLOCATORS = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_TRIM_THRESHOLD_": str(32 * 2**20),
    "MALLOC_MMAP_THRESHOLD_": str(4 * 2**20),
}


class PortInUse(Exception):
    """Another program listens where the service would."""


def serve(settings: Settings, beside: Callable[[], None] | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then finish what runs, for at most `shutdown_seconds`.

    `beside` runs in a thread of its own while the service comes up. Raises PortInUse, StorageFull, StorageFailed. Ends
    the process with status 1 where a worker cannot start, or dies again and again.
    """
    _refuse_busy_port(settings.host, settings.port)
    # A fresh interpreter: a forked one would inherit locks of threads that it does not have.
    multiprocessing.set_start_method("spawn", force=True)
    for name, value in _ALLOCATORS.items():
        os.environ.setdefault(name, value)
    with shared_folder():
        server = _server(settings)
        threading.Thread(target=_replace_later, args=(server,), name="workers-watch", daemon=True).start()
        if beside is not None:
            threading.Thread(target=beside, name="beside", daemon=True).start()
        with _maintaining(settings) if settings.maintenance else nullcontext():
            server.serve(target_loader=load_app, wrap_loader=False)


def _server(settings: Settings) -> MPServer:
    return MPServer(
        TARGET,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        factory=True,
        websockets=False,
        workers=settings.workers,
        workers_kill_timeout=settings.shutdown_seconds,
        log_level=LogLevels(settings.log_level),
        log_dictconfig=server_config(settings),
    )


def _replace_later(server: MPServer) -> None:
    """Once all workers have come up, one that dies is replaced: before, the next one would fail as it did."""
    processes = Processes.here()
    while processes.alive(Role.WORKER) < server.workers:
        time.sleep(LOOK_SECONDS)
    server.respawn_failed_workers = True


@contextmanager
def _maintaining(settings: Settings) -> Generator[None]:
    """The process for maintenance runs as long as the block does."""
    maintenance = _Maintenance(settings)
    maintenance.start()
    try:
        yield
    finally:
        maintenance.close()


class _Maintenance:
    """Owns that process, and starts it again when it has died."""

    def __init__(self, settings: Settings) -> None:
        self._stop_seconds_max = settings.shutdown_seconds
        self._closing = threading.Event()
        self._started = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="maintenance-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Ends the process, by force where it takes longer than a stop may."""
        self._closing.set()
        with self._started:
            process = self._process
        if process is not None and process.stdin is not None:
            process.stdin.close()
            try:
                process.wait(self._stop_seconds_max)
            except subprocess.TimeoutExpired:
                process.kill()
        self._thread.join()

    def _run(self) -> None:
        while (process := self._next()) is not None:
            status = process.wait()
            if not self._closing.is_set():
                log.error("maintenance_died", status=status)
            self._closing.wait(RESTART_SECONDS)

    def _next(self) -> subprocess.Popen[bytes] | None:
        """A new process, none where it shall end."""
        with self._started:
            if self._closing.is_set():
                return None
            self._process = subprocess.Popen([sys.executable, "-m", "api.background"], stdin=subprocess.PIPE)
            return self._process


def load_app() -> Callable[..., Any]:
    """The application, made in the worker process. The worker stops when the process that started it is gone."""
    threading.Thread(target=_stop_without_parent, name="parent-watch", daemon=True).start()
    app = pkgutil.resolve_name(TARGET)()
    # Modules stay for good: else the collector looks through them again and again, a tenth of a second each time.
    gc.collect()
    gc.freeze()
    return app


def local_url(settings: Settings) -> str:
    """Where a program on this machine reaches the service."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - no bind
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def _stop_without_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _refuse_busy_port(host: str, port: int) -> None:
    """granian shares a port that is listened on already; two services on one port would answer in turns."""
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise PortInUse(f"Port {port} of {host} is in use.") from error
