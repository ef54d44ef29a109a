"""Which base files deltas may hold keys of, by the ends of the columns of the key."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

import pytest

from catalog.entries import FileEntry, may_share_a_key
from catalog.model import BASE_LEVEL, DATA_POINTS
from catalog.scan import ScanFiles, every_file
from catalog.snapshot import LakeSnapshot, TableSnapshot

JANUARY, MAY, JUNE = dt.date(2024, 1, 1), dt.date(2024, 5, 1), dt.date(2024, 6, 1)


def file(series: tuple[str, str] | None, dates: tuple[dt.date, dt.date] | None, level: int = BASE_LEVEL) -> FileEntry:
    known: dict[str, Any] = {"series_id": series, "date": dates, "level": (level, level)}
    bounds = {name: ends for name, ends in known.items() if ends is not None}
    return FileEntry(f"{level}{series}{dates}", "a", 1, 10, 80, level, bounds)


def scan_of(*files: FileEntry) -> ScanFiles:
    return every_file(LakeSnapshot({"data_points": TableSnapshot(DATA_POINTS, 1, 1, 0, files, 0)}, {}), "data_points")


def paths(files: Iterable[FileEntry]) -> set[str]:
    return {file.path for file in files}


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (file(("aa", "ab"), (JANUARY, MAY)), file(("ab", "ac"), (MAY, JUNE)), True),
        (file(("aa", "ab"), (JANUARY, MAY)), file(("ac", "ad"), (MAY, JUNE)), False),
        (file(("aa", "ad"), (JANUARY, MAY)), file(("ab", "ac"), (JUNE, JUNE)), False),
        (file(None, (JANUARY, MAY)), file(("ab", "ac"), (MAY, JUNE)), True),
        (file(None, (JANUARY, MAY)), file(("ab", "ac"), (JUNE, JUNE)), False),
        (file(("aa", "ab"), None), file(("ab", "ac"), (MAY, JUNE)), True),
        (file(("aa", "ab"), None), file(None, (MAY, JUNE)), True),
        (file(None, None), file(None, None), True),
        # Cut off after two characters: "aab" begins the one file, "aac" ends the other, whose end became "ab".
        (file(("aa", "ad"), (JANUARY, MAY)), file(("a0", "ab"), (JANUARY, MAY)), True),
    ],
)
def test_keys_may_be_shared_unless_one_column_lies_apart(one: FileEntry, other: FileEntry, *, expected: bool) -> None:
    assert may_share_a_key(one, other, DATA_POINTS.key) is expected
    assert may_share_a_key(other, one, DATA_POINTS.key) is expected


def test_base_files_are_settled_one_by_one() -> None:
    old, recent = file(("aa", "ac"), (JANUARY, MAY)), file(("aa", "ac"), (JUNE, JUNE))
    other, unknown = file(("ad", "af"), (JUNE, JUNE)), file(None, (JUNE, JUNE))
    delta, second = file(("aa", "ab"), (JUNE, JUNE), 0), file(("ac", "ac"), (JUNE, JUNE), 1)
    scan = scan_of(old, recent, other, unknown, delta, second)
    assert paths(scan.settled) == paths([old, other])
    assert paths(scan.touched) == paths([recent, unknown])
    assert paths(scan.mixed) == paths([recent, unknown, delta, second])
    assert scan.span("date") == (JUNE, JUNE)
    assert scan.span("series_id") == ("aa", "ac")
    assert scan.span("value") is None
    assert scan_of(old, recent).settled == scan_of(old, recent).files
    assert scan_of(old, recent).mixed == ()


def test_the_span_of_deltas_is_known_if_that_of_each_is() -> None:
    assert scan_of(file(None, (JUNE, JUNE), 0), file(("aa", "ab"), (MAY, MAY), 0)).span("series_id") is None
