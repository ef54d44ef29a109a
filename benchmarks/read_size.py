"""What size costs: a large answer as JSON, a lake of ten times the rows, memory of a service that waits."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace

import orjson

from benchmarks.asking import Request
from benchmarks.lake import Lake, bench_folder, full_lake, scratch, serving
from benchmarks.measure import MemoryWatch
from benchmarks.parties import Http, Known, OData, path_of
from benchmarks.read_times import REPEATS, WARM_UP, spreads
from benchmarks.reading import Bench, shuffled
from benchmarks.report import Line, at_least, at_most

EXPORT_ROWS = 5_000_000
EXPORT_SPEED_LEAST, EXPORT_GROWTH_MB_MOST = 0.5, 100.0
TIMES, TEN_TIMES_FREE_GB, TEN_TIMES_MOST = 10, 30, 1.5
IDLE_MB, IDLE_MB_A_THOUSAND_SERIES, SETTLE_SECONDS = 256.0, 1.0, 5.0


def export(bench: Bench) -> Iterator[Line]:
    """By following next links. Memory is that of the service, beside what it was before the question."""
    rows = min(EXPORT_ROWS, bench.lake.dataset.series * bench.lake.dataset.months)
    scratch().mkdir(parents=True, exist_ok=True)
    target = scratch() / "export.json"
    with MemoryWatch(bench.service.process.pid) as memory:
        before = memory.now_mb()
        started = time.perf_counter()
        pages, read = _exported(bench.service.url, rows)
        own = time.perf_counter() - started
    started = time.perf_counter()
    bench.base_files.export(rows, str(target))
    bare = time.perf_counter() - started
    target.unlink()
    what = f"{rows:,} rows out as JSON"
    if read != rows:
        raise RuntimeError(f"{what}: {read:,} came.")
    yield Line(f"{what}, {pages:,} pages", f"{own:.1f} s, {rows / own:,.0f} rows/s")
    yield Line(f"{what}, bare DuckDB COPY of the clean base files", f"{bare:.1f} s, {rows / bare:,.0f} rows/s")
    yield at_least(f"{what}, speed beside bare DuckDB", bare / own, EXPORT_SPEED_LEAST, "times")
    yield at_most(f"{what}, growth of resident memory", memory.peak_mb - before, EXPORT_GROWTH_MB_MOST, "MB")


def _exported(url: str, rows: int) -> tuple[int, int]:
    """Pages and rows."""
    http = Http(url)
    link, pages, read = f"/odata/DataPoints?$select=series_id,date,value&$top={rows}", 0, 0
    while link:
        content = http.ask(Request("GET", link))
        pages += 1
        read += content.count(b'"series_id":')
        # The link stands behind the rows: only the end of a page is read as JSON.
        _, found, end = content.rpartition(b'"@odata.nextLink":')
        link = path_of(orjson.loads(end.rpartition(b"}")[0])) if found else ""
    return pages, read


def ten_times(lake: Lake, *, wanted: bool) -> Iterator[Line]:
    """The same question of two services, in turn."""
    larger = replace(lake.dataset, series=lake.dataset.series * TIMES)
    what = f"one series of {larger.rows:,} rows"
    if not wanted:
        yield Line(what, "not run: it is built with --ten-times only")
        return
    bench_folder().mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(bench_folder()).free / 2**30
    if free < TEN_TIMES_FREE_GB:
        yield Line(what, f"not run: {free:.0f} GiB are free on the disk, {TEN_TIMES_FREE_GB} are needed")
        return
    yield from _both_sizes(what, lake, full_lake(larger))


def _both_sizes(what: str, lake: Lake, larger: Lake) -> Iterator[Line]:
    count = min(WARM_UP + REPEATS, lake.dataset.series // 10)
    with (
        serving(lake.restore(), maintenance=False) as small,
        serving(larger.restore(), maintenance=False) as large,
    ):
        askers = {}
        for each, service in ((lake, small), (larger, large)):
            odata, series = OData(service.url), shuffled(each)[:count]
            askers[f"{each.dataset.rows:,}"] = lambda turn, odata=odata, series=series: odata.ask(Known(series[turn]))
        warm_up = min(WARM_UP, count // 4)
        times = spreads(askers, warm_up, count - warm_up)
    base, grown = times.values()
    yield Line(f"{what}, finlake", f"{grown.text()} ms")
    yield at_most(f"{what}, beside {lake.dataset.rows:,} rows", grown.median / base.median, TEN_TIMES_MOST, "times")


def idle(lake: Lake) -> Iterator[Line]:
    most = IDLE_MB + IDLE_MB_A_THOUSAND_SERIES * lake.dataset.series / 1000
    with serving(lake.restore(), maintenance=False) as service:
        time.sleep(SETTLE_SECONDS)
        with MemoryWatch(service.process.pid) as memory:
            yield at_most(f"memory, idle with {lake.dataset.series:,} series", memory.now_mb(), most, "MB")
