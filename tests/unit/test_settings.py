"""Settings: arguments before the environment before `.env`; nothing unknown or malformed passes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from memoledger.model.errors import SettingsError
from memoledger.settings import PREFIX, Settings, load_settings

SECRET = "postgres://owner:swordfish@db.example/ledger"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder; a `.env` in it counts."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_nothing_needs_to_be_set() -> None:
    settings = load_settings()
    assert settings.database_url is None
    assert settings.embedder == "minilm"
    assert settings.data_dir.name == "ledger"


def test_arguments_come_before_the_environment_before_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / ".env").write_text("MEMOLEDGER_POOL_MAX=3\nMEMOLEDGER_POOL_MIN=2\n")
    assert load_settings().pool_max == 3
    monkeypatch.setenv("MEMOLEDGER_POOL_MAX", "4")
    assert load_settings().pool_max == 4
    assert load_settings(pool_max=5).pool_max == 5
    assert load_settings(pool_max=None).pool_max == 4
    assert load_settings().pool_min == 2


def test_lines_of_other_programs_are_passed_over(folder: Path) -> None:
    (folder / ".env").write_text(
        f"OPENAI_API_KEY=sk-secret\nDATABASE_URL={SECRET}\nPOOL_MAX=5\nMEMOLEDGER_POOL_MAX=3\n"
    )
    settings = load_settings()
    assert settings.database_url is None
    assert settings.pool_max == 3


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMOLEDGER_POOL_MAX", "")
    assert load_settings().pool_max == Settings().pool_max


class TestUnknown:
    def test_in_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MEMOLEDGER_DATABSE_URL", SECRET)
        self.refused("MEMOLEDGER_DATABSE_URL", "MEMOLEDGER_DATABASE_URL")

    def test_in_the_file(self, folder: Path) -> None:
        (folder / ".env").write_text(f"MEMOLEDGER_DATABSE_URL={SECRET}\n")
        self.refused("MEMOLEDGER_DATABSE_URL", "MEMOLEDGER_DATABASE_URL")

    def test_as_an_argument(self) -> None:
        self.refused("MEMOLEDGER_DATABSE_URL", "MEMOLEDGER_DATABASE_URL", databse_url=SECRET)

    def test_without_anything_close_all_are_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MEMOLEDGER_XYZZY", "1")
        self.refused("MEMOLEDGER_XYZZY", "MEMOLEDGER_POOL_MAX")

    def refused(self, name: str, suggestion: str, **given: Any) -> None:
        with pytest.raises(SettingsError, match="no such setting") as caught:
            load_settings(**given)
        assert caught.value.field == name
        assert suggestion in str(caught.value)
        assert "swordfish" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pool_max", "many"),
        ("pool_max", 0),
        ("pool_max", 10**9),
        ("pool_min", -1),
        ("pool_wait_s", 0),
        ("pool_wait_s", float("nan")),
        ("pool_wait_s", float("inf")),
        ("connect_attempts", 1.5),
        ("statement_timeout_s", -1),
        ("auto_migrate", "perhaps"),
        ("embedding_dimensions", 0),
        ("embedding_dimensions", 3_901),
        ("embedder", 5),
        ("data_dir", 5),
    ],
)
def test_a_malformed_value_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(**{name: value})
    assert caught.value.field == PREFIX + name.upper()
    assert caught.value.remedy == Settings.model_fields[name].description


@pytest.mark.parametrize("name", ["database_url", "admin_database_url", "embedder_api_key"])
def test_a_secret_is_never_shown(name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(**{name: [SECRET]})
    assert "swordfish" not in str(caught.value)
    assert "swordfish" not in repr(load_settings(**{name: SECRET}))


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"MEMOLEDGER_POOL_MAX=3\nNAME=caf\xe9\n"])
def test_a_file_that_is_no_text_is_named(folder: Path, content: bytes) -> None:
    (folder / ".env").write_bytes(content)
    with pytest.raises(SettingsError, match=r"\.env: it cannot be read"):
        load_settings()


def test_settings_cannot_be_changed_and_know_all_their_fields() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load_settings().pool_max = 5  # type: ignore[misc]
    with pytest.raises(ValidationError, match="Extra inputs"):
        Settings(colour="red")  # type: ignore[call-arg]


def test_no_more_connections_are_kept_than_may_be_opened() -> None:
    assert load_settings(pool_min=3, pool_max=3).pool_min == 3
    with pytest.raises(SettingsError, match="MEMOLEDGER_POOL_MIN"):
        load_settings(pool_min=3, pool_max=2)
