"""The revision rules: which rows of a batch are news, given what is stored, and what becomes of every point.

- A point with a revision date is stored, unless the row that holds its (series, date, revision date) has the same
  value already. Another value for the same three is a correction: the later commit wins.
- A point without one says what the source shows today. It becomes a row dated today where its value differs from the
  latest one known today, the points with a revision date that stand before it included.
- A null is a value: the source withdrew the point.
- Where only changes are wanted, a point that repeats the revision before it is not stored (`engine.vintages`).
- Among the points of one batch that name the same row, the last wins. Batches come one after another, also where they
  share a commit.

What is stored is looked up by DuckDB; what is decided on it is decided on whole columns, along one integer a row that
packs series, date and revision date and sorts as they do.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import pyarrow as pa
import pyarrow.compute as pc

from catalog.model import Type
from catalog.scan import ScanFiles
from catalog.schemas import ARROW_TYPES
from engine import keys, vintages
from engine.execute import Database
from engine.held import SeriesPoints
from engine.lookup import Known, Lookup
from engine.lower import Statement


class Verdict(Enum):
    """What becomes of a point."""

    INSERTED = "inserted"  # the first of its series and date
    REVISED = "revised"  # another revision of a point on record
    CORRECTED = "corrected"  # another value for a revision on record
    WITHDRAWN = "withdrawn"  # a null, where the revision had none on record
    UNCHANGED = "unchanged"  # nothing is stored


VERDICTS = tuple(Verdict)

INCOMING_SCHEMA = pa.schema(
    [
        ("ordinal", pa.int64()),
        ("series_id", pa.dictionary(pa.int32(), ARROW_TYPES[Type.UUID])),
        ("date", ARROW_TYPES[Type.DATE]),
        ("revision_date", ARROW_TYPES[Type.DATE]),
        ("value", ARROW_TYPES[Type.DECIMAL]),
        ("is_original_release", ARROW_TYPES[Type.BOOLEAN]),
    ]
)


@dataclass(frozen=True, slots=True)
class Incoming:
    """The points of several batches: `points` has INCOMING_SCHEMA and `batch`, the number of the batch, in order of
    arrival, `ordinal` counting from 0; a null `revision_date` says that none was stated. `series` are the ids that the
    dictionary of `series_id` holds, sorted; `on_record` those of them that may have rows stored. `seen` are the
    vintages on record of these series, SEEN_SCHEMA. With `changes_only` there is one batch."""

    points: pa.Table
    series: pa.Array
    on_record: pa.Array
    seen: pa.Table
    changes_only: bool = False


@dataclass(frozen=True, slots=True)
class News:
    """`rows` to store, the columns of INCOMING_SCHEMA without `ordinal`, closing rows last, the others in the order of
    series, date and revision date. `verdicts` counts the points of each batch."""

    rows: pa.Table
    verdicts: Sequence[Mapping[Verdict, int]]


# Of the points without a revision date the ordinals of those that become a row dated today. `base` is what is known
# before today at each one's turn. Once a row dated today exists, the point before it is what is known.
_CHANGED_TODAY = """
    WITH shown AS (
        SELECT * FROM incoming WHERE revision_date IS NULL
        QUALIFY row_number() OVER (PARTITION BY batch, code, date ORDER BY ordinal DESC) = 1
    ),
    stated AS (SELECT code, date, revision_date, value, ordinal FROM incoming WHERE revision_date <= $today),
    base AS (
        SELECT code, date, revision_date, value, is_deleted, -1 AS ordinal FROM known
        UNION ALL
        SELECT code, date, revision_date, value, false, ordinal FROM stated
    ),
    before AS (
        SELECT shown.ordinal, base.value, base.is_deleted FROM shown JOIN base USING (code, date)
        WHERE base.revision_date < $today AND base.ordinal < shown.ordinal
        QUALIFY row_number() OVER (PARTITION BY shown.ordinal ORDER BY base.revision_date DESC, base.ordinal DESC) = 1
    ),
    touching AS (
        SELECT code, date, value, is_deleted, ordinal, true AS makes_row, false AS is_shown
        FROM base WHERE revision_date = $today
        UNION ALL
        SELECT shown.code, shown.date, shown.value, false, shown.ordinal,
            before.is_deleted IS DISTINCT FROM false OR before.value IS DISTINCT FROM shown.value, true
        FROM shown LEFT JOIN before USING (ordinal)
    ),
    turns AS (
        SELECT ordinal, is_shown, value, makes_row,
            lag(value) OVER in_order AS last_value,
            lag(is_deleted) OVER in_order AS last_deleted,
            bool_or(makes_row) OVER (
                PARTITION BY code, date ORDER BY ordinal ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS has_row
        FROM touching WINDOW in_order AS (PARTITION BY code, date ORDER BY ordinal)
    )
    SELECT ordinal FROM turns
    WHERE is_shown AND CASE WHEN has_row THEN last_deleted OR last_value IS DISTINCT FROM value ELSE makes_row END
"""


Held = Callable[[Sequence[str]], Mapping[str, SeriesPoints]]


def news(database: Database, incoming: Incoming, stored: ScanFiles, today: dt.date, held: Held) -> News:
    """What is to be stored, and the verdicts. `stored` are the files that may hold rows of the same keys; `held` tells
    the points on file of those of some series that memory holds.

    Raises OverflowError for more series than a key has room for, and the errors of the database.
    """
    points = incoming.points.append_column("code", keys.codes(incoming.points.column("series_id")))
    known = _known(database, points, incoming, stored, held)
    counts = [dict.fromkeys(VERDICTS, 0) for _ in range(1 + (pc.max(points.column("batch")).as_py() or 0))]
    steps = [points]
    if len(counts) > 1 and vintages.shared(points, incoming.seen):
        steps = [points.filter(pc.equal(points.column("batch"), number)) for number in range(len(counts))]
    parts: list[pa.Table] = []
    for step in steps:
        parts.append(_rows(database, step, known, incoming, today, counts))
        if step is not steps[-1]:
            known = _after(known, parts[-1])
    return News(_last_of_each_key(pa.concat_tables(parts)) if len(parts) > 1 else parts[0], counts)


def _rows(
    database: Database,
    points: pa.Table,
    known: Known,
    incoming: Incoming,
    today: dt.date,
    counts: list[dict[Verdict, int]],
) -> pa.Table:
    """The rows that points come to; the verdicts are added to the counts."""
    dated, known_today = _dated(database, points, known.rows, today)
    ordered = _in_key_order(dated)
    is_told = keys.ends_run(ordered.column("key"), ordered.column("batch"))
    told = ordered.filter(is_told)
    kept, repeated = _without_repeats(database, told, known.rows) if incoming.changes_only else (told, told.slice(0, 0))
    verdicts = _verdicts(kept, known)
    _count(kept, verdicts, counts)
    for rows in (known_today, ordered.filter(pc.invert(is_told)), repeated):
        _count(rows, None, counts)
    changes = kept.filter(pc.not_equal(verdicts, VERDICTS.index(Verdict.UNCHANGED)))
    changes = changes.filter(keys.ends_run(changes.column("key")))
    rows = changes.select([name for name in INCOMING_SCHEMA.names if name != "ordinal"])
    if incoming.seen.num_rows:
        rows = pa.concat_tables([rows, _closing_rows(database, changes, told, known.rows, incoming)])
    return rows


def _last_of_each_key(rows: pa.Table) -> pa.Table:
    key = keys.packed(rows.append_column("code", keys.codes(rows.column("series_id"))))
    return rows.take(keys.last_of_each(key))


def _after(known: Known, rows: pa.Table) -> Known:
    """What is known once rows are stored."""
    fresh = rows.append_column("code", keys.codes(rows.column("series_id")))
    fresh = fresh.append_column("is_deleted", pa.repeat(pa.scalar(False), rows.num_rows))
    fresh = fresh.append_column("key", keys.packed(fresh)).select(known.rows.column_names)
    stays = pc.invert(pc.is_in(known.rows.column("key"), value_set=fresh.column("key")))
    points = pa.chunked_array([*known.points.chunks, *keys.points(fresh).chunks], pa.int64())
    return Known(pa.concat_tables([known.rows.filter(stays), fresh]), points)


def _without_repeats(database: Database, told: pa.Table, known: pa.Table) -> tuple[pa.Table, pa.Table]:
    is_repeat = pc.is_in(told.column("ordinal"), value_set=vintages.repeats(database, told, known))
    return told.filter(pc.invert(is_repeat)), told.filter(is_repeat)


def _closing_rows(
    database: Database, changes: pa.Table, told: pa.Table, known: pa.Table, incoming: Incoming
) -> pa.Table:
    found = vintages.closing(database, changes, told, known, incoming.seen)
    series = pa.DictionaryArray.from_arrays(found.column("code").combine_chunks(), incoming.series)
    said = pa.nulls(found.num_rows, pa.bool_())
    columns = [series, *(found.column(name) for name in ("date", "revision_date", "value")), said]
    schema = pa.schema([field for field in INCOMING_SCHEMA if field.name != "ordinal"])
    return pa.table(columns, schema.names).cast(schema)


def _known(database: Database, points: pa.Table, incoming: Incoming, stored: ScanFiles, held: Held) -> Known:
    lookup = Lookup(database, points, incoming.series, incoming.on_record, stored)
    by_others = incoming.changes_only or incoming.seen.num_rows or points.column("revision_date").null_count
    return lookup.every_revision() if by_others else lookup.same_revisions(held(incoming.on_record.to_pylist()))


def _dated(database: Database, points: pa.Table, known: pa.Table, today: dt.date) -> tuple[pa.Table, pa.Table]:
    """The points with every revision date filled, and those that say what is known already."""
    if not points.column("revision_date").null_count:
        return points, points.slice(0, 0)
    columns = ["ordinal", "batch", "code", "date", "revision_date", "value"]
    inputs = {"incoming": points.select(columns), "known": known}
    changed = database.transform(Statement(_CHANGED_TODAY, {"today": today}, ()), inputs).column("ordinal")
    stated = pc.is_valid(points.column("revision_date"))
    kept = pc.or_(stated, pc.is_in(points.column("ordinal"), value_set=changed))
    position = points.schema.get_field_index("revision_date")
    filled = pc.fill_null(points.column("revision_date"), pa.scalar(today))
    return points.set_column(position, "revision_date", filled).filter(kept), points.filter(pc.invert(kept))


def _in_key_order(points: pa.Table) -> pa.Table:
    """The points sorted by their packed `key`, those of one key in order of arrival."""
    points = points.append_column("key", keys.packed(points)).combine_chunks()
    key = points.column("key")
    if pc.all(pc.greater(key[1:], key[:-1]), min_count=0).as_py():
        return points
    return points.take(pc.sort_indices(key))  # a stable sort


def _verdicts(ordered: pa.Table, known: Known) -> pa.ChunkedArray:
    """The position in VERDICTS of each point's, by what its row was just before: the point before it of the same key,
    else the stored row."""
    key, value = ordered.column("key"), ordered.column("value")
    found = pc.index_in(key, value_set=known.rows.column("key"))
    is_stored = pc.equal(pc.fill_null(known.rows.column("is_deleted").take(found), True), False)
    repeats = keys.equals_previous(key)
    before = pc.if_else(repeats, keys.previous(value), known.rows.column("value").take(found))
    unchanged = pc.and_(pc.or_(repeats, is_stored), _same(before, value))
    on_record = pc.or_(repeats, pc.is_valid(found))
    rules = (
        (Verdict.UNCHANGED, unchanged),
        (Verdict.WITHDRAWN, pc.is_null(value)),
        (Verdict.CORRECTED, on_record),
        (Verdict.REVISED, _has_other_revisions(ordered, known)),
    )
    verdicts = pa.repeat(pa.scalar(VERDICTS.index(Verdict.INSERTED), pa.int8()), len(key))
    for verdict, holds in reversed(rules):
        verdicts = pc.if_else(holds, pa.scalar(VERDICTS.index(verdict), pa.int8()), verdicts)
    return verdicts


def _same(left: pa.Array, right: pa.Array) -> pa.Array:
    """Equal, or both null."""
    both_null = pc.and_(pc.is_null(left), pc.is_null(right))
    return pc.or_(pc.fill_null(pc.equal(left, right), False), both_null)


def _has_other_revisions(ordered: pa.Table, known: Known) -> pa.Array:
    """Whether the point's series and date were on record before it: stored, or told by an earlier point."""
    point = keys.without_revision(ordered.column("key"))
    stored = pc.is_in(point, value_set=known.points)
    if not pc.any(keys.equals_previous(point), min_count=0).as_py():
        return stored
    first = ordered.append_column("point", point).group_by("point", use_threads=False).aggregate([("ordinal", "min")])
    return pc.or_(stored, pc.invert(pc.is_in(ordered.column("ordinal"), value_set=first.column("ordinal_min"))))


def _count(points: pa.Table, verdicts: pa.ChunkedArray | None, counts: list[dict[Verdict, int]]) -> None:
    """Add to the counts by batch; points without a verdict are unchanged."""
    if verdicts is None:
        verdicts = pa.repeat(pa.scalar(VERDICTS.index(Verdict.UNCHANGED)), points.num_rows)
    told = pc.add(pc.multiply(points.column("batch").cast(pa.int64()), len(VERDICTS)), verdicts)
    for each in pc.value_counts(told).to_pylist():
        batch, verdict = divmod(each["values"], len(VERDICTS))
        counts[batch][VERDICTS[verdict]] += each["counts"]
