"""Suite `crawlers`: 64 crawlers at once, ten minutes a run, on the full lake with maintenance on, beside a reader."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from benchmarks.crawling import Crawled, Plan
from benchmarks.dataset import Dataset
from benchmarks.lake import Lake, full_lake, serving
from benchmarks.measure import Spread
from benchmarks.options import Options
from benchmarks.posting import cpu_seconds
from benchmarks.report import Line, at_least, at_most
from benchmarks.watching import DeltaFiles, Reading, idle_reads
from tests.support.tree import ROOT

NOTE = """64 crawlers in one process of their own, on the cores of the service, post JSON to the lake of 20,000,000 rows
with maintenance on, each as soon as its last post is acknowledged. Percentiles are of a whole run. Single series are
read five times a second, idle and during the run."""

CASES = ("crawlers-1000", "crawlers-100")
CLIENTS = 64
IDLE_SECONDS = 20.0
SLOWER_MOST = 2.0
GROWTH_MOST = 1.25


@dataclass(frozen=True)
class _Aim:
    points: int
    rate_least: int
    p95_seconds_most: float


_AIMS = {"crawlers-1000": _Aim(1_000, 100_000, 1.5), "crawlers-100": _Aim(100, 30_000, 0.6)}


def run(options: Options) -> list[Line]:
    lake = full_lake(Dataset())
    lines: list[Line] = []
    for case in options.chosen(CASES, options.only):
        lines += options.told(_case(lake, _AIMS[case], options.seconds))
    return lines


def _case(lake: Lake, aim: _Aim, seconds: int) -> Iterator[Line]:
    with serving(lake.restore()) as service:
        idle = idle_reads(service.url, lake.dataset, IDLE_SECONDS)
        with _crawlers(Plan(service.url, CLIENTS, aim.points, seconds)) as crawlers:
            cpu_before = cpu_seconds(service.process.pid)
            with Reading(service.url, lake.dataset) as reading, DeltaFiles(service.url) as files:
                crawled = _crawl(crawlers)
            cpu_share = (cpu_seconds(service.process.pid) - cpu_before) / crawled.seconds
    yield from _lines(crawled, aim)
    yield Line("of the two cores, the service and the crawlers took", f"{cpu_share:.2f} and {crawled.cpu_share:.2f}")
    yield from _beside(files, idle, reading.spread)


@contextmanager
def _crawlers(plan: Plan) -> Generator[subprocess.Popen[str]]:
    """The crawlers, with their bodies ready; they end with the block."""
    command = [sys.executable, "-m", "benchmarks.crawling", json.dumps(asdict(plan))]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None or not process.stdout.readline():
                raise RuntimeError("The crawlers did not come up.")
            yield process
        finally:
            process.kill()


def _crawl(crawlers: subprocess.Popen[str]) -> Crawled:
    answer, _ = crawlers.communicate("go\n")
    if crawlers.returncode:
        raise RuntimeError(f"The crawlers failed with status {crawlers.returncode}.")
    return Crawled(**json.loads(answer))


def _lines(crawled: Crawled, aim: _Aim) -> Iterator[Line]:
    what = f"{CLIENTS} crawlers, {aim.points:,} points a post"
    yield at_least(f"{what}, {crawled.seconds:.0f} s", crawled.rate, aim.rate_least, "points/s")
    spread = f"s (median {crawled.median_seconds:.2f}, greatest {crawled.max_seconds:.2f}, refused {crawled.refused})"
    yield at_most(f"{what}, acknowledged after, p95", crawled.p95_seconds, aim.p95_seconds_most, spread)


def _beside(files: DeltaFiles, idle: Spread, busy: Spread) -> Iterator[Line]:
    quarters = files.by_quarter()
    shown = "times; greatest by quarter " + ", ".join(f"{each:.0f}" for each in quarters)
    grown = quarters[-1] / max(1.0, quarters[1])
    yield at_most("delta files of the partition that has most, last quarter by second", grown, GROWTH_MOST, shown)
    times = f"times ({busy.text()} ms, idle {idle.text()} ms)"
    yield at_most("one series beside them, median by idle median", busy.median / idle.median, SLOWER_MOST, times)
