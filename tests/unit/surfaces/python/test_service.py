"""Which ledger is opened: by arguments first, then by settings, never by both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from memoledger import InvalidInput, Memoledger, Settings, SettingsError, sync
from memoledger.client import blocking_ledger
from memoledger.client import memoledger as client
from memoledger.settings import load_settings
from memoledger.surfaces.python.memoledger import Opening

URL = "https://memory.example"


def opened(**given: Any) -> str:
    opening = Memoledger.open(**given)
    assert isinstance(opening, Opening | client.Opening)
    return "service" if isinstance(opening, client.Opening) else "here"


@pytest.mark.parametrize("url", [URL, "HTTP://127.0.0.1:8427/"])
def test_a_url_names_a_service(url: str) -> None:
    assert opened(url=url) == opened(url=url, api_key="mlk_x") == "service"


def test_without_one_a_ledger_is_opened_here(tmp_path: Path) -> None:
    assert opened() == opened(data_dir=tmp_path) == "here"
    assert opened(database_url="postgresql://db/x") == "here"


def test_the_settings_may_name_a_service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MEMOLEDGER_URL", URL)
    monkeypatch.setenv("MEMOLEDGER_API_KEY", "mlk_x")
    assert opened() == opened(settings=load_settings()) == opened(client_attempts=2) == "service"
    assert opened(data_dir=tmp_path) == opened(database_url="postgresql://db/x") == "here"
    assert opened(url="http://127.0.0.1:1") == "service"


def test_settings_that_name_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMOLEDGER_URL", URL)
    monkeypatch.setenv("MEMOLEDGER_DATABASE_URL", "postgresql://db/x")
    with pytest.raises(SettingsError) as caught:
        Memoledger.open()
    assert caught.value.field == "MEMOLEDGER_URL"
    assert opened(url="http://127.0.0.1:1") == "service"


@pytest.mark.parametrize("here", ["database_url", "data_dir", "embedder"])
def test_arguments_that_name_both(here: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        opened(url=URL, **{here: "minilm"})
    assert caught.value.field == here


@pytest.mark.parametrize("url", ["memory.example", "postgresql://db/x", "https://"])
def test_what_is_no_service(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Memoledger.open(url)
    assert caught.value.field == "url"


def test_a_key_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMOLEDGER_API_KEY", "mlk_hunter2")
    assert "hunter2" not in repr(Settings())
    with pytest.raises(InvalidInput) as caught:
        Memoledger.open(URL, api_key="mlk_hunter2\n")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("wrong", [{"client_attempts": 0}, {"client_timeout_s": 0}])
def test_settings_of_the_client(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        Memoledger.open(URL, **wrong)


def test_the_synchronous_twin() -> None:
    with sync.Memoledger.open(URL, api_key="mlk_x") as ledger:
        assert isinstance(ledger, blocking_ledger.Memoledger)
    with pytest.raises(InvalidInput):
        sync.Memoledger.open("memory.example")
