"""The one Settings class, read from arguments, the environment or a `.env` file by entry points."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import platformdirs
from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from memoledger.model.errors import SettingsError

PREFIX: Final = "MEMOLEDGER_"
DOTENV_FILE: Final = ".env"


def default_data_dir() -> Path:
    """Where the embedded ledger lives unless told otherwise: the user's data folder."""
    return platformdirs.user_data_path("memoledger", appauthor=False) / "ledger"


class _OwnLines(DotEnvSettingsSource):
    """A `.env` file is shared with other programs: lines that are not ours are passed over."""

    def __call__(self) -> dict[str, Any]:
        return EnvSettingsSource.__call__(self)


class Settings(BaseSettings):
    """Everything that can be set. `MEMOLEDGER_DATA_DIR` in the environment is `data_dir` here."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=DOTENV_FILE, frozen=True, extra="forbid", env_ignore_empty=True
    )

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
        description="Seconds between sweeps of what expired, while a ledger is open; 0 for none.",
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
    key_trust_s: float = Field(
        5.0,
        ge=0,
        le=300,
        description="Seconds an API key is trusted before it is looked up again: so long a key "
        "that another process revoked may still work; 0 to look up at every request.",
    )
    failed_attempts_max: int = Field(
        20,
        ge=0,
        le=100_000,
        description="Wrong keys or tokens from one address in a minute, before it has to wait; "
        "0 for any number.",
    )
    token_issuer: str | None = Field(
        None,
        description="Identity provider whose tokens (JWT) are taken: their `iss`, to the letter; "
        "unset for none.",
    )
    token_audience: str | None = Field(
        None, description="For whom those tokens must be meant, their `aud`; one or several words."
    )
    token_jwks_url: str | None = Field(
        None,
        description="Where the provider's public keys are; unset to find that out from the issuer "
        "(OpenID Connect Discovery).",
    )
    token_secret: SecretStr | None = Field(
        None,
        description="Secret shared with the provider, 32 bytes or more, for tokens signed with "
        "HS256; unset to take none of those.",
    )
    token_tenant: str | None = Field(
        None, description="Tenant of everybody who comes with a token, where there is only one."
    )
    token_tenant_claim: str | None = Field(
        None, description="Claim that names the tenant, for example app_metadata.tenant."
    )
    token_user_claim: str = Field("sub", description="Claim that names the user.")
    token_scope_claim: str | None = Field(
        None,
        description="Claim that lists the scopes, and nothing beyond them is granted; unset for "
        "`scope` or `scp`, and token_scopes where these have none of ours.",
    )
    token_scopes: str = Field(
        "read write", description="Scopes of a token that lists none: words of read, write, admin."
    )
    token_leeway_s: float = Field(
        30.0, ge=0, le=600, description="Seconds by which the provider's clock may differ."
    )
    language: str = Field(
        "english", description="Stemmer and stop words of lexical search (a Snowball name)."
    )
    http_host: str = Field("127.0.0.1", description="Address that `serve` listens on.")
    http_port: int = Field(8427, ge=0, le=65_535, description="Its port; 0 for any free one.")
    http_body_bytes_max: int = Field(
        4_194_304,
        ge=1_024,
        le=1_073_741_824,
        description="Bytes of a request's body, and of one line of a stream.",
    )
    http_batch_max: int = Field(
        1_000, ge=1, le=1_000, description="Memories that a stream writes in one transaction."
    )
    http_query_chars_max: int = Field(
        10_000, ge=1, le=10_000, description="Characters of a question asked over HTTP."
    )
    http_page_max: int = Field(
        1_000, ge=1, le=1_000, description="Hits of an answer, and items of a page, over HTTP."
    )
    http_request_timeout_s: float = Field(
        30.0, gt=0, le=3_600, description="Seconds a request may take once it has arrived."
    )
    http_body_timeout_s: float = Field(
        30.0,
        gt=0,
        le=3_600,
        description="Seconds a head or body may take to arrive, and a stream may stand still.",
    )
    http_stream_timeout_s: float = Field(
        3_600.0, gt=0, le=86_400, description="Seconds a stream may take in all."
    )
    http_heavy_at_once: int = Field(
        16, ge=1, le=1_000, description="Requests that search or write at the same time."
    )
    http_heavy_waiting: int = Field(
        1_000, ge=0, le=100_000, description="Requests that may wait for their turn at that."
    )
    http_heavy_wait_s: float = Field(
        10.0, ge=0, le=600, description="Seconds they wait before they are told to come back."
    )
    http_streams_at_once: int = Field(
        8, ge=1, le=1_000, description="Bulk writes, imports and exports at the same time."
    )
    http_connections_max: int = Field(
        5_000, ge=1, le=1_000_000, description="Connections of clients at the same time."
    )
    http_keep_alive_s: float = Field(
        75.0, ge=0, le=3_600, description="Seconds an idle connection of a client is kept."
    )
    http_shutdown_s: float = Field(
        30.0, ge=0, le=3_600, description="Seconds requests under way have to end at shutdown."
    )
    http_cors_origins: str = Field(
        "", description="Web origins that browsers may call from, separated by commas."
    )
    http_trusted_proxies: str = Field(
        "",
        description="Addresses of proxies whose X-Forwarded-For is believed, separated by commas.",
    )
    http_docs: bool = Field(False, description="Serve pages that show the API under /docs.")
    metrics_token: SecretStr | None = Field(
        None,
        description="Bearer token that /metrics asks for; unset to show metrics to this machine "
        "only.",
    )
    metrics_tenants: bool = Field(
        False, description="Count requests by tenant too: their names are in the metrics then."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least important lines that `serve` still writes to its log."
    )
    log_format: Literal["json", "console"] = Field(
        "json", description="Form of that log: a JSON object a line, or lines for people."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments before the environment before `.env`."""
        return init_settings, env_settings, _OwnLines(settings_cls), file_secret_settings


def load_settings(**given: Any) -> Settings:
    """Settings from arguments, then the environment, then `.env`; None counts as not given.

    Raises:
        SettingsError: a name is unknown or a value malformed; it names the setting and the reason.
    """
    _refuse_unknown_names(given)
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise _as_settings_error(error) from None
    if settings.pool_min > settings.pool_max:
        raise SettingsError(
            PREFIX + "POOL_MIN",
            settings.pool_min,
            f"it is larger than {PREFIX}POOL_MAX, {settings.pool_max}",
            remedy="Keep no more connections open than may be opened.",
        )
    return settings


def _refuse_unknown_names(given: Mapping[str, object]) -> None:
    """pydantic-settings passes over unknown variables: a misspelt one would have no effect."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    arguments = (PREFIX + name.upper() for name in given)
    for name in (*arguments, *os.environ, *_dotenv_names()):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            # Without what all of them begin with: that makes any two alike.
            said = name.upper().removeprefix(PREFIX)
            close = difflib.get_close_matches(said, [k.removeprefix(PREFIX) for k in known], n=1)
            raise SettingsError(
                name,
                "set",
                "there is no such setting",
                remedy=f"Did you mean {PREFIX}{close[0]}?"
                if close
                else f"Unset it. There are: {', '.join(sorted(known))}.",
            )


def _dotenv_names() -> tuple[str, ...]:
    try:
        return tuple(dotenv_values(DOTENV_FILE))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            DOTENV_FILE,
            str(Path(DOTENV_FILE).absolute()),
            f"it cannot be read ({type(error).__name__})",
            remedy="Make it a readable text file in UTF-8, or move it away.",
        ) from None


def _as_settings_error(error: ValidationError) -> SettingsError:
    first = error.errors(include_url=False, include_context=False)[0]
    name = str(first["loc"][0]) if first["loc"] else "settings"
    field = Settings.model_fields.get(name)
    secret = field is None or "SecretStr" in str(field.annotation)
    return SettingsError(
        PREFIX + name.upper(),
        "(hidden)" if secret else first["input"],
        first["msg"],
        remedy=field.description or "" if field else "Remove it.",
    )
