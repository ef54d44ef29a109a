"""The revision rules, held against the dictionary oracle in every view."""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
from collections import Counter
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from api.writing import Receipt
from catalog.identity import series_id
from engine.query import Query, View
from tests.support.oracle import Oracle, Point
from tests.support.views import SOURCE, assert_equal, document, seen
from tests.support.warehouse import Warehouse, warehouse

D1, D2 = dt.date(2024, 1, 1), dt.date(2024, 2, 1)
R1, R2, R3 = dt.date(2024, 3, 1), dt.date(2024, 4, 1), dt.date(2024, 5, 1)
TODAY = dt.date(2024, 6, 15)


def v(text: str) -> Decimal:
    return Decimal(text)


def post(lake: Warehouse, *points: Point) -> Receipt:
    return lake.write(document(points))


def told(receipt: Receipt) -> Counter[str]:
    """The verdicts that are not zero."""
    return +Counter(asdict(receipt.verdicts))


CASES: dict[str, tuple[list[list[Point]], list[tuple[dt.date, Decimal | None, bool]]]] = {
    "one revision": ([[Point("A", D1, v("1"), R1)]], [(R1, v("1"), True)]),
    "a second revision": (
        [[Point("A", D1, v("1"), R1)], [Point("A", D1, v("2"), R2)]],
        [(R1, v("1"), True), (R2, v("2"), False)],
    ),
    "a stated revision is believed even where nothing changed": (
        [[Point("A", D1, v("1"), R1)], [Point("A", D1, v("1"), R2)]],
        [(R1, v("1"), True), (R2, v("1"), False)],
    ),
    "the identical row is stored once": (
        [[Point("A", D1, v("1.0"), R1)], [Point("A", D1, v("1"), R1)]],
        [(R1, v("1"), True)],
    ),
    "a correction of the same revision wins": (
        [[Point("A", D1, v("1"), R1)], [Point("A", D1, v("2"), R1)]],
        [(R1, v("2"), True)],
    ),
    "a correction back to the old value wins too": (
        [[Point("A", D1, v("1"), R1)], [Point("A", D1, v("2"), R1)], [Point("A", D1, v("1"), R1)]],
        [(R1, v("1"), True)],
    ),
    "the last of one batch wins": (
        [[Point("A", D1, v("1"), R1), Point("A", D1, v("2"), R1)]],
        [(R1, v("2"), True)],
    ),
    "a withdrawn point is stored": (
        [[Point("A", D1, v("1"), R1)], [Point("A", D1, None, R2)]],
        [(R1, v("1"), True), (R2, None, False)],
    ),
    "a withdrawn point is stored once": ([[Point("A", D1, None, R1)], [Point("A", D1, None, R1)]], [(R1, None, True)]),
    "a withdrawal of the same revision is a correction": (
        [[Point("A", D1, v("1"), R1)], [Point("A", D1, None, R1)]],
        [(R1, None, True)],
    ),
    "a backdated revision is the original release then": (
        [[Point("A", D1, v("2"), R2)], [Point("A", D1, v("1"), R1)]],
        [(R1, v("1"), True), (R2, v("2"), False)],
    ),
    "what the crawler says of originality is kept": (
        [[Point("A", D1, v("1"), R1, False)], [Point("A", D1, v("2"), R2, True)]],
        [(R1, v("1"), False), (R2, v("2"), True)],
    ),
    "shown today, nothing known": ([[Point("A", D1, v("1"))]], [(TODAY, v("1"), True)]),
    "shown today, unchanged": ([[Point("A", D1, v("1"), R1)], [Point("A", D1, v("1.00"))]], [(R1, v("1"), True)]),
    "shown today, changed": (
        [[Point("A", D1, v("1"), R1)], [Point("A", D1, v("2"))]],
        [(R1, v("1"), True), (TODAY, v("2"), False)],
    ),
    "shown today, withdrawn": (
        [[Point("A", D1, v("1"), R1)], [Point("A", D1, None)]],
        [(R1, v("1"), True), (TODAY, None, False)],
    ),
    "shown today, still withdrawn": ([[Point("A", D1, None, R1)], [Point("A", D1, None)]], [(R1, None, True)]),
    "published twice a day": (
        [[Point("A", D1, v("1"))], [Point("A", D1, v("2"))]],
        [(TODAY, v("2"), True)],
    ),
    "published twice a day, back again": (
        [[Point("A", D1, v("1"), R1)], [Point("A", D1, v("2"))], [Point("A", D1, v("1"))]],
        [(R1, v("1"), True), (TODAY, v("1"), False)],
    ),
    "shown twice in one batch": ([[Point("A", D1, v("1")), Point("A", D1, v("2"))]], [(TODAY, v("2"), True)]),
    "stated and shown in one batch, equal": (
        [[Point("A", D1, v("1")), Point("A", D1, v("1"), R1)]],
        [(R1, v("1"), True)],
    ),
    "stated and shown in one batch, different": (
        [[Point("A", D1, v("2")), Point("A", D1, v("1"), R1)]],
        [(R1, v("1"), True), (TODAY, v("2"), False)],
    ),
    "stated for today and shown in one batch": (
        [[Point("A", D1, v("2")), Point("A", D1, v("1"), TODAY)]],
        [(TODAY, v("2"), True)],
    ),
    "a revision dated in the future is not known today": (
        [[Point("A", D1, v("1"), R1), Point("A", D1, v("9"), dt.date(2030, 1, 1))], [Point("A", D1, v("1"))]],
        [(R1, v("1"), True), (dt.date(2030, 1, 1), v("9"), False)],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_rule(tmp_path: Path, name: str) -> None:
    batches, expected = CASES[name]
    oracle = Oracle()
    with warehouse(tmp_path, TODAY) as lake:
        for batch in batches:
            receipt = post(lake, *batch)
            assert (receipt.total_processed, receipt.successful, receipt.failed) == (len(batch), len(batch), 0)
            assert told(receipt) == oracle.post(batch, TODAY)
        rows = [row[2:] for row in seen(lake, View.EVERY)]
        assert rows == expected
        assert_equal(lake, oracle, R1, R2, TODAY)


def test_posting_a_batch_again_writes_nothing(tmp_path: Path) -> None:
    batch = [Point("A", D1, v("1"), R1), Point("A", D1, v("2"), R2), Point("B", D2, None), Point("C", D1, v("3"))]
    with warehouse(tmp_path, TODAY) as lake:
        first = post(lake, *batch)
        second = post(lake, *batch)
        assert second.successful == len(batch)
        assert second.snapshot == first.snapshot


def test_a_snapshot_token_answers_the_same_for_ever(tmp_path: Path) -> None:
    with warehouse(tmp_path, TODAY) as lake:
        token = post(lake, Point("A", D1, v("1"), R1)).snapshot
        before = lake.rows(Query("data_points").pinned(token))
        post(lake, Point("A", D1, v("2"), R1), Point("B", D1, v("3"), R1))
        lake.delete_series(series_id(SOURCE, "A"))
        assert lake.rows(Query("data_points").pinned(token)) == before
        assert len(lake.rows(Query("series").pinned(token))) == 1


def test_posting_after_a_delete_starts_afresh(tmp_path: Path) -> None:
    with warehouse(tmp_path, TODAY) as lake:
        lake.write({"source": {"name": SOURCE}, "series": [{"external_id": "A", "title": "Old", "units": "index"}]})
        post(lake, Point("A", D1, v("1"), R1), Point("A", D2, v("5"), R1))
        lake.delete_series(series_id(SOURCE, "A"))
        assert lake.rows(Query("series")) == []
        assert [lake.rows(Query("data_points", view=view)) for view in View] == [[], [], []]
        post(lake, Point("A", D1, v("1"), R1))
        assert [(row["title"], row["units"]) for row in lake.rows(Query("series"))] == [("A", None)]
        assert [row[1:] for row in seen(lake, View.EVERY)] == [(D1, R1, v("1"), True)]


dates = st.sampled_from([dt.date(2024, 1, day) for day in (1, 2, 3)])
days = st.sampled_from([dt.date(2024, 6, day) for day in (10, 12, 14, 15, 16, 18, 20)])
values = st.one_of(
    st.none(), st.sampled_from([Decimal(1), Decimal(2), Decimal("2.5"), Decimal("-0.000000000000000001")])
)
points = st.builds(
    Point,
    series=st.sampled_from(["A", "B"]),
    date=dates,
    value=values,
    revision_date=st.one_of(st.none(), days),
    is_original_release=st.sampled_from([None, None, None, True, False]),
)


class Ledger(RuleBasedStateMachine):
    """Random batches, deletions and passing days; every view equals the oracle's at every step."""

    @initialize()
    def open(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="finlake-"))
        # With this cut the second of the three dates is the first recent one.
        self.context = warehouse(self.folder, dt.date(2024, 6, 12), history_cut_days=89)
        self.lake = self.context.__enter__()
        self.oracle = Oracle()

    @rule(batch=st.lists(points, min_size=1, max_size=6))
    def post(self, batch: list[Point]) -> None:
        assert told(post(self.lake, *batch)) == self.oracle.post(batch, self.today)

    @rule(batches=st.lists(st.lists(points, min_size=1, max_size=4), min_size=2, max_size=4))
    def post_together(self, batches: list[list[Point]]) -> None:
        """Whether they share a commit or not, they are applied one after another."""
        receipts = self.lake.write_together([document(batch) for batch in batches])
        assert [told(receipt) for receipt in receipts] == [self.oracle.post(batch, self.today) for batch in batches]

    @rule(series=st.sampled_from(["A", "B"]))
    def delete(self, series: str) -> None:
        known = {row["external_id"] for row in self.lake.rows(Query("series", ("external_id",)))}
        if series in known:
            self.lake.delete_series(series_id(SOURCE, series))
        self.oracle.delete(series)

    @rule(series=st.sampled_from(["A", "B"]), span=st.tuples(dates, dates))
    def delete_points(self, series: str, span: tuple[dt.date, dt.date]) -> None:
        known = {row["external_id"] for row in self.lake.rows(Query("series", ("external_id",)))}
        if series in known:
            receipt = self.lake.delete_points(series_id(SOURCE, series), *span)
            assert receipt.verdicts.deleted == self.oracle.delete_points(series, *span, self.today)

    @property
    def today(self) -> dt.date:
        return self.lake.clock.now.date()

    @rule()
    def compact(self) -> None:
        self.lake.compact()

    @rule()
    def delta_merge(self) -> None:
        self.lake.delta_merge()

    @rule()
    def sleep(self) -> None:
        self.lake.clock.now += dt.timedelta(days=1)

    @invariant()
    def every_view_is_right(self) -> None:
        if hasattr(self, "lake"):
            assert_equal(self.lake, self.oracle, dt.date(2024, 6, 12), dt.date(2024, 6, 15))

    def teardown(self) -> None:
        if hasattr(self, "context"):
            self.context.__exit__(None, None, None)
            shutil.rmtree(self.folder)


TestLedger = Ledger.TestCase
TestLedger.settings = hypothesis_settings(max_examples=8, stateful_step_count=12, deadline=None)
