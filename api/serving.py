"""`finlake serve`: a process that holds no more than the supervisor needs. Exit status: 1 failed, 2 wrong settings.

The command line knows Arrow and much else, which a process that only looks after others would hold for as long as the
service runs: so it becomes this program.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NoReturn

from pydantic import ValidationError

from api.config import Settings
from api.limits import Limits
from api.logging import configure
from api.server import PortInUse, serve
from catalog.errors import CatalogError


def become() -> NoReturn:
    """Go on as this program, in the process of the caller."""
    os.execv(sys.executable, [sys.executable, "-m", __name__])  # noqa: S606 - our own program, and no shell


def checked_settings() -> Settings:
    """Settings and limits as the service will read them, so that a wrong one is told before anything starts.

    Raises SystemExit.
    """
    try:
        Limits()
        return Settings()
    except ValidationError as error:
        faults = [f"FINLAKE_{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors()]
        raise _failed("\n".join(faults), 2) from error


def run(settings: Settings, beside: Callable[[], None] | None = None) -> None:
    """`api.server.serve`, whose errors are told to the user. Raises SystemExit."""
    configure(settings)
    try:
        serve(settings, beside)
    except CatalogError as error:
        raise _failed(f"{error.message} {error.hint}", 1) from error
    except PortInUse as error:
        raise _failed(f"{error} Stop the program that uses it, or set FINLAKE_PORT to another one.", 1) from error


def _failed(told: str, status: int) -> SystemExit:
    sys.stderr.write(f"{told}\n")
    return SystemExit(status)


if __name__ == "__main__":
    run(checked_settings())
