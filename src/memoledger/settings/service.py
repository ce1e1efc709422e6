"""Settings of the service: who may come in, what a request may take, what is told of it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings


class ServiceSettings(BaseSettings):
    """Keys and tokens, limits of HTTP, metrics and the log."""

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
    http_host: str = Field("127.0.0.1", description="Address that `serve` listens on.")
    http_port: int = Field(8427, ge=0, le=65_535, description="Its port; 0 for any free one.")
    http_body_bytes_max: int = Field(
        4_194_304,
        ge=1_024,
        le=1_073_741_824,
        description="Bytes of a request's body, and of one line of a stream.",
    )
    http_upload_bytes_max: int = Field(
        67_108_864,
        ge=1_024,
        le=1_073_741_824,
        description="Bytes of a document that is sent as a file.",
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
