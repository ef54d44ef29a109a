"""The schema is that of the model; a change of it is a change of tests/graphql/schema.graphql."""

from __future__ import annotations

from pathlib import Path

from graphql import GraphQLObjectType, validate_schema
from graphql import build_schema as parsed_schema

from api.graphql.schema import build_schema
from api.limits import Limits
from catalog.model import MODEL, Collection, Column, Relation, Table, Tables, Type

SDL = Path(__file__).with_name("schema.graphql")

INSTRUMENTS = Table(
    "instruments",
    "What is traded.",
    (
        Column(1, "id", Type.UUID, "The id.", False),
        Column(2, "ticker_symbol", Type.STRING, "The ticker.", False),
        Column(3, "shares", Type.LONG, "Shares outstanding."),
        Column(4, "secret", Type.STRING, "Never shown.", hidden=True),
    ),
    ("id",),
    ("id",),
    relations=(Relation("prices", "prices", ("id",), ("instrument_id",), many=True),),
)
PRICES = Table(
    "prices",
    "Closing prices.",
    (
        Column(1, "instrument_id", Type.UUID, "The instrument.", False),
        Column(2, "day", Type.DATE, "The trading day.", False),
        Column(3, "corrected_on", Type.DATE, "The day of the correction.", False),
        Column(4, "close", Type.DECIMAL, "The close."),
    ),
    ("instrument_id", "day"),
    ("instrument_id", "day"),
    revision="corrected_on",
    relations=(Relation("instrument", "instruments", ("instrument_id",), ("id",), many=False),),
)
SECOND_MODEL = Tables(
    (INSTRUMENTS, PRICES),
    (
        Collection("Instruments", "Instrument", "instruments", "What is traded."),
        Collection("Prices", "Price", "prices", "Closing prices."),
        Collection("Corrections", "Correction", "prices", "All corrections.", every_revision=True),
    ),
)


def test_the_schema_is_the_one_on_record(accept: bool) -> None:
    sdl = build_schema(MODEL, Limits()).as_str() + "\n"
    if accept:
        SDL.write_text(sdl, encoding="utf-8")
    assert sdl == SDL.read_text(encoding="utf-8")
    assert not validate_schema(parsed_schema(sdl))


def test_another_model_has_its_own_types() -> None:
    schema = parsed_schema(build_schema(SECOND_MODEL, Limits()).as_str())
    query = schema.query_type
    assert query is not None
    assert set(query.fields) == {"instrument", "instruments", "instrumentList", "prices", "priceGroups", "aligned"}
    assert set(query.fields["prices"].args) >= {"instrumentId", "timeRange", "asOf"}
    instrument = schema.type_map["Instrument"]
    assert isinstance(instrument, GraphQLObjectType)
    assert {name: str(field.type) for name, field in instrument.fields.items()} == {
        "id": "ID!",
        "tickerSymbol": "String!",
        "shares": "BigInt",
        "prices": "[Price!]!",
        "aggregates": "[PriceStats!]!",
        "corrections": "[Correction!]!",
        "vintages": "[Date!]!",
    }
    assert schema.mutation_type is None
    assert "secret" not in build_schema(SECOND_MODEL, Limits()).as_str()
