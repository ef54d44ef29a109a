"""Bodies with faults: of rows, of lines, of the whole."""

from __future__ import annotations

import datetime as dt
import io
from typing import Any

import pyarrow as pa

from api.ingest.media import Format
from tests.support.bodies import TABULAR, arrow_of, body_of, parquet_of, table_of

UNKNOWN = "9f0c6a52-0f5e-5c43-a9ac-1f2b6d3f8a11"


def point(**fields: Any) -> dict[str, Any]:
    return {"source": "S", "external_id": "E", "date": "2020-01-01", "value": "1", **fields}


GOOD = {format_: body_of(format_, [point()]) for format_ in Format}

ROW_FAULTS: dict[str, tuple[dict[str, Any], str, str | None]] = {
    "impossible date": (point(date="2021-02-29"), "invalid_date", "date"),
    "a year 0": (point(date="0000-01-01"), "invalid_date", "date"),
    "a date with a time": (point(date="2021-02-01T00:00:00Z"), "invalid_date", "date"),
    "a date in short": (point(date="20210201"), "invalid_date", "date"),
    "impossible revision date": (point(revision_date="2021-13-01"), "invalid_date", "revision_date"),
    "NaN": (point(value="NaN"), "invalid_number", "value"),
    "Infinity": (point(value="-Infinity"), "invalid_number", "value"),
    "a word": (point(value="1,5"), "invalid_number", "value"),
    "19 fraction digits": (point(value="0.1234567890123456789"), "number_out_of_range", "value"),
    "21 integer digits": (point(value="123456789012345678901"), "number_out_of_range", "value"),
    "a giant exponent": (point(value="1e999999999"), "number_out_of_range", "value"),
    "a tiny exponent": (point(value="1e-999999999"), "number_out_of_range", "value"),
    "a small exponent that Arrow reads as 0": (point(value="1e-57"), "number_out_of_range", "value"),
    "far behind the point": (point(value="0." + "0" * 60 + "1"), "number_out_of_range", "value"),
    "no source": ({"external_id": "E", "date": "2020-01-01", "value": "1"}, "source_required", "source"),
    "no series": ({"source": "S", "date": "2020-01-01", "value": "1"}, "series_required", "external_id"),
    "an unknown series": ({"series_id": UNKNOWN, "date": "2020-01-01", "value": "1"}, "unknown_series", "series_id"),
    "no id at all": ({"series_id": "INDPRO", "date": "2020-01-01", "value": "1"}, "invalid_id", "series_id"),
    "another series' id": (point(series_id=UNKNOWN), "conflicting_series", "series_id"),
    "a blank name": (point(external_id="  "), "invalid_name", "external_id"),
    "a control character": (point(external_id="a\x00b"), "invalid_name", "external_id"),
    "a line break": (point(external_id="a\nb"), "invalid_name", "external_id"),
    "a separator": (point(source="a\x1fb"), "invalid_name", "source"),
    "a long name": (point(external_id="x" * 201), "invalid_name", "external_id"),
}

TEXT_ROW_FAULTS: dict[str, tuple[Format, bytes, list[tuple[int, str | None, str]]]] = {
    "no date": (Format.CSV, b"source,external_id,date,value\nS,E,,1\n", [(0, "date", "missing_field")]),
    "a word for a flag": (
        Format.CSV,
        b"source,external_id,date,value,is_original_release\nS,E,2020-01-01,1,TRUE\nS,E,2020-01-01,1,yes\n",
        [(1, "is_original_release", "wrong_type")],
    ),
    "short and long rows, blank lines, breaks of all kinds": (
        Format.CSV,
        b"source,external_id,date,value\r\n\r\nS,E,2020-01-01\rS,E,2020-01-01,1\nS,E,2020-01-01,1,2\n\nS,E,x,1",
        [(0, None, "malformed_row"), (2, None, "malformed_row"), (3, "date", "invalid_date")],
    ),
    "lines of all kinds": (
        Format.NDJSON,
        b"\n".join(
            (
                b'\n{"source": "S", "external_id": "E", "date": "2020-01-01", "value": 1.5}\r',
                b'{"value": NaN}\n  \n5\n{"source": "S"',
                b'{"date": "2020-01-01", "value": 1, "valeu": 2}{}\n{"date": "2020-01-01"}\n',
            )
        ),
        [
            (1, None, "malformed_row"),
            (2, None, "wrong_type"),
            (3, None, "malformed_row"),
            (4, "valeu", "unknown_field"),
            (5, "value", "missing_field"),
        ],
    ),
    "two objects a line": (
        Format.NDJSON,
        GOOD[Format.NDJSON] + b'{"date": "2020-01-01", "value": 1}{"date": "2020-01-01", "value": 1}\n',
        [(1, None, "malformed_row")],
    ),
}


def table(**columns: Any) -> pa.Table:
    return pa.table({"source": ["S"], "external_id": ["E"], "date": ["2020-01-01"], "value": ["1"], **columns})


def liar(rows: int) -> bytes:
    """A stream whose one batch claims more rows than any buffer holds."""
    batch = pa.record_batch({"date": pa.nulls(rows), "value": pa.nulls(rows)})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


ONE = table_of([point()])

SHARED = pa.DictionaryArray.from_arrays(pa.array([0] * 900), ["x" * 40_000])

MANY = [point()] * 1_001

BODY_FAULTS: dict[str, tuple[Format, bytes, int, str]] = {
    **{f"nothing, {f.name}": (f, b"", 400, "malformed_body") for f in TABULAR if f is not Format.NDJSON},
    **{
        f"noise, {f.name}": (f, bytes(range(256)) * 9, 400, "malformed_json" if f is Format.JSON else "malformed_body")
        for f in Format
    },
    **{f"cut short, {f.name}": (f, GOOD[f][:-20], 400, "malformed_body") for f in (Format.ARROW, Format.PARQUET)},
    **{f"too many rows, {f.name}": (f, body_of(f, MANY), 413, "body_too_large") for f in Format},
    **{
        f"an unknown column, {f.name}": (f, body_of(f, [point(valeu="1")]), 400, "invalid_body")
        for f in (Format.CSV, Format.ARROW, Format.PARQUET)
    },
    **{
        f"{what}, {f.name}": (f, write(content), 400, "invalid_body")
        for f, write in ((Format.ARROW, arrow_of), (Format.PARQUET, parquet_of))
        for what, content in {
            "a list": table(value=[["1"]]),
            "a struct": table(value=[{"a": 1}]),
            "bytes": table(external_id=[b"E"]),
            "a number for a name": table(external_id=[1]),
            "a boolean for a value": table(value=[True]),
            "a number for a date": table(date=[20200101]),
            "a time for a date": table(date=[dt.time(1)]),
            "no value column": ONE.drop_columns("value"),
            "no date column": ONE.drop_columns("date"),
            "no column": pa.table({}),
        }.items()
    },
    "a column twice, CSV": (Format.CSV, b"date,value,value\n2020-01-01,1,2\n", 400, "invalid_body"),
    "a column twice, ARROW": (Format.ARROW, arrow_of(ONE.append_column("value", ONE["value"])), 400, "invalid_body"),
    "a column twice, PARQUET": (
        Format.PARQUET,
        parquet_of(ONE.append_column("value", ONE["value"])),
        400,
        "invalid_body",
    ),
    "another header, CSV": (Format.CSV, b"a;b\n1;2\n", 400, "invalid_body"),
    "not UTF-8, CSV": (Format.CSV, GOOD[Format.CSV].replace(b"E", b"\xff"), 400, "malformed_body"),
    "UTF-16, CSV": (Format.CSV, GOOD[Format.CSV].decode().encode("utf-16"), 400, "malformed_body"),
    "an open quote, CSV": (Format.CSV, GOOD[Format.CSV] + b'S,"E,2020-01-01,1\n', 400, "malformed_body"),
    "a quote amid a cell, CSV": (Format.CSV, GOOD[Format.CSV] + b'S,"E"E,2020-01-01,1\n', 400, "malformed_body"),
    "blank lines without end, CSV": (Format.CSV, b"date,value\n" + b"\r\n" * 50_000, 413, "body_too_large"),
    "not UTF-8, NDJSON": (Format.NDJSON, GOOD[Format.NDJSON].replace(b'"E"', b'"\xff"'), 400, "malformed_body"),
    "lines without end, NDJSON": (Format.NDJSON, b"1\n" * 50_000, 413, "body_too_large"),
    "objects without end, NDJSON": (Format.NDJSON, b"{}" * 50_000, 413, "body_too_large"),
    "elements without end, JSON": (Format.JSON, b'{"data_points": [' + b"1," * 50_000 + b"1]}", 413, "body_too_large"),
    "not UTF-8, ARROW": (
        Format.ARROW,
        GOOD[Format.ARROW].replace(b"2020-01-01", b"2020-01-\xff1"),
        400,
        "malformed_body",
    ),
    "a file, ARROW": (Format.ARROW, b"ARROW1\x00\x00" + GOOD[Format.ARROW], 400, "malformed_body"),
    "a giant batch of nothing, ARROW": (Format.ARROW, liar(10_000_000), 413, "body_too_large"),
    **{
        f"packed buffers that are a bomb, {compression}, ARROW": (
            Format.ARROW,
            arrow_of(table(external_id=["x" * 5_000_000]), compression),
            413,
            "body_too_large",
        )
        for compression in ("lz4", "zstd")
    },
    "packed dictionaries that are a bomb, ARROW": (
        Format.ARROW,
        arrow_of(table(external_id=pa.array(["x" * 5_000_000]).dictionary_encode()), "zstd"),
        413,
        "body_too_large",
    ),
    "pages that are a bomb, PARQUET": (
        Format.PARQUET,
        parquet_of(table(external_id=["x" * 5_000_000]), compression="zstd"),
        413,
        "body_too_large",
    ),
}
