"""What can go wrong with storage.

CatalogError
├── UnknownSnapshot       the name is no token, tag or instant: fix it
├── SnapshotExpired       the state is no longer kept, or never was: read a newer one
├── InvalidTag            a tag cannot have the name, or there are too many: choose another, or delete one
├── AlreadyExists         a tag has the name: choose another
├── CommitError
│   ├── CommitFailed      nothing was stored: send it again
│   ├── CommitUnknown     it may be stored: send it again, posting is idempotent
│   └── ShuttingDown      nothing was stored: send it to the restarted service
├── SchemaMismatch        the lake's tables are of another version: use the right one
├── Overloaded            too much is waiting to be stored: wait, then send it again
├── StorageFull           no space: free some, then send it again
├── StorageDamaged        a stored file is missing or unreadable: report it
└── StorageFailed         the file system or the catalog database failed: try again, then report it

Each class has a stable code. `catalog.iceberg` is the one place where errors of pyiceberg become these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class CatalogError(Exception):
    code: ClassVar[str] = "storage_failed"

    def __init__(self, message: str, hint: str = "", **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details: Mapping[str, object] = details


class UnknownSnapshot(CatalogError):
    code = "unknown_snapshot"


class SnapshotExpired(CatalogError):
    code = "snapshot_expired"


class InvalidTag(CatalogError):
    code = "invalid_tag"


class AlreadyExists(CatalogError):
    code = "already_exists"


class CommitError(CatalogError):
    code = "commit_failed"


class CommitFailed(CommitError):
    code = "commit_failed"


class CommitUnknown(CommitError):
    code = "commit_unknown"


class ShuttingDown(CommitError):
    code = "shutting_down"


class SchemaMismatch(CatalogError):
    code = "schema_mismatch"


class Overloaded(CatalogError):
    code = "overloaded"


class StorageFull(CatalogError):
    code = "storage_full"


class StorageDamaged(CatalogError):
    code = "storage_damaged"


class StorageFailed(CatalogError):
    code = "storage_failed"
