"""Which ledger is meant: one to be opened here, or one behind a service; and the way to the latter.

The client is imported when a service is named: whoever opens a ledger here needs no HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from memoledger.model.errors import InvalidInput, SettingsError
from memoledger.settings import PREFIX, Settings

if TYPE_CHECKING:
    from memoledger.client import blocking_ledger, memoledger


def is_behind_service(settings: Settings, url: str | None, here: Mapping[str, object]) -> bool:
    """Whether a service's ledger is meant: by the argument, or else by the settings.

    Args:
        here: arguments about a ledger to be opened here; they beat a service of the environment's.

    Raises:
        InvalidInput: the arguments name a service and a ledger to be opened here.
        SettingsError: the settings name a service and a database.
    """
    given = [name for name, value in here.items() if value is not None]
    if url is not None and given:
        raise InvalidInput(
            given[0],
            "given",
            "the ledger is either behind a service or opened here",
            remedy=f"Leave out `url` or `{given[0]}`.",
        )
    if settings.url is None or given:
        return False
    if url is None and settings.database_url is not None:
        raise SettingsError(
            PREFIX + "URL",
            settings.url,
            f"{PREFIX}DATABASE_URL is set as well, and names another way to a ledger",
            remedy="Unset one of the two.",
        )
    return True


def connect(settings: Settings) -> memoledger.Opening:
    """A client of the service that the settings name."""
    from memoledger.client.memoledger import Memoledger

    assert settings.url is not None
    return Memoledger.open(
        settings.url,
        api_key=_key(settings),
        timeout_s=settings.client_timeout_s,
        attempts=settings.client_attempts,
    )


def connect_blocking(settings: Settings) -> blocking_ledger.Memoledger:
    """The synchronous twin of it."""
    from memoledger.client.blocking_ledger import Memoledger

    assert settings.url is not None
    return Memoledger.open(
        settings.url,
        api_key=_key(settings),
        timeout_s=settings.client_timeout_s,
        attempts=settings.client_attempts,
    )


def _key(settings: Settings) -> str | None:
    return None if settings.api_key is None else settings.api_key.get_secret_value()
