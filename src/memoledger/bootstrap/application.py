"""An open ledger: settings become services with their adapters."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from memoledger.adapters.clock import SystemClock
from memoledger.adapters.formats import SourceReader
from memoledger.adapters.rerankers import open_reranker
from memoledger.adapters.splitting import open_splitter
from memoledger.bootstrap.bytes import artifacts_in, cache_of
from memoledger.bootstrap.embeddings import embedder_of, embedders_of, opening_of
from memoledger.bootstrap.place import Place, placed
from memoledger.bootstrap.schema import make_ready
from memoledger.ledger.embedding_versions import LIST_VERSIONS, as_kept_version
from memoledger.ledger.indexed_search import Bounds
from memoledger.ledger.ledger import Ledger
from memoledger.ledger.sessions import Sessions
from memoledger.model.analysis import check_language
from memoledger.model.embedding_states import KeptVersion
from memoledger.model.queue import QueueStatistics
from memoledger.model.upkeep import Upkeep
from memoledger.ports import Artifacts, Embedder, TokenVerifier
from memoledger.services.authenticate import Authenticator
from memoledger.services.caching import Cached
from memoledger.services.context import Context
from memoledger.services.embedders import Embedders
from memoledger.services.receipts import ReceiptWriter
from memoledger.settings import Settings


@dataclass(slots=True)
class Application:
    """An open ledger: what services work with, and how to let go of it all."""

    context: Context
    settings: Settings
    place: Place
    embedder: Embedder
    authenticator: Authenticator
    close: Callable[[], Awaitable[None]]
    upkeep: Upkeep = field(default_factory=Upkeep)
    queue: QueueStatistics = field(default_factory=QueueStatistics)


async def open_application(
    settings: Settings,
    *,
    temporary: bool = False,
    embedder: Embedder | None = None,
    more_embedders: Sequence[Embedder] = (),
) -> Application:
    """Start or reach the server, bring the schema up to date, open the pool and the embedder.

    Args:
        temporary: use an embedded server in a folder that is deleted at the end.
        embedder: use this one instead of the settings'; it stays open when the ledger closes.
        more_embedders: those of other embedding versions that this ledger has or is to have; they
            stay open too.

    Raises:
        SettingsError, DataFolderError, LedgerUnavailable, ServerUnsuitable, MigrationError,
        EmbedderError: as their docstrings say; what had been opened is closed again.
    """
    check_language("MEMOLEDGER_LANGUAGE", settings.language)
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(placed(settings, temporary=temporary))
        own = embedder is not None
        if embedder is None:
            embedder = await embedder_of(settings)
            stack.push_async_callback(embedder.aclose)
        opening = None if own else opening_of(settings)
        await make_ready(settings, place, embedder.version, opening)
        sessions = _sessions(settings, place)
        await sessions.open()
        stack.push_async_callback(sessions.aclose)
        embedders = _embedders(settings, sessions, (embedder, *more_embedders))
        stack.push_async_callback(embedders.aclose)
        live = await embedders.begin()
        number, embedder = live.number, live.embedder
        reranker = open_reranker(settings.reranker, embedder=embedder)
        if reranker is not None:
            stack.push_async_callback(reranker.aclose)
        bounds = Bounds(settings.scans_at_once, settings.scan_timeout_s)
        ledger = Ledger.over(sessions, embedding_version=number, bounds=bounds)
        artifacts = artifacts_of(settings, place)
        if artifacts is not None:
            stack.push_async_callback(artifacts.aclose)
        cache = cache_of(settings)
        if cache is not None:
            stack.push_async_callback(cache.aclose)
        await ledger.receipts.tend()
        receipts = ReceiptWriter(ledger.receipts, words=settings.receipts, embedding_version=number)
        stack.push_async_callback(receipts.aclose)
        context = Context(
            ledger=ledger,
            preparer=live.preparer,
            clock=SystemClock(),
            receipts=receipts,
            reranker=reranker,
            rerank_by_default=settings.rerank,
            artifacts=artifacts,
            cached=None if cache is None else Cached(cache),
            embedders=embedders,
            reader=SourceReader(),
            splitter=open_splitter(),
        )
        authenticator = _authenticator(settings, context)
        stack.push_async_callback(authenticator.aclose)
        closing = stack.pop_all()
        return Application(context, settings, place, embedder, authenticator, closing.aclose)


def _embedders(settings: Settings, sessions: Sessions, given: Sequence[Embedder]) -> Embedders:
    """What follows the ledger's embedding versions; not yet begun."""

    async def read() -> list[KeptVersion]:
        [rows] = await sessions.run_as_nobody(LIST_VERSIONS)
        return [as_kept_version(row) for row in rows]

    return embedders_of(settings, read, given)


def artifacts_of(settings: Settings, place: Place) -> Artifacts | None:
    """Where the raw sources of a ledger are kept; None where they are not.

    Raises:
        SettingsError: the URL or the options of a bucket are wrong.
    """
    folder = place.data_dir or settings.data_dir
    return artifacts_in(settings, folder, temporary=place.temporary)


def _authenticator(settings: Settings, context: Context) -> Authenticator:
    """What tells callers apart.

    Raises:
        SettingsError: those of tokens are incomplete or contradict each other.
    """
    return Authenticator(
        context.ledger.keys,
        context.ledger.stores,
        context.clock,
        tokens=_token_verifier(settings),
        trusted_s=settings.key_trust_s,
        attempts_max=settings.failed_attempts_max,
    )


def _token_verifier(settings: Settings) -> TokenVerifier | None:
    secret = settings.token_secret
    told = {
        "issuer": settings.token_issuer,
        "audience": settings.token_audience,
        "jwks_url": settings.token_jwks_url,
        "secret": None if secret is None else secret.get_secret_value(),
        "tenant": settings.token_tenant,
        "tenant_claim": settings.token_tenant_claim,
        "scope_claim": settings.token_scope_claim,
    }
    if all(value is None for value in told.values()):
        return None
    # What verifies tokens takes a moment to import, and few ledgers need it.
    from memoledger.adapters.tokens import IdentityProvider, open_tokens

    provider = IdentityProvider(
        **told,
        user_claim=settings.token_user_claim,
        scopes=settings.token_scopes,
        leeway_s=settings.token_leeway_s,
    )
    return open_tokens(provider)


def _sessions(settings: Settings, place: Place) -> Sessions:
    return Sessions(
        place.revive or place.conninfo,
        pool_min=settings.pool_min,
        pool_max=max(settings.pool_min, settings.pool_max),
        wait_s=settings.pool_wait_s,
        waiting_max=settings.pool_waiting_max,
        statement_timeout_s=settings.statement_timeout_s,
        prepare=settings.prepare_statements,
    )
