"""A power cut: a process ends, and of what it wrote the part that was never fsynced is lost, or some of it is.

What counts as written is decided by the fsyncs of Python code alone, so the catalog's database, which SQLite syncs by
itself, keeps all of its content; its shared memory is lost.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Literal

from engine.execute import TEMPORARY
from tests.support.crashing import CRASHED, at_step, ended, started
from tests.support.steps import watch

Synced = Literal["file", "folder"]


class Disk:
    """What a power cut would leave of a folder: the content of files and the entries of folders when they were last
    fsynced. All is taken to be synced at first; `record` carries on from process to process what is not."""

    def __init__(self, folder: Path, record: Path) -> None:
        self._record = record
        if record.exists():
            synced = json.loads(record.read_text())
            self._sizes, self._entries = synced["sizes"], synced["entries"]
        else:
            self._sizes = {str(path): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
            self._entries = {str(path): _names(path) for path in (folder, *folder.rglob("*")) if path.is_dir()}

    def told(self, done: str, path: str) -> None:
        if done != "fsynced":
            return
        if Path(path).is_dir():
            self._entries[path] = _names(Path(path))
        else:
            self._sizes[path] = Path(path).stat().st_size

    def save(self) -> None:
        self._record.write_text(json.dumps({"sizes": self._sizes, "entries": self._entries}))


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def cut(
    step: int,
    without: Collection[Synced],
    folder: Path,
    record: Path,
    work: Callable[..., None],
    *given: Any,
    kinds: Collection[str] = (),
) -> bool:
    """Whether `work(folder, *given)` was killed at a step; false where it went through before.

    `without` are the kinds of fsync that do nothing. `record` then tells `lose` what a power cut takes, also of what
    earlier calls left; without that call it was a kill.
    """
    return not ended(started(_run, (step, kinds), tuple(without), folder, record, work, given))


def _run(
    at: tuple[int, Collection[str]],
    without: tuple[Synced, ...],
    folder: Path,
    record: Path,
    work: Callable[..., None],
    given: tuple[Any, ...],
) -> None:
    disk = Disk(folder, record)
    stop = at_step(at[0], lambda: (disk.save(), os._exit(CRASHED)), at[1])

    def told(done: str, subject: str) -> None:
        disk.told(done, subject)
        stop(done, subject)

    watch(told)
    watched = os.fsync

    def fsync(descriptor: int) -> None:
        kind = "folder" if Path(f"/proc/self/fd/{descriptor}").is_dir() else "file"
        if kind not in without:
            watched(descriptor)

    os.fsync = fsync
    work(folder, *given)
    disk.save()
    os._exit(0)


def lose(folder: Path, record: Path, chance: random.Random, share: float) -> int:
    """Make the folder what it may be after the cut; how many files lost something, aside of locks and what queries
    spill. `share` is how likely each thing that was not synced is lost."""
    synced = json.loads(record.read_text())
    record.unlink()
    lost = 0
    for path in sorted(folder.rglob("*"), reverse=True):
        name = path.name
        if name.startswith("catalog.db"):
            if name.endswith("-shm"):
                path.unlink()
            continue
        if name not in synced["entries"].get(str(path.parent), ()) and chance.random() < share:
            # A lock holds nothing, nor does the folder of what queries spill: they are made again.
            lost += path.suffix != ".lock" and path != folder / TEMPORARY
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        elif path.is_file():
            lost += _tear(path, synced["sizes"].get(str(path), 0), chance, share)
    return lost


def _tear(path: Path, synced_bytes: int, chance: random.Random, share: float) -> bool:
    """A file whose end was not synced is shorter, or holds nothing there: the length may be known, the bytes not."""
    content = path.read_bytes()
    if len(content) <= synced_bytes or chance.random() >= share:
        return False
    kept = chance.randint(synced_bytes, len(content) - 1)
    path.write_bytes(content[:kept] + (bytes(len(content) - kept) if chance.random() < 0.5 else b""))
    return True
