"""Kill a piece of work at one of its steps, in a process of its own.

The process dies just before the step, without any clean-up, as by SIGKILL.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Self

from tests.support.steps import VISIBLE, Told, label, watch, watch_opened

CRASHED = 9
STEPS_MAX = 500
SECONDS_MAX = 120
_PRELOADED = ["tests.support.crashing", "tests.support.keeping", "tests.support.warehouse"]

Work = Callable[..., None]


def crashes(folder: Path, work: Work, *arguments: Any, stride: int = 1) -> Iterator[int]:
    """The folder as `work(folder, *arguments)` leaves it when killed at its first visible step, at `stride` more, ...

    Each time it starts from the folder as it is now; it ends when the work gets through. `work` must be importable.
    """
    with Origin(folder) as origin:
        for step in range(1, STEPS_MAX, stride):
            origin.restore()
            if not killed_at(step, work, folder, *arguments, kinds=VISIBLE):
                return
            yield step
    raise AssertionError(f"The work has more than {STEPS_MAX} steps.")


class Origin:
    """A copy of a folder, to start from it again and again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._copy = folder.with_name(f"{folder.name}.origin")

    def __enter__(self) -> Self:
        shutil.copytree(self.folder, self._copy)
        return self

    def restore(self) -> None:
        shutil.rmtree(self.folder)
        shutil.copytree(self._copy, self.folder)

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._copy)


def killed_at(step: int, work: Work, *arguments: Any, kinds: Collection[str] = ()) -> bool:
    """Whether the work was killed at the step, counted from 1; false where it has fewer.

    `kinds` are the labels that count, or their first words; all steps where there are none.
    """
    return not ended(started(_killed, step, kinds, work, arguments))


def steps_of(work: Work, *arguments: Any) -> list[str]:
    """The labels of all steps of a work, which is done to its end."""
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "steps"
        assert ended(started(_listed, listed, work, arguments))
        return listed.read_text().splitlines()


@contextmanager
def stopped_at(step: int, work: Work, *arguments: Any, kinds: Collection[str] = ()) -> Iterator[bool]:
    """A process that stands still at a step of the work, as by SIGSTOP, while inside; then it goes on to its end.

    Whether it does stand still: it does not where the work has fewer steps.
    """
    process = started(_stopped, step, kinds, work, arguments)
    try:
        while process.is_alive() and not _stands_still(process.pid):
            time.sleep(0.01)
        yield process.is_alive()
    finally:
        if process.is_alive() and process.pid is not None:
            os.kill(process.pid, signal.SIGCONT)
        assert ended(process)


def paused(process: BaseProcess, seconds: float) -> bool:
    """Stop a process for a while; false where it has ended before."""
    if not process.is_alive() or process.pid is None:
        return False
    try:
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(process.pid, signal.SIGCONT)
    except ProcessLookupError:
        return False
    return True


def _stands_still(pid: int | None) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"
    except (FileNotFoundError, ProcessLookupError):  # it has ended, also between opening and reading
        return False


def _stopped(step: int, kinds: Collection[str], work: Work, arguments: tuple[Any, ...]) -> None:
    watch_opened(at_step(step, _stand_still, kinds))
    work(*arguments)
    os._exit(0)


def _stand_still() -> None:
    """Any thread may take the signal, and later than it was sent: this one goes no further meanwhile."""
    os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(0.2)


def ended(process: BaseProcess) -> bool:
    """Whether the process did its work to the end; false where it was killed on the way."""
    process.join(SECONDS_MAX)
    assert process.exitcode in {0, CRASHED}, f"exit status {process.exitcode}"
    return process.exitcode == 0


def started(target: Callable[..., None], *arguments: Any) -> BaseProcess:
    """A process of its own, forked off a server that has imported everything already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    process = context.Process(target=target, args=arguments)
    process.start()
    return process


def at_step(step: int, act: Callable[[], None], kinds: Collection[str] = ()) -> Told:
    """What `watch` is to tell: `act` is called at the step of that number, counted from 1."""
    left = [step]

    def told(done: str, subject: str) -> None:
        if not kinds or done in kinds or label(done, subject) in kinds:
            left[0] -= 1
            if not left[0]:
                act()

    return told


def _killed(step: int, kinds: Collection[str], work: Work, arguments: tuple[Any, ...]) -> None:
    watch(at_step(step, lambda: os._exit(CRASHED), kinds))
    work(*arguments)
    os._exit(0)


def _listed(listed: Path, work: Work, arguments: tuple[Any, ...]) -> None:
    with listed.open("w") as out:
        watch(lambda done, subject: print(label(done, subject), file=out))
        work(*arguments)
    os._exit(0)
