"""Series side by side equal what dictionaries say, date by date."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.identity import series_id
from catalog.model import DATA_POINTS
from engine.alignment import Alignment, Fill
from engine.errors import QueryError
from engine.literals import literal, typed_compare
from engine.planner import PASSES
from engine.query import Field, Op, Order, Page, Query, View, grouped
from tests.support.oracle import Oracle, Point
from tests.support.warehouse import Warehouse, warehouse

SOURCE = "TEST"
TODAY = dt.date(2024, 6, 15)
REVISIONS = [dt.date(2024, 1, 1), dt.date(2024, 2, 1)]
NAMES = ["A", "B", "C", "D"]


def _points() -> list[Point]:
    """Series of different dates, with withdrawn points and a second revision of some."""
    made = random.Random(3)
    days = [dt.date(2020, 1, 1) + dt.timedelta(days=n) for n in range(30)]
    return [
        Point(name, day, None if made.random() < 0.2 else Decimal(made.randint(-99, 99)), revision)
        for place, name in enumerate(NAMES)
        for day in days[place :: place + 2]
        for revision in REVISIONS[: 1 + (made.random() < 0.3)]
    ]


@pytest.fixture(scope="module", params=["deltas", "base files"])
def lake(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Warehouse]:
    with warehouse(tmp_path_factory.mktemp("aligned"), TODAY) as lake:
        lake.write({"data_points": [point.document(SOURCE) for point in _points()]})
        if request.param == "base files":
            lake.compact()
        yield lake


def expected(alignment: Alignment, as_of: dt.date | None, view: View) -> list[dict[str, Any]]:
    oracle = Oracle()
    oracle.post(_points(), TODAY)
    values: dict[str, dict[dt.date, Any]] = {id_: {} for id_ in alignment.series}
    for row in (oracle.first if view is View.FIRST else oracle.latest)(as_of):
        if (id_ := series_id(SOURCE, row[0])) in values:
            values[id_][row[1]] = row[3]
    asked = [alignment.on] if alignment.on else alignment.series
    first, last = alignment.start or dt.date.min, alignment.end or dt.date.max
    days = sorted({day for id_ in asked for day in values[id_] if first <= day <= last})
    columns = {f"series_{place}": values[id_] for place, id_ in enumerate(alignment.series)}
    return [
        {"date": day, **{name: _value(known, day, alignment.fill) for name, known in columns.items()}} for day in days
    ]


def _value(values: dict[dt.date, Any], day: dt.date, fill: Fill) -> Any:
    if values.get(day) is not None or fill is Fill.NULL:
        return values.get(day)
    return next(
        (values[known] for known in sorted(values, reverse=True) if known <= day and values[known] is not None), None
    )


IDS = [series_id(SOURCE, name) for name in [*NAMES, "absent"]]
DAYS = [None, None, dt.date(2020, 1, 9), dt.date(2020, 1, 20), dt.date(2021, 1, 1)]


@st.composite
def alignments(draw: st.DrawFn) -> Alignment:
    ids = draw(st.lists(st.sampled_from(IDS), min_size=1, max_size=5, unique=True))
    on = draw(st.none() | st.sampled_from(ids))
    ends = draw(st.sampled_from(DAYS)), draw(st.sampled_from(DAYS))
    return Alignment(tuple(ids), draw(st.sampled_from(list(Fill))), on, *ends)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    alignment=alignments(),
    as_of=st.sampled_from([None, *REVISIONS, dt.date(2020, 1, 1)]),
    view=st.sampled_from([View.LATEST, View.FIRST]),
)
def test_aligned_series_equal_the_oracle(
    lake: Warehouse, alignment: Alignment, as_of: dt.date | None, view: View
) -> None:
    query = Query("data_points", as_of=as_of, view=view, alignment=alignment)
    want = expected(alignment, as_of, view)
    for passes, prunes in ((PASSES, True), ((), False)):
        with lake.other_engine(passes, prunes=prunes).answer(query) as result:
            assert result.table().to_pylist() == want
    backwards = replace(query, order=(Order(Field("date"), descending=True),), page=Page(3))
    assert lake.rows(backwards) == want[::-1][:3]
    assert lake.rows(query.counted()) == [{"count": len(want)}]


def test_only_the_series_asked_for_are_read(lake: Warehouse) -> None:
    with lake.engine.answer(Query("data_points", alignment=Alignment((IDS[0],)))) as result:
        assert result.files_read < result.files_considered
    late = Alignment((IDS[0],), Fill.NULL, None, dt.date(2030, 1, 1))
    with lake.engine.answer(Query("data_points", alignment=late)) as result:
        assert result.files_read == 0


ONE = Alignment((IDS[0],))
REFUSED = [
    Query("data_points", alignment=Alignment(())),
    Query("data_points", alignment=Alignment((IDS[0], IDS[0]))),
    Query("data_points", alignment=Alignment((IDS[0],), on=IDS[1])),
    Query("data_points", alignment=ONE, view=View.EVERY),
    Query("data_points", alignment=ONE, grouping=grouped([], [])),
    Query("data_points", where=typed_compare(Op.GT, Field("value"), literal(1), DATA_POINTS), alignment=ONE),
    Query("series", alignment=ONE),
]


@pytest.mark.parametrize("query", REFUSED)
def test_what_cannot_be_aligned_is_refused(lake: Warehouse, query: Query) -> None:
    with pytest.raises(QueryError):
        lake.rows(query)
