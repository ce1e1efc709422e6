"""Settings of the ledger itself: where it is, what it searches with, what it keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import platformdirs
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings


def default_data_dir() -> Path:
    """Where the embedded ledger lives unless told otherwise: the user's data folder."""
    return platformdirs.user_data_path("memoledger", appauthor=False) / "ledger"


class LedgerSettings(BaseSettings):
    """Where the ledger is, how it is reached, what it embeds, indexes and keeps."""

    url: str | None = Field(
        None,
        description="URL of a Memoledger service, https:// or http://, whose ledger is used; unset "
        "to open one here.",
    )
    api_key: SecretStr | None = Field(None, description="Key or token for that service.")
    client_timeout_s: float = Field(
        60.0,
        gt=0,
        le=3_600,
        description="Seconds to wait for the next piece of that service's answer.",
    )
    client_attempts: int = Field(
        4,
        ge=1,
        le=20,
        description="Attempts of a request to it that failed for a passing reason.",
    )
    database_url: SecretStr | None = Field(
        None,
        description="libpq URL of a PostgreSQL server, 16 or newer; unset for the embedded server.",
    )
    admin_database_url: SecretStr | None = Field(
        None,
        description="URL of a login that may migrate; unset to use database_url for that too.",
    )
    data_dir: Path = Field(
        default_factory=default_data_dir,
        description="Folder of the embedded server; made if missing.",
    )
    auto_migrate: bool = Field(
        True, description="Bring the schema up to date at opening; off to refuse and say how."
    )
    pool_min: int = Field(1, ge=0, le=100, description="Connections kept open.")
    pool_max: int = Field(8, ge=1, le=1_000, description="Connections opened at most.")
    pool_wait_s: float = Field(
        10.0, gt=0, le=600, description="Seconds a request waits for a free connection."
    )
    pool_waiting_max: int = Field(
        2_000,
        ge=0,
        le=1_000_000,
        description="Requests that may wait for a connection; more are refused at once. 0 for any "
        "number.",
    )
    connect_timeout_s: float = Field(
        10.0, gt=0, le=600, description="Seconds one attempt to connect may take."
    )
    connect_attempts: int = Field(
        5, ge=1, le=50, description="Attempts to connect at opening, with growing pauses."
    )
    statement_timeout_s: float = Field(
        60.0, ge=0, le=86_400, description="Seconds a statement may run; 0 for no limit."
    )
    prepare_statements: bool | None = Field(
        None,
        description="Prepare statements on the server; unset to do so unless a pooler in "
        "between, such as a PgBouncer older than 1.21, would lose them.",
    )
    sweep_interval_s: float = Field(
        300.0,
        ge=0,
        le=86_400,
        description="Seconds between rounds of upkeep, such as sweeping what expired, while a "
        "ledger is open; 0 for no worker in this process.",
    )
    queue_batch: int = Field(
        64, ge=1, le=1_000, description="Rows of the schedule that a worker claims at a time."
    )
    queue_at_once: int = Field(
        2, ge=1, le=64, description="Batches that one worker process embeds at the same time."
    )
    queue_per_minute: str = Field(
        "",
        description="Calls of a remote embedder that one worker process makes in a minute: a "
        "number, or one for each provider such as `openai=3000 ollama=600`; unset for any number.",
    )
    queue_lease_s: float = Field(
        60.0,
        ge=1,
        le=3_600,
        description="Seconds after which what a killed worker had claimed is another's to do.",
    )
    queue_attempts_max: int = Field(
        20, ge=1, le=100, description="Attempts at embedding a row before it is set aside."
    )
    queue_poll_s: float = Field(
        5.0,
        ge=0.05,
        le=3_600,
        description="Seconds between looks of an idle worker whether a wake-up passed it by.",
    )
    index_from: int = Field(
        30_000,
        ge=0,
        description="Memories from which a store gets an index of its own, which it loses below "
        "two thirds of that; 0 for never.",
    )
    index_memory_mb: int = Field(
        2_048,
        ge=64,
        le=1_048_576,
        description="Megabytes that making an index may take; 1,000,000 memories take 1,400.",
    )
    index_workers: int = Field(
        0,
        ge=0,
        le=64,
        description="Processes that help the one that makes an index; each takes a core.",
    )
    scans_at_once: int = Field(
        0,
        ge=0,
        le=1_000,
        description="Scans of stores with an index (for a filter or a past instant) that one "
        "process runs at a time; 0 for as many as there are cores.",
    )
    scan_timeout_s: float = Field(
        10.0,
        gt=0,
        le=86_400,
        description="Seconds such a scan may take before the answer is cut short, and says so.",
    )
    embedder: str = Field(
        "minilm",
        description="`minilm` for the local model, or provider:model, "
        "for example openai:text-embedding-3-small.",
    )
    embedder_url: str | None = Field(
        None, description="Server of a remote embedder, for example http://127.0.0.1:11434/v1."
    )
    embedder_api_key: SecretStr | None = Field(None, description="Key of a remote embedder.")
    embedder_timeout_s: float = Field(
        30.0, gt=0, le=3_600, description="Seconds one request to a remote embedder may take."
    )
    embedder_attempts: int = Field(
        4, ge=1, le=20, description="Attempts of a remote request that failed for a passing reason."
    )
    embedding_dimensions: int | None = Field(
        None,
        ge=1,
        le=3_900,
        description="Shorten embeddings to this length; unset for the model's.",
    )
    receipts: Literal["full", "hashed", "off"] = Field(
        "full",
        description="What is kept of every recall: `full`, or `hashed` for a salted hash in place "
        "of the question's words, or `off` for nothing.",
    )
    receipts_retention_days: int | None = Field(
        None,
        ge=0,
        le=36_500,
        description="Days that receipts are kept before they are dropped with their month, 0 for "
        "ever; unset for what the ledger was told before, at first 365.",
    )
    reranker: str = Field(
        "late-interaction",
        description="What takes a closer look at the best: `late-interaction` for the local model, "
        "`cross-encoder:MODEL`, or `off`.",
    )
    rerank: bool = Field(False, description="Rerank where a recall does not say whether to.")
    artifacts_url: str | None = Field(
        None,
        description="Where raw sources of documents are kept: s3://bucket/prefix, "
        "gs://bucket/prefix, az://container/prefix, a folder's whole path, or `off`; unset for a "
        "folder inside data_dir.",
    )
    artifacts_options: SecretStr | None = Field(
        None,
        description="Options of that bucket beside the cloud's own variables: name=value, "
        "separated by commas, for example endpoint=https://minio:9000,region=us-east-1.",
    )
    redis_url: SecretStr | None = Field(
        None,
        description="Redis that caches chunks of documents, redis:// or rediss://; unset to cache "
        "them in the process.",
    )
    cache_memory_mb: int = Field(
        32,
        ge=0,
        le=65_536,
        description="Megabytes of the cache in the process, where no Redis is named; 0 for none.",
    )
    cache_timeout_s: float = Field(
        0.05,
        gt=0,
        le=10,
        description="Seconds a Redis may take to answer, after which it is passed over.",
    )
    language: str = Field(
        "english", description="Stemmer and stop words of lexical search (a Snowball name)."
    )
