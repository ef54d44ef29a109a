"""What the service has acknowledged of a file, on disk, so that a second run goes on where the first one stopped."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import msgspec


class Progress(msgspec.Struct, frozen=True):
    """`rows` are acknowledged, from the first on, `failed` of them as not stored; `finished` says that all are."""

    rows: int = 0
    failed: int = 0
    finished: bool = False


@dataclass(frozen=True, slots=True)
class Journal:
    """One small file. It is replaced whole, so that a crash leaves the state before or the state after."""

    path: Path

    def read(self) -> Progress:
        """What is on record; nothing where there is no record or it is not one of ours."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=Progress)
        except (FileNotFoundError, msgspec.DecodeError):
            return Progress()

    def write(self, progress: Progress) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(".tmp")
        with draft.open("wb") as file:
            file.write(msgspec.json.encode(progress))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path)

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)


def journal_of(path: Path, folder: Path, meaning: str) -> Journal:
    """The journal of a file's content, posted with one meaning: where to, as which source, under which names."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(meaning.encode())
    return Journal(folder / f"{digest.hexdigest()[:32]}.json")


def default_folder() -> Path:
    """Where journals are kept: the user's state folder, as the XDG base directories name it."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "finlake"
