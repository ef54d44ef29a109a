"""The time of a statement is what the database works for it, and a request that is given up ends it at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from engine.deadlines import Deadlines
from engine.errors import ExecutionFailed, QueryTimeout
from engine.execute import Database, DatabaseSettings
from engine.interrupts import Interrupts
from engine.lower import Statement
from engine.running import Running

ENDLESS = Statement("SELECT range FROM range(1000000000000)", {})
SILENT = Statement("SELECT count(*) FROM range(1000000000000) WHERE range % 7 = 9", {})
# Works for a moment, for one row.
SILENT_AT_FIRST = Statement("SELECT count(*) FROM range(4000000) WHERE range % 7 = 9", {})
LIMIT_MS = 2_000


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(DatabaseSettings(tmp_path, threads=2, memory="128MB", query_time_ms_max=LIMIT_MS))
    yield opened
    opened.close()


def test_a_reader_may_take_his_time(database: Database) -> None:
    running = database.open(ENDLESS)
    batches = running.batches()
    for _ in range(2):
        assert next(batches).num_rows > 0
        time.sleep(1.2 * LIMIT_MS / 1000)
    assert next(batches).num_rows > 0
    running.close()


def test_the_database_may_not(database: Database) -> None:
    started = time.monotonic()
    with pytest.raises(QueryTimeout):
        list(database.open(SILENT).batches())
    assert time.monotonic() - started < 20 * LIMIT_MS / 1000


def test_time_that_is_spent_already_counts(database: Database) -> None:
    running = database.open(SILENT_AT_FIRST, spent_ms=0.0)
    assert list(running.batches())
    assert 0 < running.spent_ms <= running.execute_ms
    with pytest.raises(QueryTimeout):
        list(database.open(SILENT_AT_FIRST, spent_ms=LIMIT_MS - 1).batches())


def test_rows_that_are_handed_over_give_more_time(database: Database) -> None:
    """A large answer takes longer than a question may: its rows come, and the time that is left does not shrink."""
    running = database.open(ENDLESS)
    for _ in running.batches():
        if running.execute_ms > LIMIT_MS:
            break
    assert running.execute_ms > LIMIT_MS
    assert running.spent_ms < LIMIT_MS
    running.close()


def test_what_runs_for_a_request_that_is_given_up_is_broken_off(tmp_path: Path) -> None:
    database = Database(DatabaseSettings(tmp_path, threads=2, memory="128MB", query_time_ms_max=60_000))
    interrupts = Interrupts()
    threading.Timer(0.2, interrupts.fire).start()
    started = time.monotonic()
    with interrupts.within():
        with pytest.raises(ExecutionFailed):
            list(database.open(SILENT).batches())
        with pytest.raises(ExecutionFailed, match="given up"):
            database.open(ENDLESS)
    with pytest.raises(ExecutionFailed, match="given up"), interrupts.within():
        pass
    assert time.monotonic() - started < 20
    assert database.open(Statement("SELECT 1", {})).batches(), "others go on"
    database.close()


def test_no_reason_is_looked_for_where_a_request_is_given_up(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would open all files of the statement, for nobody."""
    monkeypatch.setattr("engine.running.failure_of", None)
    interrupts = Interrupts()
    threading.Timer(0.2, interrupts.fire).start()
    with pytest.raises(ExecutionFailed, match="given up"), interrupts.within():
        list(database.open(SILENT).batches())


def test_what_has_ended_is_not_broken_off(database: Database) -> None:
    interrupts = Interrupts()
    with interrupts.within():
        assert list(database.open(Statement("SELECT 1 AS x", {})).batches())
        running = database.open(ENDLESS)
    running.close()
    assert interrupts._running == set()


class Hesitant:
    """A cursor that begins after somebody has interrupted it."""

    def __init__(self) -> None:
        self._cursor = duckdb.connect()
        self._is_interrupted = threading.Event()

    def execute(self, *args: Any) -> duckdb.DuckDBPyConnection:
        assert self._is_interrupted.wait(10)
        return self._cursor.execute(*args)

    def interrupt(self) -> None:
        self._is_interrupted.set()
        self._cursor.interrupt()

    def close(self) -> None:
        self._cursor.close()


@pytest.mark.parametrize(("spent_ms", "error"), [(60_000, QueryTimeout), (0, ExecutionFailed)])
def test_an_interrupt_before_the_database_begins_is_not_lost(
    monkeypatch: pytest.MonkeyPatch, spent_ms: int, error: type[Exception]
) -> None:
    """As of a slice that is opened when the time of the answer is over, or of a client that goes at that moment."""
    deadlines, interrupts = Deadlines(), Interrupts()
    waits: list[float] = []
    within: Callable[..., Any] = deadlines.within
    monkeypatch.setattr(deadlines, "within", lambda *args: waits.append(args[0]) or within(*args))
    if not spent_ms:
        threading.Timer(0.1, interrupts.fire).start()
    started = time.monotonic()
    cursor: Any = Hesitant()
    with pytest.raises(error), interrupts.within():
        list(Running(cursor, SILENT, deadlines, 60_000, spent_ms).batches())
    assert time.monotonic() - started < 10
    time.sleep(0.2)
    asked = len(waits)
    time.sleep(0.2)
    assert len(waits) == asked, "what has ended is left alone"
    deadlines.close()
