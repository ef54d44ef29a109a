"""One question at a time: every party asked in turn, medians and their ratios."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from types import MappingProxyType

from benchmarks.deltas import restored_with_deltas
from benchmarks.lake import Lake, serving
from benchmarks.measure import Spread, interleaved
from benchmarks.parties import (
    BaseFiles,
    Known,
    Month,
    NotServed,
    OData,
    Party,
    PostGraphile,
    Question,
    Roapi,
    Row,
    Yearly,
)
from benchmarks.reading import Bench, base_files
from benchmarks.report import Line, at_least, at_most

WARM_UP, REPEATS, CHECKED = 40, 200, 10
SCAN_WARM_UP, SCAN_REPEATS = 1, 5
AS_OF_DAYS = 40  # from one series' knowledge date to the next one's
DIGITS = 1e-6

ONE_TIMES_MOST = 1.5
PEER_TIMES_LEAST = {Roapi.name: 5.0, PostGraphile.name: 1.0}
AS_OF_TIMES_MOST = 1.5
MONTH_TIMES_MOST = 1.3
YEARLY_TIMES_MOST, YEARLY_DELTAS_TIMES_MOST = 1.2, 1.5


def one_series(bench: Bench) -> Iterator[Line]:
    what = f"one series, {bench.lake.dataset.months} latest points, JSON"
    asked, own = ([Known(each) for each in bench.fresh(CHECKED + WARM_UP + REPEATS)] for _ in range(2))
    times, unserved = _asked(bench.of_one_series(), asked, own={bench.graphql.name: own})
    yield from _medians(what, times, unserved)
    bare = times[bench.sorted_file.name].median
    for door in (bench.odata.name, bench.graphql.name):
        own = times[door].median
        yield _ratio(f"{what}, {door} beside bare DuckDB", own, bare, ONE_TIMES_MOST)
        for peer, least in PEER_TIMES_LEAST.items():
            if peer in times:
                yield at_least(f"{what}, {door}, times as fast as {peer}", times[peer].median / own, least, "times")


def as_of(bench: Bench) -> Iterator[Line]:
    last = bench.lake.dataset.last_month()

    def fresh() -> list[Known]:
        series = bench.fresh(CHECKED + WARM_UP + REPEATS)
        return [Known(each, last - dt.timedelta(days=AS_OF_DAYS * number)) for number, each in enumerate(series)]

    times, unserved = _asked(bench.of_one_series(), fresh(), own={bench.graphql.name: fresh()})
    yield from _medians("one series as of a day", times, unserved)
    for door in (bench.odata.name, bench.graphql.name):
        ratio = times[door].median, times[bench.sorted_file.name].median
        yield _ratio(f"one series as of a day, {door} beside bare DuckDB", *ratio, AS_OF_TIMES_MOST)


def last_month(bench: Bench) -> Iterator[Line]:
    """Months differ, so that no answer is one that is held."""
    dataset = bench.lake.dataset
    months = [dataset.last_month().replace(day=1)]
    for _ in range(SCAN_WARM_UP + SCAN_REPEATS):
        months.append((months[-1] - dt.timedelta(days=1)).replace(day=1))
    what = f"a latest month of all {dataset.series:,} series"
    times, unserved = _asked(bench.of_all_series(), [Month(day) for day in months], 1, SCAN_WARM_UP)
    yield from _medians(what, times, unserved)
    bare = min(times[party.name].median for party in (bench.sorted_file, bench.base_files))
    yield _ratio(
        f"{what}, finlake beside the faster bare DuckDB", times[bench.odata.name].median, bare, MONTH_TIMES_MOST
    )


def yearly(bench: Bench) -> Iterator[Line]:
    points = bench.lake.dataset.series * bench.lake.dataset.months
    what = f"yearly average over all {points:,} latest points"
    times, unserved = _asked(bench.of_all_series(), [Yearly()] * (1 + SCAN_WARM_UP + SCAN_REPEATS), 1, SCAN_WARM_UP)
    yield from _medians(what, times, unserved)
    yield _served_ratio(f"{what}, finlake beside clean base files", times, YEARLY_TIMES_MOST)


def yearly_with_deltas(lake: Lake) -> Iterator[Line]:
    """Bare DuckDB reads the base files alone, so no rows are compared."""
    what = "yearly average with 5 % of the rows in deltas"
    lake.restore()
    bare = BaseFiles(base_files(lake))
    restored_with_deltas(lake)
    with serving(lake.data_dir, maintenance=False) as service:
        questions = [Yearly()] * (SCAN_WARM_UP + SCAN_REPEATS)
        times, unserved = _timed((OData(service.url), bare), questions, SCAN_WARM_UP)
    yield from _medians(what, times, unserved)
    yield _served_ratio(f"{what}, finlake beside clean base files", times, YEARLY_DELTAS_TIMES_MOST)


def _asked(
    parties: Sequence[Party],
    questions: Sequence[Question],
    checked: int = CHECKED,
    warm_up: int = WARM_UP,
    own: Mapping[str, Sequence[Question]] = MappingProxyType({}),
) -> tuple[Mapping[str, Spread], dict[str, str]]:
    """Times by party, and reasons of those that do not serve the question. The first questions are for comparing; of
    two doors of one service the second has its `own` ones: what the first was just asked is in memory."""
    checked = min(checked, len(questions) // 4 or 1)
    warm_up = min(warm_up, len(questions) // 4 or 1)
    unserved: dict[str, str] = {}
    for question in questions[:checked]:
        unserved |= _compared(parties, question)
    serving_parties = [party for party in parties if party.name not in unserved]
    times, _ = _timed(serving_parties, questions[checked:], warm_up, own)
    return times, unserved


def _compared(parties: Sequence[Party], question: Question) -> dict[str, str]:
    """Raises RuntimeError where two parties answer differently; reasons of those that do not answer."""
    unserved: dict[str, str] = {}
    answers: dict[str, list[Row]] = {}
    for party in parties:
        try:
            answers[party.name] = party.rows(party.ask(question))
        except NotServed as reason:
            unserved[party.name] = str(reason)
    names = list(answers)
    for name in names[1:]:
        if not same(answers[names[0]], answers[name]):
            raise RuntimeError(f"{names[0]} and {name} answer {question} differently.")
    return unserved


def same(one: Sequence[Row], other: Sequence[Row]) -> bool:
    """Equal names and values; averages differ in their last digits."""
    if len(one) != len(other) or not one:
        return False
    pairs = zip(one, other, strict=True)
    return all(a[0] == b[0] and math.isclose(a[1], b[1], rel_tol=DIGITS) for a, b in pairs)


def _timed(
    parties: Sequence[Party],
    questions: Sequence[Question],
    warm_up: int,
    own: Mapping[str, Sequence[Question]] = MappingProxyType({}),
) -> tuple[Mapping[str, Spread], dict[str, str]]:
    unserved: dict[str, str] = {}
    askers: dict[str, Callable[[int], object]] = {}
    for party in parties:
        asked = own.get(party.name, questions)
        try:
            party.ask(asked[0])
        except NotServed as reason:
            unserved[party.name] = str(reason)
        else:
            askers[party.name] = lambda turn, party=party, asked=asked: party.ask(asked[turn])
    return spreads(askers, warm_up, len(questions) - warm_up), unserved


def spreads(askers: Mapping[str, Callable[[int], object]], warm_up: int, repeats: int) -> Mapping[str, Spread]:
    """As `interleaved`, but what warms up and what is timed are different questions."""
    for turn in range(warm_up):
        for ask in askers.values():
            ask(turn)
    later = {name: lambda turn, ask=ask: ask(turn + warm_up) for name, ask in askers.items()}
    return interleaved(later, warm_up=0, repeats=repeats)


def _medians(what: str, times: Mapping[str, Spread], unserved: Mapping[str, str]) -> Iterator[Line]:
    told = ((name, f"{spread.text()} ms") for name, spread in times.items())
    missing = ((name, f"not served ({reason})") for name, reason in unserved.items())
    for name, figure in chain(told, missing):
        yield Line(f"{what}, {name}", figure)


def _served_ratio(what: str, times: Mapping[str, Spread], most: float) -> Line:
    if OData.name not in times:
        return Line(what, "not served", f"at most {most:g}", "MISSED")
    return _ratio(what, times[OData.name].median, times[BaseFiles.name].median, most)


def _ratio(what: str, own: float, other: float, most: float) -> Line:
    return at_most(what, own / other, most, "times")
