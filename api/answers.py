"""Answers that are given again: which those are, how they are named, and a store of them that is bounded in bytes.

Most answers are a function of the question and the snapshot. A door says so of its own (`repeat`); then the answer has
a strong ETag, whoever holds it is told 304, and it is kept to be given again. A new commit makes a new snapshot, so
nothing is ever thrown away as outdated: it is not found any more.
"""

from __future__ import annotations

import threading
from collections.abc import MutableMapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from cachetools import LRUCache
from starlette.types import Scope

DIGEST_BYTES = 16
PACKED = "-gzip"
_SAID = "finlake.repeatable"
# What is kept takes about so much beside its bytes.
_OVERHEAD_BYTES = 1_000
# Of all that is kept one answer may take this part: a large one would drive out many that are asked more often.
LARGEST_PART = 1 / 8


@dataclass(frozen=True, slots=True)
class Repeatable:
    """A question and the snapshot that answered it. `pinned`: the question names the snapshot, and is not to be asked
    of a newer one."""

    question: bytes
    snapshot: str
    pinned: bool

    @property
    def etag(self) -> str:
        """The strong ETag of the answer as it is written, before it is packed."""
        return f'"{digest(self.question, self.snapshot.encode()).hex()}"'

    def is_held_by(self, if_none_match: str) -> bool:
        """Whether the header names this answer, packed or not."""
        held = {each.strip().removeprefix("W/") for each in if_none_match.split(",")}
        return bool(held & {"*", self.etag, packed_etag(self.etag)})


def repeat(scope: Scope, repeatable: Repeatable) -> None:
    """Say of the answer to a request that it is the same whenever it is asked of the same snapshot."""
    scope[_SAID] = repeatable


def repeatable_of(scope: Scope) -> Repeatable | None:
    """What a door has said."""
    return scope.get(_SAID)


def if_none_match(scope: Scope) -> str:
    """What the client holds already; empty where it says nothing."""
    return ",".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"if-none-match")


def is_held(scope: Scope) -> bool:
    """Whether the client says that it holds the answer to its request: `api.front` then makes a 304 of it."""
    said = repeatable_of(scope)
    held = if_none_match(scope) if scope["method"] != "POST" else ""
    return said is not None and bool(held) and said.is_held_by(held)


def packed_etag(etag: str) -> str:
    """The ETag of a packed answer: other bytes, another tag."""
    return f'{etag[:-1]}{PACKED}"'


def digest(*parts: bytes) -> bytes:
    """A short name of some parts: other parts, another name."""
    found = blake2b(digest_size=DIGEST_BYTES)
    for part in parts:
        found.update(len(part).to_bytes(8, "big"))
        found.update(part)
    return found.digest()


@dataclass(frozen=True, slots=True)
class Stored:
    """An answer of status 200 as it was sent: its headers without those that tell of its making, and its body."""

    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    @property
    def size_bytes(self) -> int:
        return len(self.body) + _OVERHEAD_BYTES


class Answers:
    """The answers given last, packed and not, by question and snapshot. Safe to share between threads."""

    def __init__(self, bytes_max: int) -> None:
        self._answer_bytes_max = bytes_max * LARGEST_PART
        self._lock = threading.Lock()
        self._held: MutableMapping[Any, Stored] = LRUCache(bytes_max, getsizeof=lambda stored: stored.size_bytes)

    def find(self, question: bytes, snapshot: str, *, packs: bool) -> Stored | None:
        """The answer, for a client that takes packed ones or for one that does not."""
        with self._lock:
            return self._held.get((question, snapshot, packs))

    def keep(self, question: bytes, snapshot: str, stored: Stored, *, packs: bool) -> None:
        """An answer that is too large is not kept."""
        if stored.size_bytes <= self._answer_bytes_max:
            with self._lock:
                self._held[question, snapshot, packs] = stored
