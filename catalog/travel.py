"""Which state of the tables a name means: a token, an instant, or a tag."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from catalog.errors import SnapshotExpired, UnknownSnapshot
from catalog.ledger import Kept

_ID = r"(?:0|[1-9a-f][0-9a-f]{0,15})"
_TOKEN = re.compile(rf"{_ID}(?:-{_ID})*", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
# A plus sign in a URL arrives as a blank.
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)(?:Z|([+\- ])(\d\d:\d\d))", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]*", re.ASCII)
_LIKE_A_TOKEN = re.compile(r"[0-9a-f]+(?:-[0-9a-f]+)+", re.ASCII)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
EXPIRED_HINT = "Leave the snapshot out to read the newest state; a tag keeps a state from expiring."


@dataclass(frozen=True, slots=True)
class Token:
    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Instant:
    """`ms` is milliseconds since 1970, as snapshots have them."""

    ms: int


@dataclass(frozen=True, slots=True)
class TagName:
    name: str


def parsed(name: str, tables: int) -> Token | Instant | TagName:
    """What a name is by its form; a token only in the one form that is handed out. Raises UnknownSnapshot."""
    if _DAY.fullmatch(name):
        raise UnknownSnapshot("A day is no instant.", f"Write the instant, with its zone: {name}T23:59:59.999Z.")
    if instant := _INSTANT.fullmatch(name.upper()):
        return Instant(_milliseconds(name, instant))
    if _DAY.match(name):
        raise UnknownSnapshot(f"{name!r:.80} is no instant.", "Write it with its zone: 2024-06-15T12:00:00Z.")
    if _TOKEN.fullmatch(name) and name.count("-") == tables - 1:
        return Token(tuple(int(part, 16) for part in name.split("-")))
    if is_tag_name(name):
        return TagName(name)
    raise UnknownSnapshot(f"{name!r:.80} is no token, tag or instant.")


def is_tag_name(name: str) -> bool:
    """Whether a tag may have the name: none that reads like a token, also a mistyped one, or like an instant."""
    return bool(_TAG.fullmatch(name)) and not (_DAY.match(name) or _LIKE_A_TOKEN.fullmatch(name))


def _milliseconds(name: str, match: re.Match[str]) -> int:
    day, time, sign, offset = match.groups()
    zone = f"{sign.replace(' ', '+')}{offset}" if sign else "+00:00"
    try:
        return (dt.datetime.fromisoformat(f"{day}T{time}{zone}") - _EPOCH) // dt.timedelta(milliseconds=1)
    except (ValueError, OverflowError) as error:
        raise UnknownSnapshot(f"{name!r:.80} is no instant.", "Write it as 2024-06-15T12:00:00Z.") from error


def state_at(histories: Mapping[str, Sequence[Kept]], instant: Instant) -> Mapping[str, int]:
    """The snapshot ids of the newest state committed at or before an instant, by table, 0 before a first commit.

    `histories` are the snapshots on record, by table in the order of the model, each in the order of its commits, to
    the newest. A table is never shown older than what a later table's commit went upon, whatever the clock did in
    between, so no point stands without its series. Raises SnapshotExpired.
    """
    chosen: dict[str, int] = {}
    floors: dict[str, set[int]] = {name: set() for name in histories}
    for name in reversed(tuple(histories)):
        kept = histories[name]
        at = _newest(kept, instant, floors[name])
        chosen[name] = 0 if at is None else kept[at].id
        for other, id_ in zip(histories, _upon(kept[: 0 if at is None else at + 1]), strict=False):
            floors[other].add(id_)
    return {name: chosen[name] for name in histories}


def _newest(kept: Sequence[Kept], instant: Instant, floor: set[int]) -> int | None:
    """The position of the last snapshot of the instant or in the floor; None where the table was empty."""
    found = [at for at, each in enumerate(kept) if each.timestamp_ms <= instant.ms or each.id in floor]
    if not found:
        if kept and kept[0].sequence > 1:
            raise _expired()
        return None
    at = found[-1]
    if at + 1 < len(kept) and kept[at + 1].sequence != kept[at].sequence + 1:
        raise _expired()  # what was committed between the two has expired: the state may have been among it
    return at


def _upon(kept: Sequence[Kept]) -> Iterable[int]:
    """The ids of the state that the last of some commits went upon; a merge does not say."""
    said = next((each.after for each in reversed(kept) if each.after), "")
    return (int(part, 16) for part in said.split("-")) if said else ()


def _expired() -> SnapshotExpired:
    return SnapshotExpired("The state of that instant has expired, or never was.", EXPIRED_HINT)
