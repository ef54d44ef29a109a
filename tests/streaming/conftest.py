from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.streaming import large
from tests.support.server import Service, start_server


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that no test writes to."""
    folder = tmp_path_factory.mktemp("streaming") / "lake"
    large.fill(folder)
    return folder


@pytest.fixture(scope="session")
def service(folder: Path) -> Iterator[Service]:
    """With one place for a query, and one for a large answer."""
    limits = {"concurrent_queries_max": 1, "concurrent_streams_max": 1, "query_time_ms_max": 5_000}
    service = start_server(folder, log_level="warning", maintenance=False, **limits)
    yield service
    service.stop()


@pytest.fixture(scope="session")
def url(service: Service) -> str:
    return service.url


@pytest.fixture(scope="session")
def strict_url(folder: Path) -> Iterator[str]:
    """Of a service whose large answers may take little time and have few rows."""
    service = start_server(folder, log_level="warning", maintenance=False, stream_ms_max=8_000, sql_rows_max=900_000)
    yield service.url
    service.stop()
