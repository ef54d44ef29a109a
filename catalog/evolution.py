"""Evolution: a lake that an earlier version made, or that was partitioned otherwise, becomes what the model says.

Files stay as they are: a table gets one commit of metadata, told as what must be true, so that it may be tried again
and by several. Before the first one all tables are looked at: what the model cannot take over is refused whole.
"""

from __future__ import annotations

from pathlib import Path

from pyiceberg.table import Table as IcebergTable
from pyiceberg.table import Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.transforms import TruncateTransform

from catalog.alter import Change, alter
from catalog.errors import SchemaMismatch
from catalog.iceberg import Lake, metrics_properties
from catalog.locks import exclusive
from catalog.model import Column, Table, Tables
from catalog.schemas import ICEBERG_TYPES
from catalog.shapes import UPDATE_HINT, is_present, misfit, partition_width


def open_lake(data_dir: Path, model: Tables, width: int) -> Lake:
    """Open a lake, and bring its tables up to the model and to a partition width. A crash in between is made good by
    whoever opens it next.

    Raises SchemaMismatch, with nothing changed, where a column was dropped, renamed or narrowed, or is new and not
    nullable; else the errors of storage.
    """
    lake = Lake(data_dir, model, width)
    try:
        with exclusive(lake.data_dir):
            for table in model.tables:
                _check(table, lake.load(table).metadata)
            for table in model.tables:
                alter(lake, table, _brought_up(table, width))
    except BaseException:
        lake.close()
        raise
    return lake


def _check(table: Table, metadata: TableMetadata) -> None:
    partition_width(table, metadata)
    if why := misfit(table, metadata.schema()):
        raise SchemaMismatch(why, UPDATE_HINT)
    ids = [column.field_id for column in _new_columns(table, metadata)]
    if ids != list(range(metadata.last_column_id + 1, metadata.last_column_id + 1 + len(ids))):
        raise SchemaMismatch(
            f"The new columns of {table.name} do not have the numbers that come next.", UPDATE_HINT, field_ids=ids
        )


def _new_columns(table: Table, metadata: TableMetadata) -> list[Column]:
    stored = {field.field_id for field in metadata.schema().fields}
    return sorted(
        (column for column in table.columns if column.field_id not in stored), key=lambda column: column.field_id
    )


def _brought_up(table: Table, width: int) -> Change:
    def change(target: IcebergTable) -> None:
        # Another version may have been here since all tables were looked at.
        _check(table, target.metadata)
        new_schema = not is_present(table, target.schema())
        new_width = partition_width(table, target.metadata) not in (None, width)
        new_properties = metrics_properties(table.columns).items() - target.properties.items()
        if new_schema or new_width or new_properties:
            with target.transaction() as transaction:
                if new_schema:
                    _evolve_schema(transaction, table)
                if new_properties:
                    transaction.set_properties(dict(new_properties))
                if new_width:
                    _evolve_spec(transaction, table, width)

    return change


def _evolve_schema(transaction: Transaction, table: Table) -> None:
    stored = {field.field_id: field for field in transaction.table_metadata.schema().fields}
    new = _new_columns(table, transaction.table_metadata)
    with transaction.update_schema() as update:
        for column in table.columns:
            field = stored.get(column.field_id)
            if field is not None and field.field_type != ICEBERG_TYPES[column.type]:
                update.update_column(column.name, field_type=ICEBERG_TYPES[column.type])
            if field is not None and field.required and column.nullable:
                update.make_column_optional(column.name)
        for column in new:
            update.add_column(column.name, ICEBERG_TYPES[column.type])


def _evolve_spec(transaction: Transaction, table: Table, width: int) -> None:
    transform: TruncateTransform[str] = TruncateTransform(width=width)
    with transaction.update_spec() as update:
        update.remove_field(transaction.table_metadata.spec().fields[0].name)
        # Without a name: a width that was there before has its field again, another one a name of its own.
        update.add_field(table.partition or "", transform)
