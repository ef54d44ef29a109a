"""Suite `reads`: the table of read speeds, beside bare DuckDB, ROAPI and PostGraphile over the same rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from benchmarks.dataset import Dataset
from benchmarks.lake import Lake, full_lake
from benchmarks.options import Options
from benchmarks.read_load import different, repeated
from benchmarks.read_size import export, idle, ten_times
from benchmarks.read_times import REPEATS, WARM_UP, as_of, last_month, one_series, yearly, yearly_with_deltas
from benchmarks.reading import Bench, bench_over
from benchmarks.report import Line

NOTE = f"""The lake of 20,000,000 rows. ROAPI and PostGraphile 4 over PostgreSQL hold the same rows and are asked over
HTTP; bare DuckDB is asked in the process that measures, over one sorted file (by a window) or over the lake's own base
files. Single series: {REPEATS} different questions after {WARM_UP} others to warm up, all parties asked in turn, one
connection each, finlake's second door other ones than its first; the first answers of all parties were compared row by
row."""

_WITH_PEERS: dict[str, Callable[[Bench], Iterator[Line]]] = {
    "one": one_series,
    "as-of": as_of,
    "month": last_month,
    "yearly": yearly,
    "repeated": repeated,
    "at-once": different,
    "export": export,
}
_ALONE = ("yearly-deltas", "ten-times", "idle")
CASES = (*_WITH_PEERS, *_ALONE)


def run(options: Options) -> list[Line]:
    lake = full_lake(replace(Dataset(), series=options.series))
    chosen = options.chosen(CASES, options.only)
    lines: list[Line] = []
    if set(chosen) & set(_WITH_PEERS):
        with bench_over(lake) as bench:
            lines += options.told(_skipped(bench))
            for case in options.chosen(tuple(_WITH_PEERS), chosen):
                lines += options.told(_WITH_PEERS[case](bench))
    for case in options.chosen(_ALONE, chosen):
        lines += options.told(_alone(case, lake, options))
    return lines


def _skipped(bench: Bench) -> Iterator[Line]:
    for name, reason in bench.peers.skipped.items():
        yield Line(name, f"skipped: {reason}")


def _alone(case: str, lake: Lake, options: Options) -> Iterator[Line]:
    """Cases that put the lake back as it was, so no other service may be running over it."""
    match case:
        case "yearly-deltas":
            return yearly_with_deltas(lake)
        case "ten-times":
            return ten_times(lake, wanted=options.ten_times)
        case _:
            return idle(lake)
