"""Suite `vintages`: loads every row of the real vintages over HTTP, reads single series through both doors."""

from __future__ import annotations

import datetime as dt
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import httpx
import orjson

from benchmarks.lake import compact
from benchmarks.measure import MemoryWatch, Spread, interleaved
from benchmarks.options import Options
from benchmarks.peers import BareDuckDB, roapi, sorted_copy
from benchmarks.report import Line, at_most
from catalog.identity import series_id
from tests.support.server import Service, start_server
from tests.support.tree import ROOT
from tests.support.vintages import Vintages, generated

REAL = ROOT.parent / "shared" / "data" / "vintages.parquet"
ROWS_A_REQUEST = 25_000
WARM_UP, REPEATS = 40, 300
SEED = 724_651

LOAD_SECONDS_MAX = 60.0
READ_MS_MAX = 25.0
MEMORY_MB_MAX = 600.0

NOTE = f"""Reads: {REPEATS} different questions after {WARM_UP} to warm up, all parties asked in turn, medians."""

DOORS = ("OData", "GraphQL")
DOCUMENT = "query ($id: ID!, $day: Date) { dataPoints(seriesId: $id, asOf: $day) { date value } }"


@dataclass(frozen=True)
class Question:
    """One series as known on one day."""

    dataset: str
    series: str
    day: dt.date


def run(options: Options) -> list[Line]:
    with tempfile.TemporaryDirectory() as folder:
        return options.told(measure(Path(folder)))


def measure(folder: Path) -> list[Line]:
    vintages = Vintages(REAL) if REAL.is_file() else generated(folder / "generated.parquet")
    bodies = [orjson.dumps(document) for document in vintages.documents(ROWS_A_REQUEST)]
    copy = folder / "sorted.parquet"
    floor_seconds = sorted_copy(vintages.path, copy)
    # What warms up is asked again when it is timed: no answer is kept.
    service = start_server(folder / "lake", log_level="warning", answers_bytes_max=0)
    try:
        with MemoryWatch(service.process.pid) as memory:
            idle_mb = memory.now_mb()
            load_seconds = load(service, bodies)
            reads = read(service, vintages, copy)
            again_seconds = load(service, bodies)
            merge_seconds = compact(folder / "lake")
            merged = read(service, vintages, copy)
    finally:
        service.stop()
    # The files that the merge replaced are on disk beside those that replaced them.
    size = sum(path.stat().st_size for path in (folder / "lake").rglob("*.parquet"))
    return [
        Line("rows", f"{vintages.rows:,} of {vintages.path.name}"),
        *load_lines(vintages.rows, load_seconds, again_seconds, floor_seconds),
        *read_lines(reads),
        Line("`finlake compact` of these rows, process start included", f"{merge_seconds:.1f} s"),
        *(Line(f"one series as of a day after it, {door}", f"{merged[door].text()} ms") for door in DOORS),
        at_most("resident memory, the greatest of the whole run", memory.peak_mb, MEMORY_MB_MAX, "MB"),
        Line("resident memory, idle and empty", f"{idle_mb:.0f} MB"),
        Line("Parquet on disk, the files that the merge replaced included", f"{size / vintages.rows:.1f} bytes a row"),
    ]


def load(service: Service, bodies: Sequence[bytes]) -> float:
    """Post all bodies one after another; seconds until the last is acknowledged."""
    started = time.perf_counter()
    with httpx.Client(base_url=service.url, timeout=120) as client:
        for body in bodies:
            headers = {"Content-Type": "application/json"}
            answer = client.post("/api/v1/financial-data/bulk", content=body, headers=headers)
            answer.raise_for_status()
            if answer.json()["failed"]:
                raise RuntimeError(f"Rows were refused: {answer.text[:300]}")
    return time.perf_counter() - started


def read(service: Service, vintages: Vintages, copy: Path) -> dict[str, Spread]:
    """Medians of the same questions through both doors, the floor and the peer; all must agree on the row count."""
    questions = make_questions(vintages)
    with httpx.Client(base_url=service.url, timeout=60) as client, roapi(copy) as peer:

        def odata(question: Question) -> int:
            id_ = series_id(question.dataset, question.series)
            parameters = {"$select": "date,value", "asOf": question.day.isoformat()}
            return len(client.get(f"/odata/Series({id_})/DataPoints", params=parameters).json()["value"])

        def graphql(question: Question) -> int:
            variables = {"id": series_id(question.dataset, question.series), "day": question.day.isoformat()}
            answer = client.post("/graphql", json={"query": DOCUMENT, "variables": variables})
            return len(answer.json()["data"]["dataPoints"])

        bare = BareDuckDB(copy)
        known: dict[str, Callable[[str, str, dt.date], int]] = {bare.name: bare.known}
        if peer is not None:
            known[peer.name] = peer.known
        askers: dict[str, Callable[[Question], int]] = {"OData": odata, "GraphQL": graphql}
        askers |= {name: lambda q, ask=ask: ask(q.dataset, q.series, q.day) for name, ask in known.items()}
        for question in questions[:20]:
            counts = {name: ask(question) for name, ask in askers.items()}
            if len(set(counts.values())) != 1:
                raise RuntimeError(f"Different answers to {question}: {counts}")
        timed = {name: lambda turn, ask=ask: ask(questions[turn]) for name, ask in askers.items()}
        return dict(interleaved(timed, warm_up=WARM_UP, repeats=REPEATS))


def make_questions(vintages: Vintages) -> list[Question]:
    """Series and days at random, all different."""
    chance = random.Random(SEED)
    rows = duckdb.execute("SELECT DISTINCT dataset, series_id FROM read_parquet(?) ORDER BY ALL", [str(vintages.path)])
    names = rows.fetchall()
    first, last = min(vintages.days()), max(vintages.days())
    days = [first + dt.timedelta(days=chance.randrange((last - first).days)) for _ in range(REPEATS + WARM_UP)]
    return [Question(*chance.choice(names), day) for day in days]


def load_lines(rows: int, seconds: float, again: float, floor: float) -> list[Line]:
    return [
        at_most(f"load over HTTP, JSON, {ROWS_A_REQUEST:,} rows a request", seconds, LOAD_SECONDS_MAX, "s"),
        Line("the same in rows a second", f"{rows / seconds:,.0f}"),
        Line("beside one sorted, fsynced file by pyarrow", f"{floor:.2f} s; finlake takes {seconds / floor:.1f} times"),
        Line("the same rows posted again (nothing to store)", f"{again:.1f} s, {again / seconds:.2f} times the first"),
    ]


def read_lines(reads: dict[str, Spread]) -> list[Line]:
    lines = [
        at_most(
            f"one series as of a day, {door}, median", reads[door].median, READ_MS_MAX, f"ms, p95 {reads[door].p95:.1f}"
        )
        for door in DOORS
    ]
    lines += [Line(f"the same, {name}", f"{spread.text()} ms") for name, spread in reads.items() if name not in DOORS]
    if "ROAPI" not in reads:
        lines.append(Line("the same, ROAPI", "skipped: not installed (pip install roapi)"))
    lines += [
        Line(f"{door} beside {name}", f"{reads[door].median / reads[name].median:.2f} times")
        for door in DOORS
        for name in reads
        if name not in DOORS
    ]
    return lines
