"""Budgets of the load tests, as `budgets.toml` states them: an unknown name or a missing one is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

BUDGETS = Path(__file__).with_name("budgets.toml")

_Milliseconds = Annotated[float, msgspec.Meta(gt=0)]
_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Budget(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The most that requests of one name may take, and the greatest share of them that may fail."""

    p50_ms: _Milliseconds
    p95_ms: _Milliseconds
    p99_ms: _Milliseconds
    error_share: _Share


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`users` names classes of the locustfile; `count` of them ask at once, shared out by weight."""

    users: tuple[str, ...]
    count: Annotated[int, msgspec.Meta(ge=1)]
    requests: dict[str, Budget]


def read_budgets(path: Path = BUDGETS) -> dict[str, Scenario]:
    """The scenarios by name. Raises msgspec.ValidationError, which says where the file is wrong."""
    return msgspec.toml.decode(path.read_bytes(), type=dict[str, Scenario])
