"""What an explanation says of an answer, against the answer and against the files themselves."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from catalog.identity import series_id
from catalog.model import BASE_LEVEL, DATA_POINTS
from engine.explain import Explanation
from engine.literals import literal, typed_compare, typed_in
from engine.query import Call, Expr, Field, Op, Query, View, all_of, any_of, negate
from tests.support.oracle import Point
from tests.support.warehouse import Warehouse, warehouse

SOURCE = "TEST"
NAMES = [f"S{n:02d}" for n in range(40)]
IDS = sorted(series_id(SOURCE, name) for name in NAMES)
# Three series of one partition, and one of another.
FIRST, BETWEEN, LAST = next(group for group in zip(IDS, IDS[1:], IDS[2:], strict=False) if group[0][0] == group[2][0])
ELSEWHERE = next(id_ for id_ in IDS if id_[0] != FIRST[0])
DAYS = [dt.date(year, month, 1) for year in (2022, 2023) for month in range(1, 7)]
FOOTERS_MAX = 1_000


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """Base files of small row groups, deltas of some series beside them."""
    with pytest.MonkeyPatch.context() as patch, warehouse(tmp_path_factory.mktemp("explain")) as lake:
        patch.setattr("catalog.staging.ROW_GROUP_ROWS", 5)
        _write(lake, NAMES, dt.date(2024, 1, 1))
        _write(lake, NAMES, dt.date(2024, 2, 1))
        lake.compact()
        _write(lake, [name for name in NAMES if series_id(SOURCE, name) in (FIRST, LAST)], dt.date(2024, 3, 1))
        yield lake


def _write(lake: Warehouse, names: list[str], revision: dt.date) -> None:
    points = [Point(name, day, None, revision) for name in names for day in DAYS]
    lake.write({"data_points": [point.document(SOURCE) for point in points]})


def compared(column: str, op: Op, value: object) -> Expr:
    return typed_compare(op, Field(column), literal(value), DATA_POINTS)  # pyright: ignore[reportArgumentType]


ONE = compared("series_id", Op.EQ, FIRST)
SETTLED = compared("series_id", Op.EQ, ELSEWHERE)
SPRING = all_of(compared("date", Op.GE, DAYS[2]), compared("date", Op.LE, DAYS[3]))
SOME = typed_in(Field("series_id"), [literal(id_) for id_ in IDS[::5]], DATA_POINTS)
QUERIES = {
    "everything": Query("data_points"),
    "one series with deltas": Query("data_points", where=ONE),
    "one series that a delta spans": Query("data_points", where=compared("series_id", Op.EQ, BETWEEN)),
    "one series of base files": Query("data_points", where=SETTLED),
    "some series in spring": Query("data_points", where=all_of(SOME, SPRING)),
    "every revision as of a day": Query("data_points", where=SPRING, view=View.EVERY, as_of=dt.date(2024, 1, 15)),
    "nothing": Query("data_points", where=compared("date", Op.LT, dt.date(1900, 1, 1))),
    "series": Query("series"),
}


def explained(lake: Warehouse, query: Query, footers_max: int = FOOTERS_MAX) -> Explanation:
    return lake.engine.explain(query, footers_max=footers_max)


@pytest.mark.parametrize("name", QUERIES)
def test_the_files_are_those_of_the_answer(lake: Warehouse, name: str) -> None:
    query = QUERIES[name]
    files = explained(lake, query).files
    with lake.engine.answer(query) as result:
        assert (files.read, files.considered) == (result.files_read, result.files_considered)
        assert explained(lake, query).snapshot == result.snapshot
    pruned = files.pruned
    assert pruned.partition + pruned.bounds + pruned.members + files.read == files.considered
    assert files.settled + files.compared == files.read


def test_it_says_why_files_are_left_out(lake: Warehouse) -> None:
    files = lake.engine.snapshots.current().tables["data_points"].files
    told = explained(lake, QUERIES["one series with deltas"]).files
    assert told.pruned.partition == sum(file.partition != FIRST[0] for file in files) > 0
    assert told.compared == told.read == sum(file.partition == FIRST[0] for file in files)
    settled = explained(lake, QUERIES["one series of base files"]).files
    assert (settled.compared, settled.read) == (0, settled.settled)
    assert explained(lake, QUERIES["one series that a delta spans"]).files.pruned.members == 1
    assert explained(lake, QUERIES["nothing"]).files.pruned.bounds == len(files)


@pytest.mark.parametrize("name", ["everything", "one series with deltas", "some series in spring"])
def test_row_groups_are_counted_as_the_rows_in_them_lie(lake: Warehouse, name: str) -> None:
    """Against the rows themselves: a group is read where the span of its values meets what is asked for."""
    ids = {
        "everything": None,
        "one series with deltas": [FIRST],
        "some series in spring": IDS[::5],
    }[name]
    days = (DAYS[2], DAYS[3]) if "spring" in name else (dt.date.min, dt.date.max)
    considered, read, rows = 0, 0, 0
    for path in _read_paths(lake, ids, days):
        file = pq.ParquetFile(path)
        for at in range(file.num_row_groups):
            group = file.read_row_group(at, columns=["series_id", "date"]).to_pydict()
            span, dates = sorted(group["series_id"]), sorted(group["date"])
            meets = ids is None or any(span[0] <= id_ <= span[-1] for id_ in ids)
            considered += 1
            if meets and dates[0] <= days[1] and dates[-1] >= days[0]:
                read += 1
                rows += len(dates)
    counts = explained(lake, QUERIES[name]).row_groups
    assert counts is not None
    assert (counts.considered, counts.read, counts.rows) == (considered, read, rows)
    assert 0 < counts.size_bytes < explained(lake, QUERIES[name]).files.size_bytes


def _read_paths(lake: Warehouse, ids: list[str] | None, days: tuple[dt.date, dt.date]) -> list[Path]:
    """Files of those days: deltas that hold one of the series, base files between whose series one of them lies."""
    found: list[Path] = []
    for file in lake.engine.snapshots.current().tables["data_points"].files:
        rows = pq.read_table(file.path).to_pydict()
        held = sorted(rows["series_id"])
        wanted = [id_ for id_ in ids or held if held[0] <= id_ <= held[-1]]
        if file.level < BASE_LEVEL:
            wanted = [id_ for id_ in wanted if id_ in held]
        within = min(rows["date"]) <= days[1] and max(rows["date"]) >= days[0]
        found += [Path(file.path)] if wanted and within else []
    return found


YEAR = all_of(compared("date", Op.GE, dt.date(2022, 1, 1)), compared("date", Op.LE, dt.date(2022, 12, 31)))
LATER = compared("date", Op.GE, DAYS[6])


@pytest.mark.parametrize(
    ("said", "plainly"),
    [
        (typed_compare(Op.EQ, Call("year", (Field("date"),)), literal(2022), DATA_POINTS), YEAR),
        (typed_in(Call("year", (Field("date"),)), [literal(2022), literal(1999)], DATA_POINTS), YEAR),
        (typed_compare(Op.LT, Call("year", (Field("date"),)), literal(2023), DATA_POINTS), negate(LATER)),
        (negate(typed_compare(Op.LE, Call("year", (Field("date"),)), literal(2022), DATA_POINTS)), LATER),
        (negate(any_of(compared("date", Op.LT, DAYS[6]), compared("date", Op.EQ, DAYS[6]))), all_of(LATER, LATER)),
    ],
)
def test_a_range_prunes_however_it_is_said(lake: Warehouse, said: Expr, plainly: Expr) -> None:
    query, plain = Query("data_points", where=said), Query("data_points", where=plainly)
    counts, as_plain = explained(lake, query).row_groups, explained(lake, plain).row_groups
    assert counts is not None
    assert counts == as_plain
    assert 0 < counts.read < counts.considered
    for question in (query, plain):
        with lake.other_engine((), prunes=False).answer(question) as result:
            assert result.table().to_pylist() == lake.rows(question)


def test_only_so_many_footers_are_opened(lake: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    files = explained(lake, QUERIES["everything"]).files
    assert explained(lake, QUERIES["everything"], files.read).row_groups is not None
    monkeypatch.setattr("catalog.row_groups.pq.read_metadata", _opened)
    assert explained(lake, QUERIES["everything"], files.read - 1).row_groups is None


def _opened(path: str) -> None:
    raise AssertionError(f"{path} was opened")


def test_nothing_is_executed(lake: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.execute.Database.open", _opened)
    for query in QUERIES.values():
        assert explained(lake, query).sql


def test_it_tells_what_each_pass_changed(lake: Warehouse) -> None:
    told = explained(lake, QUERIES["one series of base files"])
    text = f"series_id eq {ELSEWHERE}"
    changes = {effect.name: effect.changes for effect in told.passes}
    assert [(change.part, change.before, change.after) for change in changes["push_filters"]] == [
        ("where", text, "true"),
        ("stored_where", "true", text),
    ]
    assert set(changes) == {"push_filters", "prune_columns", "prune_files"}
    assert [effect.name for effect in explained(lake, QUERIES["series"]).passes] == ["prune_columns"]


def test_it_names_no_path_of_the_service(lake: Warehouse) -> None:
    told = explained(lake, QUERIES["one series with deltas"])
    assert FIRST in told.parameters.values()
    assert str(lake.settings.data_dir) not in repr(told)
