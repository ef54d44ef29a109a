"""The steps of a process that a crash can fall between: what it does to files and to the catalog's database, and where
a batch is taken and answered for.

Nothing of it is in the product: `watch` wraps the functions concerned, in a process that is made for it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, TypeAlias

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.engine.default import DefaultDialect

from api.ingest.service import IngestService
from catalog import evolution, iceberg
from catalog.commit import Committer
from catalog.files import DurableFile, DurableStream
from catalog.locks import exclusive

# Told of a step as it happens: what is done, and to which path or table.
Told: TypeAlias = Callable[[str, str], None]

# What others can see: a kill before any of them is another state on disk.
VISIBLE = ("rename", "replace", "unlink", "remove", "mkdir", "close", "commit")
_CHANGED = re.compile(r"(?:INSERT INTO|UPDATE|DELETE FROM)\s+(\w+)", re.IGNORECASE)
_WRITTEN = re.compile(r"(?:INSERT INTO|UPDATE|DELETE FROM|CREATE TABLE)\s+(\w+)", re.IGNORECASE)


def watch(told: Told) -> None:
    """Tell of each step of this process from now on. What is past tense has happened, all else is about to."""
    for name in ("rename", "replace", "unlink", "remove", "mkdir"):
        _wrap(os, name, told, (name, ""), lambda path, *_, **__: str(path))
    _wrap(os, "fsync", told, ("fsync", "fsynced"), _path_of)
    _wrap(
        DurableStream, "close", told, ("close", "closed"), lambda stream: "" if stream.closed else str(stream.raw.name)
    )
    _wrap(DurableFile, "create", told, ("create", ""), lambda file, *_, **__: file.location)
    _wrap(Committer, "submit", told, ("accept", ""), lambda *_: "batch")
    _wrap(IngestService, "_receipt", told, ("reply", ""), lambda *_: "batch")
    event.listen(Engine, "before_cursor_execute", _noting(told))
    _wrap(DefaultDialect, "do_commit", told, ("commit", "committed"), lambda _, connection: _table_of(connection))


def watch_opened(told: Told) -> None:
    """The same, but of steps within the opening of a lake: nobody else may open it meanwhile."""
    opening: list[Path] = []

    @contextmanager
    def noted(directory: Path) -> Generator[None]:
        with exclusive(directory):
            opening.append(directory)
            try:
                yield
            finally:
                opening.pop()

    for module in (iceberg, evolution):
        module.exclusive = noted  # pyright: ignore[reportAttributeAccessIssue, reportPrivateImportUsage]
    watch(lambda done, subject: None if opening else told(done, subject))


def label(done: str, subject: str) -> str:
    """A step without what differs from run to run."""
    return f"{done} {_kind(subject)}"


def _kind(subject: str) -> str:
    name = subject.rsplit("/", 1)[-1]
    if name.startswith("snap-"):
        return "manifest list"
    kinds = {".avro": "manifest", ".parquet": "data file", ".json": "metadata"}
    if (suffix := Path(name).suffix) in kinds:
        return kinds[suffix]
    return "folder" if "/" in subject else name


def _wrap(owner: Any, name: str, told: Told, done: tuple[str, str], subject_of: Callable[..., str]) -> None:
    """Where there is no subject, nothing happens that is worth telling."""
    real, (before, after) = getattr(owner, name), done

    @wraps(real)
    def wrapped(*args: Any, **options: Any) -> Any:
        subject = subject_of(*args, **options)
        if subject:
            told(before, subject)
        result = real(*args, **options)
        if subject and after:
            told(after, subject)
        return result

    setattr(owner, name, wrapped)


def _path_of(descriptor: int) -> str:
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


def _noting(told: Told) -> Callable[..., None]:
    """Tells of each statement that is about to change rows, and notes the first table that a transaction writes to."""

    def note(connection: Any, _: Any, statement: str, *__: Any) -> None:
        if found := _WRITTEN.match(statement.lstrip()):
            connection.info.setdefault("written", found[1])
        if found := _CHANGED.match(statement.lstrip()):
            told("write", found[1])

    return note


def _table_of(connection: Any) -> str:
    """The first table that the transaction wrote to; empty where it only read."""
    table = connection.info.pop("written", "database")
    return table if connection.driver_connection.in_transaction else ""
