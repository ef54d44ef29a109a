"""Clocks and memory: medians of interleaved questions, the resident memory of a process and its children."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import psutil

SAMPLE_SECONDS = 0.1


@dataclass(frozen=True)
class Spread:
    """Milliseconds of one question."""

    median: float
    p95: float

    def text(self) -> str:
        return f"{self.median:.2f} (p95 {self.p95:.2f})"


def interleaved(askers: Mapping[str, Callable[[int], object]], *, warm_up: int, repeats: int) -> Mapping[str, Spread]:
    """Each asker's time for question 0, 1, 2 and so on, all askers in turn, so that a drift of the machine hits all."""
    for turn in range(warm_up):
        for ask in askers.values():
            ask(turn)
    spent: dict[str, list[float]] = {name: [] for name in askers}
    for turn in range(repeats):
        for name, ask in askers.items():
            started = time.perf_counter()
            ask(turn)
            spent[name].append((time.perf_counter() - started) * 1000)
    return {name: _spread(times) for name, times in spent.items()}


def _spread(times: Sequence[float]) -> Spread:
    return Spread(statistics.median(times), statistics.quantiles(times, n=20)[-1])


class MemoryWatch:
    """The greatest resident memory, in MB, of a process and all its children together, while the block runs."""

    def __init__(self, process_id: int) -> None:
        self._process = psutil.Process(process_id)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.peak_mb = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            self.peak_mb = max(self.peak_mb, self.now_mb())

    def now_mb(self) -> float:
        processes = [self._process, *self._process.children(recursive=True)]
        return sum(_resident_bytes(process) for process in processes) / 2**20


def shared_out_mb(pid: int) -> float:
    """The memory of a process and its children: what several hold, such as the code of libraries, counts once."""
    process = psutil.Process(pid)
    return sum(each.memory_full_info().pss for each in (process, *process.children(recursive=True))) / 2**20


def _resident_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
