"""How a logical type is stored: the one place that says so, for Arrow, Iceberg and SQL."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
from pyiceberg.types import (
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
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
    Type.DOUBLE: pa.float64(),
}

SQL_TYPES: dict[Type, str] = {
    Type.UUID: "varchar",
    Type.STRING: "varchar",
    Type.DATE: "date",
    Type.TIMESTAMP: "timestamptz",
    Type.BOOLEAN: "boolean",
    Type.DECIMAL: f"decimal({DECIMAL_PRECISION},{DECIMAL_SCALE})",
    Type.LONG: "bigint",
    Type.DOUBLE: "double",
}
ICEBERG_TYPES: dict[Type, PrimitiveType] = {
    Type.UUID: StringType(),
    Type.STRING: StringType(),
    Type.DATE: DateType(),
    Type.TIMESTAMP: TimestamptzType(),
    Type.BOOLEAN: BooleanType(),
    Type.DECIMAL: DecimalType(DECIMAL_PRECISION, DECIMAL_SCALE),
    Type.LONG: LongType(),
    Type.DOUBLE: DoubleType(),
}


def arrow_schema(table: Table) -> pa.Schema:
    """The schema of the table's files. Fields carry their Iceberg ids, so that a renamed column is still found."""
    return pa.schema([_arrow_field(column) for column in table.columns])


def as_present(rows: pa.Table, table: Table) -> pa.Table:
    """Rows of a file that may be of an earlier schema, as the model has them: what came later is null."""
    schema = arrow_schema(table)
    columns = [
        rows.column(field.name) if field.name in rows.schema.names else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema.names).cast(schema)


def sql_by_id(columns: Iterable[Column]) -> str:
    """Columns as DuckDB's readers of Parquet take them, to find them by field id in files of earlier schemas: what is
    not there is null, what is narrower is widened."""
    fields = (
        f"{column.field_id}: {{'name': '{column.name}', 'type': '{SQL_TYPES[column.type]}', 'default_value': NULL}}"
        for column in columns
    )
    return f"MAP {{{', '.join(fields)}}}"


def _arrow_field(column: Column) -> pa.Field:
    metadata = {"PARQUET:field_id": str(column.field_id)}
    return pa.field(column.name, ARROW_TYPES[column.type], nullable=column.nullable, metadata=metadata)
