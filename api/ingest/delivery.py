"""Idempotency keys: what is sent under one is stored once, however often it arrives."""

from __future__ import annotations

import hashlib
import uuid

from api.ingest.batch import Delivery

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "batches.finlake")


def id_of(key: str) -> str:
    """The id of the batch that comes under a key."""
    return str(uuid.uuid5(NAMESPACE, key))


def delivery_of(key: str, terms: str, body: bytes) -> Delivery:
    """A fresh id without a key; with one, the id that follows from it and the digest of what is sent under it."""
    if not key:
        return Delivery(str(uuid.uuid4()))
    digest = hashlib.sha256(f"{len(terms)}:{terms}".encode())
    digest.update(body)
    return Delivery(id_of(key), digest.hexdigest()[:32])
