"""What a door may ask of the ingest side: the one seam between them, handed over by `api.app`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

Mode: TypeAlias = Literal["partial", "atomic"]


@dataclass(frozen=True, slots=True)
class Failure:
    """One row that was not stored. `part` is the list of the document it stands in, `index` counts from 0 there."""

    part: Literal["source", "series", "data_points"]
    index: int
    field: str | None
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a batch that is committed and fsynced.

    `successful` counts the rows that are stored now, those that were stored before included. `snapshot` is the token
    of a state that holds them all. `failures` may be cut short by a limit; `failed` never is.
    """

    total_processed: int
    successful: int
    failed: int
    snapshot: str
    failures: tuple[Failure, ...] = ()


class Writer(Protocol):
    async def write(self, document: Mapping[str, Any], mode: Mode) -> Receipt:
        """Store a bulk document: `source`, `series`, `data_points`, each optional, fields as `POST .../bulk` has them.

        An entry of `series` is named by `source` and `external_id`, or by `series_id` where it exists already; a field
        that is absent keeps its stored value, a null clears it.

        Raises Problem: `invalid_body`, `rejected_batch` (mode atomic; details hold the failures), `overloaded`, and
        those of storage. Where it raises anything but `commit_unknown`, nothing is stored.
        """
        ...

    async def delete_series(self, series_id: str) -> Receipt:
        """Hide a series and all its points, in every view, from the next snapshot on; posting to it starts afresh.

        Raises Problem `unknown_entity`.
        """
        ...
