"""What the cases of suite `reads` share: the lake, its service, the parties, and series that nobody has asked for."""

from __future__ import annotations

import random
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.install import Missing, python_program
from benchmarks.lake import Lake, bench_folder, serving
from benchmarks.parties import BaseFiles, GraphQL, OData, Party, PostGraphile, Roapi, SortedFile
from benchmarks.peers import serving_roapi
from benchmarks.postgres import serving_postgraphile
from benchmarks.same_rows import csv_file, sorted_file
from catalog.model import BASE_LEVEL
from tests.support.server import Service

PEER_START_SECONDS_MAX = 300
POINTS = "warehouse/finlake/data_points/data/**/*.parquet"


@dataclass(frozen=True)
class Peers:
    """Those that run, and a reason for each that does not."""

    roapi: Roapi | None
    postgraphile: PostGraphile | None
    skipped: dict[str, str]

    @property
    def running(self) -> tuple[Roapi | PostGraphile, ...]:
        return tuple(peer for peer in (self.roapi, self.postgraphile) if peer is not None)


@dataclass(frozen=True)
class Bench:
    """`series` yields every series of the lake once, in an order of its own: what it yields was never asked before."""

    lake: Lake
    service: Service
    peers: Peers
    sorted_file: SortedFile
    base_files: BaseFiles
    odata: OData
    graphql: GraphQL
    series: Iterator[str]

    def of_one_series(self) -> tuple[Party, ...]:
        return (self.odata, self.graphql, self.sorted_file, *self.peers.running)

    def of_all_series(self) -> tuple[Party, ...]:
        return (self.odata, self.sorted_file, self.base_files, *self.peers.running)

    def fresh(self, most: int) -> list[str]:
        """So many series, fewer where the lake has few: a tenth of them."""
        count = min(most, self.lake.dataset.series // 10)
        return [next(self.series) for _ in range(count)]


@contextmanager
def bench_over(lake: Lake) -> Generator[Bench]:
    """The service over the clean lake and all peers over the same rows, while the block runs."""
    rows = sorted_file(lake.dataset, lake.folder / "same-rows")
    with peers_over(rows) as peers, serving(lake.restore(), maintenance=False) as service:
        yield Bench(
            lake=lake,
            service=service,
            peers=peers,
            sorted_file=SortedFile(str(rows)),
            base_files=BaseFiles(base_files(lake)),
            odata=OData(service.url),
            graphql=GraphQL(service.url),
            series=iter(shuffled(lake)),
        )


def base_files(lake: Lake) -> list[str]:
    """The base files of the lake as it was built; what the merge replaced may lie beside them until it is swept."""
    files = [path for path in sorted(lake.data_dir.glob(POINTS)) if _is_base(pq.read_metadata(path))]
    rows = sum(pq.read_metadata(path).num_rows for path in files)
    if rows != lake.dataset.rows:
        raise RuntimeError(f"The base files hold {rows:,} rows instead of {lake.dataset.rows:,}: use --rebuild.")
    return [str(path) for path in files]


def _is_base(metadata: pq.FileMetaData) -> bool:
    level = metadata.schema.names.index("level")
    return metadata.row_group(0).column(level).statistics.min == BASE_LEVEL


def shuffled(lake: Lake) -> Sequence[str]:
    order = list(range(lake.dataset.series))
    random.Random(lake.dataset.seed).shuffle(order)
    return [lake.dataset.series_id(each) for each in order]


@contextmanager
def peers_over(rows: Path) -> Generator[Peers]:
    skipped: dict[str, str] = {}
    with ExitStack() as stack:
        urls: dict[str, str] = {}
        starts = {Roapi.name: lambda: _roapi(rows), PostGraphile.name: lambda: _postgraphile(rows)}
        for name, start in starts.items():
            try:
                urls[name] = stack.enter_context(start())
            except (Missing, RuntimeError) as reason:
                skipped[name] = str(reason)
        roapi, postgraphile = urls.get(Roapi.name), urls.get(PostGraphile.name)
        yield Peers(Roapi(roapi) if roapi else None, PostGraphile(postgraphile) if postgraphile else None, skipped)


@contextmanager
def _roapi(rows: Path) -> Generator[str]:
    with serving_roapi(python_program("roapi"), "points", rows, PEER_START_SECONDS_MAX) as url:
        yield url


@contextmanager
def _postgraphile(rows: Path) -> Generator[str]:
    with serving_postgraphile(csv_file(rows), bench_folder() / "peers" / f"data-{rows.parent.parent.name}") as url:
        yield url
