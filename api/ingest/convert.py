"""Columns of any Arrow type -> the types of points. What cannot be stored is told by position, what can be goes on.

Values never pass through floating point, and are never rounded; a binary number is taken by its shortest text.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow

import pyarrow as pa
import pyarrow.compute as pc

from api.cells import BOOLEANS, calendar_days, midnights, texts
from catalog.model import DECIMAL_PRECISION, DECIMAL_SCALE, Type
from catalog.schemas import ARROW_TYPES

DATE, DECIMAL, BOOLEAN = ARROW_TYPES[Type.DATE], ARROW_TYPES[Type.DECIMAL], ARROW_TYPES[Type.BOOLEAN]
WIDEST = 76  # digits of a decimal
NAME = pa.dictionary(pa.int32(), pa.string())

# Arithmetic that refuses to round. It must come before Arrow, which an exponent like -999999999 crashes, and which
# reads 1e-57 as 0.
_EXACT = Context(prec=DECIMAL_PRECISION, traps=[Inexact, InvalidOperation, Overflow])
_QUANTUM = Decimal(1).scaleb(-DECIMAL_SCALE)
# Texts that Arrow reads exactly, or refuses: those without an exponent and not longer than the integer digits there
# may be. Longer ones can run over, which it does not notice: it reads 7 and twenty zeros as some other number.
_ARROW_CHARACTERS_MAX = DECIMAL_PRECISION - DECIMAL_SCALE
_PLAIN = rf"^[+-]?\d{{1,{DECIMAL_PRECISION - DECIMAL_SCALE}}}(?:\.\d{{0,{DECIMAL_SCALE}}})?$"
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class NoColumn(Exception):
    """A type that the field cannot have."""


@dataclass(frozen=True, slots=True)
class Converted:
    """The values of a column, and the code (of ROW_FAULTS) of each position that cannot be stored; it is null there."""

    values: pa.Array
    faults: Mapping[int, str] = field(default_factory=dict[int, str])


def names(column: pa.Array) -> Converted:
    """Texts as a dictionary array of NAME, whose dictionary holds no null and no text twice. Raises NoColumn."""
    if pa.types.is_dictionary(column.type):
        distinct = names(column.dictionary).values
        return Converted(pa.DictionaryArray.from_arrays(distinct.indices.take(column.indices), distinct.dictionary))
    return Converted(_text(column).dictionary_encode())


def dates(column: pa.Array) -> Converted:
    """Dates, instants that are midnights in UTC, or texts like 2020-01-31, as dates. Raises NoColumn."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _by_dictionary(column, dates)
    if pa.types.is_date32(kind):
        return _invalid_dates(column, calendar_days(column.cast(pa.int32())))
    if pa.types.is_date64(kind):
        return dates(column.cast(pa.int64()).cast(pa.timestamp("ms")))
    if pa.types.is_timestamp(kind):
        return _invalid_dates(column, midnights(column))
    text = _text(column)
    try:
        return _invalid_dates(text, calendar_days(text.cast(DATE).cast(pa.int32())))
    except pa.ArrowInvalid:
        return _by_dictionary(text.dictionary_encode(), _dates_one_by_one)


def decimals(column: pa.Array) -> Converted:
    """Decimals and integers of any width, binary numbers by their shortest text, or texts, as DECIMAL.

    Raises NoColumn.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _by_dictionary(column, decimals)
    if pa.types.is_integer(kind):
        return Converted(column.cast(DECIMAL))
    if pa.types.is_decimal(kind):
        return _rescaled(column)
    return _read(texts(column) if pa.types.is_floating(kind) else _text(column))


def booleans(column: pa.Array) -> Converted:
    """Booleans, or the texts true and false in any case, as booleans. Raises NoColumn."""
    kind = column.type
    if pa.types.is_boolean(kind):
        return Converted(column)
    if pa.types.is_dictionary(kind):
        return _by_dictionary(column, booleans)
    return _by_dictionary(_text(column).dictionary_encode(), _booleans_one_by_one)


def _text(column: pa.Array) -> pa.Array:
    kind = column.type
    if pa.types.is_string(kind):
        return column
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) or pa.types.is_null(kind):
        return column.cast(pa.string())
    raise NoColumn


def _by_dictionary(column: pa.Array, convert: Callable[[pa.Array], Converted]) -> Converted:
    """Convert what the dictionary holds, then spread it: a giant text that many rows share is never repeated."""
    distinct = convert(column.dictionary)
    values = distinct.values.take(column.indices)
    if not distinct.faults:
        return Converted(values)
    faulty = pc.is_in(column.indices, pa.array(list(distinct.faults), column.indices.type))
    positions = pc.indices_nonzero(faulty)
    entries = column.indices.take(positions).to_pylist()
    return Converted(
        values, {at: distinct.faults[entry] for at, entry in zip(positions.to_pylist(), entries, strict=True)}
    )


def _invalid_dates(given: pa.Array, read: pa.Array) -> Converted:
    if read.null_count == given.null_count:
        return Converted(read)
    lost = pc.and_(pc.is_valid(given), pc.is_null(read))
    return Converted(read, dict.fromkeys(pc.indices_nonzero(lost).to_pylist(), "invalid_date"))


def _dates_one_by_one(column: pa.Array) -> Converted:
    read = [None if text is None else _date(text) for text in column.to_pylist()]
    return _invalid_dates(column, pa.array(read, DATE))


def _date(text: str) -> dt.date | None:
    if not _DATE.fullmatch(text):
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None


def _booleans_one_by_one(column: pa.Array) -> Converted:
    given = column.to_pylist()
    read = [None if text is None else BOOLEANS.get(text.lower()) for text in given]
    wrong = [at for at, text in enumerate(given) if text is not None and read[at] is None]
    return Converted(pa.array(read, BOOLEAN), dict.fromkeys(wrong, "wrong_type"))


def _rescaled(column: pa.Array) -> Converted:
    scale = column.type.scale
    if abs(scale) > WIDEST:
        raise NoColumn
    if 0 <= scale <= DECIMAL_PRECISION:
        # Narrower ones Arrow casts only where every value they could hold has room.
        narrow = column.type.bit_width < DECIMAL.bit_width
        wide = column.cast(pa.decimal128(DECIMAL_PRECISION, scale)) if narrow else column
        try:
            if scale < DECIMAL_SCALE:
                # Arrow overlooks overflows that wrap round as it raises the scale: all must have room before.
                wide = wide.cast(pa.decimal128(DECIMAL_PRECISION - DECIMAL_SCALE + scale, scale))
            return Converted(wide.cast(DECIMAL))
        except pa.ArrowInvalid:
            pass  # some number does not fit: found below
    # At scales beyond its digits a decimal is cast wrongly, 1e-57 to 0, and has no text unless it is made wider.
    return _read(texts(column.cast(pa.decimal256(WIDEST, scale))))


def _read(column: pa.Array) -> Converted:
    """Numbers from their texts: at once where that is exact, else those one by one that are not plain."""
    if _arrow_reads_exactly(column):
        try:
            return Converted(column.cast(DECIMAL))
        except pa.ArrowInvalid:
            pass  # some text is no number: found below
    plain = pc.match_substring_regex(column, _PLAIN)
    positions = pc.indices_nonzero(pc.invert(plain)).to_pylist()
    numbers = pc.if_else(plain, column, None).cast(DECIMAL)
    if not positions:
        return Converted(numbers)
    read = [_exact(text) for text in column.take(pa.array(positions)).to_pylist()]
    good = [number if isinstance(number, Decimal) else None for number in read]
    filled = pc.replace_with_mask(numbers, pc.fill_null(pc.invert(plain), False), pa.array(good, DECIMAL))
    faults = {at: code for at, code in zip(positions, read, strict=True) if isinstance(code, str)}
    return Converted(filled, faults)


def _arrow_reads_exactly(column: pa.Array) -> bool:
    # The bytes of all texts at once: looking for a letter in each text takes as long as reading the numbers.
    data = column.buffers()[2]
    content = data.to_pybytes() if data else b""
    longest = pc.max(pc.binary_length(column)).as_py() or 0
    return longest <= _ARROW_CHARACTERS_MAX and b"e" not in content and b"E" not in content


def _exact(text: str) -> Decimal | str:
    """The number that a text says, or the code of what is wrong with it."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return "invalid_number"
    if not number.is_finite():
        return "invalid_number"
    try:
        return _EXACT.quantize(number, _QUANTUM)
    except ArithmeticError:
        return "number_out_of_range"
