"""Suite `ingest`: points a second, durable, over HTTP, into an empty lake and into one that holds the whole dataset.

News for the full lake are further vintages of series that it holds. Bodies are made before the clock starts; each line
has a lake and a service of its own, with maintenance on, which has answered one small post before.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.dataset import Dataset
from benchmarks.floors import decode_line, floor_lines
from benchmarks.lake import full_lake, scratch, serving
from benchmarks.options import Options
from benchmarks.posting import Body, Posted, arrow_body, json_body, points_facts, post_all
from benchmarks.report import Line, at_least
from tests.support.server import Service

NOTE = """The dataset: 20,000 monthly series of 500 months in two vintages, 20,000,000 rows. A full lake holds them all,
compacted; what is posted to it are further vintages of its series. Processor time is that of the service."""

CASES = ("json", "arrow", "scattered", "repost", "floors")
LAKES = ("empty", "full")
JSON_SERIES, ARROW_SERIES = 100, 500  # a request; 500,000 points are the most that a request may hold
SCATTERED_MONTHS = 5
STORED = {"empty": 0, "full": 2}  # vintages that the lake holds

JSON_LEAST = {"empty": 250_000, "full": 150_000}
ARROW_LEAST = 1_000_000
SCATTERED_LEAST = {"empty": 0, "full": 60_000}
AT_ONCE = (1, 4)

Encode = Callable[[pa.Table], Body]


@dataclass(frozen=True)
class _Bench:
    """What the cases share."""

    dataset: Dataset

    def news(self, lake: str, series_each: int, requests: int) -> list[pa.Table]:
        """Two vintages, which the lake does not hold, of the next series for each request."""
        vintages = range(STORED[lake], STORED[lake] + 2)
        starts = range(0, requests * series_each, series_each)
        return [self.dataset.table(range(start, start + series_each), vintages=vintages) for start in starts]

    def scattered(self, lake: str, requests: int) -> list[pa.Table]:
        """A few months of every series for each request."""
        vintage = range(STORED[lake], STORED[lake] + 1)
        months = range(self.dataset.months - requests * SCATTERED_MONTHS, self.dataset.months)
        rows = self.dataset.table(range(self.dataset.series), months, vintage)
        dates = pc.unique(rows.column("date"))
        spans = [dates[at : at + SCATTERED_MONTHS] for at in range(0, len(dates), SCATTERED_MONTHS)]
        return [rows.filter(pc.is_in(rows.column("date"), span)) for span in spans]

    @contextmanager
    def service(self, lake: str, **settings: object) -> Iterator[Service]:
        """A warm service over a lake of its own."""
        data_dir = scratch() / "empty"
        shutil.rmtree(data_dir, ignore_errors=True)
        if lake == "full":
            data_dir = full_lake(self.dataset).restore()
        with serving(data_dir, **settings) as service:
            others = range(self.dataset.series, self.dataset.series + 10)
            post_all(service, [json_body(self.dataset.table(others))])
            yield service


def run(options: Options) -> list[Line]:
    bench = _Bench(Dataset())
    if "full" in options.chosen(LAKES, options.lake):
        full_lake(bench.dataset)
    lines: list[Line] = []
    for lake in options.chosen(LAKES, options.lake):
        for case in options.chosen(CASES, options.only):
            lines += options.told(_CASES[case](bench, lake))
    shutil.rmtree(scratch(), ignore_errors=True)
    return lines


def _json(bench: _Bench, lake: str) -> Iterator[Line]:
    what = f"JSON, 100,000 points a request of 100 series each, {lake} lake"
    yield from _rates(bench, lake, what, 10, JSON_LEAST[lake], json_body, JSON_SERIES)


def _arrow(bench: _Bench, lake: str) -> Iterator[Line]:
    what = f"Arrow IPC, 500,000 points a request, {lake} lake"
    yield from _rates(bench, lake, what, 6, ARROW_LEAST, arrow_body, ARROW_SERIES)


def _rates(
    bench: _Bench, lake: str, what: str, requests: int, least: int, encode: Encode, series_each: int
) -> Iterator[Line]:
    bodies = [encode(table) for table in bench.news(lake, series_each, requests)]
    for at_once in AT_ONCE:
        with bench.service(lake) as service:
            yield _rate(f"{what}, {_connections(at_once)}", post_all(service, bodies, at_once), least)


def _scattered(bench: _Bench, lake: str) -> Iterator[Line]:
    what = f"JSON, 5 points of each of 20,000 series a request, {lake} lake"
    bodies = [json_body(table) for table in bench.scattered(lake, 4)]
    for at_once in AT_ONCE:
        with bench.service(lake) as service:
            yield _rate(f"{what}, {_connections(at_once)}", post_all(service, bodies, at_once), SCATTERED_LEAST[lake])


def _repost(bench: _Bench, lake: str) -> Iterator[Line]:
    for name, encode, series_each, requests in (
        ("JSON", json_body, JSON_SERIES, 10),
        ("Arrow", arrow_body, ARROW_SERIES, 2),
    ):
        bodies = [encode(table) for table in bench.news(lake, series_each, requests)]
        with bench.service(lake, maintenance=False) as service:
            first = post_all(service, bodies)
            files = points_facts(service)["files"]
            again = post_all(service, bodies)
            fresh = points_facts(service)["files"] - files
        what = f"1,000,000 stored points again, {name}, {lake} lake"
        yield at_least(
            f"{what}, times as fast as the first time",
            again.rate / first.rate,
            1,
            f"({again.rate:,.0f} after {first.rate:,.0f} points/s)",
        )
        yield Line(f"{what}, new data files", str(fresh), "0", "met" if not fresh else "MISSED")


def _floors(bench: _Bench, lake: str) -> Iterator[Line]:
    for series_each, requests in ((JSON_SERIES, 10), (ARROW_SERIES, 4)):
        yield from floor_lines(bench.news(lake, series_each, requests), scratch() / f"floor-{series_each}")
    body = json_body(bench.news(lake, JSON_SERIES, 1)[0])
    yield decode_line(body.content, body.points)


def _rate(what: str, posted: Posted, least: int) -> Line:
    if least:
        return at_least(what, posted.rate, least, posted.unit)
    return Line(what, f"{posted.rate:,.0f} {posted.unit}")


def _connections(count: int) -> str:
    return "one connection" if count == 1 else f"{count} connections"


_CASES: dict[str, Callable[[_Bench, str], Iterator[Line]]] = {
    "json": _json,
    "arrow": _arrow,
    "scattered": _scattered,
    "repost": _repost,
    "floors": _floors,
}
