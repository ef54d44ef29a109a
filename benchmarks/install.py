"""Peers as programs in the bench folder, installed once by the package managers that this machine has.

Nothing is installed into the system, so no rights are needed. What cannot be had raises Missing with the reason, which
the report prints.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.lake import bench_folder

INSTALL_SECONDS_MAX = 600


class Missing(Exception):
    """A peer is not there and cannot be installed; the text says why."""


def python_program(package: str) -> Path:
    """A program that a Python package of the same name brings."""
    folder = bench_folder() / "peers" / package
    program = folder / "bin" / package
    if not program.is_file():
        run([sys.executable, "-m", "pip", "install", "-q", "--target", str(folder), package])
    return _there(program)


def node_program(package: str, name: str) -> Path:
    """A program of an npm package."""
    folder = bench_folder() / "peers" / name
    program = folder / "node_modules" / ".bin" / name
    if not program.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        run([found("npm"), "install", "--prefix", str(folder), "--no-audit", "--no-fund", package])
    return _there(program)


def debian_folder(package: str) -> Path:
    """The newest version of a Debian package and the libraries it names, unpacked. `postgresql` means `postgresql-15`
    or what the release has."""
    folder = bench_folder() / "peers" / package
    if not (folder / "usr").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        versioned = next((each for each in _depends(package) if each.startswith(f"{package}-")), package)
        wanted = [versioned, *(each for each in _depends(versioned) if each.startswith(("lib", f"{package}-client")))]
        wanted = [each for each in wanted if not each.startswith(("libc6", "libllvm"))]
        run([found("apt-get"), "download", *wanted], folder)
        for archive in sorted(folder.glob("*.deb")):
            run([found("dpkg"), "-x", str(archive), str(folder)])
            archive.unlink()
    return folder


def found(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise Missing(f"{program} is not installed")
    return path


def run(command: Sequence[str], folder: Path | None = None) -> str:
    """What a command printed. Raises Missing with the end of what it said where it fails."""
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, timeout=INSTALL_SECONDS_MAX, text=True, check=False
        )
    except subprocess.TimeoutExpired:
        raise Missing(f"{Path(command[0]).name} took more than {INSTALL_SECONDS_MAX} s") from None
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())
        raise Missing(f"{Path(command[0]).name} failed: {said[-300:]}")
    return done.stdout


def _depends(package: str) -> list[str]:
    lines = run([found("apt-cache"), "depends", package]).splitlines()
    return [line.rpartition(" ")[2] for line in lines if line.strip().startswith("Depends:")]


def _there(program: Path) -> Path:
    if not program.is_file():
        raise Missing(f"its package has no program {program.name}")
    return program
