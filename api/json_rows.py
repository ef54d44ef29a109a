"""Rows of an Arrow batch as text, column by column: Arrow writes all of it into one buffer, Python sees no row.

Every form that is text builds on `written`; the doors differ only in the numbers they want (numbers in OData, texts in
GraphQL).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from catalog.model import Type

TEXT = pa.large_string()
_ESCAPED = r'["\\\x00-\x1f]'
_CONTROLS = r"[\x00-\x1f]"
# What JSON escapes, the backslash first: the others bring backslashes of their own.
_ESCAPES = [(character, orjson.dumps(character).decode()[1:-1]) for character in ("\\", '"', *map(chr, range(32)))]
# Arrow's buffer with where the values of large texts begin.
_OFFSETS, _DATA = 1, 2


@dataclass(frozen=True, slots=True)
class Encoder:
    """`text` writes the values of a column; what cannot be said is null. JSON has it in quotes if `quoted`."""

    text: Callable[[pa.Array], pa.Array]
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """What stands around the columns of a row, and what a null is. Between columns stands a comma."""

    opening: str
    closing: str
    null: str


# A comma before each row: so the rows of several batches can stand behind one another.
OBJECT = Line(",{", "}", "null")
ARRAY = Line(",[", "]", "null")
VALUE = Line(",", "", "null")


def bare(values: pa.Array) -> pa.Array:
    return pc.cast(values, TEXT)


def _escaped(values: pa.Array) -> pa.Array:
    written = bare(values)
    marked = pc.fill_null(pc.match_substring_regex(written, _ESCAPED), False)
    if not pc.any(marked).as_py():
        return written
    found = written.filter(marked)
    controls = pc.any(pc.match_substring_regex(found, _CONTROLS)).as_py()
    for character, escape in _ESCAPES if controls else _ESCAPES[:2]:
        found = pc.replace_substring(found, character, escape)
    return pc.replace_with_mask(written, marked, found)


def _once(write: Callable[[pa.Array], pa.Array]) -> Callable[[pa.Array], pa.Array]:
    """Writes each value once: for columns of which a batch has few different ones."""

    def text(values: pa.Array) -> pa.Array:
        encoded = values.dictionary_encode()
        return write(encoded.dictionary).take(encoded.indices)

    return text


def calendar(values: pa.Array) -> pa.Array:
    """Dates and times; null for infinity and whatever else Arrow has no text for, but an excuse in angle brackets."""
    texts = bare(values)
    unsaid = pc.fill_null(pc.starts_with(texts, "<"), False)
    return pc.if_else(unsaid, pa.scalar(None, TEXT), texts) if pc.any(unsaid).as_py() else texts


def _instants(values: pa.Array) -> pa.Array:
    instants = calendar(pc.cast(values, pa.timestamp("us")))
    whole = pc.replace_substring(instants, ".000000", "")
    return concatenated(pc.replace_substring(whole, " ", "T"), "Z")


def _decimals(values: pa.Array) -> pa.Array:
    """All digits, no exponent, no trailing zeros, as `plain_decimal` writes them."""
    written = bare(values)
    plain = pc.ascii_rtrim(pc.ascii_rtrim(written, "0"), ".") if values.type.scale > 0 else written
    # Arrow writes zero and the smallest numbers with an exponent.
    short = pc.fill_null(pc.match_substring(written, "E"), False)
    if not pc.any(short).as_py():
        return plain
    return pc.replace_with_mask(plain, short, _SHORT(values.filter(short)))


def _doubles(values: pa.Array) -> pa.Array:
    """The shortest digits that read back as the number, as `orjson` writes it elsewhere; what is not finite is null."""
    texts = orjson.dumps(values.to_pylist())[1:-1].decode().split(",") if len(values) else []
    return pa.array([None if text == "null" else text for text in texts], TEXT)


def rfc3339(value: dt.datetime) -> str:
    """An instant in UTC with a `Z`, and a fraction only where there is one."""
    return value.astimezone(dt.timezone.utc).replace(tzinfo=None).isoformat() + "Z"


def plain_decimal(value: Decimal) -> str:
    """All digits, no exponent, no trailing zeros."""
    text = format(value, "f")
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


# Most of these are zero.
_SHORT = _once(lambda values: pa.array(map(plain_decimal, values.to_pylist()), TEXT))

NUMBERS_BARE: dict[Type, Encoder] = {
    Type.UUID: Encoder(bare, quoted=True),
    Type.STRING: Encoder(_escaped, quoted=True),
    Type.DATE: Encoder(_once(calendar), quoted=True),
    Type.TIMESTAMP: Encoder(_once(_instants), quoted=True),
    Type.BOOLEAN: Encoder(bare),
    Type.DECIMAL: Encoder(_decimals),
    Type.LONG: Encoder(bare),
    Type.DOUBLE: Encoder(_doubles),
}
NUMBERS_AS_TEXTS: dict[Type, Encoder] = NUMBERS_BARE | {
    Type.DECIMAL: Encoder(_decimals, quoted=True),
    Type.LONG: Encoder(bare, quoted=True),
}


def json_rows(
    batch: pa.RecordBatch, fields: Iterable[tuple[str, str, Type]], encoders: dict[Type, Encoder]
) -> memoryview:
    """The rows of the batch as JSON objects in UTF-8, a comma before each.

    `fields` lists (key in the object, column of the batch, type) in the order of the output; a column may be shown
    under several keys.
    """
    columns = [(f"{orjson.dumps(key).decode()}:", batch.column(name), encoders[type_]) for key, name, type_ in fields]
    return written(columns, batch.num_rows, OBJECT)


def json_values(values: pa.Array, type_: Type, encoders: dict[Type, Encoder]) -> memoryview:
    """The values as JSON in UTF-8, a comma before each."""
    return written([("", values, encoders[type_])], len(values), VALUE)


def written(columns: Sequence[tuple[str, pa.Array, Encoder]], rows: int, line: Line) -> memoryview:
    """Rows one behind the other, as UTF-8. Each column comes with what stands before its values."""
    if not columns or not rows:
        return memoryview(f"{line.opening}{line.closing}".encode() * rows)
    parts: list[str | pa.Array] = []
    before = line.opening
    for label, values, encoder in columns:
        text = encoder.text(values)
        quote = '"' if encoder.quoted else ""
        if text.null_count:
            text, quote = pc.fill_null(concatenated(quote, text, quote) if quote else text, line.null), ""
        parts += (f"{before}{label}{quote}", text)
        before = f"{quote},"
    return _data(concatenated(*parts, before[:-1] + line.closing))


def listed(texts: Iterable[memoryview]) -> Iterator[memoryview]:
    """The rows of several batches as the inside of one list: there is no comma before the first."""
    first = 1
    for text in texts:
        if text:
            yield text[first:]
            first = 0


def concatenated(*parts: str | pa.Array) -> pa.Array:
    """The parts one behind the other, row by row; null where one of them is."""
    texts = [pa.scalar(part, TEXT) if isinstance(part, str) else part for part in parts]
    return pc.binary_join_element_wise(*texts, pa.scalar("", TEXT))


def _data(texts: pa.Array) -> memoryview:
    """The values of an array that was just made: they lie one behind the other, from the start of its buffer."""
    buffers = texts.buffers()
    end = memoryview(buffers[_OFFSETS]).cast("q")[len(texts)]
    return memoryview(buffers[_DATA])[:end]
