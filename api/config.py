"""Settings from FINLAKE_* variables: frozen, read once, handed on by value."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, Self

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="FINLAKE_", frozen=True, extra="ignore")

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8001, ge=1, le=65_535, description="Port to listen on.")
    workers: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Processes that answer requests; maintenance has its own.",
    )
    data_dir: Path = Field(default=Path("data"), description="Folder of the catalog and the tables.")
    partition_width: int = Field(
        default=1,
        ge=1,
        le=4,
        description="Leading characters of a series' id that name a partition; the service changes it on starting.",
    )
    public_url: str = Field(
        default="", description="Base of absolute links, where a proxy changes it; else the request's."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least level logged.")
    log_format: Literal["json", "console"] = Field(
        default="json", description="One JSON object a line, or text for people."
    )
    graphiql: bool = Field(default=True, description="Serve the GraphiQL page to browsers.")
    shutdown_seconds: int = Field(default=30, ge=1, description="Time that a stop leaves to requests and commits.")
    engine_threads: int = Field(default=2, ge=1, description="Threads of one query; all workers together.")
    engine_memory: str = Field(
        default="256MB", description="Memory that all queries of all workers together may hold, as DuckDB writes it."
    )
    points_memory: str = Field(
        default="128MB", description="Memory that queries over few rows may hold beside it; all workers together."
    )
    sql_memory: str = Field(
        default="256MB", description="Memory that all queries of `/sql` together may hold, beside that of the others."
    )
    snapshots_kept_min: int = Field(
        default=50, ge=1, description="Newest snapshots that the metadata of each table lists; what commits cost grows."
    )
    snapshot_retention_seconds: int = Field(
        default=3_600, ge=0, description="Time that older snapshots can still be read."
    )
    garbage_grace_seconds: int = Field(
        default=3_600, ge=0, description="Time beyond the longest query that files stay which no snapshot needs."
    )
    trash_seconds: int = Field(default=86_400, ge=0, description="Time that files stay in the trash folder after that.")
    orphan_age_seconds: int = Field(
        default=86_400, ge=0, description="Age from which files of broken-off commits are taken for garbage."
    )
    expiry_seconds: float = Field(
        default=5, gt=0, description="Time between the passes that drop snapshots, and files that none needs."
    )
    sweep_seconds: float = Field(
        default=3_600, gt=0, description="Time between the sweeps for files of broken-off commits."
    )
    receipt_retention_seconds: int = Field(
        default=30 * 86_400, ge=0, description="Time that receipts, and so idempotency keys, are on record."
    )
    writer_threads: int = Field(default=4, ge=1, description="Threads that write the files of one commit.")
    maintenance: bool = Field(
        default=True, description="Merge files, and let go of old ones, in the background; off leaves it to others."
    )
    maintenance_memory: str = Field(
        default="512MB", description="Memory that a background merge may hold, as DuckDB writes it."
    )
    delta_files_max: int = Field(default=4, ge=1, description="Fresh files of a partition that wait for a delta merge.")
    delta_rows_max: int = Field(default=1_000_000, ge=1, description="Delta rows of a partition that make it merge.")
    base_merge_share: float = Field(
        default=0.5, gt=0, description="Deltas of a partition, by rows of its base, that make a base merge at once."
    )
    base_merge_seconds: float = Field(
        default=900, ge=0, description="Age of deltas that makes a base merge, so that a quiet lake has none."
    )
    history_cut_days: int = Field(
        default=366, ge=0, description="Recent dates, this many days up to twice as many, have base files of their own."
    )

    def of_worker(self) -> Self:
        """The same for one of the workers: its part of what is said for all of them."""
        part = {
            "engine_threads": max(1, self.engine_threads // self.workers),
            "engine_memory": _part_of(self.engine_memory, self.workers),
            "points_memory": _part_of(self.points_memory, self.workers),
            "sql_memory": _part_of(self.sql_memory, self.workers),
        }
        return self.model_copy(update=part)


def _part_of(memory: str, workers: int) -> str:
    """A text that says no size is left to DuckDB, which complains of it."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(\D*)", memory)
    return memory if found is None else f"{float(found[1]) / workers:.3f}{found[2]}"
