"""What the deltas of a partition cost its readers, and which merges that makes due.

Deltas are paid off in two ways. A delta merge makes one file of the small ones, at the price of those rows alone. A
base merge rewrites the base files that the deltas touch as well, so it waits until the deltas are worth it: by their
share of the base, by their number, or by their age.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from catalog.entries import FileEntry, touched
from catalog.model import BASE_LEVEL, DELTA_LEVEL, Table
from catalog.scan import ScanFiles, scan_files
from catalog.snapshot import LakeSnapshot, TableSnapshot

BASE_ROWS_A_PASS = 3_000_000

# A table and one of its partitions.
Place: TypeAlias = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class MergeRules:
    """When a partition is merged.

    More than `fresh_files_max` fresh files: a delta merge, or a base merge where the deltas are `base_share` of the
    base. At once a base merge: that share and `share_rows_min` rows, `rows_max` rows, or deltas older than
    `age_seconds_max`.
    """

    fresh_files_max: int
    age_seconds_max: float
    rows_max: int
    base_share: float
    share_rows_min: int = 20_000

    def is_crowded(self, debt: Debt) -> bool:
        """Whether fresh files are many enough for a delta merge."""
        return debt.fresh_files > self.fresh_files_max


@dataclass(frozen=True, slots=True)
class Debt:
    """The deltas of one partition: their files, bytes, rows and age. `stacked_files` is the most of the files that may
    hold one key, `fresh_files` the most of those that are not merged yet: fewer only where files of several widths lie
    in each other."""

    table: str
    partition: str | None
    files: int
    fresh_files: int
    size_bytes: int
    rows: int
    base_rows: int
    age_seconds: float
    stacked_files: int = 0

    @property
    def place(self) -> Place:
        return self.table, self.partition

    def figure(self, rules: MergeRules) -> float:
        """How much there is to gain: each part is 1 where it alone makes a merge due."""
        share = max(self.base_rows * rules.base_share, rules.share_rows_min)
        return (
            self.fresh_files / rules.fresh_files_max
            + self.rows / share
            + self.age_seconds / max(rules.age_seconds_max, 1)
        )

    def due(self, rules: MergeRules) -> int | None:
        """The level of the merge that is due, if one is."""
        worth_a_base = self.rows >= self.base_rows * rules.base_share
        if self.age_seconds >= rules.age_seconds_max or self.rows >= rules.rows_max:
            return BASE_LEVEL
        if worth_a_base and self.rows >= rules.share_rows_min:
            return BASE_LEVEL
        if rules.is_crowded(self):
            return BASE_LEVEL if worth_a_base else DELTA_LEVEL
        return None


@dataclass(frozen=True, slots=True)
class MergeTask:
    """Files of one partition to replace by files of `level`. A merge to the base has all files that share a key."""

    table: Table
    partition: str | None
    level: int
    inputs: ScanFiles

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.inputs.files)


@dataclass(frozen=True, slots=True)
class _Seen:
    """Since when a partition holds deltas, as long as its base files stay the same."""

    bases: frozenset[str]
    since: float


class Debts:
    """The debts of a lake over time. Ages are by a clock that nobody sets, so they begin with this object.

    For one thread.
    """

    def __init__(self) -> None:
        self._seen: Mapping[tuple[str, str | None], _Seen] = {}

    def at(self, snapshot: LakeSnapshot, now: float) -> tuple[Debt, ...]:
        """The debt of each partition that holds deltas; `now` in seconds of a monotonic clock."""
        holding = {
            (name, partition): files
            for name, table in snapshot.tables.items()
            for partition, files in table.by_partition.items()
            if any(file.level < BASE_LEVEL for file in files)
        }
        self._seen = {place: self._since(place, files, now) for place, files in holding.items()}
        return tuple(_debt(*place, files, now - self._seen[place].since) for place, files in holding.items())

    def _since(self, place: tuple[str, str | None], files: Iterable[FileEntry], now: float) -> _Seen:
        bases = frozenset(file.path for file in files if file.level == BASE_LEVEL)
        known = self._seen.get(place)
        return known if known is not None and known.bases == bases else _Seen(bases, now)


def _debt(table: str, partition: str | None, files: tuple[FileEntry, ...], age_seconds: float) -> Debt:
    deltas = [file for file in files if file.level < BASE_LEVEL]
    return Debt(
        table,
        partition,
        files=len(deltas),
        fresh_files=_stacked(file for file in deltas if file.level < DELTA_LEVEL),
        size_bytes=sum(file.size_bytes for file in deltas),
        rows=sum(file.rows for file in deltas),
        base_rows=sum(file.rows for file in files) - sum(file.rows for file in deltas),
        age_seconds=age_seconds,
        stacked_files=_stacked(deltas),
    )


def _stacked(files: Iterable[FileEntry]) -> int:
    """The most of some files that may hold one key, by their partitions."""
    counts = Counter(file.partition or "" for file in files)
    return max((sum(counts[other] for other in counts if name.startswith(other)) for name in counts), default=0)


def tasks_due(
    snapshot: LakeSnapshot, debts: Iterable[Debt], rules: MergeRules, last: Container[Place] = ()
) -> tuple[MergeTask, ...]:
    """The merges of one pass: delta merges, then base merges, the greatest debt first but for the places in `last`.

    While a base merge runs, fresh files pile up in all other partitions. So of those that are due a pass has no more
    than BASE_ROWS_A_PASS, one in any case; the other partitions have a delta merge until it is their turn.
    """
    ordered = sorted(debts, key=lambda debt: (debt.place not in last, debt.figure(rules)), reverse=True)
    levels = {debt: level for debt in ordered if (level := debt.due(rules)) is not None}
    rows = 0
    for debt in [debt for debt, level in levels.items() if level == BASE_LEVEL]:
        if rows and rows + debt.rows + debt.base_rows > BASE_ROWS_A_PASS:
            levels[debt] = DELTA_LEVEL
        else:
            rows += debt.rows + debt.base_rows
    chosen = [(debt, level) for debt, level in levels.items() if level == BASE_LEVEL or rules.is_crowded(debt)]
    return tuple(
        merge_task(snapshot, snapshot.tables[debt.table], debt.partition, level)
        for debt, level in sorted(chosen, key=lambda each: each[1])
    )


def base_tasks(snapshot: LakeSnapshot, table: Table) -> tuple[MergeTask, ...]:
    """Base merges of all partitions that hold deltas, or files of an earlier partition spec."""
    stored = snapshot.tables[table.name]
    found = {
        partition
        for partition, files in stored.by_partition.items()
        if any(file.level < BASE_LEVEL or file.spec_id != stored.spec_id for file in files)
    }
    return tuple(merge_task(snapshot, stored, partition, BASE_LEVEL) for partition in sorted(found, key=str))


def merge_task(snapshot: LakeSnapshot, stored: TableSnapshot, partition: str | None, level: int) -> MergeTask:
    """The merge of a partition's deltas to a level, with the files it takes."""
    files = stored.by_partition.get(partition, ())
    chosen = _base_inputs(files, stored) if level == BASE_LEVEL else _delta_inputs(files)
    ordered = tuple(sorted(chosen, key=lambda file: (file.sequence, file.path)))
    hidden = tuple(snapshot.hidden.items()) if stored.table.partition else ()
    return MergeTask(stored.table, partition, level, scan_files(stored, ordered, hidden))


def _delta_inputs(files: Iterable[FileEntry]) -> list[FileEntry]:
    """All fresh files, and the merged ones of about their size: a row is then written again only when its file grows by
    half, and the files that stay grow threefold from one to the next."""
    fresh = [file for file in files if file.level < DELTA_LEVEL]
    return [*fresh, *_smaller(fresh, [file for file in files if file.level == DELTA_LEVEL], 2)]


def _base_inputs(files: Iterable[FileEntry], stored: TableSnapshot) -> list[FileEntry]:
    """All deltas, the base files that may hold a key of theirs, those of an earlier partition spec, and those that are
    no larger than all that."""
    listed = tuple(files)
    deltas = [file for file in listed if file.level < BASE_LEVEL]
    bases = [file for file in listed if file.level == BASE_LEVEL]
    beneath = {base.path for base in touched(listed, stored.table.key)}
    due = [base for base in bases if base.spec_id != stored.spec_id or base.path in beneath]
    chosen = [*deltas, *due]
    return [*chosen, *_smaller(chosen, [base for base in bases if base not in due], 1)]


def _smaller(chosen: Iterable[FileEntry], others: Iterable[FileEntry], times: int) -> Iterator[FileEntry]:
    """Of other files, smallest first, those with at most `times` the rows of all that were chosen until then."""
    rows = sum(file.rows for file in chosen)
    for file in sorted(others, key=lambda file: file.rows):
        if file.rows > rows * times:
            return
        rows += file.rows
        yield file
