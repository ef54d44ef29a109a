"""Deadlines expire in their order and on time, unless they are cancelled."""

from __future__ import annotations

import threading
import time
from queue import Queue

from engine.deadlines import Deadlines


def test_they_expire_in_order_and_on_time() -> None:
    deadlines, expired = Deadlines(), Queue[tuple[str, float]]()
    began = time.monotonic()
    for name, seconds in (("late", 0.3), ("soon", 0.05), ("middle", 0.15)):
        deadlines.within(seconds, lambda name=name: expired.put((name, time.monotonic() - began)))
    found = [expired.get(timeout=10) for _ in range(3)]
    assert [name for name, _ in found] == ["soon", "middle", "late"]
    assert all(took >= due for (_, took), due in zip(found, (0.05, 0.15, 0.3), strict=True))
    deadlines.close()


def test_what_is_cancelled_does_not_expire() -> None:
    deadlines, expired = Deadlines(), Queue[str]()
    deadlines.within(0.05, lambda: expired.put("cancelled")).cancel()
    deadlines.within(0.1, lambda: expired.put("kept"))
    assert expired.get(timeout=10) == "kept"
    assert expired.empty()
    deadlines.close()


def test_one_thread_serves_all_and_ends_with_close() -> None:
    before = set(threading.enumerate())
    deadlines = Deadlines()
    for _ in range(500):
        deadlines.within(60, lambda: None)
    (mine,) = set(threading.enumerate()) - before
    deadlines.close()
    mine.join(10)
    assert not mine.is_alive()
