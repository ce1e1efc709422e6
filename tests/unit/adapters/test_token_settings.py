"""Settings of tokens: what is needed, and what would be unsafe."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from memoledger.adapters.tokens import IdentityProvider, open_tokens
from memoledger.model.errors import SettingsError

GOOD = IdentityProvider(
    issuer="https://id.example", audience="memoledger", tenant="acme", scopes="read"
)


def refused(**changes: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        open_tokens(replace(GOOD, **changes))
    return caught.value.field


async def test_what_is_needed() -> None:
    await open_tokens(GOOD).aclose()
    assert refused(issuer=None) == "MEMOLEDGER_TOKEN_ISSUER"
    assert refused(audience=None) == "MEMOLEDGER_TOKEN_AUDIENCE"
    assert refused(audience="  ") == "MEMOLEDGER_TOKEN_AUDIENCE"


def test_one_tenant_or_a_claim_that_tells_it() -> None:
    assert refused(tenant=None) == "MEMOLEDGER_TOKEN_TENANT"
    assert refused(tenant_claim="org") == "MEMOLEDGER_TOKEN_TENANT"


@pytest.mark.parametrize("path", ["user_metadata.tenant", "unsafe_metadata.org"])
def test_nobody_writes_their_own_tenant(path: str) -> None:
    assert refused(tenant=None, tenant_claim=path) == "MEMOLEDGER_TOKEN_TENANT_CLAIM"
    assert refused(user_claim=path) == "MEMOLEDGER_TOKEN_USER_CLAIM"
    assert refused(scope_claim=path) == "MEMOLEDGER_TOKEN_SCOPE_CLAIM"


def test_keys_over_https() -> None:
    assert refused(issuer="http://id.example") == "MEMOLEDGER_TOKEN_ISSUER"
    assert refused(jwks_url="http://id.example/k") == "MEMOLEDGER_TOKEN_JWKS_URL"


def test_a_secret_worth_the_name_that_no_error_shows() -> None:
    with pytest.raises(SettingsError) as caught:
        open_tokens(IdentityProvider(issuer="i", audience="a", tenant="t", secret="hunter2"))
    assert caught.value.field == "MEMOLEDGER_TOKEN_SECRET"
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(IdentityProvider(secret="hunter2"))
