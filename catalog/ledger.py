"""What finlake keeps in the catalog's database beside Iceberg's tables: retired snapshots, tags, garbage, and the clock
that they age by.

A wall clock jumps; what is deleted by it is deleted too early. So ages count the seconds that passes over the lake have
witnessed on a monotonic clock, within one boot of one machine. Between boots nothing is counted: an age is never more
than the time that went by, and it may be less.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import sqlalchemy as sa
from pyiceberg.table.snapshots import Snapshot
from sqlalchemy.dialects.sqlite import insert

from catalog.iceberg import Lake
from catalog.model import Table

# The summary's property that names the state a commit went upon, as a token: of a table's own, the parent.
AFTER = "finlake.after"
ROWS_A_STATEMENT_MAX = 500
# The file that is locked by whoever drops snapshots or makes tags.
LOCK_FILE = "expiry.lock"

_METADATA = sa.MetaData()
_CLOCK = sa.Table(
    "finlake_clock",
    _METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("boot", sa.String(100), nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("age", sa.Float, nullable=False),
)
_RETIRED = sa.Table(
    "finlake_retired",
    _METADATA,
    sa.Column("table_name", sa.String(200), primary_key=True),
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("timestamp_ms", sa.BigInteger, nullable=False),
    sa.Column("manifest_list", sa.Text, nullable=False),
    sa.Column("schema_id", sa.Integer),
    sa.Column("after", sa.Text, nullable=False),
    sa.Column("retired_age", sa.Float, nullable=False, index=True),
)
_TAGS = sa.Table(
    "finlake_tags",
    _METADATA,
    sa.Column("name", sa.String(1_000), primary_key=True),
    sa.Column("token", sa.String(200), nullable=False),
    sa.Column("made_ms", sa.BigInteger, nullable=False),
    sa.Column("is_ready", sa.Boolean, nullable=False),
)
GARBAGE = sa.Table(
    "finlake_garbage",
    _METADATA,
    sa.Column("path", sa.Text, primary_key=True),
    sa.Column("queued_age", sa.Float, nullable=False),
    sa.Column("unneeded_age", sa.Float, index=True),
    sa.Column("trashed_age", sa.Float, index=True),
)

# A boot of a machine, and monotonic seconds within it.
Witness: TypeAlias = Callable[[], tuple[str, float]]


@dataclass(frozen=True, slots=True)
class Kept:
    """A snapshot of a table that can be read. `after` is its AFTER property, empty where it has none."""

    id: int
    sequence: int
    timestamp_ms: int
    manifest_list: str
    schema_id: int | None
    after: str


@dataclass(frozen=True, slots=True)
class Tag:
    """A name for one state of all tables. One that is not ready is half made or half deleted: it names nothing."""

    name: str
    token: str
    made_ms: int
    is_ready: bool


def kept_of(snapshot: Snapshot) -> Kept:
    properties = snapshot.summary.additional_properties if snapshot.summary else {}
    return Kept(
        snapshot.snapshot_id,
        snapshot.sequence_number or 0,
        snapshot.timestamp_ms,
        snapshot.manifest_list,
        snapshot.schema_id,
        properties.get(AFTER, ""),
    )


def witnessed() -> tuple[str, float]:
    """Where the system does not name its boots, a process is a boot of its own."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        boot = f"process {os.getpid()} of {time.time_ns() - time.monotonic_ns()}"
    return boot, time.monotonic()


class Ledger:
    """Every call blocks, is one transaction, and raises the errors of storage. Safe to share between threads."""

    def __init__(self, lake: Lake, witness: Witness = witnessed) -> None:
        self._lake = lake
        self._witness = witness
        lake.make_missing(_METADATA)

    def age(self) -> float:
        """Seconds of the lake's life that were witnessed, up to now."""
        return self._clock()["age"]

    def tick(self) -> float:
        """As `age`, put on record: the next one counts from here."""
        row = self._clock()
        statement = insert(_CLOCK).values(id=0, **row)
        with self._lake.transaction() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=row))
        return row["age"]

    def _clock(self) -> dict[str, Any]:
        boot, seconds = self._witness()
        with self._lake.transaction() as connection:
            last = connection.execute(sa.select(_CLOCK)).mappings().one_or_none()
        if last is None:
            return {"boot": boot, "seconds": seconds, "age": 0.0}
        passed = max(0.0, seconds - last["seconds"]) if boot == last["boot"] else 0.0
        return {"boot": boot, "seconds": seconds, "age": last["age"] + passed}

    def retire(self, table: Table, snapshots: Iterable[Kept], files: Iterable[str], age: float) -> None:
        """Keep snapshots on record that the table's metadata is about to drop, and queue the files only they reach.

        Told again it counts from the later age: what was queued for a commit that failed may be needed until then.
        """
        rows = [{**_row(each), "table_name": table.name, "retired_age": age} for each in snapshots]
        with self._lake.transaction() as connection:
            for row in rows:
                key = [_RETIRED.c.table_name, _RETIRED.c.id]
                again = {"retired_age": age}
                connection.execute(insert(_RETIRED).values(row).on_conflict_do_update(index_elements=key, set_=again))
            _queue(connection, files, age)

    def queue(self, files: Iterable[str], age: float) -> None:
        """Queue files, paths below the data folder, that nothing seems to need."""
        with self._lake.transaction() as connection:
            _queue(connection, files, age)

    def retired(self, table: Table) -> tuple[Kept, ...]:
        """In the order of their commits."""
        return self._retired(_RETIRED.c.table_name == table.name)

    def find_retired(self, table: Table, id_: int) -> Kept | None:
        found = self._retired((_RETIRED.c.table_name == table.name) & (_RETIRED.c.id == id_))
        return found[0] if found else None

    def _retired(self, wanted: sa.ColumnElement[bool]) -> tuple[Kept, ...]:
        columns = [_RETIRED.c[name] for name in Kept.__slots__]
        statement = sa.select(*columns).where(wanted).order_by(_RETIRED.c.sequence)
        with self._lake.transaction() as connection:
            return tuple(Kept(*row) for row in connection.execute(statement))

    def retired_until(self, age: float) -> int:
        """How many snapshots were retired at an age or before."""
        statement = sa.select(sa.func.count()).where(_RETIRED.c.retired_age <= age)
        with self._lake.transaction() as connection:
            return int(connection.execute(statement).scalar_one())

    def forget(self, age: float) -> int:
        """Drop what was retired at an age or before: it has expired. How many went."""
        with self._lake.transaction() as connection:
            return connection.execute(sa.delete(_RETIRED).where(_RETIRED.c.retired_age <= age)).rowcount

    def tags(self) -> tuple[Tag, ...]:
        """All of them, by name, also those that are not ready."""
        columns = [_TAGS.c[name] for name in Tag.__slots__]
        with self._lake.transaction() as connection:
            return tuple(Tag(*row) for row in connection.execute(sa.select(*columns).order_by(_TAGS.c.name)))

    def begin_tag(self, tag: Tag) -> None:
        row = {"name": tag.name, "token": tag.token, "made_ms": tag.made_ms, "is_ready": False}
        with self._lake.transaction() as connection:
            connection.execute(insert(_TAGS).values(row))

    def set_ready(self, name: str, *, ready: bool) -> None:
        with self._lake.transaction() as connection:
            connection.execute(sa.update(_TAGS).where(_TAGS.c.name == name).values(is_ready=ready))

    def end_tag(self, name: str) -> None:
        with self._lake.transaction() as connection:
            connection.execute(sa.delete(_TAGS).where(_TAGS.c.name == name))

    def unneeded(self, age: float) -> None:
        """Note of the queued files that no retired snapshot can reach any more that this is so from an age on."""
        oldest = sa.select(sa.func.min(_RETIRED.c.retired_age)).scalar_subquery()
        free = GARBAGE.c.unneeded_age.is_(None) & (oldest.is_(None) | (GARBAGE.c.queued_age < oldest))
        with self._lake.transaction() as connection:
            connection.execute(sa.update(GARBAGE).where(free).values(unneeded_age=age))

    def garbage(self, wanted: sa.ColumnElement[bool]) -> tuple[str, ...]:
        """The paths of the queue for which a condition on GARBAGE holds."""
        with self._lake.transaction() as connection:
            return tuple(connection.execute(sa.select(GARBAGE.c.path).where(wanted)).scalars())

    def garbage_among(self, paths: Collection[str]) -> tuple[str, ...]:
        """Those of some paths that are in the queue."""
        return tuple(path for part in _parts(paths) for path in self.garbage(GARBAGE.c.path.in_(part)))

    def set_trashed(self, paths: Collection[str], age: float) -> None:
        with self._lake.transaction() as connection:
            for part in _parts(paths):
                connection.execute(sa.update(GARBAGE).where(GARBAGE.c.path.in_(part)).values(trashed_age=age))

    def unqueue(self, paths: Collection[str]) -> None:
        with self._lake.transaction() as connection:
            for part in _parts(paths):
                connection.execute(sa.delete(GARBAGE).where(GARBAGE.c.path.in_(part)))


def _row(kept: Kept) -> dict[str, Any]:
    return {name: getattr(kept, name) for name in Kept.__slots__}


def _queue(connection: sa.Connection, files: Iterable[str], age: float) -> None:
    again = {"queued_age": age, "unneeded_age": None}
    statement = insert(GARBAGE).on_conflict_do_update(index_elements=["path"], set_=again)
    rows = [{"path": path, "queued_age": age} for path in files]
    if rows:
        connection.execute(statement, rows)


def _parts(paths: Collection[str]) -> Iterable[Sequence[str]]:
    ordered = sorted(paths)
    return (ordered[start : start + ROWS_A_STATEMENT_MAX] for start in range(0, len(ordered), ROWS_A_STATEMENT_MAX))
