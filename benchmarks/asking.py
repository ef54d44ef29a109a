"""Many connections that ask at once, from a process of its own: `python -m benchmarks.asking`, a Load as JSON on stdin.

Each connection sends its next request as soon as the last is answered. The client is asyncio protocols that count
bytes, so that it leaves the cores to what it asks; its share of a core is told with the figures.
"""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import cycle
from urllib.parse import urlsplit

from tests.support.tree import ROOT

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"transfer-encoding: *chunked", re.IGNORECASE)
_HEAD_END, _LAST_CHUNK = b"\r\n\r\n", b"\r\n0\r\n\r\n"


@dataclass(frozen=True)
class Request:
    """One HTTP request; a body is JSON."""

    method: str
    path: str
    body: str = ""

    def wire(self, host: str) -> bytes:
        content = self.body.encode()
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {host}"]
        if content:
            lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
        return "\r\n".join(lines).encode() + _HEAD_END + content


@dataclass(frozen=True)
class Load:
    """`connections` ask `requests` in turn for `seconds`, or until each was asked once unless `again`."""

    url: str
    requests: tuple[Request, ...]
    connections: int
    seconds: float
    again: bool = False


@dataclass(frozen=True)
class Asked:
    """What came of it. `failed` answers had another status than 200, or the connection was lost."""

    answers: int
    failed: int
    seconds: float
    median_ms: float
    p99_ms: float
    cpu_share: float

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return (self.answers - self.failed) / self.seconds


@dataclass
class _Count:
    failed: int = 0
    spent: list[float] = field(default_factory=list[float])


class _Connection(asyncio.Protocol):
    """Asks one request after another; `over` is set when there is none left or the connection is lost."""

    def __init__(self, following: Callable[[], bytes | None], count: _Count) -> None:
        self._following, self._count = following, count
        self._answer = bytearray()
        self._wanted: int | None = None
        self._asking = False
        self.over = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def connection_lost(self, _: Exception | None) -> None:
        if self._asking:
            self._answered(good=False)
        self.over.set()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if self._wanted is None:
            self._wanted = _length(self._answer)
        if self._wanted is None or not _complete(self._answer, self._wanted):
            return
        self._answered(good=self._answer[9:12] == b"200")
        self._ask()

    def _answered(self, *, good: bool) -> None:
        self._count.spent.append(time.perf_counter() - self._started)
        self._count.failed += not good
        self._asking = False

    def _ask(self) -> None:
        request = self._following()
        if request is None:
            self._transport.close()
            return
        self._answer.clear()
        self._wanted = None
        self._asking = True
        self._started = time.perf_counter()
        self._transport.write(request)


def _length(answer: bytearray) -> int | None:
    """Bytes of the whole answer; 0 where it comes in chunks; None as long as its head is not there."""
    end = answer.find(_HEAD_END)
    if end < 0:
        return None
    stated = _LENGTH.search(answer, 0, end)
    if stated:
        return end + len(_HEAD_END) + int(stated[1])
    if _CHUNKED.search(answer, 0, end):
        return 0
    raise RuntimeError(f"An answer without a length: {bytes(answer[:end])!r}")


def _complete(answer: bytearray, wanted: int) -> bool:
    return len(answer) >= wanted if wanted else answer.endswith(_LAST_CHUNK)


async def asked(load: Load) -> Asked:
    """Run a load in this process."""
    url = urlsplit(load.url)
    wires = [request.wire(url.netloc) for request in load.requests]
    count, turns = _Count(), cycle(wires) if load.again else iter(wires)
    cpu_before, started = time.process_time(), time.perf_counter()
    following = _until(started + load.seconds, turns)
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: _Connection(following, count), url.hostname, url.port)
        for _ in range(load.connections)
    ]
    await asyncio.gather(*(connection.over.wait() for _, connection in made))
    seconds = time.perf_counter() - started
    shares = statistics.quantiles([each * 1000 for each in count.spent], n=100)
    cpu_share = (time.process_time() - cpu_before) / seconds
    return Asked(len(count.spent), count.failed, seconds, shares[49], shares[98], cpu_share)


def _until(deadline: float, turns: Iterator[bytes]) -> Callable[[], bytes | None]:
    return lambda: next(turns, None) if time.perf_counter() < deadline else None


def asked_from_outside(load: Load) -> Asked:
    """Run a load in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.asking"]
    done = subprocess.run(
        command, cwd=ROOT, input=json.dumps(asdict(load)), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"The askers failed: {done.stderr[-2000:]}")
    return Asked(**json.loads(done.stdout))


def main() -> None:
    given = json.load(sys.stdin)
    load = Load(**given | {"requests": tuple(Request(**each) for each in given["requests"])})
    print(json.dumps(asdict(asyncio.run(asked(load)))), flush=True)


if __name__ == "__main__":
    main()
