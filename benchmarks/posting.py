"""Bodies of points, and a lean client that posts them one after another or several at once."""

from __future__ import annotations

import http.client
import io
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson
import psutil
import pyarrow as pa
import pyarrow.ipc as ipc

from benchmarks.dataset import SOURCE
from tests.support.server import Service

BULK = "/api/v1/financial-data/bulk"
SECONDS_MAX = 600.0
MEDIA_TYPES = {"json": "application/json", "arrow": "application/vnd.apache.arrow.stream"}


@dataclass(frozen=True)
class Body:
    """One request: its content, and how many points it holds."""

    format: str
    content: bytes
    points: int

    @property
    def path(self) -> str:
        return BULK if self.format == "json" else f"{BULK}?source={SOURCE}"


@dataclass(frozen=True)
class Posted:
    """What posting some bodies came to: points, wall seconds, seconds of processor time of the service."""

    points: int
    seconds: float
    cpu_seconds: float
    receipts: tuple[dict[str, Any], ...]

    @property
    def rate(self) -> float:
        return self.points / self.seconds

    @property
    def unit(self) -> str:
        requests = len(self.receipts)
        return f"points/s ({requests} requests, {self.seconds:.1f} s, {self.cpu_seconds:.1f} s of processor time)"


def json_body(points: pa.Table) -> Body:
    """Values and dates as texts."""
    names = ("external_id", "date", "value", "revision_date")
    columns = [points.column(name).cast(pa.string()).to_pylist() for name in names]
    rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    return Body("json", orjson.dumps({"source": {"name": SOURCE}, "data_points": rows}), points.num_rows)


def arrow_body(points: pa.Table) -> Body:
    stream = io.BytesIO()
    with ipc.new_stream(stream, points.schema) as writer:
        writer.write_table(points)
    return Body("arrow", stream.getvalue(), points.num_rows)


class Poster:
    """One connection to a service. Raises RuntimeError where anything but a full receipt comes back."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=SECONDS_MAX)

    def post(self, body: Body) -> dict[str, Any]:
        headers = {"Content-Type": MEDIA_TYPES[body.format]}
        self._connection.request("POST", body.path, body.content, headers)
        receipt: dict[str, Any] = json.loads(self._answer())
        if receipt["failed"]:
            raise RuntimeError(f"Rows were refused: {str(receipt)[:300]}")
        return receipt

    def get(self, path: str) -> bytes:
        self._connection.request("GET", path)
        return self._answer()

    def _answer(self) -> bytes:
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != http.client.OK:
            raise RuntimeError(f"Status {answer.status}: {content[:300]!r}")
        return content

    def close(self) -> None:
        self._connection.close()


def post_all(service: Service, bodies: Sequence[Body], at_once: int = 1) -> Posted:
    """Post all bodies over `at_once` connections, until the last is acknowledged."""
    posters = [Poster(service.url) for _ in range(at_once)]
    cpu_before = cpu_seconds(service.process.pid)
    started = time.perf_counter()
    with ThreadPoolExecutor(at_once) as threads:
        shares = [bodies[first::at_once] for first in range(at_once)]
        answers = list(threads.map(lambda poster, share: [poster.post(body) for body in share], posters, shares))
    seconds = time.perf_counter() - started
    for poster in posters:
        poster.close()
    receipts = tuple(receipt for answer in answers for receipt in answer)
    points = sum(body.points for body in bodies)
    return Posted(points, seconds, cpu_seconds(service.process.pid) - cpu_before, receipts)


def cpu_seconds(process_id: int) -> float:
    """Processor time of a process and its children until now."""
    process = psutil.Process(process_id)
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def points_facts(service: Service) -> dict[str, int]:
    """Files, stored rows and bytes of the data points."""
    poster = Poster(service.url)
    try:
        facts: dict[str, int] = orjson.loads(poster.get("/health/detailed"))["tables"]["data_points"]
    finally:
        poster.close()
    return facts
