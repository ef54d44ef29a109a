"""The FileIO that makes a closed file a durable file.

pyiceberg writes Parquet, Avro and metadata without fsync; only the catalog database is durable. After a power cut a
committed row could point at empty files. Here a local file is fsynced when it is closed, then its directory, then the
directories made for it. Our own Parquet writer goes through the same seam. Object stores are durable on close: their
files pass through untouched.
"""

from __future__ import annotations

import io
import os
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import cast

from pyiceberg.io import OutputStream
from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO
from typing_extensions import override

BUFFER_BYTES = 2**20

# Directories of which this process knows that they survive a power cut.
_durable: set[Path] = set()


class DurableFileIO(PyArrowFileIO):
    """A `py-io-impl` of pyiceberg."""

    @override
    def new_output(self, location: str) -> PyArrowFile:
        scheme, _, path = self.parse_location(location)
        plain = super().new_output(location)
        return DurableFile(location, Path(path), plain) if scheme == "file" else plain


class DurableFile(PyArrowFile):
    """A local file whose stream is durable once closed."""

    def __init__(self, location: str, path: Path, plain: PyArrowFile) -> None:
        super().__init__(location, str(path), plain._filesystem)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]  # noqa: SLF001
        self._local_path = path

    @override
    def create(self, overwrite: bool = False) -> OutputStream:
        """Raises FileExistsError where the file exists and `overwrite` is false."""
        make_durable_directory(self._local_path.parent)
        return cast("OutputStream", DurableStream(self._local_path, "wb" if overwrite else "xb"))


class DurableStream(io.BufferedWriter):
    """Closes to a file that survives a power cut. An error of fsync leaves the file closed and not to be trusted."""

    def __init__(self, path: Path, mode: str) -> None:
        super().__init__(io.FileIO(path, mode), BUFFER_BYTES)
        self._directory = path.parent

    @override
    def close(self) -> None:
        if self.closed:
            return
        try:
            self.flush()
            os.fsync(self.fileno())
        finally:
            super().close()
        fsync_directory(self._directory)


def make_durable_directory(directory: Path) -> None:
    """Make a directory and its missing parents, and fsync the directory that each was made in.

    One that is there already may have been made by a process that was killed before it could fsync. So below a
    directory that is known to be durable, each is fsynced once in this process.
    """
    for folder in reversed(_doubtful(directory)):
        folder.mkdir(exist_ok=True)
        fsync_directory(folder.parent)
        _durable.add(folder)


def make_durable_root(directory: Path) -> None:
    """The same for the directory that holds all others. Where its parent may not be read, whoever made it vouches."""
    make_durable_directory(directory)
    with suppress(PermissionError):
        fsync_directory(directory.parent)
    _durable.add(directory)


def _doubtful(directory: Path) -> list[Path]:
    """The directory and its parents, inmost first, up to one that is durable; those that are missing where none is."""
    chain = [directory, *directory.parents]
    known = next((position for position, each in enumerate(chain) if each in _durable and each.exists()), None)
    return chain[:known] if known is not None else list(takewhile(lambda each: not each.exists(), chain))


def fsync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
