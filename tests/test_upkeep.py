"""The threads of maintenance, what they merge, and what happens where merges cannot follow."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient
from starlette.types import Message

from api.app import build_app
from api.background import Background, open_background
from api.debts import DebtFigures, DebtWatch
from api.limits import Limits
from api.merges import rest_share
from api.metrics import Metrics
from api.upkeep import LOCK_FILE, Every, Upkeep
from catalog.errors import StorageDamaged
from catalog.locks import owned
from catalog.model import BASE_LEVEL, DELTA_LEVEL
from engine.query import Query
from tests.support.warehouse import Warehouse, warehouse

SECONDS_MAX = 30.0


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def post(lake: Warehouse, value: int, *series: str) -> None:
    lake.write(document(value, *series))


def document(value: int, *series: str) -> dict[str, Any]:
    points = [{"external_id": name, "date": "2020-01-01", "value": value} for name in series or ("A",)]
    return {"source": {"name": "S"}, "data_points": points}


def levels(lake: Warehouse, table: str = "data_points") -> list[int]:
    return sorted(file.level for file in lake.engine.snapshots.current().tables[table].files)


@contextmanager
def in_the_background(lake: Warehouse) -> Iterator[Background]:
    """What the maintenance process does, over a lake that is open already."""
    background = open_background(lake.settings, lake.limits, Metrics(), lake.clock)
    background.start()
    try:
        yield background
    finally:
        background.close()


def data_files(lake: Warehouse) -> set[Path]:
    return set(lake.settings.data_dir.rglob("*.parquet"))


@pytest.mark.parametrize(("files", "share"), [(0, 1.0), (4, 0.6), (10, 0.0), (80, 0.0), (200, 0.0)])
def test_a_merge_rests_less_the_more_waits_for_it(files: int, share: float) -> None:
    assert rest_share(files, 100) == pytest.approx(share)


def test_the_thread_survives_what_a_pass_raises_and_stops_at_once(tmp_path: Path) -> None:
    calls: list[str] = []

    def bad() -> bool:
        calls.append("bad")
        raise ValueError("a pass that fails")

    upkeep = Upkeep((bad, lambda: calls.append("good")), round_seconds=0.01)
    upkeep.start()
    until(lambda: calls.count("good") >= 3)
    assert upkeep.alive
    began = time.monotonic()
    upkeep.close()
    assert time.monotonic() - began < 1
    assert not upkeep.alive
    assert calls.count("bad") == calls.count("good")


def test_rounds_follow_one_another_while_there_is_more_to_do() -> None:
    ran: list[float] = []

    def work() -> bool:
        ran.append(time.monotonic())
        return len(ran) < 50

    upkeep = Upkeep((work,), round_seconds=0.2)
    upkeep.start()
    until(lambda: len(ran) == 51)
    upkeep.close()
    assert ran[49] - ran[0] < 0.2 * 48, "none of these rounds waited"
    assert ran[50] - ran[49] >= 0.2, "but the one after the last piece of work"


def test_of_several_processes_one_works(tmp_path: Path) -> None:
    looked, worked = threading.Event(), threading.Event()
    lock = tmp_path / LOCK_FILE
    everywhere, here = Upkeep((looked.set,), round_seconds=0.01), Upkeep((worked.set,), lock, round_seconds=0.01)
    with owned(lock, wait=False) as mine:
        assert mine
        here.start()
        everywhere.start()
        until(looked.is_set)
        assert not worked.wait(0.1)
    until(worked.is_set)
    for upkeep in (here, everywhere):
        upkeep.close()


def test_a_pass_now_and_then() -> None:
    now, ran = [0.0], list[float]()
    every = Every(10, lambda: ran.append(now[0]) is None, lambda: now[0])
    for now[0] in (1.0, 9.0, 10.0, 11.0, 19.0, 21.0):
        every()
    assert ran == [10.0, 21.0]


def test_merges_follow_posts_and_age(tmp_path: Path) -> None:
    now, counted = [0.0], Metrics()
    with warehouse(tmp_path, delta_files_max=2, base_merge_seconds=100) as lake:
        merges, watch = lake.merges(counted.count_merges, lambda: now[0])
        for value in (1, 2):
            post(lake, value)
        assert not merges()
        post(lake, 3)
        assert merges()
        assert levels(lake) == [BASE_LEVEL], "beside no base at all, a base merge costs no more"
        post(lake, 4)
        assert not merges()
        now[0] = 99.0
        assert not merges()
        now[0] = 101.0
        assert merges()
        assert levels(lake) == [BASE_LEVEL]
        assert not merges()
        assert [row["value"] for row in lake.rows(Query("data_points"))] == [4]
        assert watch.figures == DebtFigures()
        assert counted.totals()["merges"] >= 2


def test_the_next_pass_begins_at_once_where_something_was_merged(tmp_path: Path) -> None:
    with warehouse(tmp_path, delta_files_max=2, base_merge_share=100) as lake:
        merges, _ = lake.merges()
        post(lake, 0, "A")
        lake.compact()
        assert not merges(), "nothing is due"
        for value in range(3):
            post(lake, value + 1)
        assert merges()
        assert not merges()
        for value in range(3):
            post(lake, value + 10)
        merges.stop()
        assert not merges(), "it was stopped"


def test_sustained_posts_leave_few_files(tmp_path: Path) -> None:
    names = [f"S{number}" for number in range(12)]
    with warehouse(tmp_path, delta_files_max=3) as lake:
        merges, _ = lake.merges()
        for value in range(60):
            post(lake, value, *names)
            if value % 2:
                merges()
            per_partition: dict[Any, int] = {}
            for file in lake.engine.snapshots.current().tables["data_points"].files:
                per_partition[file.partition] = per_partition.get(file.partition, 0) + 1
            assert max(per_partition.values()) <= 3 + 2 + 4
        assert {row["value"] for row in lake.rows(Query("data_points"))} == {59}
        assert len(levels(lake, "series")) <= 9


def test_a_partition_that_cannot_be_merged_holds_no_other_up(tmp_path: Path) -> None:
    with warehouse(tmp_path, delta_files_max=2, base_merge_seconds=0) as lake:
        for value in range(3):
            post(lake, value, "A", "B")
        table = lake.engine.snapshots.current().tables["data_points"]
        assert len(table.by_partition) == 2
        lost, kept = sorted(table.by_partition, key=str)
        Path(table.by_partition[lost][0].path).unlink()
        merges, _ = lake.merges()
        for _ in range(2):
            with pytest.raises(StorageDamaged):
                merges()
        after = lake.engine.snapshots.current().tables["data_points"].by_partition
        assert [file.level for file in after[lost]] == [0, 0, 0]
        assert [file.level for file in after[kept]] == [BASE_LEVEL]


def test_a_stopped_merge_leaves_nothing_behind(tmp_path: Path) -> None:
    with warehouse(tmp_path, base_merge_seconds=0) as lake:
        post(lake, 1, "A", "B")
        merges, _ = lake.merges()
        merges.stop()
        assert not merges()
        before, (running, watch) = data_files(lake), lake.merges()
        watch.look = lambda: running.stop() or DebtWatch.look(watch)  # pyright: ignore[reportAttributeAccessIssue]
        assert not running()
        assert data_files(lake) == before
        assert levels(lake) == [0, 0]


def test_the_service_merges_by_itself(tmp_path: Path) -> None:
    with warehouse(tmp_path, base_merge_seconds=0) as lake:
        with in_the_background(lake) as background:
            assert background.alive
            for value in range(5):
                post(lake, value)
            until(lambda: levels(lake) == [BASE_LEVEL])
            assert [row["value"] for row in lake.rows(Query("data_points"))] == [4]
        assert not background.alive


def test_the_service_lets_go_of_what_is_old_by_itself(tmp_path: Path) -> None:
    fields = {"expiry_seconds": 0.01, "sweep_seconds": 0.01, "snapshots_kept_min": 1, "receipt_retention_seconds": 0}
    with warehouse(tmp_path, base_merge_seconds=900, **fields) as lake, in_the_background(lake) as background:
        receipts = [lake.write(document(value)) for value in range(3)]
        lake.clock.set(lake.clock.now.date() + dt.timedelta(days=1))
        until(lambda: all(lake.services.batches.get(receipt.batch_id) is None for receipt in receipts))
        until(lambda: len(lake.services.lake.load(lake.services.lake.model.tables[2]).metadata.snapshots) == 1)
        assert background.alive


def test_posts_wait_where_merges_cannot_follow(tmp_path: Path) -> None:
    with warehouse(tmp_path, limits=Limits(debt_files_max=2)) as lake:
        client = TestClient(build_app(lake.settings, lake.limits, lake.services))
        document = {"source": {"name": "S"}, "data_points": [{"external_id": "A", "date": "2020-01-01", "value": 9}]}
        for value in (1, 2, 3):
            post(lake, value)
        assert client.post("/api/v1/financial-data/bulk", json=document).status_code == 200, "not looked at yet"
        lake.services.debt.look()
        refused = client.post("/api/v1/financial-data/bulk", json=document)
        assert (refused.status_code, refused.json()["code"], refused.headers["Retry-After"]) == (429, "overloaded", "5")
        assert refused.json()["details"] == {"limit": "debt_files_max", "value": 2}
        assert client.get("/odata/DataPoints").status_code == 200
        lake.delta_merge()
        lake.services.debt.look()
        assert client.post("/api/v1/financial-data/bulk", json=document).status_code == 200


def test_a_post_that_must_wait_is_told_before_its_body_is_read(tmp_path: Path) -> None:
    statuses: list[int] = []

    async def receive() -> Message:
        raise AssertionError("the body was read")

    async def send(message: Message) -> None:
        statuses.extend([message["status"]] if "status" in message else [])

    path = "/api/v1/financial-data/bulk"
    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}
    with warehouse(tmp_path) as lake:
        lake.services.debt.figures = DebtFigures(partition_files_max=lake.limits.debt_files_max + 1)
        anyio.run(build_app(lake.settings, lake.limits, lake.services), scope, receive, send)
    assert statuses == [429]


def test_operators_see_the_debt(tmp_path: Path) -> None:
    with warehouse(tmp_path, delta_files_max=1) as lake:
        client = TestClient(build_app(lake.settings, lake.limits, lake.services))
        post(lake, 1)
        lake.services.debt.look()
        families = {family.name: family for family in text_string_to_metric_families(client.get("/metrics").text)}
        assert families["finlake_debt_files"].samples[0].value == 3, "one of each table"
        assert families["finlake_debt_rows"].samples[0].value == 3
        assert families["finlake_merges"].samples[0].value == 0
        post(lake, 2)
        merges, _ = lake.merges(lake.services.metrics.count_merges)
        assert merges()
        lake.services.debt.look()
        health = client.get("/health/detailed").json()["maintenance"]
        assert (health["alive"], health["merges"], health["merged_rows"]) == (False, 1, 2)
        assert health["partition_files_max"] == 1, "source and series have one fresh file each"
        assert levels(lake) == [DELTA_LEVEL + 1]
