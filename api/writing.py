"""What a door may ask of the ingest side: the one seam between them, handed over by `api.app`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from api.problems import Problem

Mode: TypeAlias = Literal["partial", "atomic"]
KEY_HEADER = "Idempotency-Key"
_KEY = re.compile(r'"?([\x21\x23-\x5b\x5d-\x7e]{1,200})"?')


# Why a row was not stored: every code a Failure may have, and what it says.
ROW_FAULTS: dict[str, str] = {
    "malformed_row": "The line is no JSON object, or has more or fewer cells than the header.",
    "wrong_type": "A field has a type that it cannot have.",
    "missing_field": "A field that must be given is not; a withdrawn point is a null value, not an absent one.",
    "unknown_field": "There is no such field.",
    "invalid_date": "The date does not exist, or is not written as 2020-01-31.",
    "invalid_number": "The value is no finite decimal.",
    "number_out_of_range": "The value has more than 20 integer or 18 fraction digits.",
    "invalid_id": "series_id is not a UUID.",
    "invalid_name": "A name is empty, too long, or holds characters that do not print.",
    "invalid_text": "A text is too long, or holds a NUL.",
    "invalid_value": "The value is not one of those the field can have.",
    "source_required": "Neither the row nor the document names a source.",
    "series_required": "The row names no series.",
    "conflicting_series": "series_id is not the id of the source and external_id beside it.",
    "unknown_series": "No series has this series_id; one named by source and external_id is made.",
}


def key_of(header: str | None) -> str:
    """The key that the header holds, bare or in quotes; empty without the header. Raises Problem."""
    if header is None:
        return ""
    found = _KEY.fullmatch(header.strip())
    if found is None:
        raise Problem(
            "invalid_parameter",
            f"{KEY_HEADER} must have 1 to 200 printable characters without blanks, quotes or backslashes.",
            "Use a random UUID for each batch, the same one when it is sent again.",
        )
    return found[1]


@dataclass(frozen=True, slots=True)
class Failure:
    """One row that was not stored. `part` is the list of the document it stands in, `index` counts from 0 there.

    `code` is one of ROW_FAULTS.
    """

    part: Literal["source", "series", "data_points"]
    index: int
    field: str | None
    code: str
    message: str

    def __post_init__(self) -> None:
        if self.code not in ROW_FAULTS:
            raise ValueError(f"{self.code} is not in ROW_FAULTS.")


@dataclass(frozen=True, slots=True)
class Verdicts:
    """How many data points of a batch became what; all but `deleted` add up to those processed."""

    inserted: int = 0
    revised: int = 0
    corrected: int = 0
    withdrawn: int = 0
    unchanged: int = 0
    rejected: int = 0
    deleted: int = 0


# What each of them counts, for those who read a receipt.
VERDICT_MEANINGS: dict[str, str] = {
    "inserted": "The first revision of its series and date.",
    "revised": "Another revision of a point on record.",
    "corrected": "Another value for a revision on record: it takes that value's place.",
    "withdrawn": "A null: the source says that there is no value any more.",
    "unchanged": "Nothing is stored: it is on record already, or a later one of the batch takes its place.",
    "rejected": "Not stored, for the reason among the failures.",
    "deleted": "Points that a deletion took out of the latest view.",
}


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a batch that is committed and fsynced.

    The three numbers count data points; `successful` are those that are stored now, those stored before included.
    `snapshot` is the token of a state that holds them all. `failures` may be cut short by a limit; `failed` never is.
    `batch_id` names the receipt, which can be asked for again.
    """

    total_processed: int
    successful: int
    failed: int
    snapshot: str
    failures: tuple[Failure, ...] = ()
    verdicts: Verdicts = Verdicts()
    batch_id: str = ""


class Writer(Protocol):
    """Every method takes an idempotency `key`, empty for none: what is written under a key is written once, and the
    same call under the same key returns the receipt of the first. Raises Problem `idempotency_conflict` for another
    call under it."""

    async def write(self, document: Mapping[str, Any], mode: Mode, key: str = "") -> Receipt:
        """Store a bulk document: `source`, `series`, `data_points`, each optional, fields as `POST .../bulk` has them.

        An entry of `series` is named by `source` and `external_id`, or by `series_id` where it exists already; a field
        that is absent keeps its stored value, a null clears it.

        Raises Problem: `invalid_body`, `rejected_batch` (mode atomic; details hold the failures), `overloaded`, and
        those of storage. Where it raises anything but `commit_unknown`, nothing is stored.
        """
        ...

    async def knows(self, key: str) -> bool:
        """Whether something was written under a key."""
        ...

    async def delete_series(self, series_id: str, key: str = "") -> Receipt:
        """Hide a series and all its points, in every view, from the next snapshot on; posting to it starts afresh.

        Raises Problem `unknown_entity`.
        """
        ...
