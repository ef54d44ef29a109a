"""The project's own files, as the tidy tests walk them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_SKIPPED = {".git", ".venv", "build", "data", "__pycache__"}


def tracked_files() -> list[Path]:
    """Every file that git tracks or would track; outside a clone, every file that is no build product."""
    if shutil.which("git") and (ROOT / ".git").exists():
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
        return sorted(path for name in listed.split("\0") if name and (path := ROOT / name).is_file())
    files = (path for path in ROOT.rglob("*") if path.is_file())
    return sorted(path for path in files if not _is_product(path.relative_to(ROOT)))


def python_files() -> list[Path]:
    return [path for path in tracked_files() if path.suffix == ".py"]


def _is_product(path: Path) -> bool:
    return any(part in _SKIPPED or part.endswith((".egg-info", "_cache")) for part in path.parts)
