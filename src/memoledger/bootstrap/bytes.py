"""Where bytes are kept: the object store of raw sources, and the cache."""

from __future__ import annotations

from pathlib import Path

from memoledger.adapters.artifacts import OFF, open_artifacts
from memoledger.adapters.cache import open_cache
from memoledger.ports import Artifacts, Cache
from memoledger.settings import Settings


def artifacts_in(settings: Settings, folder: Path, *, temporary: bool) -> Artifacts | None:
    """Where raw sources are kept; None where they are not. Nothing is made or connected yet.

    Args:
        folder: of the ledger; theirs is in the part that an upgrade of PostgreSQL leaves alone.
        temporary: whatever bucket the settings name, they go with a temporary ledger.

    Raises:
        SettingsError: the URL or the options of a bucket are wrong.
    """
    url, options = settings.artifacts_url, settings.artifacts_options
    if temporary and url != OFF:
        url = options = None
    return open_artifacts(
        url,
        None if options is None else options.get_secret_value(),
        folder=folder.expanduser().absolute() / "memoledger" / "artifacts",
    )


def cache_of(settings: Settings) -> Cache | None:
    """A Redis, or a cache in the process; None for none. No connection is made yet.

    Raises:
        SettingsError: the URL is none of a Redis.
    """
    url = settings.redis_url
    return open_cache(
        None if url is None else url.get_secret_value(),
        memory_mb=settings.cache_memory_mb,
        timeout_s=settings.cache_timeout_s,
    )
