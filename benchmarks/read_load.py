"""Thirty-two connections at once: all different questions, and one question again and again beside a bare echo."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.asking import Asked, Load, Request, asked_from_outside
from benchmarks.echo import echo
from benchmarks.lake import scratch, serving
from benchmarks.parties import Http, Known, OData
from benchmarks.reading import Bench
from benchmarks.report import Line, at_least, at_most

CONNECTIONS = 32
WORKERS = 2
ROUNDS, ROUND_SECONDS = 3, 5.0
DIFFERENT_RATE_LEAST = 600.0
REPEATED_RATE_LEAST, REPEATED_P99_MS_MOST = 20_000.0, 10.0


@dataclass(frozen=True)
class _Told:
    """The rounds of one party together."""

    rounds: tuple[Asked, ...]

    @property
    def rate(self) -> float:
        return statistics.median(each.rate for each in self.rounds)

    @property
    def p99_ms(self) -> float:
        return statistics.median(each.p99_ms for each in self.rounds)

    def text(self) -> str:
        failed = sum(each.failed for each in self.rounds)
        share = statistics.median(each.cpu_share for each in self.rounds)
        median = statistics.median(each.median_ms for each in self.rounds)
        times = f"median {median:.2f} ms, p99 {self.p99_ms:.2f} ms"
        return f"answers/s ({times}, {failed} failed, the askers took {share:.2f} of a core)"


def different(bench: Bench) -> Iterator[Line]:
    """Takes what series are left, shared out over the rounds; no party is asked for one twice."""
    what = f"one series, {CONNECTIONS} connections, all different"
    series = list(bench.series)
    with serving(bench.lake.data_dir, maintenance=False, workers=WORKERS) as service:
        own = {OData.name: bench.odata, f"{OData.name}, {WORKERS} workers": OData(service.url)}
        parties = own | {peer.name: peer for peer in bench.peers.running}
        rounds: dict[str, list[Asked]] = {name: [] for name in parties}
        for number in range(ROUNDS):
            for name, party in parties.items():
                requests = tuple(party.request(Known(each)) for each in series[number::ROUNDS])
                rounds[name].append(asked_from_outside(Load(party.url, requests, CONNECTIONS, ROUND_SECONDS)))
    yield from _different_lines(what, {name: _Told(tuple(each)) for name, each in rounds.items()}, set(own))


def _different_lines(what: str, told: dict[str, _Told], own: set[str]) -> Iterator[Line]:
    for name, party in told.items():
        if name in own:
            yield at_least(f"{what}, {name}", party.rate, DIFFERENT_RATE_LEAST, party.text())
        else:
            yield Line(f"{what}, {name}", f"{party.rate:,.0f} {party.text()}")


def repeated(bench: Bench) -> Iterator[Line]:
    """The echo sends the bytes of finlake's answer, and is asked in turn with it."""
    what = f"one question again, {CONNECTIONS} connections"
    request = bench.odata.request(Known(bench.lake.dataset.series_id(0)))
    content = Http(bench.service.url).ask(request)
    scratch().mkdir(parents=True, exist_ok=True)
    with (
        echo(content, scratch()) as url,
        serving(bench.lake.data_dir, maintenance=False, workers=WORKERS) as more,
    ):
        own, several, bare = _in_turn(((bench.service.url, request), (more.url, request), (url, Request("GET", "/"))))
    for name, told in (("finlake", own), (f"finlake, {WORKERS} workers", several)):
        yield at_least(f"{what}, {len(content):,} bytes, {name}", told.rate, REPEATED_RATE_LEAST, told.text())
        yield at_most(f"{what}, {name}, p99", told.p99_ms, REPEATED_P99_MS_MOST, "ms")
    yield Line(f"{what}, a bare ASGI echo of the same bytes", f"{bare.rate:,.0f} {bare.text()}")
    yield Line(f"{what}, finlake beside the echo", f"{own.rate / bare.rate:.2f} times")


def _in_turn(asked: Sequence[tuple[str, Request]]) -> tuple[_Told, ...]:
    rounds: list[list[Asked]] = [[] for _ in asked]
    for _ in range(ROUNDS):
        for (url, request), kept in zip(asked, rounds, strict=True):
            load = Load(url, (request,), CONNECTIONS, ROUND_SECONDS, again=True)
            kept.append(asked_from_outside(load))
    return tuple(_Told(tuple(each)) for each in rounds)
