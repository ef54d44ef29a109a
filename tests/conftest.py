"""What every test may use: the service as a process, the shared data where it is, and `--accept`."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from api.client import Client
from api.demo import tour
from tests.same_query.asked_lake import AskedLake, asked_lake
from tests.support.server import running_server
from tests.support.tree import ROOT

SHARED = ROOT.parent / "shared"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--accept", action="store_true", help="Rewrite expectations; the diff is what a reviewer reads.")


@pytest.fixture(scope="session")
def accept(request: pytest.FixtureRequest) -> bool:
    """Whether expectations are to be rewritten instead of compared."""
    return bool(request.config.getoption("--accept"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the project; the test is skipped where it is absent."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("The shared data folder is not beside the project: this test needs its files.")
    return folder


@pytest.fixture(scope="session")
def demo_url(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """A running service that holds the demonstration data; tests only read from it."""
    with running_server(tmp_path_factory.mktemp("demo") / "lake") as url:
        with Client(url) as client:
            tour.load_if_empty(client)
        yield url


@pytest.fixture(scope="session")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Generator[AskedLake]:
    """The lake that random questions are asked of; tests only read from it."""
    with asked_lake(tmp_path_factory.mktemp("asked")) as lake:
        yield lake
