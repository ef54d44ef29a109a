"""How a logical type is stored: the one place that says so, for Arrow, Iceberg and SQL."""

from __future__ import annotations

import pyarrow as pa
from pyiceberg.types import (
    BooleanType,
    DateType,
    DecimalType,
    LongType,
    PrimitiveType,
    StringType,
    TimestamptzType,
)

from catalog.model import DECIMAL_PRECISION, DECIMAL_SCALE, Column, Table, Type

ARROW_TYPES: dict[Type, pa.DataType] = {
    Type.UUID: pa.string(),
    Type.STRING: pa.string(),
    Type.DATE: pa.date32(),
    Type.TIMESTAMP: pa.timestamp("us", tz="UTC"),
    Type.BOOLEAN: pa.bool_(),
    Type.DECIMAL: pa.decimal128(DECIMAL_PRECISION, DECIMAL_SCALE),
    Type.LONG: pa.int64(),
}

SQL_TYPES: dict[Type, str] = {
    Type.UUID: "varchar",
    Type.STRING: "varchar",
    Type.DATE: "date",
    Type.TIMESTAMP: "timestamptz",
    Type.BOOLEAN: "boolean",
    Type.DECIMAL: f"decimal({DECIMAL_PRECISION},{DECIMAL_SCALE})",
    Type.LONG: "bigint",
}
ICEBERG_TYPES: dict[Type, PrimitiveType] = {
    Type.UUID: StringType(),
    Type.STRING: StringType(),
    Type.DATE: DateType(),
    Type.TIMESTAMP: TimestamptzType(),
    Type.BOOLEAN: BooleanType(),
    Type.DECIMAL: DecimalType(DECIMAL_PRECISION, DECIMAL_SCALE),
    Type.LONG: LongType(),
}


def arrow_schema(table: Table) -> pa.Schema:
    """The schema of the table's files. Fields carry their Iceberg ids, so that a renamed column is still found."""
    return pa.schema([_arrow_field(column) for column in table.columns])


def _arrow_field(column: Column) -> pa.Field:
    metadata = {"PARQUET:field_id": str(column.field_id)}
    return pa.field(column.name, ARROW_TYPES[column.type], nullable=column.nullable, metadata=metadata)
