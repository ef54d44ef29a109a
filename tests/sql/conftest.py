"""A lake with the whole service over it, which no test of this folder writes to."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from api.limits import Limits
from tests.sql.lake import SqlDoor, fill, oracle, revisions
from tests.support.service import client_of
from tests.support.warehouse import warehouse

LIMITS = Limits(query_time_ms_max=3_000)


@pytest.fixture(scope="session")
def door(tmp_path_factory: pytest.TempPathFactory) -> Generator[SqlDoor]:
    rows = revisions()
    with warehouse(tmp_path_factory.mktemp("sql") / "lake", limits=LIMITS, sql_memory="200MB") as lake:
        fill(lake, rows)
        yield SqlDoor(client_of(lake), lake, oracle(rows))
