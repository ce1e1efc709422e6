"""Claims: where in a token it says who holds it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoledger.model.claims import ClaimRules, claim_at
from memoledger.model.errors import Unauthenticated
from memoledger.model.keys import SCOPES
from memoledger.model.principal import Principal

FIXED = ClaimRules("acme", None)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)


def test_the_subject_of_a_tenant() -> None:
    caller = FIXED.caller_of({"sub": "8f14e45f-ceea-467f-a0e6-0e4f1c3b9d11"})
    assert caller.principal == Principal("acme", "8f14e45f-ceea-467f-a0e6-0e4f1c3b9d11")
    assert (caller.scopes, caller.method, caller.key_id) == ({"read", "write"}, "token", None)


def test_paths_lead_into_objects_and_names_may_have_dots() -> None:
    claims = {
        "app_metadata": {"tenant": "acme", "deep": {"er": 1}},
        "https://example.com/tenant": "globex",
        "a.b": "whole",
        "a": {"b": "parts"},
    }
    assert claim_at(claims, "app_metadata.tenant") == "acme"
    assert claim_at(claims, "app_metadata.deep.er") == 1
    assert claim_at(claims, "https://example.com/tenant") == "globex"
    assert claim_at(claims, "a.b") == "whole"
    assert claim_at(claims, "app_metadata.nothing.at.all") is None
    assert claim_at(claims, "") is None


@pytest.mark.parametrize("value", [None, "", 7, ["alice"], {"name": "alice"}, True])
def test_what_is_no_text_names_nobody(value: Any) -> None:
    with pytest.raises(Unauthenticated, match="'sub'"):
        FIXED.caller_of({"sub": value})
    with pytest.raises(Unauthenticated, match=r"'org\.name'"):
        ClaimRules(None, "org.name").caller_of({"sub": "alice", "org": {"name": value}})


@pytest.mark.parametrize("user", ["system", " alice", "a" * 201, "a\u0000b", "a\nb", "\ud800"])
def test_a_name_that_cannot_be_is_refused(user: str) -> None:
    with pytest.raises(Unauthenticated, match="user cannot be used"):
        FIXED.caller_of({"sub": user})


class TestScopes:
    @pytest.mark.parametrize(
        ("claims", "scopes"),
        [
            ({}, {"read", "write"}),
            ({"scope": "openid profile"}, {"read", "write"}),
            ({"scope": "read"}, {"read"}),
            ({"scope": "openid memoledger:read memoledger:admin"}, {"read", "admin"}),
            ({"scp": ["read", "write", 7, None]}, {"read", "write"}),
            ({"scp": "read"}, {"read"}),
            ({"scope": "READ Admin root memoledger:"}, {"read", "write"}),
            ({"roles": ["admin"]}, {"read", "write"}),
        ],
    )
    def test_from_the_usual_claims_or_else_the_default(
        self, claims: dict[str, Any], scopes: set[str]
    ) -> None:
        assert FIXED.scopes_of(claims) == scopes

    @pytest.mark.parametrize("claims", [{}, {"scope": "read"}, {"roles": {}}, {"roles": "none"}])
    def test_a_claim_that_is_set_grants_what_it_lists_and_no_more(
        self, claims: dict[str, Any]
    ) -> None:
        rules = ClaimRules("acme", None, scope_claim="roles")
        assert rules.scopes_of(claims) == frozenset()
        assert rules.scopes_of({**claims, "roles": ["write"]}) == {"write"}


@given(st.dictionaries(st.sampled_from(["sub", "scope", "scp", "org", "roles"]), JSON))
def test_whatever_a_token_says_there_is_a_caller_or_a_refusal(claims: dict[str, Any]) -> None:
    rules = ClaimRules(None, "org.name", scope_claim="roles")
    for some in (rules, FIXED):
        try:
            caller = some.caller_of(claims)
        except Unauthenticated:
            continue
        assert caller.principal.user == claims["sub"]
        assert caller.scopes <= set(SCOPES)
