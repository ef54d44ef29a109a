"""The same batches from several processes at once, and again after a crash, a restart and the expiry of what told of
them. A changed body, and repeats within one process, are in tests/ingest/test_idempotency.py."""

from __future__ import annotations

from pathlib import Path

from tests.support.crashing import killed_at
from tests.support.posting import ROWS, batches_in, check, expire, merge, post, register, write
from tests.support.storming import together
from tests.support.warehouse import warehouse

BATCHES = tuple(range(1, 7))


def test_in_parallel_from_three_processes(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    together(*((post, lake, tmp_path / f"{n}", BATCHES) for n in range(3)))
    with warehouse(lake) as opened:
        assert batches_in(opened) == dict.fromkeys(BATCHES, ROWS - 1)
        receipts = [write(opened, batch) for batch in BATCHES]
        assert [receipt.verdicts.inserted for receipt in receipts] == [ROWS, *([ROWS - 1] * 5)]
        assert register(opened) == 6
    check(lake, tmp_path / "0", BATCHES)


def test_after_a_crash_and_the_expiry_of_its_snapshot(tmp_path: Path) -> None:
    """Killed after the commit and before the reply. Others correct, merge, expire; then it comes again."""
    lake, acks = tmp_path / "lake", tmp_path / "acks"
    post(lake, acks, (1,))
    assert killed_at(1, post, lake, acks, (2,), kinds=("committed iceberg_tables",))
    post(lake, acks, (3, 4, 5))
    merge(lake)
    for done in range(4):
        expire(lake, done)
    with warehouse(lake) as opened:
        write(opened, 2)
        assert register(opened) == 5
    check(lake, acks, range(1, 6))


def test_a_batch_that_came_late_stays_the_newest(tmp_path: Path) -> None:
    """Batch 1 was lost and nobody looked; 2 was sent, then 1 again: the register says 1, now and at the next look."""
    lake, acks = tmp_path / "lake", tmp_path / "acks"
    post(lake, acks, (2,))
    checked = check(lake, acks, (1, 2))
    assert checked.register == 1
    assert check(lake, acks, (1, 2), before=checked) == checked
    post(lake, acks, (3,))
    assert check(lake, acks, (1, 2, 3), before=checked).register == 3
