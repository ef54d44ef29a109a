"""What is sent under one key is stored once: sent again, after a restart or a lost reply, to another process."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from api.app import build_app
from api.writing import Receipt
from catalog.batches import BatchLog, BatchRecord
from catalog.errors import StorageFailed
from catalog.identity import series_id
from engine.query import Query
from tests.support.warehouse import Warehouse, warehouse

ROOT = "/api/v1/financial-data"
ID = series_id("S", "A")


def document(value: int, revision: str = "2020-02-01") -> dict[str, Any]:
    point = {"source": "S", "external_id": "A", "date": "2020-01-01", "value": value, "revision_date": revision}
    return {"data_points": [point]}


def write(lake: Warehouse, value: int, key: str) -> Receipt:
    return asyncio.run(lake.writer.write(document(value), "partial", key))


def values(lake: Warehouse) -> list[Any]:
    return [row["value"] for row in lake.rows(Query("data_points"))]


def client_of(lake: Warehouse) -> TestClient:
    return TestClient(build_app(lake.settings, lake.limits, lake.services), raise_server_exceptions=False)


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Warehouse]:
    with warehouse(tmp_path) as opened:
        yield opened


def test_a_repeat_gets_the_first_receipt_and_writes_nothing(lake: Warehouse) -> None:
    first = write(lake, 1, "k")
    before = lake.engine.current()
    assert write(lake, 1, "k") == first
    assert lake.engine.current() == before
    assert first.verdicts.inserted == 1


def test_a_repeat_does_not_outrank_a_newer_correction(lake: Warehouse) -> None:
    first = write(lake, 1, "k")
    write(lake, 2, "other")
    assert write(lake, 1, "k") == first
    assert values(lake) == [2]


def test_another_body_under_the_key_is_refused(lake: Warehouse) -> None:
    client = client_of(lake)
    headers = {"Idempotency-Key": '"k-1"'}
    assert client.post(f"{ROOT}/bulk", json=document(1), headers=headers).status_code == 200
    before = lake.engine.current()
    for answer in (
        client.post(f"{ROOT}/bulk", json=document(2), headers=headers),
        client.post(f"{ROOT}/bulk?mode=atomic", json=document(1), headers=headers),
        client.put(f"{ROOT}/series/{ID}", json={"title": "T"}, headers=headers),
        client.delete(f"{ROOT}/series/{ID}", headers=headers),
        client.delete(f"{ROOT}/series/{ID}/points", headers=headers),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_conflict")
    assert lake.engine.current() == before


def test_a_batch_that_stored_nothing_keeps_its_key(lake: Warehouse) -> None:
    write(lake, 1, "")
    first = write(lake, 1, "k")
    assert first.verdicts.unchanged == 1
    write(lake, 2, "")
    assert write(lake, 1, "k") == first
    assert values(lake) == [2]


def test_it_survives_a_restart(tmp_path: Path) -> None:
    with warehouse(tmp_path) as lake:
        first = write(lake, 1, "k")
        write(lake, 2, "")
    with warehouse(tmp_path) as lake:
        assert write(lake, 1, "k") == first
        assert values(lake) == [2]


def test_without_its_record_nothing_of_a_batch_is_stored(lake: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it would have stored nothing."""

    def lost(*_: object) -> None:
        raise StorageFailed("The database is gone.")

    write(lake, 1, "")
    before = lake.engine.current()
    with monkeypatch.context() as patch:
        patch.setattr(BatchLog, "record", lost)
        for value in (1, 2):
            with pytest.raises(Exception, match="storage_failed"):
                write(lake, value, f"k{value}")
    assert (lake.engine.current(), values(lake)) == (before, [1])
    assert len(list(lake.settings.data_dir.rglob("data_points/**/*.parquet"))) == 1
    assert write(lake, 2, "k2").verdicts.corrected == 1


def test_what_another_process_has_recorded_meanwhile_is_not_stored(
    lake: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one had nothing to store, so no table's head tells of it; here it would be a correction by now."""
    write(lake, 1, "")
    first = write(lake, 1, "k")
    batches, real = lake.services.batches, BatchLog.find
    record = batches.get(first.batch_id)
    assert record is not None
    batches.forget(lake.clock.now + dt.timedelta(days=1), 0)
    write(lake, 2, "")
    looked: list[int] = []

    def find(self: BatchLog, ids: Sequence[str]) -> Mapping[str, BatchRecord]:
        found = real(self, ids)
        looked.append(len(found))
        if len(looked) == 1:
            with lake.services.lake.transaction() as connection:
                self.record(connection, [record], record.snapshot)
        return found

    monkeypatch.setattr(BatchLog, "find", find)
    assert write(lake, 1, "k") == first
    assert (looked, values(lake)) == ([0, 1], [2])


def test_parallel_deliveries_are_one(lake: Warehouse) -> None:
    batch = lake.batch(document(1), key="k")
    with ThreadPoolExecutor(8) as pool:
        (first, *others) = [answer for (answer,) in pool.map(lambda _: lake.commit_together([batch]), range(16))]
    assert isinstance(first, Receipt)
    assert first.verdicts.inserted == 1
    assert all(other == first for other in others)


def test_two_of_one_key_in_one_commit_are_one(lake: Warehouse) -> None:
    one, other = (lake.batch(document(value), key="k") for value in (1, 2))
    results = lake.commit_together([one, one, other])
    assert results[0] == results[1]
    assert isinstance(results[0], Receipt)
    assert str(results[2]).startswith("idempotency_conflict")
    assert values(lake) == [1]


def test_what_was_refused_may_be_sent_again_mended(lake: Warehouse) -> None:
    """Also where both come in one commit: nothing of the first was stored."""
    refused = replace(lake.batch({"data_points": [{"external_id": "A"}]}, key="k"), mode="atomic")
    mended = lake.batch(document(1), key="k")
    results = lake.commit_together([refused, mended, mended, refused])
    assert str(results[0]).startswith("rejected_batch")
    assert isinstance(results[1], Receipt)
    assert results[2] == results[1]
    assert str(results[3]).startswith("idempotency_conflict")
    assert values(lake) == [1]


def test_two_processes_share_the_keys(tmp_path: Path) -> None:
    with warehouse(tmp_path) as here, warehouse(tmp_path) as there:
        first = write(here, 1, "k")
        write(there, 2, "")
        assert write(there, 1, "k") == first
        assert values(here) == [2]


def test_a_receipt_can_be_asked_for(lake: Warehouse) -> None:
    client = client_of(lake)
    answers: list[httpx.Response] = [
        client.post(f"{ROOT}/bulk", json=document(1)),
        client.put(f"{ROOT}/series/{ID}", json={"title": "T"}),
        client.delete(f"{ROOT}/series/{ID}/points?from=2020-01-01&to=2020-01-01"),
    ]
    assert [answer.json()["verdicts"]["deleted"] for answer in answers] == [0, 0, 1]
    for answer in answers:
        again = client.get(f"{ROOT}/batches/{answer.json()['batch_id']}")
        assert (again.status_code, again.json()) == (200, answer.json())
    unknown = client.get(f"{ROOT}/batches/{ID}")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_entity")


def test_a_deletion_sent_again_is_found(lake: Warehouse) -> None:
    write(lake, 1, "")
    client = client_of(lake)
    headers = {"Idempotency-Key": "gone"}
    first = client.delete(f"{ROOT}/series/{ID}", headers=headers)
    assert first.status_code == 200
    assert client.delete(f"{ROOT}/series/{ID}", headers=headers).json() == first.json()
    assert client.delete(f"{ROOT}/series/{ID}").status_code == 404


@pytest.mark.parametrize("key", ["", "a b", "ä", "x" * 201, '"', "a\\b"])
def test_a_key_must_be_plain(lake: Warehouse, key: str) -> None:
    answer = client_of(lake).post(f"{ROOT}/bulk", json=document(1), headers={"Idempotency-Key": key.encode()})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_parameter")


def test_records_are_forgotten_by_age_and_by_number(lake: Warehouse) -> None:
    receipts = [write(lake, value, f"k{value}") for value in range(5)]
    batches = lake.services.batches
    assert batches.forget(lake.clock.now, 3) == 2
    assert [batches.get(receipt.batch_id) is not None for receipt in receipts] == [False, False, True, True, True]
    lake.clock.now = lake.clock.now.replace(year=2030)
    assert batches.forget(lake.clock.now, 100) == 3
