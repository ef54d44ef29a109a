"""The real service as a process of its own, on a free port, over a folder of the test's."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support.tree import ROOT

START_SECONDS_MAX = 180.0
STOP_SECONDS_MAX = 60.0


@dataclass(frozen=True)
class Service:
    """A started service. Its log is in `log`."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def stop(self) -> int:
        """SIGTERM, as a supervisor does it; the exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(STOP_SECONDS_MAX)
        finally:
            self.kill()

    def kill(self) -> None:
        """SIGKILL to every process of the service at once."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait(STOP_SECONDS_MAX)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_server(data_dir: Path, port: int | None = None, **settings: object) -> Service:
    """Start `finlake serve` and wait for its health check. `settings` are fields, as in `page_rows_max=5`."""
    chosen = port or free_port()
    fields = {"host": "127.0.0.1", "port": chosen, "data_dir": data_dir, **settings}
    environment = {f"FINLAKE_{name.upper()}": str(value) for name, value in fields.items()}
    data_dir.mkdir(parents=True, exist_ok=True)
    log = data_dir.parent / f"{data_dir.name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "api.cli", "serve"],
            cwd=ROOT,
            env=os.environ | environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    service = Service(f"http://127.0.0.1:{chosen}", process, log)
    try:
        _wait_until_up(service)
    except BaseException:
        service.kill()
        raise
    return service


@contextmanager
def running_server(data_dir: Path, port: int | None = None, **settings: object) -> Generator[str]:
    """The base URL of a service that runs as long as the block does."""
    service = start_server(data_dir, port, **settings)
    try:
        yield service.url
    finally:
        service.stop()


def _wait_until_up(service: Service) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline:
        if service.process.poll() is not None:
            raise AssertionError(f"The service ended at its start:\n{_end_of(service.log)}")
        try:
            if httpx.get(f"{service.url}/health", timeout=2).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"The service is not up after {START_SECONDS_MAX} s:\n{_end_of(service.log)}")


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-4000:]
