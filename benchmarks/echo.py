"""The floor of a repeated answer: a bare ASGI application that sends the same bytes again, under the same server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.peers import wait_until_up
from tests.support.server import free_port
from tests.support.tree import ROOT

FILE_VARIABLE = "BENCHMARK_ECHO_FILE"

_content = Path(os.environ[FILE_VARIABLE]).read_bytes() if FILE_VARIABLE in os.environ else b""
_head = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(_content)).encode())],
}
_body = {"type": "http.response.body", "body": _content}


async def app(scope: dict[str, Any], _: Any, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    if scope["type"] == "http":
        await send(_head)
        await send(_body)


@contextmanager
def echo(content: bytes, folder: Path) -> Generator[str]:
    """The URL of an echo of some bytes that runs as long as the block does."""
    file = folder / "echo.json"
    file.write_bytes(content)
    port = free_port()
    options = ["--interface", "asgi", "--port", str(port), "--no-ws", "--log-level", "warning"]
    command = [sys.executable, "-m", "granian", *options, "benchmarks.echo:app"]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | {FILE_VARIABLE: str(file)})
    try:
        wait_until_up(f"http://127.0.0.1:{port}/")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()
