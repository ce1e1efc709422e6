"""Embedders by embedding version: from settings, and from what the ledger notes of each."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from memoledger.adapters.embedders.choose import open_embedder
from memoledger.ledger.embedding_versions import EmbeddingVersions, adopt_embedding_version
from memoledger.ledger.round_trip import Connection
from memoledger.model.embedding import EmbeddingVersion
from memoledger.model.embedding_states import KeptVersion
from memoledger.model.errors import Forbidden, SettingsError
from memoledger.model.indexing import INDEXED_TEXT_VERSION
from memoledger.ports import Embedder
from memoledger.services.embedders import Embedders, Read
from memoledger.settings import PREFIX, Settings


def index_version(version: EmbeddingVersion) -> EmbeddingVersion:
    """The embedder's version together with the form of the text it is given."""
    form = {"indexed_text": str(INDEXED_TEXT_VERSION)}
    return replace(version, settings={**version.settings, **form})


async def embedder_of(settings: Settings) -> Embedder:
    """Open the embedder that the settings name.

    Raises:
        SettingsError, EmbedderError: there is no such embedder, or it cannot be had.
    """
    key = settings.embedder_api_key
    return await open_embedder(
        settings.embedder,
        dimensions=settings.embedding_dimensions,
        base_url=settings.embedder_url,
        api_key=None if key is None else key.get_secret_value(),
        timeout_s=settings.embedder_timeout_s,
        attempts=settings.embedder_attempts,
    )


def opening_of(settings: Settings) -> dict[str, str]:
    """With which words the settings open their embedder: what the ledger notes of it, no key."""
    opening = {"embedder": settings.embedder}
    url = settings.embedder_url
    if url is not None and "@" not in url:  # It may hold a password.
        opening["base_url"] = url
    return opening


async def open_version(settings: Settings, kept: KeptVersion) -> Embedder:
    """Open the embedder of a version that the ledger keeps.

    The key of the settings is for the provider that they name; others find theirs where their
    provider's own programs do.

    Raises:
        SettingsError: nothing is known with which it can be opened, or it makes other vectors now.
        EmbedderError: it cannot be had.
    """
    # What nothing is known about may be what the settings name: its vectors tell.
    opening = kept.opening or opening_of(settings)
    spec = opening["embedder"]
    configured = spec.partition(":")[0] == settings.embedder.partition(":")[0]
    embedder = await embedder_of(
        settings.model_copy(
            update={
                "embedder": spec,
                "embedding_dimensions": kept.dimensions,
                "embedder_url": opening.get("base_url"),
                "embedder_api_key": settings.embedder_api_key if configured else None,
            }
        )
    )
    name = index_version(embedder.version).name
    if name != kept.name and kept.opening is None:
        await embedder.aclose()
        raise SettingsError(
            PREFIX + "EMBEDDER",
            settings.embedder,
            f"the embedding version {kept.name} was made by an embedder that no setting names",
            remedy="Open the ledger with that embedder, as an argument.",
        )
    if name != kept.name:
        await embedder.aclose()
        raise SettingsError(
            PREFIX + "EMBEDDER",
            spec,
            f"it makes vectors of {name} now, and the ledger's are of {kept.name}",
            remedy="Use the release of the model that it was, or change the embedder: "
            "docs/howto/change-the-embedder.md.",
        )
    return embedder


async def settle_version(
    connection: Connection, version: EmbeddingVersion, opening: Mapping[str, str] | None
) -> None:
    """See that the ledger has the version of an embedder, or holds nothing and can take it on.

    Raises:
        SettingsError: the ledger holds vectors of another embedder, and none of this one's.
        Forbidden: the version is new, and the connection's login may not declare it.
    """
    version = index_version(version)
    versions = EmbeddingVersions(connection)
    found = {one.name: one for one in await versions.all()}
    serving = next((one for one in found.values() if one.state == "serving"), None)
    mine = found.get(version.name)
    if serving is None:
        await versions.declare(version, opening)
    elif mine is None or mine.state == "retired":
        number = await adopt_embedding_version(connection, version)
        if number is None:
            raise _no_vectors_of(version, serving)
        if opening is not None:
            await versions.note_opening(number, opening)
    elif mine.opening is None and opening is not None:
        # A login that cannot become the owner goes without: it has this embedder from its settings.
        with contextlib.suppress(Forbidden):
            await versions.note_opening(mine.number, opening)


def _no_vectors_of(version: EmbeddingVersion, serving: KeptVersion) -> SettingsError:
    as_it_was = (
        "Open the ledger with the embedder that it had"
        if serving.spec is None
        else f"Set {PREFIX}EMBEDDER={serving.spec} ({serving.dimensions} dimensions) as it was"
    )
    return SettingsError(
        PREFIX + "EMBEDDER",
        version.name,
        f"the memories of this ledger are embedded as {serving.name}, and there are no vectors of "
        "this one",
        remedy=f"{as_it_was}; or change the embedder while the ledger serves, beginning with "
        "`memoledger embeddings create` (docs/howto/change-the-embedder.md).",
    )


def embedders_of(settings: Settings, read: Read, given: Sequence[Embedder] = ()) -> Embedders:
    """Embedders by version: those given, and those that the settings can open."""

    async def open_one(kept: KeptVersion) -> Embedder:
        return await open_version(settings, kept)

    names = {index_version(embedder.version).name: embedder for embedder in given}
    return Embedders(read, open_one, names, settings.language)
