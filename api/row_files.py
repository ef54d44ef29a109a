"""Rows of CSV, Parquet and NDJSON files as points, their numbers exactly as the file has them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from api.cells import BOOLEANS, FIELDS
from api.wire import Points, UnreadableRows

if TYPE_CHECKING:
    from _csv import Reader

Point: TypeAlias = dict[str, Any]

_READ_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file's columns are called: `renamed` maps its names to `FIELDS`, `ignored` ones are left out."""

    renamed: Mapping[str, str] = field(default_factory=dict[str, str])
    ignored: frozenset[str] = frozenset()

    def fields_of(self, columns: Iterable[str], path: Path) -> dict[str, str]:
        """The field of each column that is not ignored. Raises UnreadableRows for one that is no field."""
        kept = [column for column in columns if column not in self.ignored]
        fields = {column: self.renamed.get(column, column) for column in kept}
        unknown = sorted(column for column, name in fields.items() if name not in FIELDS)
        if unknown:
            raise UnreadableRows(
                f"{path} has columns that no point has: {', '.join(unknown)}.",
                f"Fields are {', '.join(FIELDS)}; use --rename COLUMN=FIELD or --ignore COLUMN.",
            )
        if len(set(fields.values())) < len(kept):
            raise UnreadableRows(f"{path} has two columns for one field.", "Use --ignore COLUMN for one of them.")
        return fields


class RowFile(Protocol):
    """A file of rows in a fixed order, so that a row's number names it in every run."""

    def count(self) -> int:
        """How many rows there are; for CSV with line breaks inside quotes, an upper bound."""
        ...

    def points(self) -> Points:
        """All rows. Reading them raises UnreadableRows."""
        ...


def open_rows(path: Path, layout: Layout) -> RowFile:
    """The rows of a file, in the format that its suffix names. Raises UnreadableRows."""
    match path.suffix.lower():
        case ".csv":
            return CsvFile(path, layout)
        case ".parquet":
            return _ParquetFile(path, layout)
        case ".ndjson" | ".jsonl":
            return _NdjsonFile(path, layout)
        case suffix:
            raise UnreadableRows(
                f"{path} has an unknown format: {suffix or 'no suffix'}.", "Use .csv, .parquet, .ndjson or .jsonl."
            )


@dataclass(frozen=True, slots=True)
class CsvFile:
    """An empty value is a null, which withdraws the point; any other empty cell is an absent field."""

    path: Path
    layout: Layout

    def count(self) -> int:
        return max(_lines(self.path) - 1, 0)

    def points(self) -> Iterator[Point]:
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            try:
                yield from self._points(reader)
            except (csv.Error, UnicodeDecodeError) as error:
                raise _broken(self.path, reader.line_num, str(error)) from error

    def _points(self, reader: Reader) -> Iterator[Point]:
        header = next(reader, None) or []
        fields = self.layout.fields_of(header, self.path)
        names = [fields.get(column) for column in header]
        for cells in filter(None, reader):
            if len(cells) != len(header):
                raise _broken(self.path, reader.line_num, f"{len(cells)} cells under {len(header)} columns")
            named = ((name, cell) for name, cell in zip(names, cells, strict=True) if name)
            yield {name: _cell(name, cell) for name, cell in named if cell or name == "value"}


@dataclass(frozen=True, slots=True)
class _NdjsonFile:
    """One JSON object a line; numbers keep the digits they are written with."""

    path: Path
    layout: Layout

    def count(self) -> int:
        return _lines(self.path)

    def points(self) -> Iterator[Point]:
        decoder = msgspec.json.Decoder(dict[str, Any], float_hook=str)
        with self.path.open("rb") as file:
            lines = ((number, line) for number, line in enumerate(file, 1) if not line.isspace())
            for number, line in lines:
                try:
                    row = decoder.decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    raise _broken(self.path, number, str(error)) from error
                yield {name: row[column] for column, name in self.layout.fields_of(row, self.path).items()}


@dataclass(frozen=True, slots=True)
class _ParquetFile:
    """Decimals keep their digits; binary numbers travel as the shortest text that reads back as the same number."""

    path: Path
    layout: Layout

    def count(self) -> int:
        return int(self._open().metadata.num_rows)

    def points(self) -> pa.RecordBatchReader:
        file = self._open()
        fields = self.layout.fields_of(file.schema_arrow.names, self.path)
        schema = pa.schema([file.schema_arrow.field(column).with_name(name) for column, name in fields.items()])
        return pa.RecordBatchReader.from_batches(schema, self._batches(file, fields))

    def _batches(self, file: pq.ParquetFile, fields: Mapping[str, str]) -> Iterator[pa.RecordBatch]:
        columns = list(fields)
        try:
            for batch in file.iter_batches(batch_size=_READ_ROWS, columns=columns):
                yield batch.select(columns).rename_columns(list(fields.values()))
        except (pa.ArrowException, OSError) as error:
            raise UnreadableRows(f"{self.path} cannot be read: {error}", "Correct the file.") from error

    def _open(self) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(self.path)
        except pa.ArrowException as error:
            raise UnreadableRows(f"{self.path} is no Parquet file: {error}", "Correct the file.") from error


def _cell(name: str, text: str) -> Any:
    if name == "value":
        return text or None
    return BOOLEANS.get(text.lower(), text) if name == "is_original_release" else text


def _lines(path: Path) -> int:
    """Lines that are not blank, the last one with or without its break."""
    with path.open("rb") as file:
        return sum(1 for line in file if not line.isspace())


def _broken(path: Path, line: int, why: str) -> UnreadableRows:
    return UnreadableRows(f"{path}, line {line}: {why}.", "Correct the line; what was acknowledged before it is kept.")
