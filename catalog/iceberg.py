"""Opens the Iceberg catalog and its tables; the one seam where errors of the libraries below become ours."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
from pyiceberg.catalog.sql import IcebergTables
from pyiceberg.exceptions import CommitFailedException, NamespaceAlreadyExistsError, TableAlreadyExistsError
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.sorting import SortField, SortOrder
from pyiceberg.transforms import IdentityTransform
from sqlalchemy import Connection, MetaData, event, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateIndex, CreateTable

from catalog.errors import CatalogError, StorageDamaged, StorageFailed, StorageFull
from catalog.files import DurableFileIO, make_durable_directory, make_durable_root
from catalog.locks import exclusive, storage_error
from catalog.members import Members
from catalog.model import Column, Table, Tables
from catalog.shapes import iceberg_schema, partition_spec
from catalog.sql_catalog import ParsedOnceCatalog, Swap
from catalog.turns import Turns
from catalog.watch import CatalogWatch

T = TypeVar("T")

NAMESPACE = "finlake"
DATABASE = "catalog.db"
BUSY_SECONDS = 30

# Columns whose bounds are kept in the manifests, wherever a table has them: what files are pruned by, and what tells
# the level of a file, how new its rows are, and whether some of them are deleted.
BOUNDED_COLUMNS = (
    "id",
    "source_id",
    "series_id",
    "date",
    "revision_date",
    "superseded_on",
    "hidden_through",
    "is_deleted",
    "seq",
    "level",
)

PROPERTIES = {
    "write.delete.isolation-level": "snapshot",
    "write.update.isolation-level": "snapshot",
    "commit.manifest-merge.enabled": "true",
    "commit.manifest.min-count-to-merge": "16",
    # A conflict must run the revision rules again on the new state, so pyiceberg may not retry on its own.
    "commit.retry.num-retries": "0",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
    "write.metadata.metrics.default": "none",
    "gc.enabled": "false",
}


class Lake:
    """An open catalog. Tables are loaded afresh at each use: a shared pyiceberg Table loses commits."""

    def __init__(self, data_dir: Path, model: Tables, width: int = 1) -> None:
        """Open the catalog below `data_dir`, and make the tables that are missing, partitioned by so many characters.

        Tables that are there stay as they are (`catalog.evolution`). Raises StorageFailed, StorageFull.
        """
        self.model = model
        self.data_dir = data_dir.resolve()
        self.turns = Turns(self.data_dir)
        self.members = Members()
        if set("?#%") & set(str(self.data_dir)):
            raise StorageFailed("The data folder's path holds one of ? # %.", "Choose another FINLAKE_DATA_DIR.")
        with translated():
            make_durable_root(self.data_dir)
            self.io = DurableFileIO()
            # Of two services that start on an empty folder, one would find the catalog half made.
            with exclusive(self.data_dir):
                self._catalog = _open_catalog(self.data_dir)
                for table in model.tables:
                    _create_if_missing(self._catalog, table, width)
                self.watch = CatalogWatch(self.data_dir / DATABASE)

    def load(self, table: Table) -> IcebergTable:
        """The table as it is now, for one commit in one thread; never keep it."""
        return self._newest(table, lambda: self._catalog.load_table((NAMESPACE, table.name)))

    def metadata_on_disk(self, table: Table) -> TableMetadata:
        """What the newest metadata file of a table says now, whatever is held of it in memory."""
        return self._newest(table, lambda: self._catalog.read(self.metadata_locations()[table.name]))

    def _newest(self, table: Table, read: Callable[[], T]) -> T:
        def once() -> T:
            with reading(f"metadata of {table.name}"):
                return read()

        try:
            return once()
        except StorageDamaged:
            return once()  # old metadata goes while others commit: there may be newer by now

    def metadata_locations(self) -> Mapping[str, str]:
        """Where each table's newest metadata is, all read in one statement: one consistent state of the catalog."""
        statement = select(IcebergTables.table_name, IcebergTables.metadata_location).where(
            IcebergTables.catalog_name == self._catalog.name, IcebergTables.table_namespace == NAMESPACE
        )
        with translated(), self._catalog.engine.connect() as connection:
            return {name: location or "" for name, location in connection.execute(statement)}

    def swap(self, swaps: Sequence[Swap], beside: Callable[[Connection], None]) -> None:
        """Make commits that are written valid, all or none, in one transaction with what `beside` writes to the
        catalog's database. Raises CommitFailedException where another commit of one of the tables was faster."""
        self._catalog.swap(swaps, beside)

    @contextmanager
    def transaction(self) -> Generator[Connection]:
        """A transaction of the catalog's database, for tables of our own beside Iceberg's; durable once it ends."""
        with translated(), self._catalog.engine.begin() as connection:
            yield connection

    def make_missing(self, tables: MetaData) -> None:
        """Make tables of our own that are not there yet. Nothing is looked up before: a rival could be in between."""
        with self.transaction() as connection:
            for table in tables.sorted_tables:
                connection.execute(CreateTable(table, if_not_exists=True))
                for index in table.indexes:
                    connection.execute(CreateIndex(index, if_not_exists=True))

    def relative(self, location: str) -> str:
        """The path of a stored file below the data folder. Raises StorageDamaged where it lies elsewhere."""
        path = location.removeprefix("file://")
        if not path.startswith(f"{self.data_dir}/"):
            raise StorageDamaged("A stored file lies outside the data folder.", file=Path(path).name)
        return path.removeprefix(f"{self.data_dir}/")

    def read_metadata(self, location: str) -> TableMetadata:
        with reading(location):
            return self._catalog.metadata_at(location)

    def close(self) -> None:
        self.watch.close()
        self._catalog.engine.dispose()


@contextmanager
def translated() -> Generator[None]:
    """Errors of the libraries below become CatalogErrors; a conflict passes, as the committer's retry wants it."""
    try:
        yield
    except (CatalogError, CommitFailedException):
        raise
    except FileNotFoundError as error:
        raise StorageDamaged("A stored file is missing.", file=_file_name(error)) from error
    except OSError as error:
        raise storage_error(error) from error
    except SQLAlchemyError as error:
        if isinstance(error.__cause__, sqlite3.OperationalError) and "full" in str(error.__cause__):
            raise StorageFull("The catalog's volume is full.") from error
        raise StorageFailed(f"The catalog database failed: {type(error).__name__}.") from error
    except pa.ArrowException as error:
        raise StorageDamaged("A stored file cannot be read.") from error


@contextmanager
def reading(file: str) -> Generator[None]:
    """As `translated`, around the reading of a stored file: what its parsers cannot make sense of is damaged."""
    with translated():
        try:
            yield
        except (CatalogError, SQLAlchemyError):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise StorageDamaged("A stored file cannot be read.", file=Path(file).name) from error


def _file_name(error: FileNotFoundError) -> str:
    return Path(str(error.filename or error).rsplit(": ", 1)[-1]).name


def _open_catalog(data_dir: Path) -> ParsedOnceCatalog:
    database = data_dir / DATABASE
    warehouse = data_dir / "warehouse"
    make_durable_directory(warehouse)
    catalog = ParsedOnceCatalog(
        NAMESPACE,
        uri=f"sqlite:///{database}?timeout={BUSY_SECONDS}",
        warehouse=f"file://{warehouse}",
        **{"py-io-impl": f"{DurableFileIO.__module__}.{DurableFileIO.__name__}"},
    )
    # The catalog has opened connections of its own already: drop them, so that all have the settings below.
    catalog.engine.dispose()
    event.listen(catalog.engine, "connect", _durable_sqlite)
    event.listen(catalog.engine, "checkin", _end_transaction)
    try:
        catalog.create_namespace(NAMESPACE)
    except NamespaceAlreadyExistsError:
        pass
    return catalog


def _durable_sqlite(connection: Any, _: Any) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


def _end_transaction(connection: Any, _: Any) -> None:
    """A commit that fails may leave its transaction open, and SQLAlchemy then lets it be: whoever had the connection
    next would see as landed what is not."""
    if connection is not None and connection.in_transaction:
        connection.rollback()


def _create_if_missing(catalog: ParsedOnceCatalog, table: Table, width: int) -> None:
    with reading(f"metadata of {table.name}"):
        if catalog.table_exists((NAMESPACE, table.name)):
            return
    try:
        catalog.create_table(
            (NAMESPACE, table.name),
            iceberg_schema(table),
            partition_spec=partition_spec(table, width),
            sort_order=_sort_order(table),
            properties=PROPERTIES | {"format-version": "2"} | metrics_properties(table.columns),
        )
    except TableAlreadyExistsError:
        pass  # another process was faster, with the same model


def _sort_order(table: Table) -> SortOrder:
    return SortOrder(*(SortField(table.by_name[name].field_id, IdentityTransform()) for name in table.sort))


def metrics_properties(columns: Iterable[Column]) -> dict[str, str]:
    """What makes a table keep the bounds of those among its columns that files are pruned by."""
    names = [column.name for column in columns if column.name in BOUNDED_COLUMNS]
    return {f"write.metadata.metrics.column.{name}": "full" for name in names}
