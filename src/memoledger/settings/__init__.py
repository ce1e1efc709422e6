"""The one Settings class, read from arguments, the environment or a `.env` file by entry points."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dotenv import dotenv_values
from pydantic import ValidationError
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from memoledger.model.errors import SettingsError
from memoledger.settings.ledger import LedgerSettings, default_data_dir
from memoledger.settings.service import ServiceSettings

__all__ = ["DOTENV_FILE", "PREFIX", "Settings", "default_data_dir", "load_settings"]

PREFIX: Final = "MEMOLEDGER_"
DOTENV_FILE: Final = ".env"


class _OwnLines(DotEnvSettingsSource):
    """A `.env` file is shared with other programs: lines that are not ours are passed over."""

    def __call__(self) -> dict[str, Any]:
        return EnvSettingsSource.__call__(self)


# The bases are gone through from the last to the first.
class Settings(ServiceSettings, LedgerSettings):
    """Everything that can be set. `MEMOLEDGER_DATA_DIR` in the environment is `data_dir` here."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=DOTENV_FILE, frozen=True, extra="forbid", env_ignore_empty=True
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments before the environment before `.env`."""
        return init_settings, env_settings, _OwnLines(settings_cls), file_secret_settings


def load_settings(**given: Any) -> Settings:
    """Settings from arguments, then the environment, then `.env`; None counts as not given.

    Raises:
        SettingsError: a name is unknown or a value malformed; it names the setting and the reason.
    """
    _refuse_unknown_names(given)
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise _as_settings_error(error) from None
    if settings.pool_min > settings.pool_max:
        raise SettingsError(
            PREFIX + "POOL_MIN",
            settings.pool_min,
            f"it is larger than {PREFIX}POOL_MAX, {settings.pool_max}",
            remedy="Keep no more connections open than may be opened.",
        )
    return settings


def _refuse_unknown_names(given: Mapping[str, object]) -> None:
    """pydantic-settings passes over unknown variables: a misspelt one would have no effect."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    arguments = (PREFIX + name.upper() for name in given)
    for name in (*arguments, *os.environ, *_dotenv_names()):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            # Without what all of them begin with: that makes any two alike.
            said = name.upper().removeprefix(PREFIX)
            close = difflib.get_close_matches(said, [k.removeprefix(PREFIX) for k in known], n=1)
            raise SettingsError(
                name,
                "set",
                "there is no such setting",
                remedy=f"Did you mean {PREFIX}{close[0]}?"
                if close
                else f"Unset it. There are: {', '.join(sorted(known))}.",
            )


def _dotenv_names() -> tuple[str, ...]:
    try:
        return tuple(dotenv_values(DOTENV_FILE))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            DOTENV_FILE,
            str(Path(DOTENV_FILE).absolute()),
            f"it cannot be read ({type(error).__name__})",
            remedy="Make it a readable text file in UTF-8, or move it away.",
        ) from None


def _as_settings_error(error: ValidationError) -> SettingsError:
    first = error.errors(include_url=False, include_context=False)[0]
    name = str(first["loc"][0]) if first["loc"] else "settings"
    field = Settings.model_fields.get(name)
    secret = field is None or "SecretStr" in str(field.annotation)
    return SettingsError(
        PREFIX + name.upper(),
        "(hidden)" if secret else first["input"],
        first["msg"],
        remedy=field.description or "" if field else "Remove it.",
    )
