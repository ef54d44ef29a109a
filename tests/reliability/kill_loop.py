"""The whole service, killed again and again while crawlers post to it and it merges by itself."""

from __future__ import annotations

import random
import time
from pathlib import Path
from statistics import median

from tests.support.crawling import Crawler, check_stored, crawling
from tests.support.posting import faults
from tests.support.server import start_server
from tests.support.warehouse import warehouse

CRAWLERS = 3
ROWS_MAX = 1_000_000
OPEN_SECONDS_MAX = 2.0


def kill_loop(chance: random.Random, folder: Path, rounds: int = 8) -> str:
    """SIGKILL to a service and its worker at a random moment, `rounds` times. After each start what was acknowledged is
    there, whole and once, and the crawlers send the rest again."""
    lake, crawlers, opened = folder / "lake", list[Crawler](), list[float]()
    for turn in range(rounds):
        service = start_server(lake, page_rows_max=ROWS_MAX, delta_files_max=1, base_merge_seconds=2)
        try:
            for crawler in crawlers[-CRAWLERS:]:
                crawler.send_again(service.url)
            fresh = [Crawler(f"{turn}-{number}") for number in range(CRAWLERS)]
            threads = crawling(fresh, service.url)
            time.sleep(chance.uniform(0.3, 1.2))
        finally:
            service.kill()
        for thread in threads:
            thread.join()
        crawlers += fresh
        opened.append(_seconds_to_open(lake))
    service = start_server(lake, page_rows_max=ROWS_MAX)
    try:
        check_stored(service.url, crawlers)
    finally:
        service.stop()
    acknowledged = sum(len(crawler.acknowledged) for crawler in crawlers)
    assert acknowledged >= rounds
    assert median(opened) < OPEN_SECONDS_MAX, "a crash makes the next start long"
    with warehouse(lake) as whole:
        assert faults(whole) == ()
    return f"kill loop: {rounds} kills, {acknowledged} batches acknowledged, opened in {max(opened):.2f} s at most"


def _seconds_to_open(lake: Path) -> float:
    """What the lake itself takes of a start: opening it and knowing its newest state."""
    began = time.monotonic()
    with warehouse(lake) as opened:
        opened.engine.current()
        return time.monotonic() - began
