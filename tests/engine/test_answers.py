"""What the engine answers in cases that chance does not come to; random questions are asked in `tests.same_query`."""

from __future__ import annotations

import datetime as dt

import pytest

from catalog.identity import series_id
from catalog.model import DATA_POINTS, SERIES
from catalog.scan import prune
from engine.errors import InvalidPage, QueryError, WrongType
from engine.literals import LONG_MAX, literal, typed_compare, typed_in
from engine.lower import lower
from engine.planner import plan
from engine.query import NULL, Call, Expr, Field, Literal, Op, Order, Page, Query, any_of, negate
from tests.same_query.asked_lake import AskedLake, id_of


def test_pruning_reads_few_files(asked: AskedLake) -> None:
    one = typed_compare(Op.EQ, Field("series_id"), literal(id_of("S1")), DATA_POINTS)
    with asked.lake.engine.answer(Query("data_points", where=one)) as result:
        assert 0 < result.files_read < result.files_considered / 2
    before = typed_compare(Op.LT, Field("date"), literal(dt.date(1900, 1, 1)), DATA_POINTS)
    with asked.lake.engine.answer(Query("data_points", where=before)) as result:
        assert result.files_read == 0
        assert result.table().num_rows == 0
    with asked.lake.engine.answer(Query("data_points", as_of=dt.date(2000, 1, 1))) as result:
        assert result.files_read == 0


@pytest.mark.parametrize("count", [2, 63, 64, 65, 5_000])
def test_long_lists_and_chains(asked: AskedLake, count: int) -> None:
    ids = [series_id("many", f"{n}") for n in range(count)] + [id_of("S1")]
    field = Field("series_id")
    chain = any_of(*(typed_compare(Op.EQ, field, literal(id_), DATA_POINTS) for id_ in ids))
    listed = typed_in(field, [literal(id_) for id_ in ids], DATA_POINTS)
    one = typed_compare(Op.EQ, field, literal(ids[-1]), DATA_POINTS)
    rows = [asked.lake.rows(Query("data_points", where=where)) for where in (chain, listed, one)]
    assert rows[0] == rows[1] == rows[2] != []
    excluded = asked.lake.rows(Query("data_points", where=negate(listed)))
    assert len(excluded) + len(rows[0]) == len(asked.lake.rows(Query("data_points")))


def test_a_call_in_a_call_is_written_once(asked: AskedLake) -> None:
    """An argument that is written out twice makes a text that doubles at each level."""
    nested: Expr = Field("title")
    for _ in range(10):
        nested = Call("substring", (Field("title"), Call("length", (nested,)), literal(3)))
    within = typed_in(nested, [literal("q"), NULL], SERIES)
    for _ in range(10):
        within = typed_in(within, [literal(True), NULL], SERIES)
    planned = plan(Query("series", where=within), asked.lake.engine.tables)
    assert len(lower(planned, prune(asked.lake.engine.snapshots.current(), planned.scan)).sql) < 6_000
    assert asked.lake.rows(Query("series", where=within)) == []


def test_a_question_too_deep_to_write_out_is_refused(asked: AskedLake) -> None:
    nested: Expr = Field("title")
    for _ in range(300):
        nested = Call("trim", (nested,))
    with pytest.raises(QueryError, match="nested too deeply"):
        asked.lake.rows(Query("series", where=Call("contains", (nested, literal("a")))))


@pytest.mark.parametrize("page", [Page(-1), Page(LONG_MAX + 1), Page(1, -1), Page(1, LONG_MAX + 1)])
def test_a_page_that_no_answer_has_is_refused(asked: AskedLake, page: Page) -> None:
    with pytest.raises(InvalidPage):
        asked.lake.rows(Query("series", page=page))


@pytest.mark.parametrize("constant", [NULL, literal(1), literal("a"), literal(True)])
def test_nothing_can_be_sorted_by_a_constant(asked: AskedLake, constant: Literal) -> None:
    with pytest.raises(WrongType):
        asked.lake.rows(Query("series", order=(Order(constant),)))
