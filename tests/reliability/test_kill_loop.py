"""Stopped in the middle: SIGKILL loses nothing acknowledged and tears no batch; SIGTERM finishes what runs."""

from __future__ import annotations

import random
import time
from pathlib import Path

from tests.reliability.kill_loop import kill_loop
from tests.support.crawling import Crawler, check_stored, crawling
from tests.support.server import start_server


def test_sigkill_loses_nothing_acknowledged_and_tears_no_batch(tmp_path: Path) -> None:
    """With merges under way, and what was not acknowledged sent again after each start."""
    kill_loop(random.Random(20), tmp_path, rounds=5)


def test_sigterm_finishes_what_runs(tmp_path: Path) -> None:
    service = start_server(tmp_path / "lake", page_rows_max=1_000_000)
    crawlers = [Crawler(f"{n}") for n in range(8)]
    threads = crawling(crawlers, service.url)
    time.sleep(1.5)
    assert service.stop() == 0, service.log.read_text()[-2000:]
    for thread in threads:
        thread.join()
    assert any(crawler.acknowledged for crawler in crawlers)
    service = start_server(tmp_path / "lake", page_rows_max=1_000_000)
    check_stored(service.url, crawlers)
    service.stop()
