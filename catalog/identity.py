"""Ids: the uuid5 of natural names, so that posting is idempotent and needs no look-up.

A client can work them out too: `uuid5(NAMESPACE, name)` for a source and
`uuid5(NAMESPACE, source + "\\x1f" + external_id)` for a series. Neither name may hold control characters, so no two
pairs share a text.
"""

from __future__ import annotations

import uuid

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "finlake")
SEPARATOR = "\x1f"


def source_id(name: str) -> str:
    return str(uuid.uuid5(NAMESPACE, name))


def series_id(source: str, external_id: str) -> str:
    return str(uuid.uuid5(NAMESPACE, f"{source}{SEPARATOR}{external_id}"))
