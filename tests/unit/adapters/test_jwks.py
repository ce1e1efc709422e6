"""The keys of a provider on loopback, which changes them, goes away and misbehaves."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import jwt
import pytest

from memoledger.adapters.jwks import KeySet, is_safe_url
from memoledger.adapters.tokens import JwtVerifier
from memoledger.model.errors import IdentityProviderError, Unauthenticated

identity: Any = sys.modules["memoledger_tests_identity_provider"]  # conftest.py has loaded it


class TestRotation:
    async def test_a_new_key_is_fetched_when_a_token_names_it(
        self, verifier: JwtVerifier, token: Any, provider: Any, clock: Any
    ) -> None:
        await verifier.caller(token())
        provider.keys = [identity.public(identity.OTHER_RSA, "new")]
        fresh = token(identity.OTHER_RSA, kid="new")
        with pytest.raises(Unauthenticated):  # the minute is not over
            await verifier.caller(fresh)
        clock.now_s += 61
        assert (await verifier.caller(fresh)).principal.user == "alice"
        with pytest.raises(Unauthenticated):  # and the old one is gone
            await verifier.caller(token())

    async def test_names_made_up_make_one_request_a_minute(
        self, verifier: JwtVerifier, token: Any, provider: Any, clock: Any
    ) -> None:
        await verifier.caller(token())
        clock.now_s += 61
        before = len(provider.asked)
        wrong = [token(kid=f"made up {number}") for number in range(30)]
        answers = await asyncio.gather(
            *(verifier.caller(one) for one in wrong), return_exceptions=True
        )
        assert {type(answer) for answer in answers} == {Unauthenticated}
        assert len(provider.asked) == before + 1

    async def test_a_key_withdrawn_is_refused_after_ten_minutes(
        self, verifier: JwtVerifier, token: Any, provider: Any, clock: Any
    ) -> None:
        await verifier.caller(token())
        provider.keys = [identity.public(identity.P256, "ec")]
        await verifier.caller(token())
        clock.now_s += 601
        with pytest.raises(Unauthenticated):
            await verifier.caller(token())

    async def test_while_the_provider_is_away_known_keys_serve_for_an_hour(
        self, verifier: JwtVerifier, token: Any, provider: Any, clock: Any
    ) -> None:
        await verifier.caller(token())
        provider.status = 503
        clock.now_s += 3_500
        before = len(provider.asked)
        for _ in range(5):
            await verifier.caller(token())
        assert len(provider.asked) == before + 1
        clock.now_s += 200
        with pytest.raises(IdentityProviderError, match="cannot be had"):
            await verifier.caller(token())
        provider.status = 200
        clock.now_s += 6
        await verifier.caller(token())


class TestProviderThatMisbehaves:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"no json",
            b"[]",
            b"{}",
            b'{"keys": {}}',
            b"[" * 100_000,
            b'{"keys": [' + b" " * 300_000 + b"]}",
            b"\xff\xfe",
        ],
    )
    async def test_an_answer_that_is_none(
        self, provider: Any, token: Any, clock: Any, body: bytes
    ) -> None:
        provider.body = body
        keys = KeySet(provider.issuer, provider.jwks_url, monotonic=clock)
        verifier = JwtVerifier(provider.issuer, ["memoledger"], identity.RULES, keys=keys)
        with pytest.raises(IdentityProviderError):
            await verifier.caller(token())
        await verifier.aclose()

    async def test_keys_that_are_none_among_good_ones(
        self, verifier: JwtVerifier, token: Any, provider: Any
    ) -> None:
        broken = [None, 7, "x", [], {}, {"kty": 7}, {"kty": "RSA", "kid": "rsa", "n": "!", "e": 1}]
        provider.keys = [
            *broken[:-1],
            identity.public(identity.RSA, "rsa"),
            {"kty": "EC", "kid": "ec", "x": "!"},
        ]
        await verifier.caller(token())
        with pytest.raises(Unauthenticated):
            await verifier.caller(token(identity.P256, "ES256", "ec"))

    async def test_a_private_key_published_by_mistake_is_not_taken_in(
        self, verifier: JwtVerifier, token: Any, provider: Any
    ) -> None:
        private = jwt.get_algorithm_by_name("RS256").to_jwk(identity.RSA, as_dict=True)
        provider.keys = [{**private, "kid": "rsa"}]
        await verifier.caller(token())

    @pytest.mark.parametrize(
        "said",
        [
            {"issuer": "https://evil.example"},
            {"jwks_uri": "http://evil.example/keys"},
            {"jwks_uri": "file:///etc/passwd"},
            {"jwks_uri": None},
        ],
    )
    async def test_discovery_that_leads_elsewhere(
        self, verifier: JwtVerifier, token: Any, provider: Any, said: dict[str, Any]
    ) -> None:
        provider.discovered = said
        with pytest.raises(IdentityProviderError):
            await verifier.caller(token())
        assert provider.asked == ["/.well-known/openid-configuration"]

    async def test_redirections_are_not_followed(
        self, verifier: JwtVerifier, token: Any, provider: Any
    ) -> None:
        provider.status, provider.location = 302, provider.jwks_url
        with pytest.raises(IdentityProviderError):
            await verifier.caller(token())
        assert provider.asked == ["/.well-known/openid-configuration"]

    async def test_one_that_never_answers(
        self, verifier: JwtVerifier, token: Any, provider: Any
    ) -> None:
        provider.hangs = True
        with pytest.raises(IdentityProviderError):
            await verifier.caller(token())


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://id.example/keys", True),
        ("http://127.0.0.1:9/keys", True),
        ("http://[::1]:9/keys", True),
        ("http://localhost/keys", True),
        ("http://id.example", False),
        ("http://127.0.0.1.evil.example", False),
        ("http://localhost.evil.example", False),
        ("https://", False),
        ("ftp://127.0.0.1", False),
        ("http://[::1", False),
        ("", False),
    ],
)
def test_which_addresses_are_safe(url: str, safe: bool) -> None:
    assert is_safe_url(url) == safe
