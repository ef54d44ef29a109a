"""What DuckDB says of an analyst's SQL, as a fault of the caller.

DuckDB's words go to the caller only for the kinds of error listed here, which speak of names, types and values: no more
than the first lines, and none that hold a path. Everything else stays a failure of the service.
"""

from __future__ import annotations

import re

from engine.errors import InvalidSql, QueryError, SqlTooLarge, UnknownColumn

# What a statement says where it refuses to make a text longer; the limit follows.
TEXT_TOO_LONG = "sql_text_bytes_max"

_KINDS = "Binder|Parser|Syntax|Catalog|Conversion|Invalid Input|Out of Range|Mismatch Type|Not implemented"
_TOLD = re.compile(rf"^(?:\w+: )?(?:{_KINDS}) Error: ")
_TEXT = re.compile(rf"^(?:\w+: )?Invalid Input Error: {TEXT_TOO_LONG} (\d+)")
_COLUMN = re.compile(r'(?:Referenced column|Values list "[^"]*" does not have a column named) "([^"]*)"')
_PATH = re.compile(r"[/\\]\w|\.parquet|\bread_parquet\b", re.IGNORECASE)
_MESSAGE_CHARACTERS_MAX = 400
# DuckDB tells how to change a setting, which no caller can.
_ADVICE = re.compile(r"\n\s*(?:\n|LINE |Candidate functions|Use \"SET).*", re.DOTALL)


def fault_of(text: str, names: tuple[str, ...]) -> QueryError | None:
    """The caller's error that a database error of that text stands for, if it is one. `names` are those of columns."""
    if _TOLD.match(text) is None:
        return None
    if found := _TEXT.search(text):
        most = int(found[1])
        message = f"The SQL makes a text that may be longer than {most} bytes."
        return SqlTooLarge(message, "Make shorter texts.", limit=TEXT_TOO_LONG, value=most)
    if found := _COLUMN.search(text):
        name = found[1][:80]
        return UnknownColumn(
            f"There is no column {name!r} there.", f"The tables have: {', '.join(names)}.", column=name
        )
    said = " ".join(_ADVICE.sub("", _TOLD.sub("", text)).split())[:_MESSAGE_CHARACTERS_MAX]
    if _PATH.search(said):
        said = "The database cannot run the SQL."
    return InvalidSql(said, "Correct the SQL; names, types and values are checked as DuckDB checks them.")
