"""The question of an analyst, in SQL: what the door hands over, before anybody has read the text."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

SqlValue: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class SqlBounds:
    """What a SQL may have at most, and each text that it makes. Each is the setting `sql_` and its name."""

    characters_max: int
    nodes_max: int
    depth_max: int
    tables_max: int
    text_bytes_max: int


@dataclass(frozen=True, slots=True)
class SqlQuestion:
    """A SELECT over the logical tables. It is not promised that the text is one, or that it is harmless.

    `parameters` are values by the name of their placeholder: `1`, `2` and so on for `?`. `as_of` is the knowledge date
    of the tables that do not name their own. Of the answer at most `rows_max` rows are wanted, and one more.
    """

    text: str
    parameters: Mapping[str, SqlValue]
    bounds: SqlBounds
    rows_max: int
    as_of: dt.date | None = None
