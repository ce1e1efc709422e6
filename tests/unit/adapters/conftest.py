"""An identity provider for the tests of tokens, loaded by its path: the tests are no package."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import jwt
import pytest

from memoledger.adapters.jwks import KeySet
from memoledger.adapters.tokens import JwtVerifier

_NAME = "memoledger_tests_identity_provider"


def _load() -> Any:
    if _NAME not in sys.modules:
        path = Path(__file__).with_name("identity_provider.py")
        spec = importlib.util.spec_from_file_location(_NAME, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[_NAME] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[_NAME])
    return sys.modules[_NAME]


identity = _load()


@pytest.fixture
async def provider(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """An identity provider; no proxy of the machine has a part in the tests."""
    monkeypatch.setenv("NO_PROXY", "*")
    started = await identity.Provider().start()
    yield started
    await started.stop()


@pytest.fixture
def clock() -> Any:
    return identity.Clock()


@pytest.fixture
async def verifier(provider: Any, clock: Any) -> AsyncIterator[JwtVerifier]:
    keys = KeySet(provider.issuer, timeout_s=0.5, monotonic=clock)
    made = JwtVerifier(provider.issuer, ["memoledger"], identity.RULES, keys=keys)
    yield made
    await made.aclose()


@pytest.fixture
def token(provider: Any) -> Callable[..., str]:
    """Makes tokens: good ones but for what is said."""

    def make(
        key: Any = identity.RSA, algorithm: str = "RS256", kid: str | None = "rsa", **claims: Any
    ) -> str:
        headers = claims.pop("headers", {})
        said = {
            "iss": provider.issuer,
            "aud": "memoledger",
            "sub": "alice",
            "exp": int(time.time()) + 600,
            **claims,
        }
        said = {name: value for name, value in said.items() if value is not ...}
        if kid is not None:
            headers = {"kid": kid, **headers}
        return jwt.encode(said, key, algorithm, headers=headers)

    return make
