"""What the service has acknowledged of a job, on disk, so that a second run goes on where the first one stopped."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from api.client import JobRunning
from api.writing import Verdicts


class Progress(msgspec.Struct, frozen=True):
    """`rows` are acknowledged, from the first on, `failed` of them as not stored; `finished` says that all are.

    `run` begins every idempotency key of the job. `pending` rows behind the acknowledged ones left in one batch, of
    which it is not known what became. `verdicts` are of all that is acknowledged, `snapshot` holds all of it.
    """

    rows: int = 0
    failed: int = 0
    finished: bool = False
    run: str = ""
    pending: int = 0
    verdicts: Verdicts = Verdicts()
    snapshot: str = ""


@dataclass(frozen=True, slots=True)
class Journal:
    """One small file. It is replaced whole, so that a crash leaves the state before or the state after.

    Without a path nothing is kept.
    """

    path: Path | None = None

    @contextmanager
    def alone(self) -> Generator[None]:
        """Nobody else posts the job while inside, on one host; a crash lets the next one in. Raises JobRunning."""
        if self.path is None:
            yield
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # A file beside the journal: that one is replaced at every step.
        with self.path.with_suffix(".lock").open("wb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise JobRunning(
                    "The job is being posted by another process.",
                    "Wait until it has ended; a run after that goes on with what is left, if anything is.",
                ) from error
            yield

    def read(self) -> Progress:
        """What is on record; nothing where there is no record or it is not one of ours."""
        if self.path is None:
            return Progress()
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=Progress)
        except (FileNotFoundError, msgspec.DecodeError):
            return Progress()

    def write(self, progress: Progress) -> None:
        """Put on record; it is there after a power cut too."""
        if self.path is None:
            return
        draft = self.path.with_suffix(".tmp")
        with draft.open("wb") as file:
            file.write(msgspec.json.encode(progress))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path)
        _sync(self.path.parent)

    def forget(self) -> None:
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def journal_of(job: str, folder: Path, meaning: str) -> Journal:
    """The journal of a job, posted with one meaning: where to, as which source, on which terms."""
    digest = hashlib.sha256(f"{len(job)}:{job}{meaning}".encode())
    return Journal(folder / f"{digest.hexdigest()[:32]}.json")


def content_of(path: Path) -> str:
    """The digest of a file's content, which names the job of posting it wherever the file lies."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def default_folder() -> Path:
    """Where journals are kept: the user's state folder, as the XDG base directories name it."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "finlake"


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
