"""The mutations: documents for the writer of the ingest door, and what it stored, read back.

What is absent from an input stays absent from the document, a null stays a null. Rows are checked by the writer, which
reports each bad one; only what is no date or no number at all is refused before.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

import strawberry

from api.graphql.batches import EntityBatch
from api.graphql.building import Argument, attribute, object_type, resolved
from api.graphql.entities import Entity
from api.graphql.mutation_types import (
    BULK_INPUT,
    CREATE_INPUT,
    RECEIPT,
    UPDATE_INPUT,
    Mode,
)
from api.graphql.request import Request, Row
from api.graphql.resolvers import FieldInfo, Resolver, canonical_id
from api.json_rows import plain_decimal
from api.problems import Problem
from api.writing import Receipt
from catalog.identity import series_id


@dataclass(frozen=True, slots=True)
class SeriesPayload:
    series: Row | None
    receipt: Receipt


def mutation_type(entities: Mapping[str, Entity], types: Mapping[str, Any]) -> Any:
    """The mutations of the shipped model; None for a model without its tables."""
    entity = entities.get("Series")
    if entity is None or "DataPoint" not in entities or entity.table.name != "series":
        return None
    payload: Any = object_type(
        "SeriesPayload",
        "A series as the mutation left it.",
        (
            attribute("series", "series", types["Series"], "The series, read back."),
            attribute("receipt", "receipt", RECEIPT, "What was stored."),
        ),
    )
    named = Argument("id", strawberry.ID, "The id of the series.")
    new = Argument("input", CREATE_INPUT, "The series.")
    changes = Argument("input", UPDATE_INPUT, "The changes.")
    batch = Argument("input", BULK_INPUT, "The batch.")
    mode = Argument("mode", Mode, "Whether bad rows refuse the good ones.", Mode.PARTIAL)
    fields = (
        resolved("createSeries", payload, "Stores a series that does not exist yet.", _create(entity), (new,)),
        resolved("updateSeries", payload, "Changes what describes a series.", _update(entity), (named, changes)),
        resolved("deleteSeries", RECEIPT, "Hides a series and all its points.", _delete, (named,)),
        resolved("bulkUpsertDataPoints", RECEIPT, "Stores sources, series and points.", _bulk, (batch, mode)),
    )
    return object_type("Mutation", "Everything that can be written. What is acknowledged is on disk.", fields)


def _create(entity: Entity) -> Resolver:
    async def resolve(info: FieldInfo, **given: Any) -> SeriesPayload:
        new = document_of(given["input"])
        key = series_id(new["source"], new["external_id"])
        is_repeat = bool(info.context.key) and await info.context.writer.knows(_key(info))
        if not is_repeat and await _read(info.context, entity, key, frozenset(), None) is not None:
            hint = "Change it with updateSeries, or post it with bulkUpsertDataPoints, which creates or changes."
            raise Problem("already_exists", f"There is a series {key} already.", hint, {"id": key})
        return await _written(info, entity, key, new)

    return resolve


def _update(entity: Entity) -> Resolver:
    async def resolve(info: FieldInfo, **given: Any) -> SeriesPayload:
        key = canonical_id(given["id"])
        if await _read(info.context, entity, key, frozenset(), None) is None:
            raise Problem("unknown_entity", f"There is no series {key}.")
        return await _written(info, entity, key, {"series_id": key, **document_of(given["input"])})

    return resolve


async def _delete(info: FieldInfo, **given: Any) -> Receipt:
    return _noted(info.context, await info.context.writer.delete_series(canonical_id(given["id"]), _key(info)))


def _key(info: FieldInfo) -> str:
    """The idempotency key of one field: a document may hold several mutations, each under its own name."""
    return f"{info.context.key}/{info.path.key}" if info.context.key else ""


async def _bulk(info: FieldInfo, **given: Any) -> Receipt:
    request, batch = info.context, given["input"]
    rows_max = request.limits.graphql_upsert_rows_max
    rows = sum(len(batch.get(part) or ()) for part in ("series", "dataPoints"))
    if rows > rows_max:
        details = {"limit": "graphql_upsert_rows_max", "value": rows_max, "found": rows}
        hint = "Split the batch, or post it to /api/v1/financial-data/bulk, which takes more and is faster."
        raise Problem("limit_exceeded", f"The batch has {rows} rows, at most {rows_max} are allowed.", hint, details)
    mode: Mode = given["mode"]
    return _noted(request, await request.writer.write(document_of(batch), mode.value, _key(info)))


async def _written(info: FieldInfo, entity: Entity, key: str, entry: Mapping[str, Any]) -> SeriesPayload:
    """Stores one series and reads it back in the state that holds it."""
    request = info.context
    receipt = _noted(request, await request.writer.write({"series": [entry]}, "atomic", _key(info)))
    columns = info.selection_below(entity, "series").columns
    return SeriesPayload(await _read(request, entity, key, columns, receipt.snapshot), receipt)


async def _read(
    request: Request, entity: Entity, key: str, columns: frozenset[str], snapshot: str | None
) -> Row | None:
    token = snapshot or await request.reader.run(request.reader.engine.current)
    return await request.load(EntityBatch(entity, entity.table.key[0], columns, request.at(token)), key)


def _noted(request: Request, receipt: Receipt) -> Receipt:
    request.at(receipt.snapshot)
    return receipt


def document_of(given: Any) -> Any:
    """An input as the document that the writer takes: wire names, decimals and dates as texts."""
    match given:
        case dict():
            fields = cast("dict[str, Any]", given)
            return {_wire_name(name): document_of(value) for name, value in fields.items()}
        case list():
            return [document_of(item) for item in cast("list[Any]", given)]
        case Decimal():
            return plain_decimal(given)
        case dt.date():
            return given.isoformat()
        case _:
            return given


def _wire_name(name: str) -> str:
    return re.sub(r"[A-Z]", lambda found: f"_{found[0].lower()}", name)
