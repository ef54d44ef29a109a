"""Crawlers in a process of their own: `python -m benchmarks.crawling` with a Plan as JSON, run by suite `crawlers`.

Bodies are made first; then it says "ready" on stdout, waits for a line on stdin, runs, and prints a Crawled as JSON.
The client is asyncio streams and no more, so that it leaves the cores to the service.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from urllib.parse import urlsplit

import pyarrow as pa

from benchmarks.dataset import Dataset
from benchmarks.posting import BULK, json_body

TEMPLATES = 8  # bodies of one crawler: four sets of series, each with two sets of values in turn
SERIES_SETS = 4
ANY_DAY = dt.date(2222, 2, 22)  # stands in the templates for the revision date
FIRST_DAY = dt.date(2027, 1, 1)
OK, OVERLOADED = 200, 429


@dataclass(frozen=True)
class Plan:
    """`clients` crawlers, each posting `points` points again and again, as soon as the last post is acknowledged."""

    url: str
    clients: int
    points: int
    seconds: float


@dataclass(frozen=True)
class Crawled:
    """What came of it. An acknowledgement is timed from the first attempt on, with refusals (429) and their waits."""

    points: int
    seconds: float
    refused: int
    median_seconds: float
    p95_seconds: float
    max_seconds: float
    cpu_share: float

    @property
    def rate(self) -> float:
        return self.points / self.seconds


@dataclass
class _Count:
    seconds: list[float] = field(default_factory=list[float])
    refused: int = 0


def templates(dataset: Dataset, crawler: int, points: int) -> list[bytes]:
    """Bodies of one crawler, about series that no other crawler posts."""
    months = range(max(0, dataset.months - points), dataset.months)
    width = max(1, points // len(months))
    made: list[bytes] = []
    for number in range(TEMPLATES):
        start = (crawler * SERIES_SETS + number % SERIES_SETS) * width
        vintage = dataset.vintages + number // SERIES_SETS
        rows = dataset.table(range(start, start + width), months, range(vintage, vintage + 1))
        days = pa.array([ANY_DAY] * rows.num_rows, pa.date32())
        made.append(json_body(rows.set_column(3, "revision_date", days)).content)
    return made


def requests(bodies: Sequence[bytes], host: str) -> Iterator[bytes]:
    """Endless requests, each of which holds only points that no earlier one had."""
    number = 0
    while True:
        day = FIRST_DAY + dt.timedelta(days=number)
        content = bodies[number % len(bodies)].replace(str(ANY_DAY).encode(), str(day).encode())
        head = (
            f"POST {BULK} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}"
        )
        yield head.encode() + b"\r\n\r\n" + content
        number += 1


async def _crawl(address: tuple[str, int], bodies: Sequence[bytes], deadline: float, count: _Count) -> None:
    reader, writer = await asyncio.open_connection(*address)
    for request in requests(bodies, address[0]):
        started = time.perf_counter()
        if started >= deadline:
            break
        while await _status(reader, writer, request) == OVERLOADED:
            count.refused += 1
            await asyncio.sleep(1)
        count.seconds.append(time.perf_counter() - started)
    writer.close()


async def _status(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> int:
    """The status of the answer: 200 for a receipt of all points, or 429. Raises RuntimeError where it is another."""
    writer.write(request)
    await writer.drain()
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    status = int(head.split(b" ", 2)[1])
    length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    content = await reader.readexactly(length)
    if status != OVERLOADED and (status != OK or b'"failed":0' not in content):
        raise RuntimeError(f"Status {status}: {content[:300]!r}")
    return status


async def crawled(plan: Plan, bodies: Sequence[Sequence[bytes]]) -> Crawled:
    """Run a plan; `bodies` are the templates of each crawler."""
    url = urlsplit(plan.url)
    count = _Count()
    cpu_before, started = time.process_time(), time.perf_counter()
    address = (str(url.hostname), int(url.port or 80))
    await asyncio.gather(*(_crawl(address, each, started + plan.seconds, count) for each in bodies))
    seconds = time.perf_counter() - started
    return Crawled(
        points=len(count.seconds) * plan.points,
        seconds=seconds,
        refused=count.refused,
        median_seconds=statistics.median(count.seconds),
        p95_seconds=statistics.quantiles(count.seconds, n=20)[-1],
        max_seconds=max(count.seconds),
        cpu_share=(time.process_time() - cpu_before) / seconds,
    )


def main() -> None:
    plan = Plan(**json.loads(sys.argv[1]))
    dataset = Dataset()
    bodies = [templates(dataset, crawler, plan.points) for crawler in range(plan.clients)]
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(asdict(asyncio.run(crawled(plan, bodies)))), flush=True)


if __name__ == "__main__":
    main()
