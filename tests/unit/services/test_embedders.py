"""Following the ledger's embedding versions, with the embedders a process can have."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from memoledger.model.embedding import EmbeddingVersion
from memoledger.model.embedding_states import KeptVersion
from memoledger.model.errors import EmbedderError, LedgerUnavailable, SettingsError
from memoledger.services import embedders as following
from memoledger.services.embedders import Embedders

NOW = datetime(2026, 5, 8, tzinfo=UTC)


class Named:
    """An embedder that only has a version, and can be closed."""

    def __init__(self, name: str) -> None:
        self.version = EmbeddingVersion(name, 3)
        self.closed = False

    async def embed(self, texts: Any, *, input_type: str) -> Any:
        raise AssertionError("nothing is embedded here")

    async def aclose(self) -> None:
        self.closed = True


def kept(number: int, name: str, state: Any, *, replaced: datetime | None = None) -> KeptVersion:
    opening = {"embedder": name}
    return KeptVersion(number, name, name, 3, {}, state, opening, NOW, replaced_at=replaced)


class Ledger:
    """What the versions are, and which embedders can be opened."""

    def __init__(self, *versions: KeptVersion) -> None:
        self.versions = list(versions)
        self.openable = {one.name for one in versions}
        self.opened: dict[str, Named] = {}
        self.reads = 0
        self.away = False

    async def read(self) -> list[KeptVersion]:
        self.reads += 1
        if self.away:
            raise LedgerUnavailable("away")
        return list(self.versions)

    async def open(self, one: KeptVersion) -> Any:
        if one.name not in self.openable:
            raise SettingsError("embedder", one.name, "no key", remedy="Set it.")
        self.opened[one.name] = Named(one.name)
        return self.opened[one.name]

    def embedders(self, **given: Any) -> Embedders:
        return Embedders(self.read, self.open, given, "english")


async def settled() -> None:
    """Let embedders be opened in the background."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_it_works_in_the_version_that_serves() -> None:
    ledger = Ledger(kept(1, "a", "previous"), kept(2, "b", "serving"), kept(3, "c", "retired"))
    own = Named("b")
    embedders = ledger.embedders(b=own)
    live = await embedders.begin()
    assert (live.number, live.embedder) == (2, own)
    await settled()
    assert set(embedders.preparers) == {1, 2}
    assert [one.number for one in (await embedders.live()).preparer.companions] == [1]
    await embedders.aclose()
    assert ledger.opened["a"].closed
    assert not own.closed


async def test_it_notices_a_change_and_keeps_what_was_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(following, "NOTICED_S", 0.0)
    ledger = Ledger(kept(1, "a", "serving"), kept(2, "b", "ready"))
    embedders = ledger.embedders()
    first = await embedders.begin()
    await settled()
    ledger.versions = [kept(1, "a", "previous", replaced=NOW), kept(2, "b", "serving")]
    second = await embedders.live()
    assert (first.number, second.number) == (1, 2)
    assert [one.embedder for one in first.preparer.companions] == [None]
    assert [one.state for one in second.preparer.companions] == ["previous"]
    assert (await embedders.live()).preparer is second.preparer


async def test_it_does_not_look_every_time() -> None:
    ledger = Ledger(kept(1, "a", "serving"))
    embedders = ledger.embedders()
    await embedders.begin()
    for _ in range(10):
        await embedders.live()
    assert ledger.reads == 1


async def test_while_the_ledger_is_away_it_goes_on_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(following, "NOTICED_S", 0.0)
    ledger = Ledger(kept(1, "a", "serving"))
    embedders = ledger.embedders()
    await embedders.begin()
    ledger.away = True
    assert (await embedders.live()).number == 1


async def test_without_the_embedder_that_serves_it_goes_on_in_the_latest_before() -> None:
    early, late = NOW, datetime(2026, 5, 9, tzinfo=UTC)
    ledger = Ledger(
        kept(1, "a", "previous", replaced=early),
        kept(2, "b", "previous", replaced=late),
        kept(3, "c", "serving"),
    )
    ledger.openable -= {"c"}
    embedders = ledger.embedders()
    assert (await embedders.begin()).number == 2


async def test_with_none_at_all_it_says_why() -> None:
    ledger = Ledger(kept(1, "a", "serving"))
    ledger.openable = set()
    with pytest.raises(SettingsError, match="no key"):
        await ledger.embedders().begin()
    with pytest.raises(EmbedderError, match="No embedding version serves"):
        await Ledger().embedders().begin()


async def test_once_the_one_it_works_in_is_gone_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "NOTICED_S", 0.0)
    ledger = Ledger(kept(1, "a", "serving"), kept(2, "b", "ready"))
    ledger.openable -= {"b"}
    embedders = ledger.embedders()
    await embedders.begin()
    ledger.versions = [kept(1, "a", "retired"), kept(2, "b", "serving")]
    with pytest.raises(EmbedderError, match="served by b"):
        await embedders.live()
    await embedders.aclose()
