"""Readers and samplers that run beside a load, each in a thread of its own."""

from __future__ import annotations

import random
import re
import statistics
import threading
import time
from abc import abstractmethod
from collections.abc import Sequence
from typing import Self

from benchmarks.dataset import Dataset
from benchmarks.measure import Spread
from benchmarks.posting import Poster

READ_EVERY_SECONDS = 0.2
SAMPLE_EVERY_SECONDS = 1.0
_FILES = re.compile(rb"^finlake_debt_partition_files_max ([0-9.e+]+)$", re.MULTILINE)


class _Beside:
    """Calls `step` again and again while the block runs; what it raises is raised at the block's end."""

    def __init__(self, url: str, every_seconds: float) -> None:
        self.figures: list[float] = []
        self._poster = Poster(url)
        self._every_seconds = every_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._error: Exception | None = None

    @abstractmethod
    def step(self, poster: Poster) -> float:
        """One figure."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._poster.close()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            while not self._stop.wait(self._every_seconds):
                self.figures.append(self.step(self._poster))
        except Exception as error:  # noqa: BLE001 - raised again by the thread that waits
            self._error = error


class Reading(_Beside):
    """Milliseconds of reads of single series, all dates, chosen at random."""

    def __init__(self, url: str, dataset: Dataset, seed: int = 1) -> None:
        super().__init__(url, READ_EVERY_SECONDS)
        self._dataset = dataset
        self._chance = random.Random(seed)

    def step(self, poster: Poster) -> float:
        id_ = self._dataset.series_id(self._chance.randrange(self._dataset.series))
        started = time.perf_counter()
        poster.get(f"/odata/Series({id_})/DataPoints?$select=date,value")
        return (time.perf_counter() - started) * 1000

    @property
    def spread(self) -> Spread:
        return Spread(statistics.median(self.figures), statistics.quantiles(self.figures, n=20)[-1])


class DeltaFiles(_Beside):
    """Delta files of the partition that has most, as the metrics tell them."""

    def __init__(self, url: str) -> None:
        super().__init__(url, SAMPLE_EVERY_SECONDS)

    def step(self, poster: Poster) -> float:
        found = _FILES.search(poster.get("/metrics"))
        if found is None:
            raise RuntimeError("The service tells no debt.")
        return float(found[1])

    def by_quarter(self) -> Sequence[float]:
        """The greatest of each quarter of the time."""
        size = max(1, len(self.figures) // 4)
        return [max(self.figures[at : at + size]) for at in range(0, size * 4, size)]


def idle_reads(url: str, dataset: Dataset, seconds: float) -> Spread:
    """Reads while nothing else goes on, after some to warm up."""
    with Reading(url, dataset, seed=2):
        time.sleep(min(5.0, seconds))
    with Reading(url, dataset, seed=3) as reading:
        time.sleep(seconds)
    return reading.spread
