"""Posting points: batches, keys, refusals; whenever a run ends, the next one posts what is not acknowledged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.client import Client, Refused, Unreachable
from api.posting import Outcome, post_points
from api.resume import Journal, Progress, content_of, journal_of
from api.writing import Verdicts
from tests.support.wire import Keeper, Post

ROWS = 45


def _rows(count: int = ROWS) -> Iterator[dict[str, Any]]:
    return ({"external_id": "A", "value": row} for row in range(count))


def _post(service: httpx.BaseTransport, folder: Path | None, batch_rows: int = 10, **options: Any) -> Outcome:
    job = {} if folder is None else {"job": "j", "state_dir": folder}
    with Client("http://lake", service, lambda _: None, attempts_max=1) as client:
        return post_points(client, _rows(), batch_rows=batch_rows, **job | options)


@pytest.mark.parametrize("patience", range(5))
def test_a_second_run_goes_on_where_the_first_stopped(tmp_path: Path, patience: int) -> None:
    first, second = Keeper(patience), Keeper()
    with pytest.raises(Unreachable):
        _post(first, tmp_path)
    outcome = _post(second, tmp_path, batch_rows=7)
    assert first.values + second.values == list(range(ROWS))
    assert (outcome.rows, outcome.failed, outcome.resumed_at) == (ROWS, 4, patience * 10)
    assert outcome.verdicts == Verdicts(inserted=41, rejected=4)
    assert outcome.snapshot == f"s{len(second.posts)}"


def test_a_batch_of_unknown_fate_leaves_again_as_it_was(tmp_path: Path) -> None:
    class Deaf(Keeper):
        def answer(self, post: Post) -> httpx.Response:
            if len(self.posts) == 2:
                raise httpx.ReadTimeout("The reply is lost.")
            return super().answer(post)

    first, second = Deaf(), Keeper()
    with pytest.raises(Unreachable):
        _post(first, tmp_path)
    _post(second, tmp_path, batch_rows=3)
    assert second.posts[0] == first.posts[1]
    assert [len(post.rows) for post in second.posts[:3]] == [10, 3, 3]
    keys = [post.key for post in [*first.posts, *second.posts[1:]]]
    assert len(set(keys)) == len(keys)


def test_a_finished_job_is_not_posted_again_and_what_became_of_it_is_remembered(tmp_path: Path) -> None:
    first = _post(Keeper(), tmp_path)
    silent = Keeper()
    again = _post(silent, tmp_path)
    assert (again.rows, again.failed, again.resumed_at, again.failures) == (ROWS, 4, ROWS, ())
    assert (again.verdicts, again.snapshot) == (first.verdicts, first.snapshot)
    assert silent.posts == []


def test_posted_again_on_purpose_it_has_new_keys(tmp_path: Path) -> None:
    first, again = Keeper(), Keeper()
    _post(first, tmp_path)
    assert _post(again, tmp_path, again=True).resumed_at == 0
    assert [post.content for post in again.posts] == [post.content for post in first.posts]
    assert not {post.key for post in again.posts} & {post.key for post in first.posts}


def test_without_a_job_nothing_is_kept_and_every_batch_has_a_key() -> None:
    services = (Keeper(), Keeper())
    for service in services:
        assert _post(service, None).resumed_at == 0
    keys = [post.key for service in services for post in service.posts]
    assert len(set(keys)) == len(keys) == 10


def test_failures_are_numbered_by_the_row_of_the_input() -> None:
    assert [failure.index for failure in _post(Keeper(), None).failures] == [7, 17, 27, 37]


def test_terms_go_with_every_batch() -> None:
    service = Keeper()
    _post(service, None, source="X", mode="atomic", changes_only=True)
    assert [post.params for post in service.posts] == [{"mode": "atomic", "changes_only": "true", "source": "X"}] * 5


def test_fields_of_the_source_and_of_series_go_first_and_once(tmp_path: Path) -> None:
    series = [{"external_id": "A", "title": "T"}]
    first, second = Keeper(patience=2), Keeper()
    with pytest.raises(Unreachable):
        _post(first, tmp_path, source={"name": "X", "url": "u"}, series=series)
    _post(second, tmp_path, source={"name": "X", "url": "u"}, series=series)
    assert first.posts[0] == second.posts[0]
    assert json.loads(first.posts[0].content) == {"source": {"name": "X", "url": "u"}, "series": series}
    assert {post.params["source"] for post in second.posts[1:]} == {"X"}
    assert first.values + second.values == list(range(ROWS))


def test_progress_is_told_after_each_receipt(tmp_path: Path) -> None:
    told: list[int] = []
    _post(Keeper(), tmp_path, 20, on_progress=told.append)
    assert told == [0, 20, 40, ROWS]


class _Refusing(Keeper):
    """Refuses the second batch."""

    def __init__(self, status: int, code: str, **details: Any) -> None:
        super().__init__()
        self._problem = httpx.Response(status, json={"code": code, "message": "No.", "hint": "H.", "details": details})

    def answer(self, post: Post) -> httpx.Response:
        return self._problem if len(self.posts) == 2 else super().answer(post)


FAILURE = {"part": "data_points", "index": 3, "field": "date", "code": "invalid_date", "message": "No date."}


def test_a_batch_of_nothing_but_bad_rows_is_counted_and_the_next_one_goes_on() -> None:
    outcome = _post(_Refusing(422, "rejected_batch", failures=[FAILURE]), None)
    assert (outcome.rows, outcome.failed, outcome.verdicts.rejected) == (ROWS, 13, 13)
    assert [failure.index for failure in outcome.failures] == [7, 13, 27, 37]
    assert outcome.snapshot == "s5"


@pytest.mark.parametrize(
    ("status", "code", "details", "told"),
    [
        (422, "rejected_batch", {"failures": [FAILURE]}, "H."),
        (413, "body_too_large", {"limit": "bulk_rows_max", "value": 5}, "at most 5 rows at once: --batch-rows"),
        (413, "body_too_large", {"limit": "body_bytes_max", "value": 9}, "less than 9 bytes at once: --batch-bytes"),
        (400, "invalid_body", {}, "H."),
    ],
)
def test_a_refusal_says_which_rows_and_what_to_change_and_they_can_be_cut_otherwise(
    tmp_path: Path, status: int, code: str, details: dict[str, Any], told: str
) -> None:
    first, second = _Refusing(status, code, **details), Keeper()
    with pytest.raises(Refused, match=f"Rows 11 to 20 were refused.*{status}") as caught:
        _post(first, tmp_path, mode="atomic")
    assert told in caught.value.hint
    assert [failure.index for failure in caught.value.failures] == ([13] if "failures" in details else [])
    _post(second, tmp_path, batch_rows=5, mode="atomic")
    assert [len(post.rows) for post in second.posts] == [5] * 7
    assert first.values[:10] + second.values == list(range(ROWS))


def test_a_conflict_is_told_and_stays_until_the_job_is_begun_anew(tmp_path: Path) -> None:
    for conflicts in (_Refusing(409, "idempotency_conflict"), _Conflicting()):
        with pytest.raises(Refused, match="Rows 11 to 20") as caught:
            _post(conflicts, tmp_path, batch_rows=10)
        assert "a job of their own" in caught.value.hint
        assert len(conflicts.posts[-1].rows) == 10
    assert _post(Keeper(), tmp_path, again=True).resumed_at == 0


class _Conflicting(_Refusing):
    """Refuses the first batch already."""

    def __init__(self) -> None:
        super().__init__(409, "idempotency_conflict")

    def answer(self, post: Post) -> httpx.Response:
        return self._problem


def test_progress_belongs_to_a_job_and_its_terms(tmp_path: Path) -> None:
    options: list[dict[str, Any]] = [{}, {"source": "X"}, {"mode": "atomic"}, {"changes_only": True}, {"job": "k"}]
    for number, option in enumerate(options, 1):
        assert _post(Keeper(), tmp_path, **option).resumed_at == 0
        assert len(list(tmp_path.glob("*.json"))) == number


def test_a_damaged_record_is_as_none(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "state" / "a.json")
    with journal.alone():
        journal.write(Progress(rows=3, run="r"))
    assert journal.read() == Progress(rows=3, run="r")
    (tmp_path / "state" / "a.json").write_bytes(b'{"rows": ')
    assert journal.read() == Progress()
    journal.forget()
    assert not list((tmp_path / "state").glob("*.json"))


def test_a_journal_belongs_to_content_and_meaning(tmp_path: Path) -> None:
    file, moved = tmp_path / "a.csv", tmp_path / "b.csv"
    file.write_text("value\n1\n")
    moved.write_text("value\n1\n")
    first = journal_of(content_of(file), tmp_path, "one service")
    assert journal_of(content_of(moved), tmp_path, "one service") == first
    assert journal_of(content_of(file), tmp_path, "another service") != first
    moved.write_text("value\n2\n")
    assert journal_of(content_of(moved), tmp_path, "one service") != first
