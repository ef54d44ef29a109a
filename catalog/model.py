"""The model: tables, columns, keys and relations as plain values.

Everything above is derived from these values: OData metadata, the GraphQL schema, validation, planning and the
Iceberg schemas. Nothing here knows how a table is stored or served, so a second model can be mounted beside this one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cached_property


class Type(Enum):
    """The logical types of a column, with the Python value that carries each."""

    UUID = "uuid"  # str, canonical lower-case text
    STRING = "string"  # str
    DATE = "date"  # datetime.date
    TIMESTAMP = "timestamp"  # datetime.datetime, aware, UTC, microseconds
    BOOLEAN = "boolean"  # bool
    DECIMAL = "decimal"  # decimal.Decimal, at most DECIMAL_PRECISION digits, DECIMAL_SCALE of them fraction
    LONG = "long"  # int, 64 bits
    DOUBLE = "double"  # float, finite; no stored column has it: it is what averages and the like come out as


SUPERSEDED = "superseded_on"
DELETED = "is_deleted"
FIRST_REVISION = "first_revision"
DELTA_LEVEL = 1  # of merged deltas; fresh appends have level 0
BASE_LEVEL = 2

DECIMAL_PRECISION = 38
DECIMAL_SCALE = 18

FREQUENCIES = (
    "intraday",
    "daily",
    "weekly",
    "biweekly",
    "monthly",
    "quarterly",
    "semiannual",
    "annual",
    "irregular",
)


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `field_id` is the Iceberg field id: it is never changed and never used again.

    pyiceberg numbers the fields of a new table from 1 in order, so the ids of a model's columns do too, and a column
    that comes later takes the next number and stands last.

    A hidden column is stored and planned with, but no protocol shows it. `choices` lists the only values a writer
    may give; a reader is not promised that older rows keep to them.
    """

    field_id: int
    name: str
    type: Type
    description: str
    nullable: bool = True
    hidden: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Relation:
    """A way from one table to another: `columns` here equal `target_columns` there."""

    name: str
    target: str
    columns: tuple[str, ...]
    target_columns: tuple[str, ...]
    many: bool


@dataclass(frozen=True)
class Table:
    """A stored table: rows of one key replace one another, the later commit wins.

    Where `revision` names a column, the table keeps every revision: rows of one key with different values in that
    column all stay, and a reader chooses among them by date. Each of `alternate_keys` names a row as well as the key.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    sort: tuple[str, ...]
    partition: str | None = None
    revision: str | None = None
    relations: tuple[Relation, ...] = ()
    alternate_keys: tuple[tuple[str, ...], ...] = ()

    @cached_property
    def by_name(self) -> dict[str, Column]:
        return {column.name: column for column in self.columns}

    @cached_property
    def visible(self) -> tuple[Column, ...]:
        """The columns that protocols show, in the model's order."""
        return tuple(column for column in self.columns if not column.hidden)

    @cached_property
    def axis(self) -> str | None:
        """The key column with the date of a row: of a point, not of its revision."""
        return next((name for name in self.key if self.by_name[name].type is Type.DATE), None)

    @cached_property
    def row_key(self) -> tuple[str, ...]:
        """The columns that name one stored row: the key, and the revision column where there is one."""
        return (*self.key, self.revision) if self.revision else self.key


@dataclass(frozen=True, slots=True)
class Collection:
    """A table as readers see it: `name` is the plural, `singular` the type of one entity.

    `every_revision` shows all revisions of a key; without it a reader sees one row a key.
    """

    name: str
    singular: str
    table: str
    description: str
    every_revision: bool = False


@dataclass(frozen=True)
class Tables:
    """A model: the tables and the collections they are shown as."""

    tables: tuple[Table, ...]
    collections: tuple[Collection, ...]

    @cached_property
    def by_name(self) -> dict[str, Table]:
        return {table.name: table for table in self.tables}

    @cached_property
    def by_collection(self) -> dict[str, Collection]:
        return {collection.name: collection for collection in self.collections}

    def key_of(self, collection: Collection) -> tuple[str, ...]:
        """The columns that name one entity of a collection."""
        table = self.by_name[collection.table]
        return table.row_key if collection.every_revision else table.key


def _housekeeping(first_id: int) -> tuple[Column, ...]:
    """The columns that every table carries for its own book-keeping."""
    return (
        Column(first_id, DELETED, Type.BOOLEAN, "The row says that its key is gone.", False, hidden=True),
        Column(first_id + 1, "created_at", Type.TIMESTAMP, "When finlake first stored the row (UTC).", False),
        Column(first_id + 2, "updated_at", Type.TIMESTAMP, "When finlake last stored the row (UTC).", False),
        Column(
            first_id + 3,
            "seq",
            Type.LONG,
            "The commit sequence of the row where a merge has moved it; null in fresh files.",
            hidden=True,
        ),
        Column(first_id + 4, "level", Type.LONG, "0 fresh append, 1 merged delta, 2 base.", False, hidden=True),
    )


SOURCES = Table(
    name="sources",
    description="Publishers of series: statistical offices, central banks, data vendors.",
    columns=(
        Column(1, "id", Type.UUID, "uuid5 of the source's name.", False),
        Column(2, "name", Type.STRING, "The unique short name that crawlers post under.", False),
        Column(3, "title", Type.STRING, "The name to show."),
        Column(4, "description", Type.STRING, "What the source publishes."),
        Column(5, "url", Type.STRING, "Where the source can be visited."),
        Column(6, "license", Type.STRING, "The terms its numbers are published under."),
        *_housekeeping(7),
    ),
    key=("id",),
    sort=("id",),
    relations=(Relation("series", "series", ("id",), ("source_id",), many=True),),
    alternate_keys=(("name",),),
)

SERIES = Table(
    name="series",
    description="Time series: what is measured, in which units, how often, by whom.",
    columns=(
        Column(1, "id", Type.UUID, "uuid5 of the source's name and the external id.", False),
        Column(2, "source_id", Type.UUID, "The id of the source.", False),
        Column(3, "source", Type.STRING, "The name of the source.", False),
        Column(4, "external_id", Type.STRING, "The source's own id of the series.", False),
        Column(5, "title", Type.STRING, "The name to show.", False),
        Column(6, "description", Type.STRING, "What is measured, and how."),
        Column(7, "units", Type.STRING, "The units of the values."),
        Column(8, "frequency", Type.STRING, "How often the series has a point.", choices=FREQUENCIES),
        Column(9, "seasonal_adjustment", Type.STRING, "How the values are adjusted for season."),
        Column(
            10,
            "hidden_through",
            Type.LONG,
            "Points up to this commit sequence of data_points belong to a deleted life of the series.",
            hidden=True,
        ),
        *_housekeeping(11),
    ),
    key=("id",),
    sort=("id",),
    relations=(
        Relation("source", "sources", ("source_id",), ("id",), many=False),
        Relation("data_points", "data_points", ("id",), ("series_id",), many=True),
    ),
    alternate_keys=(("source", "external_id"),),
)

DATA_POINTS = Table(
    name="data_points",
    description="Observations and every revision of them.",
    columns=(
        Column(1, "series_id", Type.UUID, "The id of the series.", False),
        Column(2, "date", Type.DATE, "The date or first day of the period observed.", False),
        Column(3, "revision_date", Type.DATE, "The day the source published this value.", False),
        Column(4, "value", Type.DECIMAL, "The value; null says that the source withdrew the point."),
        Column(
            5,
            "is_original_release",
            Type.BOOLEAN,
            "True for the first publication: as the crawler said, else the earliest revision on record.",
        ),
        Column(6, SUPERSEDED, Type.DATE, "An upper bound of the row's validity, set by merges.", hidden=True),
        Column(7, FIRST_REVISION, Type.DATE, "The earliest revision date of the key, set by merges.", hidden=True),
        *_housekeeping(8),
    ),
    key=("series_id", "date"),
    sort=("series_id", "date", "revision_date"),
    partition="series_id",
    revision="revision_date",
    relations=(Relation("series", "series", ("series_id",), ("id",), many=False),),
)

# No collection shows it. A point that a vintage repeated is not stored; that the vintage was seen must be known.
VINTAGES = Table(
    name="vintages",
    description="The vintages of series that were posted whole, with what they changed alone being stored.",
    columns=(
        Column(1, "series_id", Type.UUID, "The id of the series.", False),
        Column(2, "revision_date", Type.DATE, "The day the source published the vintage.", False),
        Column(
            3, "points_sequence", Type.LONG, "The commit sequence of data_points that holds what it changed.", False
        ),
        *_housekeeping(4),
    ),
    key=("series_id", "revision_date"),
    sort=("series_id", "revision_date"),
)

MODEL = Tables(
    tables=(SOURCES, SERIES, DATA_POINTS, VINTAGES),
    collections=(
        Collection("Sources", "Source", "sources", SOURCES.description),
        Collection("Series", "Series", "series", SERIES.description),
        Collection("DataPoints", "DataPoint", "data_points", "One row a series and date: latest, or as of a day."),
        Collection(
            "Revisions", "Revision", "data_points", "Every stored revision of every point.", every_revision=True
        ),
    ),
)
