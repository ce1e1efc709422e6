"""The public keys of an identity provider: a JSON Web Key Set (RFC 7517), fetched and kept.

Its address is given, or found by OpenID Connect Discovery. Keys are fetched again every ten
minutes, and when a token names one that is not known, once a minute at most: whoever makes up names
of keys makes no requests. While the provider is away the keys known last are good for an hour.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import jwt
import structlog

from memoledger.model.errors import IdentityProviderError

FRESH_S: Final = 600.0
STALE_S: Final = 3_600.0
UNKNOWN_PAUSE_S: Final = 60.0
FAILED_PAUSE_S: Final = 5.0
TIMEOUT_S: Final = 5.0
BYTES_MAX: Final = 262_144
KEYS_MAX: Final = 100
RSA_BITS_MIN: Final = 2_048

_LIMITS: Final = httpx.Limits(max_connections=2, max_keepalive_connections=1)
_log = structlog.get_logger("memoledger")

# What each algorithm is verified with: the type of key and, for curves, which.
KEY_TYPES: Final[Mapping[str, tuple[str, str | None]]] = {
    **{f"{kind}{bits}": ("RSA", None) for kind in ("RS", "PS") for bits in (256, 384, 512)},
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}

_PUBLIC: Final = ("kty", "crv", "x", "y", "n", "e", "kid", "alg", "use")
"""Members that a public key may have: a private one published by mistake is not taken in."""


class KeySet:
    """The keys of one issuer. Use it in one event loop.

    Args:
        issuer: whose keys they are; without `url`, the document of this issuer tells where.
        url: where they are.
        monotonic: seconds of a clock that is never set.
    """

    def __init__(
        self,
        issuer: str,
        url: str | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer = issuer
        self._url = url
        self._monotonic = monotonic
        self._timeout_s = timeout_s
        self._client = httpx.AsyncClient(
            timeout=timeout_s, follow_redirects=False, trust_env=True, limits=_LIMITS
        )
        self._keys: list[dict[str, Any]] = []
        self._made: dict[tuple[int, str], jwt.PyJWK | None] = {}
        self._fetched_s: float | None = None
        self._tried_s: float | None = None
        self._failed = False
        self._turn = asyncio.Lock()

    async def find(self, key_id: str | None, algorithm: str) -> jwt.PyJWK | None:
        """The key with which a token says it was signed, if it is of the algorithm's kind.

        Args:
            key_id: its name; None where the token names none, which will do if only one fits.
            algorithm: of `KEY_TYPES`.

        Raises:
            IdentityProviderError: there are no keys, and none can be had now.
        """
        if self._age_s() > FRESH_S:
            await self._fetch(pause_s=FAILED_PAUSE_S if self._failed else 0.0)
        found = self._known(key_id, algorithm)
        if found is None and key_id is not None and not self._has(key_id):
            await self._fetch(pause_s=UNKNOWN_PAUSE_S)
            found = self._known(key_id, algorithm)
        if self._age_s() > STALE_S:
            raise IdentityProviderError(
                f"The keys of {self._issuer} cannot be had, so that no token can be verified.",
                remedy="Try again later; the service's log says why.",
            )
        return found

    async def aclose(self) -> None:
        """Release connections. Safe to call twice."""
        await self._client.aclose()

    def _age_s(self) -> float:
        return float("inf") if self._fetched_s is None else self._monotonic() - self._fetched_s

    def _has(self, key_id: str) -> bool:
        return any(key.get("kid") == key_id for key in self._keys)

    def _known(self, key_id: str | None, algorithm: str) -> jwt.PyJWK | None:
        places = [
            place
            for place, key in enumerate(self._keys)
            if _fits(key, algorithm) and (key_id is None or key.get("kid") == key_id)
        ]
        if len(places) != 1:
            return None
        [place] = places
        if (place, algorithm) not in self._made:
            self._made[place, algorithm] = _made(self._keys[place], algorithm)
        return self._made[place, algorithm]

    async def _fetch(self, *, pause_s: float) -> None:
        """Fetch the keys, unless that was tried within the pause; who waits shares the answer."""
        asked_s = self._monotonic()
        async with self._turn:
            if self._tried_s is not None and (
                self._tried_s >= asked_s or asked_s - self._tried_s < pause_s
            ):
                return
            self._tried_s = self._monotonic()
            try:
                async with asyncio.timeout(2 * self._timeout_s):
                    keys = await self._fetched()
            except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError) as error:
                self._failed = True
                reason = str(error)[:200]
                _log.warning("keys_not_fetched", error=type(error).__name__, reason=reason)
                return
            self._keys, self._made, self._failed = keys, {}, False
            self._fetched_s = self._tried_s

    async def _fetched(self) -> list[dict[str, Any]]:
        if self._url is None:
            self._url = await self._discovered()
        document = await self._json(self._url)
        keys = document.get("keys")
        if not isinstance(keys, list):
            raise ValueError("the answer has no list of keys")
        return [_public(key) for key in keys[:KEYS_MAX] if isinstance(key, dict)]

    async def _discovered(self) -> str:
        """OpenID Connect Discovery 1.0, section 4: the issuer has to be the one that was asked."""
        url = self._issuer.rstrip("/") + "/.well-known/openid-configuration"
        document = await self._json(url)
        found = document.get("jwks_uri")
        if document.get("issuer") != self._issuer:
            raise ValueError("the discovered document is of another issuer")
        if not isinstance(found, str) or not is_safe_url(found):
            raise ValueError("the discovered document names no address of keys over https")
        return found

    async def _json(self, url: str) -> dict[str, Any]:
        body = bytearray()
        async with self._client.stream(
            "GET", url, headers={"Accept": "application/json"}
        ) as answer:
            if answer.status_code != httpx.codes.OK:
                raise ValueError(f"the answer's status is {answer.status_code}")
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > BYTES_MAX:
                    raise ValueError(f"the answer is longer than {BYTES_MAX:,} bytes")
        try:
            document = json.loads(bytes(body))
        except RecursionError:
            raise ValueError("the answer nests too deeply") from None
        if not isinstance(document, dict):
            raise ValueError("the answer is no JSON object")
        return document


def is_safe_url(url: str) -> bool:
    """Whether nobody on the way can put keys of their own there: https, or this machine itself."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme == "https":
        return bool(host)
    return parts.scheme == "http" and _is_loopback(host)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _public(key: dict[str, Any]) -> dict[str, Any]:
    return {name: key[name] for name in _PUBLIC if isinstance(key.get(name), str)}


def _fits(key: Mapping[str, Any], algorithm: str) -> bool:
    """Whether a key is for signatures and of the algorithm's kind."""
    kind, curve = KEY_TYPES[algorithm]
    return (
        key.get("kty") == kind
        and (curve is None or key.get("crv") == curve)
        and key.get("alg", algorithm) == algorithm
        and key.get("use", "sig") == "sig"
    )


def _made(key: dict[str, Any], algorithm: str) -> jwt.PyJWK | None:
    """The key for one algorithm; None if it is broken or too short to be trusted."""
    try:
        made = jwt.PyJWK(key, algorithm)
    except jwt.PyJWTError:
        return None
    if key["kty"] == "RSA" and made.key.key_size < RSA_BITS_MIN:
        return None
    return made
