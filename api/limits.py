"""Every limit of the service, its unit last in its name. Each is a setting: FINLAKE_ and the name in upper case."""

from __future__ import annotations

from typing import Self

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

# What a service has so much of, however many its workers are: each has its part.
OF_ALL_WORKERS = (
    "pending_bytes_max",
    "held_points_max",
    "concurrent_queries_max",
    "waiting_queries_max",
    "answers_bytes_max",
)


class Limits(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="FINLAKE_", frozen=True, extra="ignore")

    # ingest
    body_bytes_max: int = Field(default=64 * 2**20, ge=1, description="Size of one request body.")
    bulk_rows_max: int = Field(default=500_000, ge=1, description="Rows of one bulk request.")
    failures_reported_max: int = Field(default=1_000, ge=1, description="Failed rows that one receipt lists.")
    text_characters_max: int = Field(default=10_000, ge=1, description="Length of one text of a source or series.")
    name_characters_max: int = Field(default=200, ge=1, description="Length of a source's name or an external id.")
    pending_bytes_max: int = Field(default=256 * 2**20, ge=1, description="Bodies that wait for their commit.")
    held_points_max: int = Field(
        default=10_000_000,
        ge=1,
        description="Points that the writer holds in memory, 4 bytes each, not to look them up.",
    )
    receipts_max: int = Field(default=1_000_000, ge=1, description="Receipts on record; beyond it the oldest go.")
    debt_files_max: int = Field(
        default=100, ge=1, description="Delta files of one partition beyond which posts wait for merges."
    )
    tag_characters_max: int = Field(default=100, ge=1, le=1_000, description="Length of a tag's name.")
    tags_max: int = Field(default=100, ge=1, description="Tags of one lake; each keeps its snapshots' files.")
    # reading
    query_time_ms_max: int = Field(
        default=30_000,
        ge=1,
        description="Time of one query; not counted while a client takes rows, and 10 s more for each million of them.",
    )
    concurrent_queries_max: int = Field(default=8, ge=1, description="Queries that run at once.")
    waiting_queries_max: int = Field(default=256, ge=0, description="Queries that wait for a place; more are told 503.")
    concurrent_streams_max: int = Field(
        default=8, ge=1, description="Large answers that are under way at once; more are told 503."
    )
    stream_ms_max: int = Field(
        default=600_000, ge=1, description="Time that a large answer may take, slow clients included."
    )
    answers_bytes_max: int = Field(
        default=64 * 2**20, ge=0, description="Answers kept to be given again; the least recently given go first."
    )
    in_items_max: int = Field(default=5_000, ge=1, description="Items of one `in` list, and ids of one list argument.")
    scan_rows_max: int = Field(
        default=2_000_000_000, ge=0, description="Rows of all files that one statement reads, as the files count them."
    )
    scan_bytes_max: int = Field(default=64 * 2**30, ge=0, description="Size of all files that one statement reads.")
    related_conditions_max: int = Field(default=8, ge=0, description="Conditions on other tables in one filter.")
    related_keys_max: int = Field(
        default=1_000,
        ge=0,
        description="Rows of another table whose keys are looked up first to prune files by; more are joined.",
    )
    group_columns_max: int = Field(default=64, ge=1, description="Keys and aggregates of one group.")
    explain_footers_max: int = Field(
        default=1_000, ge=0, description="Files whose row groups one `explain` counts; of more it counts none."
    )
    # OData
    query_string_bytes_max: int = Field(default=65_536, ge=1, description="Length of one query string.")
    expression_tokens_max: int = Field(default=20_000, ge=1, description="Tokens of one OData expression.")
    expression_depth_max: int = Field(default=100, ge=1, le=120, description="Nesting of one filter expression.")
    path_segments_max: int = Field(default=12, ge=1, description="Segments of one OData path.")
    orderby_terms_max: int = Field(default=32, ge=1, description="Terms of one `$orderby`.")
    page_rows_max: int = Field(
        default=10_000, ge=1, description="Rows of one OData page, where the client does not ask for more."
    )
    preferred_page_rows_max: int = Field(
        default=10_000_000, ge=1, description="Rows of one OData page that a client asks for, by `maxpagesize`."
    )
    # GraphQL
    graphql_body_bytes_max: int = Field(
        default=16 * 2**20, ge=1, description="Size of one GraphQL request, mutations included."
    )
    graphql_tokens_max: int = Field(default=2_000, ge=1, description="Tokens of one GraphQL document.")
    graphql_depth_max: int = Field(default=12, ge=1, description="Nesting of one GraphQL document.")
    graphql_aliases_max: int = Field(default=30, ge=1, description="Aliases of one GraphQL document.")
    graphql_edges_max: int = Field(default=1_000, ge=1, description="Edges of one connection page.")
    graphql_points_max: int = Field(default=100_000, ge=1, description="Points of one list.")
    graphql_statement_points_max: int = Field(
        default=500_000, ge=1, description="Points of all lists that one statement fills."
    )
    graphql_aligned_series_max: int = Field(default=100, ge=1, description="Series side by side in one GraphQL field.")
    graphql_rows_max: int = Field(
        default=10_000, ge=1, description="Rows of one answer that are no plain lists of points."
    )
    graphql_response_bytes_max: int = Field(
        default=64 * 2**20, ge=1, description="Size of the lists of points of one answer."
    )
    graphql_root_fields_max: int = Field(default=20, ge=1, description="Root fields of one GraphQL operation.")
    graphql_fields_max: int = Field(
        default=200, ge=1, description="Fields of one GraphQL operation, fragments written out."
    )
    graphql_directives_max: int = Field(default=50, ge=1, description="Directives of one GraphQL document.")
    graphql_upsert_rows_max: int = Field(
        default=20_000, ge=1, description="Rows of one GraphQL mutation, and items of all lists in its variables."
    )
    # SQL
    sql_body_bytes_max: int = Field(default=2**20, ge=1, description="Size of one SQL request.")
    sql_characters_max: int = Field(default=20_000, ge=1, description="Length of one SQL text.")
    sql_nodes_max: int = Field(default=5_000, ge=1, description="Names, values, operators and clauses of one SQL text.")
    sql_depth_max: int = Field(default=100, ge=1, le=150, description="Nesting of one SQL text.")
    sql_tables_max: int = Field(default=16, ge=1, description="Places of one SQL text that name a table.")
    sql_text_bytes_max: int = Field(default=2**20, ge=1, description="Size of one text that a SQL puts together.")
    sql_rows_max: int = Field(default=10_000_000, ge=1, description="Rows of one SQL answer; the others are cut off.")

    def of_worker(self, workers: int) -> Self:
        """The same for one of so many workers; nothing that must be one at least becomes none."""
        return self.model_copy(update={name: -(-getattr(self, name) // workers) for name in OF_ALL_WORKERS})
