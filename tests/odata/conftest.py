"""A small lake with an OData door over it, read by the tests of this folder."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.odata.door import LIMITS, POINTS, SERIES, SOURCE, Door, client_of
from tests.support.warehouse import warehouse


@pytest.fixture(scope="session")
def door(tmp_path_factory: pytest.TempPathFactory) -> Generator[Door]:
    """The door over a lake that no test writes to."""
    with warehouse(tmp_path_factory.mktemp("odata"), limits=LIMITS) as lake:
        receipt = lake.write({"source": {"name": SOURCE}, "series": SERIES, "data_points": POINTS})
        assert receipt.failed == 0
        yield Door(client_of(lake.engine, LIMITS, lake.settings), lake)
