"""Suite `reads` is honest: askers count what was answered, all parties hold the same rows, missing peers are named."""

from __future__ import annotations

import asyncio
import http.server
import threading
from collections.abc import Generator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import pytest

from benchmarks import install, read_size, reading
from benchmarks.asking import Load, Request, asked
from benchmarks.dataset import Dataset
from benchmarks.echo import echo
from benchmarks.install import Missing
from benchmarks.lake import full_lake, serving
from benchmarks.measure import Spread
from benchmarks.options import Options
from benchmarks.parties import BaseFiles, GraphQL, Http, Known, Month, OData, Party, SortedFile, Yearly
from benchmarks.read_times import same, spreads
from benchmarks.reading import base_files, peers_over
from benchmarks.reads import CASES
from benchmarks.same_rows import sorted_file

SMALL = Dataset(series=6, months=7)


class _Answers(http.server.BaseHTTPRequestHandler):
    """Even paths come with a length, odd ones in chunks, /bad with another status."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.seen.append(self.path)
        self.send_response(503 if self.path == "/bad" else 200)
        if self.path.endswith("1"):
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"3\r\nabc\r\n0\r\n\r\n")
        else:
            self.send_header("Content-Length", "70000")
            self.end_headers()
            self.wfile.write(b"x" * 70_000)

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""


@contextmanager
def answering() -> Generator[str]:
    _Answers.seen.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_each_request_is_asked_once_and_each_failure_is_counted() -> None:
    paths = [f"/{number}" for number in range(30)] + ["/bad"] * 2
    with answering() as url:
        told = asyncio.run(asked(Load(url, tuple(Request("GET", path) for path in paths), 4, 20.0)))
    assert (told.answers, told.failed) == (32, 2)
    assert sorted(_Answers.seen) == sorted(paths)
    assert told.rate == pytest.approx(30 / told.seconds)


def test_one_request_is_asked_again_until_the_time_is_over() -> None:
    with answering() as url:
        told = asyncio.run(asked(Load(url, (Request("GET", "/0"),), 2, 0.5, again=True)))
    assert told.answers == len(_Answers.seen) > 4
    assert 0.5 <= told.seconds < 5
    assert 0 < told.median_ms <= told.p99_ms


def test_the_echo_sends_the_bytes(tmp_path: Path) -> None:
    with echo(b'{"value":[]}', tmp_path) as url:
        assert Http(url).ask(Request("GET", "/")) == b'{"value":[]}'


def test_all_parties_answer_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the peers that have to be installed; the expected rows are those of the dataset."""
    monkeypatch.setenv("FINLAKE_BENCH_DIR", str(tmp_path))
    lake = full_lake(SMALL)
    rows = sorted_file(SMALL, tmp_path / "same-rows")
    bare = SortedFile(str(rows))
    with serving(lake.restore(), maintenance=False) as service:
        clean = BaseFiles(base_files(lake))
        odata, graphql = OData(service.url), GraphQL(service.url)
        known, first = Known(SMALL.series_id(2)), Known(SMALL.series_id(2), SMALL.last_month())
        for question, parties in ((known, (odata, graphql, bare)), (first, (odata, graphql, bare))):
            _alike(question, parties, _expected(question))
        month = Month(SMALL.last_month())
        _alike(month, (odata, bare, clean), _expected(month))
        assert same(clean.rows(clean.ask(Yearly())), bare.rows(bare.ask(Yearly())))
        for piece_bytes in (7, 2**20):
            monkeypatch.setattr(read_size, "PIECE_BYTES", piece_bytes)
            assert read_size._exported(service.url, 42).rows == 42


def _alike(question: Known | Month, parties: tuple[Party, ...], expected: list[tuple[str, Decimal]]) -> None:
    for party in parties:
        assert party.rows(party.ask(question)) == expected, (party.name, question)


def _expected(question: Known | Month) -> list[tuple[str, Decimal]]:
    """The newest value of each key, by dictionaries."""
    newest: dict[str, Decimal] = {}
    for number in range(SMALL.series):
        series = SMALL.series_id(number)
        for row in SMALL.table(range(number, number + 1)).to_pylist():
            match question:
                case Known(wanted, day) if wanted == series and (day is None or row["revision_date"] <= day):
                    newest[str(row["date"])] = row["value"]
                case Month(day) if row["date"] == day:
                    newest[series] = row["value"]
                case _:
                    pass
    return sorted(newest.items())


def test_the_sorted_file_holds_the_rows_in_order(tmp_path: Path) -> None:
    file = sorted_file(SMALL, tmp_path)
    rows = duckdb.execute("SELECT series_id, date, revision_date FROM read_parquet(?)", [str(file)]).fetchall()
    assert len(rows) == SMALL.rows
    assert rows == sorted(rows)


def test_a_missing_peer_is_named_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> Path:
        raise Missing("no network")

    monkeypatch.setattr(reading, "python_program", missing)
    monkeypatch.setattr("benchmarks.postgres.node_program", missing)
    monkeypatch.setattr(reading, "csv_file", lambda rows: rows)
    with peers_over(tmp_path / "rows" / "rows.parquet") as peers:
        assert (peers.running, set(peers.skipped)) == ((), {"ROAPI", "PostGraphile"})
        assert set(peers.skipped.values()) == {"no network"}


def test_what_an_installer_said_is_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Missing, match="sh failed: no such package"):
        install.run(["sh", "-c", "echo no such package >&2; exit 1"])
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Missing, match="npm is not installed"):
        install.found("npm")


def test_what_is_timed_was_not_asked_to_warm_up() -> None:
    turns: list[int] = []
    times = spreads({"a": turns.append}, warm_up=3, repeats=4)
    assert turns == [0, 1, 2, 3, 4, 5, 6]
    assert isinstance(times["a"], Spread)


def test_answers_that_differ_are_found() -> None:
    one = [("2020", Decimal("1.5"))]
    assert same(one, [("2020", Decimal("1.5000001"))])
    assert not same(one, [("2020", Decimal("1.51"))])
    assert not same(one, [("2021", Decimal("1.5"))])
    assert not same(one, [])
    assert not same([], [])


def test_a_lake_of_ten_times_needs_the_disk_and_the_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINLAKE_BENCH_DIR", str(tmp_path))
    monkeypatch.setattr(read_size, "TEN_TIMES_FREE_GB", 10**9)
    lake = read_size.Lake(SMALL, tmp_path)
    assert [line.figure for line in read_size.ten_times(lake, wanted=False)] == [
        "not run: it is built with --ten-times only"
    ]
    (line,) = read_size.ten_times(lake, wanted=True)
    assert line.figure.endswith(f"are free on the disk, {10**9} are needed")


def test_only_a_whole_run_is_written_down() -> None:
    assert Options().whole
    assert Options(ten_times=True).whole
    assert not Options(series=200).whole
    assert not Options(only=(CASES[0],)).whole
