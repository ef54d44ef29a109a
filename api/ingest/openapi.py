"""What /openapi.json says of the bodies, with an example each; the tests post every one of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.ingest.media import FORMATS, Format

EXAMPLE = {
    "source": {"name": "FRED-MD", "title": "FRED-MD monthly database"},
    "series": [{"external_id": "INDPRO", "title": "Industrial production", "units": "index", "frequency": "monthly"}],
    "data_points": [{"external_id": "INDPRO", "date": "1999-08-01", "value": "101.5", "revision_date": "1999-09-30"}],
}
SERIES_EXAMPLE = {"title": "Industrial production, total index", "units": "index 2017=100", "frequency": "monthly"}

# The same rows in every format of data points alone; the second one withdraws its point.
ROWS: tuple[Mapping[str, str | None], ...] = (
    {
        "source": "FRED-MD",
        "external_id": "INDPRO",
        "date": "1999-09-01",
        "value": "102.25",
        "revision_date": "1999-10-31",
    },
    {"source": "FRED-MD", "external_id": "INDPRO", "date": "1999-08-01", "value": None, "revision_date": "1999-10-31"},
)
_NDJSON = """\
{"source": "FRED-MD", "external_id": "INDPRO", "date": "1999-09-01", "value": "102.25", "revision_date": "1999-10-31"}
{"source": "FRED-MD", "external_id": "INDPRO", "date": "1999-08-01", "value": null, "revision_date": "1999-10-31"}
"""
_CSV = """\
source,external_id,date,value,revision_date
FRED-MD,INDPRO,1999-09-01,102.25,1999-10-31
FRED-MD,INDPRO,1999-08-01,,1999-10-31
"""
_COLUMNS = (
    "Columns, in any order: source, external_id, series_id: text, plain or dictionary-encoded; date, revision_date: "
    "dates, timestamps that are midnights in UTC, or text; value: decimal, integer, text, or a binary number, which is "
    "taken by its shortest text; is_original_release: boolean. date and value must be there; a null value withdraws "
    "the point. x-example-rows are rows of an example."
)
_CONTENT: dict[Format, Mapping[str, Any]] = {
    Format.JSON: {"schema": {"type": "object"}, "example": EXAMPLE},
    Format.NDJSON: {"schema": {"type": "string", "description": "One data point a line."}, "example": _NDJSON},
    Format.CSV: {
        "schema": {"type": "string", "description": "RFC 4180 in UTF-8, under a header. An empty value is a null."},
        "example": _CSV,
    },
    Format.ARROW: {
        "schema": {"type": "string", "format": "binary", "description": f"An Arrow IPC stream. {_COLUMNS}"},
        "x-example-rows": ROWS,
    },
    Format.PARQUET: {
        "schema": {"type": "string", "format": "binary", "description": f"A Parquet file. {_COLUMNS}"},
        "x-example-rows": ROWS,
    },
}

BULK_BODY = {"required": True, "content": {media_type: _CONTENT[format_] for media_type, format_ in FORMATS.items()}}
SERIES_BODY = {"required": True, "content": {Format.JSON.value: {"example": SERIES_EXAMPLE}}}
BULK_PARAMETERS = (
    {
        "name": "source",
        "in": "query",
        "description": "The source of rows that name none. Not for JSON, whose document names it.",
        "schema": {"type": "string"},
    },
    {
        "name": "Content-Encoding",
        "in": "header",
        "description": "How the body is packed, once.",
        "schema": {"enum": ["identity", "gzip", "zstd"], "default": "identity"},
    },
)
