"""Suite `maintenance`: compaction, bytes on disk, what commits cost as they grow many, and the cut between recent dates
and history."""

from __future__ import annotations

import datetime as dt
import resource
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from benchmarks.crawling import ANY_DAY, FIRST_DAY
from benchmarks.cut import cut_lines
from benchmarks.dataset import Dataset
from benchmarks.deltas import restored_with_deltas
from benchmarks.lake import Lake, full_lake, scratch, serving, started_command
from benchmarks.measure import MemoryWatch, Spread
from benchmarks.options import Options
from benchmarks.posting import Body, Poster, json_body, points_facts
from benchmarks.report import Line, at_most
from benchmarks.watching import Reading, idle_reads
from tests.support.server import Service

NOTE = """The lake of 20,000,000 rows with 1,000,000 rows of deltas over all series, then `finlake compact` beside a
service that answers reads of single series, five a second. Commits: posts of 5 points of each of 20 series, one after
another, to an empty lake."""

CASES = ("compaction", "commits", "cut")
COMPACT_SECONDS_MOST = 90.0
COMPACT_MB_MOST = 2_048.0
ROW_BYTES_MOST = 10.0
COMMITS, EARLY_COMMITS, COMMITS_TIMED = 2_000, 50, 51
LOOKED_AT = 200  # the last ones, behind every tenth of which files are counted
COMMIT_GROWTH_MOST = 1.5
FILES_MOST = 199
IDLE_SECONDS = 10.0


@dataclass(frozen=True)
class _Cost:
    """What a compaction took: wall seconds, processor time, the most resident memory."""

    seconds: float
    cpu_seconds: float
    peak_mb: float


def run(options: Options) -> list[Line]:
    lake = full_lake(Dataset())
    lines: list[Line] = []
    for case in options.chosen(CASES, options.only):
        lines += options.told(_CASES[case](lake))
    return lines


def _compaction(lake: Lake) -> Iterator[Line]:
    built = lake.built
    yield Line("load of the 20,000,000 rows when the lake was built, Arrow", f"{built.post_seconds:.0f} s")
    yield Line("their first compaction", f"{built.compact_seconds:.1f} s")
    restored_with_deltas(lake)
    with serving(lake.data_dir, maintenance=False) as service:
        idle = idle_reads(service.url, lake.dataset, IDLE_SECONDS)
        with Reading(service.url, lake.dataset) as reading:
            cost = _compact(lake)
        facts = points_facts(service)
    unit = f"s ({cost.cpu_seconds:.1f} s of processor time)"
    yield at_most("`finlake compact` with 5 % deltas while reads go on", cost.seconds, COMPACT_SECONDS_MOST, unit)
    yield at_most("resident memory of the compaction, the greatest", cost.peak_mb, COMPACT_MB_MOST, "MB")
    yield from _reads(idle, reading.spread)
    size, rows = facts["bytes"], facts["stored_rows"]
    yield at_most(f"Parquet on disk, {rows:,} rows", size / rows, ROW_BYTES_MOST, "bytes a row")
    yield Line("data files after it", str(facts["files"]))


def _compact(lake: Lake) -> _Cost:
    started, cpu_before = time.perf_counter(), _children_cpu_seconds()
    with started_command(lake.data_dir, "compact") as process, MemoryWatch(process.pid) as memory:
        output, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"finlake compact failed: {output.decode()[-2000:]}")
    return _Cost(time.perf_counter() - started, _children_cpu_seconds() - cpu_before, memory.peak_mb)


def _children_cpu_seconds() -> float:
    """Processor time of the processes that were started from here and have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def _reads(idle: Spread, busy: Spread) -> Iterator[Line]:
    yield Line("one series, idle", f"{idle.text()} ms")
    yield Line("one series beside the compaction", f"{busy.text()} ms, {busy.median / idle.median:.2f} times")


def _commits(lake: Lake) -> Iterator[Line]:
    shutil.rmtree(scratch(), ignore_errors=True)
    with serving(scratch() / "commits") as service:
        spent, files = _timed_commits(service, lake.dataset)
    early, late = (statistics.median(times) for times in (_around(spent, EARLY_COMMITS), spent[-COMMITS_TIMED:]))
    shutil.rmtree(scratch(), ignore_errors=True)
    what = f"a commit after {COMMITS:,} beside one after {EARLY_COMMITS}, medians of {COMMITS_TIMED}"
    shown = f"times ({late * 1000:.1f} and {early * 1000:.1f} ms)"
    yield at_most(what, late / early, COMMIT_GROWTH_MOST, shown)
    looks = f"files (least {min(files)}, greatest {max(files)})"
    what = f"data files towards {COMMITS:,} commits, median of {len(files)} looks"
    yield at_most(what, statistics.median(files), FILES_MOST, looks)


def _around(spent: list[float], position: int) -> list[float]:
    start = position - COMMITS_TIMED // 2
    return spent[start : start + COMMITS_TIMED]


def _timed_commits(service: Service, dataset: Dataset) -> tuple[list[float], list[int]]:
    """Seconds of each post, all of which bring another revision of the same points; and the data files behind every
    tenth of the last ones, as each commit brings a dozen and each merge takes many away."""
    rows = dataset.table(range(20), range(5), range(1))
    template = json_body(rows.set_column(3, "revision_date", pa.array([ANY_DAY] * rows.num_rows, pa.date32())))
    poster = Poster(service.url)
    spent: list[float] = []
    files: list[int] = []
    for number in range(COMMITS):
        day = FIRST_DAY + dt.timedelta(days=number)
        content = template.content.replace(str(ANY_DAY).encode(), str(day).encode())
        started = time.perf_counter()
        poster.post(Body("json", content, template.points))
        spent.append(time.perf_counter() - started)
        if number >= COMMITS - LOOKED_AT and number % 10 == 9:
            files.append(points_facts(service)["files"])
    poster.close()
    return spent, files


_CASES: dict[str, Callable[[Lake], Iterator[Line]]] = {
    "compaction": _compaction,
    "commits": _commits,
    "cut": cut_lines,
}
