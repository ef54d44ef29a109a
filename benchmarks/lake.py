"""A lake that holds the whole dataset, loaded through the service and compacted: built once, then put back as it was.

It lies in `FINLAKE_BENCH_DIR`, else in build/bench, which git ignores. Iceberg names its files absolutely, so a lake is
used where it was built; beside it lies a pristine copy. Data files are never changed once they are written, so both
share them by hard links.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.dataset import Dataset
from benchmarks.posting import Poster, arrow_body
from tests.support.server import Service, start_server
from tests.support.tree import ROOT

SERIES_A_REQUEST = 500
IMMUTABLE = (".parquet", ".avro")


@dataclass(frozen=True)
class Built:
    """Seconds that it took to post all rows, the making of bodies left out, and to compact them."""

    post_seconds: float
    compact_seconds: float


@dataclass(frozen=True)
class Lake:
    """The lake of one dataset."""

    dataset: Dataset
    folder: Path

    @property
    def data_dir(self) -> Path:
        return self.folder / "lake"

    @property
    def pristine(self) -> Path:
        return self.folder / "pristine"

    @property
    def built(self) -> Built:
        return Built(**json.loads((self.folder / "built.json").read_text()))

    def restore(self) -> Path:
        """The data folder as it was when it had been built."""
        copy(self.pristine, self.data_dir)
        return self.data_dir


def bench_folder() -> Path:
    return Path(os.environ.get("FINLAKE_BENCH_DIR", ROOT / "build" / "bench")).resolve()


def scratch() -> Path:
    """A folder for lakes that are thrown away, on the disk of the full one."""
    return bench_folder() / "scratch"


def full_lake(dataset: Dataset, *, rebuild: bool = False) -> Lake:
    """The lake of a dataset, built where there is none yet. A lake that an older code built is taken as well."""
    lake = Lake(dataset, bench_folder() / dataset.name)
    if rebuild or not (lake.folder / "built.json").is_file():
        shutil.rmtree(lake.folder, ignore_errors=True)
        built = _build(lake)
        (lake.folder / "built.json").write_text(json.dumps(asdict(built)))
    return lake


def _build(lake: Lake) -> Built:
    spent = 0.0
    with serving(lake.data_dir, maintenance=False) as service:
        poster = Poster(service.url)
        for block in lake.dataset.blocks(SERIES_A_REQUEST):
            body = arrow_body(block)
            started = time.perf_counter()
            poster.post(body)
            spent += time.perf_counter() - started
        poster.close()
    compact_seconds = compact(lake.data_dir)
    # What the merge replaced is in nobody's way, but it would be copied with the rest.
    at_once = {"SNAPSHOTS_KEPT_MIN": 1, "SNAPSHOT_RETENTION_SECONDS": 0, "GARBAGE_GRACE_SECONDS": 0, "TRASH_SECONDS": 0}
    for _ in range(2):
        run_command(lake.data_dir, "expire", **at_once)
    copy(lake.data_dir, lake.pristine)
    return Built(spent, compact_seconds)


def copy(source: Path, target: Path) -> None:
    """Replace a folder by a copy of another, which shares the files that are never changed."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, copy_function=_link_or_copy)


def _link_or_copy(source: str, target: str) -> None:
    if source.endswith(IMMUTABLE):
        os.link(source, target)
    else:
        shutil.copy2(source, target)


@contextmanager
def serving(data_dir: Path, **settings: object) -> Generator[Service]:
    """A service over a data folder that runs as long as the block does."""
    service = start_server(data_dir, log_level="warning", **settings)
    try:
        yield service
    finally:
        service.stop()


def compact(data_dir: Path, **settings: object) -> float:
    """Merge all partitions, in a process of its own; seconds it took."""
    started = time.perf_counter()
    run_command(data_dir, "compact", **settings)
    return time.perf_counter() - started


def run_command(data_dir: Path, command: str, **settings: object) -> None:
    with started_command(data_dir, command, **settings) as process:
        output, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"finlake {command} failed: {output.decode()[-2000:]}")


def started_command(data_dir: Path, command: str, **settings: object) -> subprocess.Popen[bytes]:
    environment = {f"FINLAKE_{name.upper()}": str(value) for name, value in settings.items()}
    return subprocess.Popen(
        [sys.executable, "-m", "api.cli", command],
        cwd=ROOT,
        env=os.environ | environment | {"FINLAKE_DATA_DIR": str(data_dir)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
