"""The benchmarks are honest: the same rows everywhere, bodies that hold them, verdicts as they are, no section lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import islice, pairwise
from pathlib import Path

import orjson
import pyarrow as pa
import pytest

from api.ingest.decode import decode
from api.ingest.media import BodyKind, Format
from api.limits import Limits
from benchmarks.crawling import Plan, crawled, requests, templates
from benchmarks.dataset import SOURCE, Dataset
from benchmarks.lake import Built, copy, full_lake, serving
from benchmarks.posting import Body, arrow_body, json_body, points_facts, post_all
from benchmarks.report import Line, at_least, at_most, merged, section
from catalog.identity import series_id

SMALL = Dataset(series=6, months=7)
KEY = ["external_id", "date", "revision_date"]
SUITES = ("vintages", "ingest")


def plain(table: pa.Table) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in table.to_pylist()]


def test_the_dataset_has_twenty_million_rows() -> None:
    dataset = Dataset()
    assert dataset.rows == 20_000_000
    assert next(dataset.blocks(3)).num_rows == 3 * 500 * 2
    assert dataset.last_month().isoformat() == "2026-09-01"
    assert dataset.series_id(7) == series_id(SOURCE, "S000007")


def test_its_rows_are_the_same_on_every_machine() -> None:
    """Other rows would make other figures than those that are published."""
    rows = Dataset().table(range(19_999, 20_000), range(499, 500), range(3)).to_pylist()
    assert [(str(row["value"]), str(row["revision_date"])) for row in rows] == [
        ("122.4210", "2026-10-25"),
        ("122.4620", "2026-11-24"),
        ("122.5470", "2026-12-24"),
    ]


def test_a_row_does_not_depend_on_its_block() -> None:
    whole = plain(SMALL.table(range(6)))
    assert whole == [row for block in SMALL.blocks(4) for row in plain(block)]
    part = plain(SMALL.table(range(2, 4), range(3, 6), range(1, 2)))
    assert len(part) == 2 * 3
    assert set(part) < set(whole)


def test_each_row_has_a_key_of_its_own_and_another_value_than_the_vintage_before() -> None:
    rows = SMALL.table(range(6), vintages=range(4))
    assert rows.num_rows == 6 * 7 * 4
    assert len(set(plain(rows.select(KEY)))) == rows.num_rows
    values = rows.column("value").to_pylist()
    assert all(before != after for at, (before, after) in enumerate(pairwise(values), 1) if at % 4)


@pytest.mark.parametrize("encode", [json_body, arrow_body])
def test_a_body_holds_the_rows(encode: Callable[[pa.Table], Body]) -> None:
    rows = SMALL.table(range(6))
    body = encode(rows)
    kind = BodyKind() if body.format == "json" else BodyKind(Format.ARROW, source=SOURCE)
    points = decode(body.content, kind, Limits()).points
    assert (points.total, points.failures) == (body.points, ())
    for name in rows.column_names:
        read = points.table.column(name)
        assert read.cast(rows.schema.field(name).type).to_pylist() == rows.column(name).to_pylist()


def test_crawlers_post_only_what_none_has_posted() -> None:
    """Over more turns than there are templates, and among crawlers."""
    seen: set[tuple[str, str, str]] = set()
    count = 0
    for crawler in range(3):
        for request in islice(requests(templates(SMALL, crawler, 14), "host"), 20):
            points = orjson.loads(request.partition(b"\r\n\r\n")[2])["data_points"]
            seen |= {(point["external_id"], point["date"], point["revision_date"]) for point in points}
            count += len(points)
    assert count == len(seen) == 3 * 20 * 14


def test_a_copy_of_a_lake_shares_what_is_never_changed_and_nothing_else(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    (lake / "data").mkdir(parents=True)
    (lake / "data" / "1.parquet").write_text("rows")
    (lake / "catalog.db").write_text("before")
    copy(lake, tmp_path / "pristine")
    assert (tmp_path / "pristine" / "data" / "1.parquet").samefile(lake / "data" / "1.parquet")
    (lake / "catalog.db").write_text("after")
    (lake / "data" / "1.parquet").unlink()
    (lake / "data" / "2.parquet").write_text("news")
    copy(tmp_path / "pristine", lake)
    assert {path.name: path.read_text() for path in lake.rglob("*.*")} == {"1.parquet": "rows", "catalog.db": "before"}


def test_a_lake_that_is_there_is_not_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINLAKE_BENCH_DIR", str(tmp_path))
    pristine = tmp_path / SMALL.name / "pristine"
    pristine.mkdir(parents=True)
    (pristine.parent / "built.json").write_text('{"post_seconds": 1.0, "compact_seconds": 2.0}')
    (pristine / "catalog.db").write_text("as built")
    lake = full_lake(SMALL)
    assert lake.built == Built(1.0, 2.0)
    assert (lake.restore() / "catalog.db").read_text() == "as built"


def test_what_the_clients_count_is_what_the_lake_holds(tmp_path: Path) -> None:
    with serving(tmp_path / "lake", maintenance=False) as service:
        posted = post_all(service, [arrow_body(block) for block in SMALL.blocks(2)], at_once=2)
        assert (posted.points, len(posted.receipts)) == (SMALL.rows, 3)
        assert points_facts(service)["stored_rows"] == SMALL.rows
        plan = Plan(service.url, clients=2, points=14, seconds=0.3)
        done = asyncio.run(crawled(plan, [templates(SMALL, crawler, plan.points) for crawler in range(plan.clients)]))
        assert points_facts(service)["stored_rows"] == SMALL.rows + done.points > SMALL.rows


def test_a_verdict_says_whether_the_target_was_met() -> None:
    assert at_most("a", 2.0, 2, "s") == Line("a", "2.00 s", "at most 2", "met")
    assert at_most("a", 2.01, 2, "s").verdict == "MISSED"
    assert at_least("a", 250_000.4, 250_000, "points/s") == Line("a", "250,000 points/s", "at least 250,000", "met")
    assert at_least("a", 249_999.0, 250_000, "points/s").verdict == "MISSED"


def test_sections_of_suites_that_did_not_run_are_kept() -> None:
    first = {name: section(name, f"Of {name}.", f"make {name}", [Line("a", f"1 {name}")]) for name in SUITES}
    report = merged("", first, SUITES)
    assert report.index("1 vintages") < report.index("1 ingest")
    fresh = section("vintages", "Of vintages.", "make vintages", [Line("a", "2 vintages")])
    again = merged(report, {"vintages": fresh}, SUITES)
    assert again == report.replace("1 vintages", "2 vintages")
    assert merged(again, {}, SUITES) == again
