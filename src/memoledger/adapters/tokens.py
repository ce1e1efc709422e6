"""Tokens of an identity provider: JSON Web Tokens (RFC 7519), verified as RFC 8725 advises.

The algorithm is what the key is for, never what the token says: a token that names another than
its key's is refused, so is `none`, and a shared secret verifies only where one was set. Issuer,
audience and expiry have to be there. What a header marks as critical (RFC 7515, section 4.1.11) is
not known here and therefore refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import jwt

from memoledger.adapters.jwks import KEY_TYPES, KeySet, is_safe_url
from memoledger.model.caller import Caller
from memoledger.model.checks import check_name
from memoledger.model.claims import ClaimRules
from memoledger.model.errors import SettingsError, Unauthenticated
from memoledger.model.keys import check_scopes

TOKEN_CHARS_MAX: Final = 16_384
SECRET_BYTES_MIN: Final = 32
"""RFC 7518, section 3.2: as long as the hash."""

WRITTEN_BY_USERS: Final = ("user_metadata", "unsafe_metadata")
"""Claims that some providers let a user fill in: who they are must not come from there."""

_SHARED: Final = "HS256"
_TYPES: Final = (None, "jwt", "at+jwt", "application/at+jwt")
_REQUIRED: Final = ("exp", "iss", "aud")


class JwtVerifier:
    """Verifies tokens of one issuer.

    Args:
        issuer: who must have issued them, compared letter by letter.
        audience: for whom they must be meant: one of these.
        rules: where in them it says who holds them.
        keys: the issuer's public keys; None where only the shared secret counts.
        secret: shared with the issuer, 32 bytes or more; None for none.
        leeway_s: by how much the clocks of issuer and service may differ.
    """

    def __init__(
        self,
        issuer: str,
        audience: Sequence[str],
        rules: ClaimRules,
        *,
        keys: KeySet | None,
        secret: str | None = None,
        leeway_s: float = 30.0,
    ) -> None:
        self._issuer = issuer
        self._audience = list(audience)
        self._rules = rules
        self._keys = keys
        self._secret = secret
        self._leeway_s = leeway_s
        self._jwt = jwt.PyJWT()

    async def caller(self, token: str) -> Caller:
        """Who holds this token.

        Raises:
            Unauthenticated: it is no such token, or names nobody.
            IdentityProviderError: the issuer's keys cannot be had now.
        """
        if len(token) > TOKEN_CHARS_MAX or not token.isascii():
            raise _not_good()
        try:
            header = jwt.get_unverified_header(token)
            algorithm = _algorithm_of(header)
            key = await self._key(header, algorithm)
            claims = self._jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self._audience,
                issuer=self._issuer,
                leeway=self._leeway_s,
                options={"require": list(_REQUIRED)},
            )
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            raise _not_good() from None
        return self._rules.caller_of(claims)

    async def aclose(self) -> None:
        """Release connections. Safe to call twice."""
        if self._keys is not None:
            await self._keys.aclose()

    async def _key(self, header: dict[str, Any], algorithm: str) -> jwt.PyJWK | str:
        if algorithm == _SHARED:
            if self._secret is None:
                raise _not_good()
            return self._secret
        key_id = header.get("kid")
        if self._keys is None or not isinstance(key_id, str | None):
            raise _not_good()
        found = await self._keys.find(key_id, algorithm)
        if found is None:
            raise _not_good()
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityProvider:
    """Whose tokens are taken, as the settings `MEMOLEDGER_TOKEN_*` say; None for what is not set.

    Args:
        audience, scopes: words between spaces.
    """

    issuer: str | None = None
    audience: str | None = None
    jwks_url: str | None = None
    secret: str | None = field(default=None, repr=False)
    tenant: str | None = None
    tenant_claim: str | None = None
    user_claim: str = "sub"
    scope_claim: str | None = None
    scopes: str = "read write"
    leeway_s: float = 30.0


def open_tokens(provider: IdentityProvider) -> JwtVerifier:
    """The verifier of a provider's tokens.

    Raises:
        SettingsError: something is missing, or contradicts another.
    """
    issuer, secret, jwks_url = provider.issuer, provider.secret, provider.jwks_url
    if issuer is None:
        raise _refused("ISSUER", None, "it is not set, but others of tokens are", "Set it.")
    audience = (provider.audience or "").split()
    if not audience:
        raise _refused("AUDIENCE", None, "it is not set", "Name the `aud` of your tokens.")
    _check_claims(provider)
    if secret is not None and len(secret.encode()) < SECRET_BYTES_MIN:
        reason = f"it has less than {SECRET_BYTES_MIN} bytes"
        raise _refused("SECRET", "(hidden)", reason, "Use a longer one, drawn at random.")
    keys = None
    if jwks_url is not None or secret is None:
        _check_url("ISSUER" if jwks_url is None else "JWKS_URL", jwks_url or issuer)
        keys = KeySet(issuer, jwks_url)
    rules = ClaimRules(
        provider.tenant,
        provider.tenant_claim,
        provider.user_claim,
        provider.scope_claim,
        check_scopes("MEMOLEDGER_TOKEN_SCOPES", provider.scopes.split()),
    )
    leeway_s = provider.leeway_s
    return JwtVerifier(issuer, audience, rules, keys=keys, secret=secret, leeway_s=leeway_s)


def _check_claims(provider: IdentityProvider) -> None:
    tenant, claim = provider.tenant, provider.tenant_claim
    if (tenant is None) == (claim is None):
        reason = "it takes a tenant, or else a claim that tells it"
        raise _refused("TENANT", tenant, reason, "Set one of it and MEMOLEDGER_TOKEN_TENANT_CLAIM.")
    if tenant is not None:
        check_name("MEMOLEDGER_TOKEN_TENANT", tenant)
    paths = {"TENANT_CLAIM": claim, "USER_CLAIM": provider.user_claim}
    for name, path in {**paths, "SCOPE_CLAIM": provider.scope_claim}.items():
        if path is not None and path.split(".")[0] in WRITTEN_BY_USERS:
            raise _refused(name, path, "users write it", "Use one that only you can write.")


def _check_url(name: str, url: str) -> None:
    if not is_safe_url(url):
        reason = "keys are taken over https, or over http from this machine"
        raise _refused(name, url, reason, "Give such a URL.")


def _refused(name: str, value: object, reason: str, remedy: str) -> SettingsError:
    return SettingsError(f"MEMOLEDGER_TOKEN_{name}", value, reason, remedy=remedy)


def _algorithm_of(header: dict[str, Any]) -> str:
    """The algorithm that a header names, if it is one that may be and nothing else is asked."""
    algorithm, kind = header.get("alg"), header.get("typ")
    known = isinstance(algorithm, str) and (algorithm in KEY_TYPES or algorithm == _SHARED)
    plain = kind.lower() if isinstance(kind, str) else kind
    if not known or "crit" in header or "b64" in header or plain not in _TYPES:
        raise _not_good()
    return str(algorithm)


def _not_good() -> Unauthenticated:
    return Unauthenticated(
        "The key or token is wrong, expired or revoked.",
        remedy="Sign in again, or have a new key made.",
    )
