"""Runs the service: one granian worker process that makes `api.app:create_app` and ends with its parent."""

from __future__ import annotations

import errno
import multiprocessing
import os
import pkgutil
import signal
import socket
import threading
from collections.abc import Callable
from typing import Any

from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server import Server

from api.config import Settings
from api.logging import server_config

TARGET = "api.app:create_app"

# Read by the worker's allocators as it starts, unless the user has set them. Arrow's own pool and many arenas keep what
# large posts needed for a moment; with these the worker gives it back.
_ALLOCATORS = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_TRIM_THRESHOLD_": str(32 * 2**20),
}


class PortInUse(Exception):
    """Another program listens where the service would."""


def serve(settings: Settings, beside: Callable[[], None] | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then finish what runs, for at most `shutdown_seconds`.

    `beside` runs in a thread of its own while the service comes up. Raises PortInUse. Ends the process with status 1
    where the worker fails.
    """
    _refuse_busy_port(settings.host, settings.port)
    # A fresh interpreter: a forked one would inherit locks of threads that it does not have.
    multiprocessing.set_start_method("spawn", force=True)
    for name, value in _ALLOCATORS.items():
        os.environ.setdefault(name, value)
    server = Server(
        TARGET,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        factory=True,
        websockets=False,
        workers=1,
        workers_kill_timeout=settings.shutdown_seconds,
        log_level=LogLevels(settings.log_level),
        log_dictconfig=server_config(settings),
    )
    if beside is not None:
        threading.Thread(target=beside, name="beside", daemon=True).start()
    server.serve(target_loader=load_app, wrap_loader=False)


def load_app() -> Callable[..., Any]:
    """The application, made in the worker process. The worker stops when the process that started it is gone."""
    threading.Thread(target=_stop_without_parent, name="parent-watch", daemon=True).start()
    return pkgutil.resolve_name(TARGET)()


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
