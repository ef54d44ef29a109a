"""Kill a piece of work at each of its durable steps in turn, in a process of its own.

A step is what others can see: a rename, a removal, a new folder, a commit of the catalog's database, a file that is
closed. The process dies just before it, without any clean-up, as by SIGKILL.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from catalog.files import DurableStream

CRASHED = 9
STEPS_MAX = 500
_PRELOADED = ["tests.support.crashing", "tests.support.keeping", "tests.support.warehouse"]


def crashes(folder: Path, work: Callable[..., None], *arguments: Any, stride: int = 1) -> Iterator[int]:
    """The folder as `work(folder, *arguments)` leaves it when killed at its first step, at `stride` steps more, ...

    Each time it starts from the folder as it is now; it ends when the work gets through. `work` must be importable.
    """
    origin = folder.with_name(f"{folder.name}.origin")
    shutil.copytree(folder, origin)
    for step in range(1, STEPS_MAX, stride):
        shutil.rmtree(folder)
        shutil.copytree(origin, folder)
        if not _crashed(step, work, folder, *arguments):
            shutil.rmtree(origin)
            return
        yield step
    raise AssertionError(f"The work has more than {STEPS_MAX} steps.")


def _crashed(step: int, work: Callable[..., None], *arguments: Any) -> bool:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    process = context.Process(target=_run, args=(step, work, arguments))
    process.start()
    process.join(120)
    assert process.exitcode in {0, CRASHED}, f"step {step}: exit status {process.exitcode}"
    return process.exitcode == CRASHED


def _run(step: int, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    left = [step]

    def count(*_: Any) -> None:
        left[0] -= 1
        if not left[0]:
            os._exit(CRASHED)

    for name in ("rename", "replace", "unlink", "remove", "mkdir"):
        _before(os, name, count)
    _before(DurableStream, "close", count)
    event.listen(Engine, "commit", lambda connection: count() if _has_written(connection) else None)
    work(*arguments)
    os._exit(0)


def _has_written(connection: Connection) -> bool:
    return bool(connection.connection.driver_connection.in_transaction)


def _before(owner: Any, name: str, count: Callable[[], None]) -> None:
    real = getattr(owner, name)

    def counted(*args: Any, **options: Any) -> Any:
        count()
        return real(*args, **options)

    setattr(owner, name, counted)
