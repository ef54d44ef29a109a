"""What mutations take and give, as types: the wire names of the bulk document in camelCase, and its receipt."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from enum import Enum
from typing import Any

import strawberry

from api.graphql.building import Argument, attribute, input_type, object_type
from api.writing import VERDICT_MEANINGS


class Mode(Enum):
    PARTIAL = "partial"
    ATOMIC = "atomic"


strawberry.enum(
    Mode, description="What becomes of the good rows of a batch with bad ones: stored, or refused with them."
)

_TEXTS = (
    Argument("title", str | None, "The name to show."),
    Argument("description", str | None, "What is measured, and how."),
    Argument("units", str | None, "The units of the values."),
    Argument("frequency", str | None, "How often the series has a point."),
    Argument("seasonalAdjustment", str | None, "How the values are adjusted for season."),
)
_SOURCE_NAME = "The name of the source; that of the batch where it is left out."
SOURCE_INPUT: Any = input_type(
    "SourceInput",
    "A source, named by its name. What is left out keeps its stored value, a null clears it.",
    (
        Argument("name", str, "The unique short name."),
        Argument("title", str | None, "The name to show."),
        Argument("description", str | None, "What the source publishes."),
        Argument("url", str | None, "Where the source can be visited."),
        Argument("license", str | None, "The terms its numbers are published under."),
    ),
)
SERIES_INPUT: Any = input_type(
    "SeriesInput",
    "A series, named by its source and external id, or by its id where it exists.",
    (
        Argument("seriesId", strawberry.ID | None, "The id of a series that exists."),
        Argument("source", str | None, _SOURCE_NAME),
        Argument("externalId", str | None, "The source's own id of the series."),
        *_TEXTS,
    ),
)
POINT_INPUT: Any = input_type(
    "DataPointInput",
    "A value of a series on a date, as published on a day.",
    (
        Argument("seriesId", strawberry.ID | None, "The id of the series."),
        Argument("source", str | None, _SOURCE_NAME),
        Argument("externalId", str | None, "The source's own id of the series."),
        Argument("date", dt.date, "The date or first day of the period observed."),
        Argument("value", Decimal | None, "The value; null withdraws the point."),
        Argument(
            "revisionDate", dt.date | None, "The day it was published; left out, it is what the source shows today."
        ),
        Argument("isOriginalRelease", bool | None, "Whether it is the first publication; worked out where left out."),
    ),
)
BULK_INPUT: Any = input_type(
    "BulkUpsertInput",
    "A batch as POST /api/v1/financial-data/bulk takes it; each part may be left out.",
    (
        Argument("source", SOURCE_INPUT | None, "The source of all that names none."),
        Argument("series", list[SERIES_INPUT] | None, "Series to create or change."),
        Argument("dataPoints", list[POINT_INPUT] | None, "Points to store."),
    ),
)
CREATE_INPUT: Any = input_type(
    "CreateSeriesInput",
    "A new series.",
    (
        Argument("source", str, "The name of the source, which is created where it is new."),
        Argument("externalId", str, "The source's own id of the series."),
        *_TEXTS,
    ),
)
UPDATE_INPUT: Any = input_type(
    "UpdateSeriesInput", "Changes of a series. What is left out keeps its value, a null clears it.", _TEXTS
)

FAILURE: Any = object_type(
    "Failure",
    "One row that was not stored.",
    (
        attribute("part", "part", str, "The list of the document that it stands in."),
        attribute("index", "index", int, "Its place there, from 0."),
        attribute("field", "field", str | None, "The field at fault."),
        attribute("code", "code", str, "What is wrong, stable."),
        attribute("message", "message", str, "What is wrong, in words."),
    ),
)
VERDICTS: Any = object_type(
    "Verdicts",
    "How many data points of a batch became what.",
    tuple(attribute(name, name, int, meaning) for name, meaning in VERDICT_MEANINGS.items()),
)
RECEIPT: Any = object_type(
    "Receipt",
    "What became of a batch that is committed and on disk.",
    (
        attribute("totalProcessed", "total_processed", int, "Data points of the batch."),
        attribute("successful", "successful", int, "Rows that are stored now, those that were before included."),
        attribute("failed", "failed", int, "Rows that were not stored."),
        attribute("verdicts", "verdicts", VERDICTS, "What became of the points."),
        attribute("failures", "failures", list[FAILURE], "Why; may be cut short, `failed` never is."),
        attribute("snapshot", "snapshot", str, "A state that holds all that was stored."),
        attribute("batchId", "batch_id", str, "What the receipt can be asked for again by."),
    ),
)
