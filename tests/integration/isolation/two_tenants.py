"""A world of two tenants: who and what there is in it, who may read it, and how it is made.

Whatever a person wrote or named in the world carries a mark, such as
`acme.alice.diary.bob.private`: tenant, owner of the store, store, author, privacy.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
from pydantic import SecretStr

from memoledger.model.caller import EVERY_SCOPE, Caller
from memoledger.model.document import Piece
from memoledger.model.embedding import EmbeddingVersion
from memoledger.model.idempotency import Claim
from memoledger.model.principal import Principal
from memoledger.ports import EmbeddingInput, Vectors
from memoledger.services.idempotency import begin, finish
from memoledger.services.keys import create_key
from memoledger.settings import load_settings
from memoledger.surfaces.python.memoledger import Memoledger
from memoledger.surfaces.python.store import StoreHandle

DIMENSIONS = 8
MARK = re.compile(r"(?:acme|globex)\.\w+\.\w+(?:\.\w+\.(?:shared|private))?")

Person = tuple[str, str]
"""Tenant and user."""

PEOPLE: tuple[Person, ...] = (
    ("acme", "alice"),
    ("acme", "bob"),
    ("acme", "carol"),
    ("globex", "alice"),
    ("globex", "dave"),
)

STORES = {
    # (tenant, owner, store): visibility, {user: access}
    ("acme", "alice", "diary"): ("private", {}),
    ("acme", "alice", "board"): ("tenant", {}),
    ("acme", "alice", "shelf"): ("private", {"bob": "read"}),
    ("acme", "alice", "desk"): ("private", {"bob": "write"}),
    ("acme", "bob", "diary"): ("private", {"carol": "read"}),
    ("acme", "carol", "diary"): ("private", {}),
    ("globex", "alice", "diary"): ("private", {}),
    ("globex", "alice", "board"): ("tenant", {}),
    ("globex", "dave", "diary"): ("private", {"alice": "write"}),
}

StoreKey = tuple[str, str, str]


class TinyEmbedder:
    """A text's vector is drawn from its hash."""

    version = EmbeddingVersion("tiny", DIMENSIONS)

    async def embed(self, texts: Sequence[str], *, input_type: EmbeddingInput) -> Vectors:
        return np.stack([self.vector(text) for text in texts])

    @staticmethod
    def vector(text: str) -> np.ndarray[Any, np.dtype[np.float32]]:
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
        numbers = np.random.default_rng(seed).standard_normal(DIMENSIONS)
        return (numbers / np.linalg.norm(numbers)).astype(np.float32)

    async def aclose(self) -> None:
        """Nothing to close."""


class Lines:
    """A document's lines are its pieces, below a section that is called like the first."""

    name = "lines"

    def split(self, text: str, media_type: str) -> list[Piece]:
        found = re.finditer(r"[^\n]+", text)
        section = text.partition("\n")[0]
        return [Piece(line[0], line.start(), line.end(), section, 1) for line in found]


def opening(chosen: Any) -> Any:
    """The Python API, with an embedder and a splitter that are small."""
    return _Opening(chosen)


class _Opening:
    def __init__(self, chosen: Any) -> None:
        self._opened = Memoledger.open(settings=chosen, embedder=TinyEmbedder())

    async def __aenter__(self) -> Memoledger:
        ledger = await self._opened.__aenter__()
        application = ledger.application
        application.context = replace(application.context, splitter=Lines())
        return ledger

    async def __aexit__(self, *failure: Any) -> None:
        await self._opened.__aexit__(*failure)


@dataclass(frozen=True)
class World:
    """Who and what there is, and who may read it, as the rules in words say.

    Args:
        stores: the id of each store.
        memories: the id of a memory by its mark and state: `current`, `updated`, `forgotten` or
        `erased`.
        documents: the id of a document likewise.
    """

    conninfo: Callable[[str], str]
    stores: dict[StoreKey, UUID]
    memories: dict[tuple[str, str], UUID]
    documents: dict[tuple[str, str], UUID]
    everybody: tuple[Person, ...] = PEOPLE

    def readers(self, key: StoreKey) -> set[Person]:
        """Who may read a store: owner, those granted, or everybody of its tenant."""
        tenant, owner, _ = key
        visibility, grants = STORES[key]
        if visibility == "tenant":
            return {person for person in PEOPLE if person[0] == tenant}
        return {(tenant, user) for user in (owner, *grants)}

    def writers(self, key: StoreKey) -> set[Person]:
        """Who may write to a store: its owner and those granted that."""
        tenant, owner, _ = key
        granted = (user for user, access in STORES[key][1].items() if access == "write")
        return {(tenant, user) for user in (owner, *granted)}

    def marks_of(self, person: Person) -> set[str]:
        """Every mark that a person may see."""
        found = {".".join(key) for key in STORES if person in self.readers(key)}
        for mark, _ in self.memories:
            tenant, owner, store, author, privacy = mark.split(".")
            if person in self.readers((tenant, owner, store)) and (
                privacy == "shared" or author == person[1]
            ):
                found.add(mark)
        return found | {f"{person[0]}.{person[1]}.key"}

    def store(self, tenant: str, owner: str, name: str) -> UUID:
        """The id of a store."""
        return self.stores[tenant, owner, name]

    def root(self) -> psycopg.Connection[tuple[Any, ...]]:
        """A connection that sees everything."""
        return psycopg.connect(self.conninfo("postgres"), autocommit=True)


def settings_of(world: World, login: str = "memoledger_app") -> Any:
    """Settings of a ledger in the world's database."""
    return load_settings(
        database_url=SecretStr(world.conninfo(login)),
        admin_database_url=SecretStr(world.conninfo("postgres")),
        sweep_interval_s=0.0,
    )


async def populate(world: World) -> None:
    """Fill an empty database, and note in the world what was made."""
    async with opening(settings_of(world)) as ledger:
        people = {
            (tenant, user): await ledger.principal(tenant=tenant, user=user)
            for tenant, user in PEOPLE
        }
        for key, (visibility, grants) in STORES.items():
            tenant, owner, name = key
            store = await people[tenant, owner].store(".".join(key))
            await store.set_visibility(visibility)
            for user, access in grants.items():
                await store.share(user, access=access)
            world.stores[key] = store.id
            for author in (owner, *(user for user, access in grants.items() if access == "write")):
                mine = await people[tenant, author].store_by_id(store.id)
                for privacy in ("shared", "private"):
                    mark = f"{tenant}.{owner}.{name}.{author}.{privacy}"
                    await _write(mine, mark, privacy, world.memories)
                await _learn(mine, f"{tenant}.{owner}.{name}.{author}", world.documents)
        for tenant, user in PEOPLE:
            await _give_keys(ledger, Principal(tenant, user))
    await _index_everything(world)
    for words in ("full", "hashed"):
        await _recall_everything(world, receipts=words)


async def _give_keys(ledger: Memoledger, person: Principal) -> None:
    """Everybody has a key, which was used, and a write under an idempotency key."""
    context = ledger.application.context
    caller = Caller(person, EVERY_SCOPE, "development")
    fresh = await create_key(context, caller, name=f"{person.tenant}.{person.user}.key")
    await ledger.application.authenticator.caller(fresh.secret, "192.0.2.1")
    claim = await begin(context, person, "the same key", method="POST", path="/")
    assert isinstance(claim, Claim)
    await finish(context, claim, status=201, answer={"id": f"{person.tenant}.{person.user}.key"})


async def _index_everything(world: World) -> None:
    """Every store gets an index, small as it is."""
    await asyncio.sleep(1.1)  # what was written in the last second is not yet taken in
    chosen = settings_of(world).model_copy(update={"index_from": 1})
    async with Memoledger.open(settings=chosen, embedder=TinyEmbedder()) as ledger:
        assert await ledger.index_stores() == len(world.stores)


async def _recall_everything(world: World, **overrides: object) -> None:
    """Every reader asks every store for its name, and finds all that they may see of it."""
    chosen = settings_of(world).model_copy(update=overrides)
    async with Memoledger.open(settings=chosen, embedder=TinyEmbedder()) as ledger:
        for key, store_id in world.stores.items():
            for tenant, user in world.readers(key):
                principal = await ledger.principal(tenant=tenant, user=user)
                store = await principal.store_by_id(store_id)
                await store.recall(".".join(key), limit=100)


async def _write(
    store: StoreHandle, mark: str, privacy: str, made: dict[tuple[str, str], UUID]
) -> None:
    for state in ("current", "updated", "forgotten", "erased"):
        memory = await store.remember(
            f"{mark} was {state}",
            privacy="creator" if privacy == "private" else "store",
            title=f"{mark} title",
            summary=f"{mark} summary",
            source=mark,
            tags=[mark],
            subject_refs=[mark],
            metadata={"mark": mark},
            external_id=f"{mark}.{state}",
            importance=0.25,
        )
        made[mark, state] = memory.id
        if state == "updated":
            await store.update(memory.id, content=f"{mark} was changed")
        elif state != "current":
            await store.forget(memory.id, hard=state == "erased")


async def _learn(store: StoreHandle, author: str, made: dict[tuple[str, str], UUID]) -> None:
    """Documents have no privacy of their own; what they yield may have."""
    mark = f"{author}.shared"
    for state in ("current", "updated", "forgotten", "erased"):
        for version in range(2 if state == "updated" else 1):
            learned = await store.learn(
                mark,
                f"{mark}.{state}",
                content=f"{mark} head\n{mark} was {state}\n{mark} line {version}",
                title=f"{mark} title",
                summary=f"{mark} summary",
                state=mark,
                author=mark,
                tags=[mark],
                metadata={"mark": mark},
                observations=[
                    {"content": f"{mark} observed {state}"},
                    {"content": f"{author}.private observed {state}", "privacy": "creator"},
                ],
            )
        made[mark, state] = learned.document.id
        if state in ("forgotten", "erased"):
            await store.forget_document(learned.document.id, hard=state == "erased")
