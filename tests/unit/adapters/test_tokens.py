"""Tokens: verified with the keys of a provider on loopback, or a shared secret, or refused."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import sys
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from memoledger.adapters.jwks import KeySet
from memoledger.adapters.tokens import IdentityProvider, JwtVerifier, open_tokens
from memoledger.model.errors import Unauthenticated
from memoledger.model.principal import Principal

identity: Any = sys.modules["memoledger_tests_identity_provider"]  # conftest.py has loaded it


class TestGood:
    @pytest.mark.parametrize(
        ("key", "algorithm", "kid"),
        [
            (identity.RSA, "RS256", "rsa"),
            (identity.RSA, "RS512", "rsa"),
            (identity.RSA, "PS384", "rsa"),
            (identity.P256, "ES256", "ec"),
            (identity.ED, "EdDSA", "ed"),
            (identity.P256, "ES256", None),
            (identity.RSA, "RS256", None),
        ],
    )
    async def test_every_asymmetric_algorithm(
        self, verifier: JwtVerifier, token: Any, key: Any, algorithm: str, kid: str | None
    ) -> None:
        caller = await verifier.caller(token(key, algorithm, kid))
        assert caller.principal == Principal("acme", "alice")
        assert caller.method == "token"

    async def test_an_audience_among_several_and_a_type(
        self, verifier: JwtVerifier, token: Any
    ) -> None:
        await verifier.caller(token(aud=["others", "memoledger"], headers={"typ": "at+JWT"}))

    async def test_keys_are_fetched_once(
        self, verifier: JwtVerifier, token: Any, provider: Any
    ) -> None:
        await asyncio.gather(*(verifier.caller(token()) for _ in range(20)))
        assert provider.asked == ["/.well-known/openid-configuration", "/keys"]


class TestRefused:
    @pytest.mark.parametrize(
        "claims",
        [
            {"exp": 1},
            {"exp": ...},
            {"exp": "soon"},
            {"exp": float("inf")},
            {"exp": float("nan")},
            {"nbf": int(time.time()) + 3_600},
            {"iat": int(time.time()) + 3_600},
            {"aud": "others"},
            {"aud": ...},
            {"aud": []},
            {"aud": {"memoledger": 1}},
            {"iss": "https://evil.example"},
            {"iss": ...},
            {"sub": ...},
            {"sub": 7},
            {"headers": {"crit": ["exp"]}},
            {"headers": {"typ": "logout+jwt"}},
            {"headers": {"typ": 7}},
        ],
    )
    async def test_claims_that_do_not_fit(
        self, verifier: JwtVerifier, token: Any, claims: dict[str, Any]
    ) -> None:
        with pytest.raises(Unauthenticated):
            await verifier.caller(token(**claims))

    async def test_a_trailing_slash_is_another_issuer(
        self, verifier: JwtVerifier, token: Any, provider: Any
    ) -> None:
        with pytest.raises(Unauthenticated):
            await verifier.caller(token(iss=provider.issuer + "/"))

    async def test_another_key_under_the_same_name(self, verifier: JwtVerifier, token: Any) -> None:
        with pytest.raises(Unauthenticated):
            await verifier.caller(token(identity.OTHER_RSA))

    async def test_a_changed_letter_anywhere(self, verifier: JwtVerifier, token: Any) -> None:
        good = token(identity.P256, "ES256", "ec")
        await verifier.caller(good)
        for place in range(0, len(good) - 1, 7):
            other = "A" if good[place] != "A" else "B"
            with pytest.raises(Unauthenticated):
                await verifier.caller(good[:place] + other + good[place + 1 :])

    async def test_no_signature(self, verifier: JwtVerifier, provider: Any) -> None:
        claims = {"iss": provider.issuer, "aud": "memoledger", "sub": "a", "exp": 9_999_999_999}
        for algorithm in ("none", "None", "NONE", "nOnE", "", None, 1, ["RS256"], "HS256", "XX"):
            for kid in ("rsa", None, 7):
                header = {"alg": algorithm, "typ": "JWT", "kid": kid}
                for signature in (b"", b"x" * 256):
                    with pytest.raises(Unauthenticated):
                        await verifier.caller(identity.unsigned(header, claims, signature))

    async def test_a_public_key_as_a_shared_secret(
        self, provider: Any, clock: Any, token: Any
    ) -> None:
        """The oldest confusion: HS256 under the key that everybody knows."""
        known = [
            identity.RSA.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            ),
            json.dumps(identity.public(identity.RSA, "rsa")).encode(),
            b"",
        ]
        claims = {"iss": provider.issuer, "aud": "memoledger", "sub": "a", "exp": 9_999_999_999}
        for secret in (None, identity.SECRET):
            keys = KeySet(provider.issuer, monotonic=clock)
            verifier = JwtVerifier(
                provider.issuer, ["memoledger"], identity.RULES, keys=keys, secret=secret
            )
            for key in known:
                body = identity.unsigned({"alg": "HS256", "kid": "rsa"}, claims).rpartition(".")[0]
                signature = hmac.digest(key, body.encode(), hashlib.sha256)
                forged = body + "." + base64.urlsafe_b64encode(signature).rstrip(b"=").decode()
                with pytest.raises(Unauthenticated):
                    await verifier.caller(forged)
            await verifier.aclose()

    async def test_a_symmetric_key_among_the_published(
        self, verifier: JwtVerifier, token: Any, provider: Any
    ) -> None:
        k = base64.urlsafe_b64encode(identity.SECRET.encode()).rstrip(b"=").decode()
        provider.keys = [{"kty": "oct", "kid": "oct", "alg": "HS256", "k": k}]
        with pytest.raises(Unauthenticated):
            await verifier.caller(token(identity.SECRET, "HS256", "oct"))

    async def test_an_algorithm_that_is_not_the_keys_own(
        self, verifier: JwtVerifier, token: Any, provider: Any
    ) -> None:
        provider.keys = [
            identity.public(identity.RSA, "rsa", alg="RS256"),
            identity.public(identity.P256, "enc", use="enc"),
        ]
        await verifier.caller(token(identity.RSA, "RS256"))
        for key, algorithm, kid in (
            (identity.RSA, "PS256", "rsa"),
            (identity.P256, "ES256", "rsa"),
            (identity.P256, "ES256", "enc"),
        ):
            with pytest.raises(Unauthenticated):
                await verifier.caller(token(key, algorithm, kid))

    async def test_a_key_in_the_token_itself_is_not_looked_at(
        self, verifier: JwtVerifier, token: Any, provider: Any
    ) -> None:
        evil = await identity.Provider().start()
        evil.keys = [identity.public(identity.OTHER_RSA, "rsa")]
        for header in (
            {"jwk": identity.public(identity.OTHER_RSA, "rsa")},
            {"jku": evil.jwks_url},
            {"x5u": evil.jwks_url},
        ):
            with pytest.raises(Unauthenticated):
                await verifier.caller(token(identity.OTHER_RSA, headers=header))
        assert evil.asked == []
        await evil.stop()

    async def test_two_keys_without_a_name_are_not_guessed_between(
        self, verifier: JwtVerifier, token: Any, provider: Any
    ) -> None:
        provider.keys = [
            identity.public(identity.RSA, None),
            identity.public(identity.OTHER_RSA, None),
        ]
        with pytest.raises(Unauthenticated):
            await verifier.caller(token(kid=None))

    @pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
    async def test_a_key_too_short_to_be_trusted(
        self, verifier: JwtVerifier, token: Any, provider: Any
    ) -> None:
        short = rsa.generate_private_key(public_exponent=65_537, key_size=1_024)
        provider.keys = [identity.public(short, "rsa")]
        with pytest.raises(Unauthenticated):
            await verifier.caller(token(short))

    @pytest.mark.parametrize(
        "text",
        [
            "",
            ".",
            "..",
            "...",
            "a.b.c",
            "a.b.c.d.e",
            "x" * 20_000,
            "e30.e30.e30",
            "é.é.é",
            "\ud800",
            "bnVsbA.bnVsbA.bnVsbA",
            "W10.W10.W10",
            "." * 16_000,
        ],
    )
    async def test_what_is_no_token(self, verifier: JwtVerifier, text: str) -> None:
        with pytest.raises(Unauthenticated):
            await verifier.caller(text)

    async def test_a_header_that_nests_without_end(self, verifier: JwtVerifier) -> None:
        deep = base64.urlsafe_b64encode(b"[" * 10_000).decode()
        with pytest.raises(Unauthenticated):
            await verifier.caller(f"{deep}.e30.e30")

    async def test_one_larger_than_any_is_refused_before_it_is_read(
        self, verifier: JwtVerifier, token: Any, provider: Any
    ) -> None:
        with pytest.raises(Unauthenticated):
            await verifier.caller(token(filler="x" * 20_000))
        assert provider.asked == []


class TestSharedSecret:
    async def test_one_that_was_set_verifies(self, provider: Any, token: Any) -> None:
        verifier = JwtVerifier(
            provider.issuer, ["memoledger"], identity.RULES, keys=None, secret=identity.SECRET
        )
        caller = await verifier.caller(token(identity.SECRET, "HS256", None))
        assert caller.principal.user == "alice"
        for wrong in (
            token("another secret that is long enough", "HS256", None),
            token(identity.SECRET, "HS384", None),
            token(identity.RSA),
        ):
            with pytest.raises(Unauthenticated):
                await verifier.caller(wrong)

    async def test_as_supabase_does(self, provider: Any, token: Any) -> None:
        made = open_tokens(
            IdentityProvider(
                issuer=provider.issuer,
                audience="authenticated",
                secret=identity.SECRET,
                tenant_claim="app_metadata.tenant",
            )
        )
        caller = await made.caller(
            token(
                identity.SECRET,
                "HS256",
                None,
                aud="authenticated",
                role="authenticated",
                sub="1f0c",
                app_metadata={"provider": "email", "tenant": "acme"},
                user_metadata={"tenant": "globex"},
            )
        )
        assert caller.principal == Principal("acme", "1f0c")
        assert caller.scopes == {"read", "write"}
