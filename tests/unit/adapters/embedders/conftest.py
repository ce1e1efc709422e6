from __future__ import annotations

import importlib.util
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest


def _fake_server() -> Any:
    """The module fake_server.py, by its path: the tests are no package."""
    name = "memoledger_tests_fake_server"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            name, Path(__file__).with_name("fake_server.py")
        )
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture
async def provider(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """A fake provider; no key or proxy of the machine the tests run on has a part in them."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "CO_API_KEY", "VOYAGE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    async with _fake_server().FakeProvider() as server:
        yield server
