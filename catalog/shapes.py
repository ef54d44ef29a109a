"""The shape of a stored table beside the model: its schemas and how it is partitioned.

A lake outlives the program that made it. What was stored under an earlier schema is read by field id: a column that
came later is null there, a type that was narrower is widened. What Iceberg allows to become of a schema is allowed
here, but for renaming; anything else is a misfit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum

from pyiceberg.exceptions import ResolveError
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC, PartitionField, PartitionSpec
from pyiceberg.schema import Schema, promote
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.transforms import TruncateTransform
from pyiceberg.types import IcebergType, NestedField

from catalog.errors import SchemaMismatch
from catalog.model import Column, Table
from catalog.schemas import ICEBERG_TYPES

PARTITION_FIELD_ID = 1000
_TRUNCATED = re.compile(r"truncate\[(\d+)\]")
UPDATE_HINT = "The lake was made or changed by another version of finlake: use that one, or a later one."
START_HINT = "Start the service of this version once: it brings the tables up to date."


class Generation(Enum):
    """What is known of the files of a snapshot."""

    PRESENT = "present"  # all have just the model's columns and types
    MIXED = "mixed"  # some may be of earlier schemas: read them by field id
    UNKNOWN = "unknown"  # the model cannot tell what they hold


def iceberg_schema(table: Table) -> Schema:
    return Schema(*map(iceberg_field, table.columns), identifier_field_ids=[])


def iceberg_field(column: Column) -> NestedField:
    return NestedField(column.field_id, column.name, ICEBERG_TYPES[column.type], required=not column.nullable)


def partition_spec(table: Table, width: int) -> PartitionSpec:
    if table.partition is None:
        return UNPARTITIONED_PARTITION_SPEC
    source = table.by_name[table.partition].field_id
    transform: TruncateTransform[str] = TruncateTransform(width=width)
    return PartitionSpec(PartitionField(source, PARTITION_FIELD_ID, transform, f"{table.partition}_trunc"))


def partition_width(table: Table, metadata: TableMetadata) -> int | None:
    """How many characters of the partition column name a partition of new files; None of a table without partitions.

    Raises SchemaMismatch where the table is partitioned in another way.
    """
    fields = metadata.spec().fields
    if table.partition is None and not fields:
        return None
    if table.partition is not None and len(fields) == 1:
        is_ours = fields[0].source_id == table.by_name[table.partition].field_id
        if is_ours and (found := _TRUNCATED.fullmatch(fields[0].model_dump(mode="json")["transform"])):
            return int(found[1])
    raise SchemaMismatch(f"The table {table.name} is not partitioned as finlake does it.", UPDATE_HINT)


def is_present(table: Table, schema: Schema) -> bool:
    """Whether a schema is the one that the model writes, in any order of its columns."""
    return set(map(_described, schema.fields)) == set(map(_described, iceberg_schema(table).fields))


def misfit(table: Table, schema: Schema) -> str:
    """Why the model cannot read what was stored under a schema; empty where it can."""
    stored = {field.field_id: field for field in schema.fields}
    known = {column.field_id: column for column in table.columns}
    for field_id, field in stored.items():
        column = known.get(field_id)
        if column is None or column.name != field.name:
            return f"The table {table.name} has a column {field.name} that this version does not know."
        if not _widens(field.field_type, ICEBERG_TYPES[column.type]):
            return f"The column {field.name} of {table.name} is a {field.field_type}, which this version does not read."
        if not column.nullable and not field.required:
            return f"The column {field.name} of {table.name} may be null, which this version does not expect."
    for column in table.columns:
        if column.field_id not in stored and not column.nullable:
            return f"The table {table.name} lacks the column {column.name}, which cannot be null."
    return ""


def check_writable(table: Table, metadata: TableMetadata) -> None:
    """Raises SchemaMismatch where rows of the model are not all that the table's new files must hold."""
    if not is_present(table, metadata.schema()):
        why = misfit(table, metadata.schema())
        raise SchemaMismatch(
            why or f"The table {table.name} has an earlier schema.", UPDATE_HINT if why else START_HINT
        )


def generation(table: Table, schemas: Iterable[Schema], schema_id: int) -> Generation:
    """Of the files that a snapshot with a schema shows: they were written under that schema or earlier ones."""
    by_id = {schema.schema_id: schema for schema in schemas}
    schema = by_id.get(schema_id)
    if schema is None or misfit(table, schema):
        return Generation.UNKNOWN
    return Generation.PRESENT if schema_id == min(by_id) and is_present(table, schema) else Generation.MIXED


def _widens(stored: IcebergType, wanted: IcebergType) -> bool:
    try:
        return stored == wanted or promote(stored, wanted) == wanted
    except ResolveError:
        return False


def _described(field: NestedField) -> tuple[int, str, IcebergType, bool]:
    return field.field_id, field.name, field.field_type, field.required
