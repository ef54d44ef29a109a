"""Small volumes that can be filled, where the tests may mount."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def volume_of(size_bytes: int, folder: Path) -> Generator[Path]:
    """A volume of its own. The test is skipped where it cannot be mounted."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("Only a user who may mount can fill a volume; other tests refuse the writes instead.")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(volume: Path) -> Path:
    """Take all the space that is free; the file that has it."""
    other = volume / "other"
    free = os.statvfs(volume)
    with other.open("wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, free.f_bavail * free.f_frsize)
    return other
