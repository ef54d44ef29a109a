"""Large answers in the order of the key, slice by slice: a statement for each range of keys, one behind the other.

A statement that sorts gives its first row when it has read its last, and holds all of them meanwhile. Where the order
begins with the column that partitions the table, the rows of one range come before those of the next. Then no more than
a range is ever sorted: the first rows leave at once, memory does not grow, and what a page does not need is not read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pyarrow as pa

from catalog.domains import Domain
from catalog.entries import by_root
from catalog.model import Type
from catalog.scan import ScanFiles
from engine.lower import Statement
from engine.planner.model import Plan
from engine.query import Expr, Field, Literal, Op, all_of, compare
from engine.running import Running

# Stored rows of a slice. A statement more costs about two milliseconds, to sort so many rows about a hundred.
SLICE_ROWS = 250_000
# Files of so many rows are read at once: to cut them, or to share them among threads, costs more than it gains.
SMALL_SLICES = 2
# A statement that looks for so few keys reads little of its files.
LISTED_KEYS_MAX = 1_000
# Ids are spread evenly: a range is cut by so many of their hexadecimal digits.
DIGITS = 4


def is_small(rows: int) -> bool:
    """Whether the files of a statement, with so many rows, are read at once and by one thread."""
    return rows <= SMALL_SLICES * SLICE_ROWS


def slices(plan: Plan, files: ScanFiles) -> Iterator[tuple[Plan, ScanFiles]]:
    """The plan cut into ranges of keys, in the order of the answer; as it is where cutting would not help."""
    column = plan.table.partition
    if column is None or not _is_worth_it(plan, files, column):
        yield plan, files
        return
    domain = plan.scan.domains.get(column, Domain())
    ranges = list(_ranges(files, cuts=plan.table.by_name[column].type is Type.UUID))
    wanted = [(part, low, high) for part, low, high in ranges if domain.meets(low, high or _END)]
    if not wanted:
        yield plan, replace(files, files=())
    for part, low, high in reversed(wanted) if plan.order[0].descending else wanted:
        within = part.within({column: Domain(low=low, high=high)})
        tests = [_test(column, Op.GE, low), *([_test(column, Op.LT, high)] if high else [])]
        yield replace(plan, stored_where=all_of(plan.stored_where, *tests)), within


_END = "\U0010ffff"


def _is_worth_it(plan: Plan, files: ScanFiles, column: str) -> bool:
    if plan.is_derived or not plan.order or plan.order[0].by != Field(column) or is_small(files.rows):
        return False
    # A file of no partition may hold any key.
    if plan.page.offset or plan.page.limit == 0 or any(file.partition is None for file in files.files):
        return False
    listed = plan.scan.domains.get(column, Domain()).listed
    return listed is None or len(listed) > LISTED_KEYS_MAX


def _ranges(files: ScanFiles, *, cuts: bool) -> Iterator[tuple[ScanFiles, str, str | None]]:
    """Files with the keys that are wanted of them: from one on, and where there is another, below that. Ascending."""
    groups = by_root(files.files)
    for root in sorted(name for name in groups if name is not None):
        group = replace(files, files=groups[root])
        parts = -(-group.rows // SLICE_ROWS) if cuts else 1
        ends = [f"{root}{part * 16**DIGITS // parts:0{DIGITS}x}" for part in range(1, parts)]
        for low, high in zip((root, *ends), (*ends, None), strict=True):
            yield group, low, high


def _test(column: str, op: Op, bound: str) -> Expr:
    return compare(op, Field(column), Literal(bound, Type.UUID))


class Chained:
    """Statements one behind the other as if they were one: each is opened when the one before it has ended."""

    def __init__(
        self, statements: Iterator[Statement], open_next: Callable[[Statement, float], Running], rows_max: int | None
    ) -> None:
        """`open_next` gets the time that is spent already, in milliseconds. There is one statement at least."""
        self._statements = statements
        self._open_next = open_next
        self._rows_max = rows_max
        self._ended_ms = 0.0
        self._current = open_next(next(statements), 0.0)

    @property
    def schema(self) -> pa.Schema:
        return self._current.schema

    @property
    def execute_ms(self) -> float:
        return self._ended_ms + self._current.execute_ms

    def batches(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._cut(self._all())
        finally:
            self.close()

    def _all(self) -> Iterator[pa.RecordBatch]:
        yield from self._current.batches()
        for statement in self._statements:
            ended = self._current
            self._current = self._open_next(statement, ended.spent_ms)
            self._ended_ms += ended.execute_ms
            yield from self._current.batches()

    def _cut(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Each statement gives as many rows as all of them may."""
        left = self._rows_max
        for batch in batches:
            if left is None or batch.num_rows < left:
                yield batch
                left = None if left is None else left - batch.num_rows
            else:
                yield batch.slice(0, left)
                return

    def close(self) -> None:
        self._current.close()
