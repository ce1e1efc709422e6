"""A full look at a running service: the findings of `memoledger doctor`, on what is open."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from memoledger.bootstrap import embeddings
from memoledger.ledger.connect import connected
from memoledger.ledger.round_trip import Connection
from memoledger.model.errors import MemoledgerError
from memoledger.services import diagnose
from memoledger.services.diagnose import Finding
from memoledger.surfaces.api.service import Service


async def examine(service: Service) -> list[Finding]:
    """What there is to be found; what was wrong with a server is said without naming it."""
    application = service.application
    embedder = application.embedder
    found = [_load(service), _receipts(service)]
    found.append(await diagnose.guarded("embedder", lambda: diagnose.find_embedder(embedder)))
    settings, context = application.settings, application.context
    cache = None if context.cached is None else context.cached.cache
    found.append(await diagnose.guarded("cache", lambda: diagnose.find_cache(cache)))
    artifacts = context.artifacts
    found.append(await diagnose.guarded("artifacts", lambda: diagnose.find_artifacts(artifacts)))
    try:
        async with connected(
            application.place.admin_conninfo, attempts=1, timeout_s=settings.connect_timeout_s
        ) as connection:
            found += [await diagnose.guarded(*look) for look in _looks(service, connection)]
    except MemoledgerError:
        found.append(Finding("server", "fail", "It cannot be reached.", "See the service's log."))
    return found


def _looks(
    service: Service, connection: Connection
) -> list[tuple[str, Callable[[], Awaitable[Finding]]]]:
    settings = service.application.settings
    version = embeddings.index_version(service.application.embedder.version)
    auto, index_from = settings.auto_migrate, settings.index_from
    return [
        ("server", lambda: diagnose.find_versions(connection)),
        ("migrations", lambda: diagnose.find_migrations(connection, auto_migrate=auto)),
        ("isolation", lambda: diagnose.find_isolation(connection)),
        ("indexes", lambda: diagnose.find_indexes(connection, index_from=index_from)),
        ("embedding version", lambda: diagnose.find_namespace(connection, version)),
    ]


def _load(service: Service) -> Finding:
    heavy, streams = service.heavy, service.streams
    message = (
        f"{heavy.inside} requests search or write, {heavy.waiting} wait, {heavy.refused} were sent "
        f"away; {streams.inside} streams are open."
    )
    return Finding("load", "warn" if heavy.waiting else "ok", message)


def _receipts(service: Service) -> Finding:
    writer = service.context.receipts
    message = f"{writer.waiting} receipts wait to be written, {writer.lost} were lost."
    return Finding("receipts", "warn" if writer.lost else "ok", message)
