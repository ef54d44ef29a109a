"""What size costs: a large answer as JSON, a lake of ten times the rows, memory of a service that waits."""

from __future__ import annotations

import http.client
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from benchmarks.lake import Lake, bench_folder, full_lake, scratch, serving
from benchmarks.measure import MemoryWatch, shared_out_mb
from benchmarks.parties import TIMEOUT_SECONDS, Known, OData
from benchmarks.read_times import REPEATS, WARM_UP, spreads
from benchmarks.reading import Bench, shuffled
from benchmarks.report import Line, at_least, at_most

EXPORT_ROWS = 5_000_000
EXPORT_SPEED_LEAST, EXPORT_GROWTH_MB_MOST, FIRST_BYTE_MS_MOST = 0.5, 100.0, 300.0
ORDERS = {"in their order": True, "in any order": False}
ROW_MARK, PIECE_BYTES = b'"series_id":', 2**20
TIMES, TEN_TIMES_FREE_GB, TEN_TIMES_MOST = 10, 30, 1.5
IDLE_MB, IDLE_MB_A_THOUSAND_SERIES, SETTLE_SECONDS = 256.0, 1.0, 5.0


def export(bench: Bench) -> Iterator[Line]:
    """In one page, as it comes. Memory is that of the service, beside what it was before the question."""
    rows = min(EXPORT_ROWS, bench.lake.dataset.series * bench.lake.dataset.months)
    what = f"{rows:,} rows out as JSON"
    with MemoryWatch(bench.service.process.pid) as memory:
        before = memory.now_mb()
        own = _exported(bench.service.url, rows)
    if own.rows != rows:
        raise RuntimeError(f"{what}: {own.rows:,} came.")
    yield Line(f"{what}, in the order of the key", f"{own.seconds:.1f} s, {rows / own.seconds:,.0f} rows/s")
    yield at_most(f"{what}, first byte", own.first_byte_ms, FIRST_BYTE_MS_MOST, "ms")
    spent = {how: _copied(bench, rows, keeps_order=keeps_order) for how, keeps_order in ORDERS.items()}
    for how, seconds in spent.items():
        yield Line(f"{what}, bare DuckDB COPY of the clean base files, {how}", f"{seconds:.1f} s")
    bare = min(spent.values())
    yield at_least(f"{what}, speed beside the faster bare DuckDB", bare / own.seconds, EXPORT_SPEED_LEAST, "times")
    yield at_most(f"{what}, growth of resident memory", memory.peak_mb - before, EXPORT_GROWTH_MB_MOST, "MB")


def _copied(bench: Bench, rows: int, *, keeps_order: bool) -> float:
    """Seconds."""
    scratch().mkdir(parents=True, exist_ok=True)
    target = scratch() / "export.json"
    started = time.perf_counter()
    bench.base_files.export(rows, str(target), keeps_order=keeps_order)
    spent = time.perf_counter() - started
    target.unlink()
    return spent


@dataclass(frozen=True)
class _Exported:
    rows: int
    seconds: float
    first_byte_ms: float


def _exported(url: str, rows: int) -> _Exported:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT_SECONDS)
    path = f"/odata/DataPoints?$select=series_id,date,value&$top={rows}"
    started = time.perf_counter()
    connection.request("GET", path, headers={"Prefer": f"odata.maxpagesize={rows}"})
    answer = connection.getresponse()
    piece, first_byte, read, end = answer.read(1), time.perf_counter() - started, 0, b""
    while piece:
        # A mark that two pieces share is found in the second, with the end of the first before it.
        read += (end + piece).count(ROW_MARK)
        end = (end + piece)[-len(ROW_MARK) + 1 :]
        piece = answer.read(PIECE_BYTES)
    connection.close()
    return _Exported(read, time.perf_counter() - started, first_byte * 1000)


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
            what = f"memory, idle with {lake.dataset.series:,} series"
            added_up = f"MB; each process by itself, added up: {memory.now_mb():.0f}"
            yield at_most(what, shared_out_mb(service.process.pid), most, added_up)
