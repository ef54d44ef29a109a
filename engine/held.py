"""Which points are on file of the series that are posted again and again, held in memory: to tell a new point from a
revision, and a revision from a correction, mostly no file need be read then.

A point stays on file as long as its series lives. So what is held only grows, by the rows of the files that have come
since it was brought up to date, whoever wrote them; a series that was deleted meanwhile is read anew. Rows that the
holder itself has committed need not be read again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from cachetools import LRUCache

from catalog.domains import Domain
from catalog.entries import FileEntry
from catalog.model import DATA_POINTS
from catalog.scan import ScanFiles, ScanRequest, prune, scan_files
from catalog.snapshot import SEQUENCE_MAX, LakeSnapshot
from engine import keys
from engine.errors import ExecutionFailed
from engine.execute import JOINED_VALUES_MAX, Database
from engine.lower import Statement
from engine.stored import alive, alive_parameters

# For more series at once one scan of them all is less work than a look at what is held of each.
SERIES_MAX = JOINED_VALUES_MAX
SERIES_REMEMBERED_MAX = 100_000
# What holding a series takes beside its points, in points.
SERIES_OVERHEAD = 100
# So many are read at once, as they may have many days.
SERIES_READ_MAX = 200

OWN_COLUMNS = ("series_id", "date", "revision_date")

_POINTS = """
    SELECT wanted.place, list(DISTINCT a.date) AS days, max(a.revision_date) AS last_revision
    FROM ({alive}) a JOIN wanted ON a.series_id = wanted.series_id
    {since}
    GROUP BY wanted.place
"""
_SINCE = "WHERE a.seq > $through"


@dataclass(frozen=True, slots=True)
class SeriesPoints:
    """The points on file of one series: `days` are their dates, in any order, `last_revision` is the greatest revision
    date of them all, None where there are none."""

    days: pa.Array
    last_revision: dt.date | None

    def with_more(self, more: SeriesPoints) -> SeriesPoints:
        fresh = more.days.filter(pc.invert(pc.is_in(more.days, value_set=self.days)))
        revisions = [each for each in (self.last_revision, more.last_revision) if each is not None]
        days = pa.concat_arrays([self.days, fresh]) if len(fresh) else self.days
        return SeriesPoints(days, max(revisions, default=None))


class HeldPoints:
    """At most `points_max` points, those of series that were posted longest ago going first. For one thread.

    A series is read whole only when it is asked for the second time: many are posted once and never again. Where that
    takes more memory than the database has, the series is not asked for again.
    """

    def __init__(self, database: Database, points_max: int) -> None:
        self._database = database
        self._points_max = points_max
        self._held: LRUCache[str, SeriesPoints] = LRUCache(points_max, getsizeof=_size)
        # Whether a series that was asked for is worth being read.
        self._asked: LRUCache[str, bool] = LRUCache(SERIES_REMEMBERED_MAX)
        self._through = 0
        self._hidden: Mapping[str, int] = {}

    @property
    def points(self) -> float:
        """How many are held, what holding a series takes counted in points."""
        return self._held.currsize

    def of(self, snapshot: LakeSnapshot, series: Sequence[str]) -> Mapping[str, SeriesPoints]:
        """What a snapshot holds of some series, by id, as far as it is held in memory or worth being held from now on.

        The snapshot is none older than the one before. Raises the errors of the database.
        """
        if len(series) > SERIES_MAX:
            return {}
        self._bring_up(snapshot)
        found = {id_: held for id_ in series if (held := self._held.get(id_)) is not None}
        missing = [id_ for id_ in series if id_ not in found]
        # Of a series that is deleted nothing is held: that it began another life and ended it could not be told.
        again = [id_ for id_ in missing if self._asked.get(id_) and snapshot.hidden.get(id_) != SEQUENCE_MAX]
        again = again[:SERIES_READ_MAX]
        for id_ in missing:
            self._asked[id_] = self._asked.get(id_, True)
        return {**found, **self._first_read(snapshot, again)} if again else found

    def wants(self, rows: pa.Table) -> bool:
        """Whether `take_own` may have a use for rows."""
        return 0 < rows.num_rows <= self._points_max and self._held.currsize > 0

    def take_own(self, snapshot: LakeSnapshot, rows: pa.Table) -> None:
        """Take in rows that were committed upon a snapshot, as its next sequence: OWN_COLUMNS, in any order. Where rows
        of that snapshot would be news too, all is left to be read."""
        if self._through != snapshot.tables[DATA_POINTS.name].sequence:
            return
        for id_, more in _by_series(rows, self._held):
            self._hold(id_, self._held[id_].with_more(more))
        self._through += 1

    def _first_read(self, snapshot: LakeSnapshot, series: Sequence[str]) -> Mapping[str, SeriesPoints]:
        try:
            read = self._read(prune(snapshot, _request(series)), series)
        except ExecutionFailed:
            self._asked.update(dict.fromkeys(series, False))
            return {}
        nothing = SeriesPoints(pa.array([], pa.date32()), None)
        found = {id_: read.get(id_, nothing) for id_ in series}
        for id_, points in found.items():
            self._hold(id_, points)
        return found

    def _bring_up(self, snapshot: LakeSnapshot) -> None:
        """Let go of series that began or ended a life, and take in the rows that are newer than what is held; where
        these are too many, let all go."""
        table = snapshot.tables[DATA_POINTS.name]
        for id_, _ in snapshot.hidden.items() ^ self._hidden.items():
            self._held.pop(id_, None)
        self._hidden = snapshot.hidden
        fresh = sorted(_newer(table.files, self._through), key=lambda file: (file.sequence, file.path))
        if sum(file.rows for file in fresh) > self._points_max:
            self._held.clear()
        if fresh and self._held:
            hidden = tuple((id_, sequence) for id_, sequence in snapshot.hidden.items() if id_ in self._held)
            self._take_in(scan_files(table, tuple(fresh), hidden))
        self._through = table.sequence

    def _take_in(self, files: ScanFiles) -> None:
        try:
            read = self._read(files, list(self._held), self._through)
        except ExecutionFailed:
            self._held.clear()
            return
        for id_, more in read.items():
            if (held := self._held.get(id_)) is not None:
                self._hold(id_, held.with_more(more))

    def _hold(self, id_: str, points: SeriesPoints) -> None:
        if _size(points) <= self._points_max:
            self._held[id_] = points
        else:
            self._held.pop(id_, None)

    def _read(self, files: ScanFiles, series: Sequence[str], through: int | None = None) -> Mapping[str, SeriesPoints]:
        """The points of some series in some files, in rows of a sequence above `through` alone where that is given."""
        if not files.files:
            return {}
        places = pa.array(range(len(series)), pa.int32())
        wanted = pa.table({"place": places, "series_id": pa.array(series, pa.string())})
        bound: dict[str, Any] = dict(alive_parameters(files))
        if through is not None:
            bound["through"] = through
        sql = _POINTS.format(alive=alive(files), since="" if through is None else _SINCE)
        found = self._database.transform(Statement(sql, bound, files.files), {"wanted": wanted})
        return {series[place]: points for place, points in _by_place(found)}


def _size(points: SeriesPoints) -> int:
    return len(points.days) + SERIES_OVERHEAD


def _request(series: Iterable[str]) -> ScanRequest:
    return ScanRequest(DATA_POINTS.name, {"series_id": Domain(values=tuple(sorted(series)))})


def _newer(files: Iterable[FileEntry], through: int) -> Iterator[FileEntry]:
    """The files that may hold a row of a greater sequence: a merged file can be newer than all of its rows."""
    for file in files:
        greatest = file.bounds["seq"][1] if "seq" in file.bounds else file.sequence
        if greatest > through:
            yield file


def _by_series(rows: pa.Table, wanted: Container[str]) -> Iterator[tuple[str, SeriesPoints]]:
    """The points of rows, for each of the wanted series that has some."""
    series = rows.column("series_id").dictionary_encode()
    codes = keys.codes(series)
    plain = pa.table({"code": codes, "date": rows.column("date"), "revision_date": rows.column("revision_date")})
    found = plain.group_by("code", use_threads=False).aggregate([("date", "distinct"), ("revision_date", "max")])
    days = found.column("date_distinct").combine_chunks()
    ids = series.chunk(0).dictionary
    for at, row in enumerate(found.select(["code", "revision_date_max"]).to_pylist()):
        if (id_ := ids[row["code"]].as_py()) in wanted:
            yield id_, SeriesPoints(_copied(days[at].values), row["revision_date_max"])


def _by_place(found: pa.Table) -> Iterator[tuple[int, SeriesPoints]]:
    days = found.column("days").combine_chunks()
    for at, row in enumerate(found.select(["place", "last_revision"]).to_pylist()):
        yield row["place"], SeriesPoints(_copied(days[at].values), row["last_revision"])


def _copied(days: pa.Array) -> pa.Array:
    """What is held of one series must not keep the memory of all others that were read with it."""
    return days.take(pa.arange(0, len(days)))
