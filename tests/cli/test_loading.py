"""Resuming: whatever moment a run ends at, the next one posts exactly what was not acknowledged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from api.client import Client, Unreachable
from api.loading import Outcome, load_rows
from api.resume import Journal, Progress, journal_of
from api.row_files import Point
from api.writing import Failure, Receipt


@dataclass
class _Rows:
    number: int

    def count(self) -> int:
        return self.number

    def points(self, start: int) -> Iterator[Point]:
        return ({"external_id": "A", "value": str(row)} for row in range(start, self.number))


@dataclass
class _Service(Client):
    """Acknowledges batches until it has had enough of them; rows whose value ends in 7 fail."""

    patience: int = 1_000
    documents: list[dict[str, Any]] = field(default_factory=list)

    def post(self, document: Any, mode: str = "partial") -> Receipt:
        if len(self.documents) >= self.patience:
            raise Unreachable("gone")
        self.documents.append(document)
        points = document["data_points"]
        failures = tuple(
            Failure("data_points", index, "value", "invalid_number", "Seven.")
            for index, point in enumerate(points)
            if point["value"].endswith("7")
        )
        return Receipt(len(points), len(points) - len(failures), len(failures), "s", failures)

    @property
    def posted(self) -> list[int]:
        return [int(point["value"]) for document in self.documents for point in document["data_points"]]


def _load(service: _Service, journal: Journal, batch_rows: int = 10, source: str | None = None) -> Outcome:
    return load_rows(service, _Rows(45), journal, source, batch_rows)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "state" / "a.json")


@pytest.mark.parametrize("patience", range(5))
def test_a_second_run_goes_on_where_the_first_stopped(journal: Journal, patience: int) -> None:
    first, second = _Service(patience), _Service()
    with pytest.raises(Unreachable):
        _load(first, journal)
    outcome = _load(second, journal, batch_rows=7)
    assert first.posted + second.posted == list(range(45))
    assert (outcome.rows, outcome.failed, outcome.resumed_at) == (45, 4, patience * 10)


def test_a_finished_file_is_not_posted_again_and_its_failures_are_remembered(journal: Journal) -> None:
    _load(_Service(), journal)
    again = _Service()
    assert _load(again, journal) == Outcome(45, 4, 45)
    assert again.documents == []
    journal.forget()
    assert _load(again, journal).resumed_at == 0


def test_failures_are_numbered_by_the_row_of_the_file(journal: Journal) -> None:
    assert [failure.index for failure in _load(_Service(), journal).failures] == [7, 17, 27, 37]


def test_the_default_source_stands_once_in_a_document(journal: Journal) -> None:
    service = _Service()
    _load(service, journal, 45, source="X")
    assert [document["source"] for document in service.documents] == [{"name": "X"}]


def test_progress_is_told_after_each_receipt(journal: Journal) -> None:
    told: list[int] = []
    load_rows(_Service(), _Rows(45), journal, None, 20, told.append)
    assert told == [0, 20, 40, 45]


def test_a_damaged_record_is_as_none(journal: Journal) -> None:
    journal.write(Progress(rows=3))
    journal.path.write_bytes(b'{"rows": ')
    assert journal.read() == Progress()


def test_a_journal_belongs_to_content_and_meaning(tmp_path: Path) -> None:
    file, moved = tmp_path / "a.csv", tmp_path / "b.csv"
    file.write_text("value\n1\n")
    moved.write_text("value\n1\n")
    first = journal_of(file, tmp_path, "one service")
    assert journal_of(moved, tmp_path, "one service") == first
    assert journal_of(file, tmp_path, "another service") != first
    moved.write_text("value\n2\n")
    assert journal_of(moved, tmp_path, "one service") != first
