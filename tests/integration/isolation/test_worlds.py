"""Worlds drawn at random: every principal gets what the rules say, no more and no less.

The rules are written down once more here, in plain Python, as a person would tell them. A drawn
history of stores, grants, memories and changes is done to both, to the ledger through the Python
API, and then every principal asks everything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memoledger.model.errors import MemoledgerError
from memoledger.model.principal import Principal
from memoledger.surfaces.python.store import StoreHandle

TENANTS = ("one", "two")
USERS = ("ann", "ben", "cat")
MODES = ("dense", "lexical", "hybrid")

Person = tuple[str, str]
StoreKey = tuple[str, str, str]


@dataclass(frozen=True)
class Version:
    """What one version says, and from which step to which it holds."""

    fields: dict[str, Any]
    begun: int
    superseded: int | None = None
    deleted: int | None = None
    erased: bool = False

    @property
    def is_current(self) -> bool:
        return self.superseded is None and self.deleted is None

    def held(self, step: int) -> bool:
        """Whether it was what the ledger said at the end of a step."""
        ends = [end for end in (self.superseded, self.deleted) if end is not None]
        return not self.erased and self.begun <= step and all(end > step for end in ends)


@dataclass
class Memory:
    store: StoreKey
    creator: str
    versions: list[Version]
    id: UUID | None = None


@dataclass
class Rules:
    """The model: who owns what, who was granted what, and what was said."""

    visibility: dict[StoreKey, str] = field(default_factory=dict)
    grants: dict[tuple[StoreKey, str], str] = field(default_factory=dict)
    memories: list[Memory] = field(default_factory=list)
    step: int = 0

    def may_read(self, person: Person, store: StoreKey) -> bool:
        if store not in self.visibility or person[0] != store[0]:
            return False
        return (
            person[1] == store[1]
            or self.visibility[store] == "tenant"
            or (store, person[1]) in self.grants
        )

    def may_write(self, person: Person, store: StoreKey) -> bool:
        if store not in self.visibility or person[0] != store[0]:
            return False
        return person[1] == store[1] or self.grants.get((store, person[1])) == "write"

    def may_see(self, person: Person, memory: Memory, version: Version) -> bool:
        private = version.fields["privacy"] == "creator"
        return self.may_read(person, memory.store) and (not private or memory.creator == person[1])

    def holder(self, store: StoreKey, content: str, private_to: str | None) -> Memory | None:
        """The memory that is current under an identity."""
        for memory in self.memories:
            last = memory.versions[-1]
            owner = memory.creator if last.fields["privacy"] == "creator" else None
            identity = (memory.store, last.fields["content"], owner)
            if last.is_current and identity == (store, content, private_to):
                return memory
        return None

    def shown(
        self, person: Person, store: StoreKey, passes: Callable[[dict[str, Any]], bool], step: int
    ) -> set[tuple[UUID | None, int]]:
        """Ids and versions that a listing shows."""
        return {
            (memory.id, number)
            for memory in self.memories
            for number, version in enumerate(memory.versions, start=1)
            if memory.store == store
            and self.may_see(person, memory, version)
            and version.held(step)
            and passes(version.fields)
        }


@st.composite
def filters(draw: Any) -> dict[str, Any]:
    """A filter as recall and list take it."""
    return {
        "types": draw(st.none() | st.just(["note"])),
        "tags": draw(st.none() | st.sampled_from([["red"], ["red", "blue"]])),
        "min_importance": draw(st.none() | st.just(0.5)),
        "metadata": draw(st.none() | st.just({"k": 1})),
    }


def passing(chosen: dict[str, Any]) -> Callable[[dict[str, Any]], bool]:
    return lambda said: (
        (chosen["types"] is None or said["type"] in chosen["types"])
        and (chosen["tags"] is None or set(chosen["tags"]) <= set(said["tags"]))
        and (chosen["min_importance"] is None or said["importance"] >= chosen["min_importance"])
        and (chosen["metadata"] is None or said["metadata"].get("k") == 1)
    )


texts = st.fixed_dictionaries(
    {
        "content": st.sampled_from(
            [f"zebra {word}" for word in ("stripe", "herd", "plain", "dust")]
        ),
        "privacy": st.sampled_from(["store", "store", "creator"]),
        "type": st.sampled_from(["fact", "note"]),
        "tags": st.sampled_from([[], ["red"], ["red", "blue"]]),
        "importance": st.sampled_from([0.2, 0.8]),
        "metadata": st.sampled_from([{}, {"k": 1}]),
    }
)
users = st.sampled_from(USERS)
stores = st.tuples(st.sampled_from(TENANTS), users, st.just("home"))
strangers = st.sampled_from([False] * 7 + [True])
"""Whether somebody of that name in the other tenant tries it."""
places = st.integers(0, 4)

acts = st.one_of(
    st.tuples(st.just("open"), stores, st.sampled_from(["private", "tenant"])),
    st.tuples(st.just("share"), stores, users, st.sampled_from(["read", "write", "write"])),
    st.tuples(st.just("unshare"), stores, users),
    st.tuples(st.just("write"), stores, texts),
    st.tuples(st.just("invite"), stores, users, st.sampled_from(["read", "write"]), texts),
    st.tuples(st.just("remember"), users, strangers, stores, texts),
    st.tuples(st.just("update"), users, strangers, places, texts),
    st.tuples(st.just("forget"), users, strangers, places, st.booleans()),
)


class Play:
    """Does one drawn history to the ledger and to the rules."""

    def __init__(self, ledger: Any) -> None:
        self.ledger = ledger
        self.suffix = uuid4().hex
        self.rules = Rules()
        self.details: dict[StoreKey, Any] = {}
        self.instants: list[datetime] = []

    async def principal(self, person: Person) -> Any:
        return await self.ledger.principal(tenant=person[0] + self.suffix, user=person[1])

    async def handle(self, person: Person, store: StoreKey) -> StoreHandle:
        """A handle on a store, whether this person may have it or not."""
        context = self.ledger.application.context
        principal = Principal(person[0] + self.suffix, person[1])
        await context.ledger.stores.introduce(principal)
        return StoreHandle(context, principal, self.details[store])

    async def do(self, act: tuple[Any, ...]) -> None:
        name, *rest = act
        self.rules.step += 1
        await getattr(self, name)(*rest)
        sessions = self.ledger.application.context.ledger.sessions
        async with sessions._pool.connection() as connection:
            cursor = await connection.execute("SELECT clock_timestamp()")
            self.instants.append((await cursor.fetchone())[0])

    async def made(self, store: StoreKey) -> StoreHandle:
        """The owner's handle; the store is made at its first use."""
        owner = await self.principal(store[:2])
        handle = await owner.store(store[2])
        self.rules.visibility.setdefault(store, "private")
        self.details.setdefault(store, handle.details)
        return handle

    async def open(self, store: StoreKey, visibility: str) -> None:
        await (await self.made(store)).set_visibility(visibility)
        self.rules.visibility[store] = visibility

    async def share(self, store: StoreKey, user: str, access: str) -> None:
        handle = await self.made(store)
        if user == store[1]:
            await refused(handle.share(user, access=access))
            return
        await handle.share(user, access=access)
        self.rules.grants[store, user] = access

    async def unshare(self, store: StoreKey, user: str) -> None:
        handle = await self.made(store)
        if self.rules.grants.pop((store, user), None) is None:
            await refused(handle.unshare(user))
        else:
            await handle.unshare(user)

    async def write(self, store: StoreKey, said: dict[str, Any]) -> None:
        await self.remember(store[1], False, store, said)

    async def invite(self, store: StoreKey, user: str, access: str, said: dict[str, Any]) -> None:
        """Share, and see the other try to write at once."""
        await self.share(store, user, access)
        await self.remember(user, False, store, said)

    async def remember(
        self, user: str, stranger: bool, store: StoreKey, said: dict[str, Any]
    ) -> None:
        person = somebody(user, store, stranger)
        await self.made(store)
        handle = await self.handle(person, store)
        held = self.rules.holder(
            store, said["content"], person[1] if said["privacy"] == "creator" else None
        )
        if not self.rules.may_write(person, store):
            if held is not None and self.rules.may_see(person, held, held.versions[-1]):
                return  # Told that it is there, or refused: both are right.
            await refused(handle.remember(**said))
            return
        done = await handle.remember(**said)
        if held is None:
            assert done.outcome == "created"
            version = Version(said, self.rules.step)
            self.rules.memories.append(Memory(store, person[1], [version], done.id))
        else:
            assert (done.outcome, done.id) == ("unchanged", held.id)

    async def update(self, user: str, stranger: bool, place: int, said: dict[str, Any]) -> None:
        if place >= len(self.rules.memories):
            return
        memory = self.rules.memories[place]
        person = somebody(user, memory.store, stranger)
        last = memory.versions[-1]
        handle = await self.handle(person, memory.store)
        private_to = memory.creator if said["privacy"] == "creator" else None
        held = self.rules.holder(memory.store, said["content"], private_to)
        visible = last.is_current and self.rules.may_see(person, memory, last)
        if visible and said == last.fields:
            return
        if (
            not visible
            or not self.rules.may_write(person, memory.store)
            or held not in (None, memory)
            or private_to not in (None, person[1])
        ):
            await refused(handle.update(memory.id, **said))
            return
        done = await handle.update(memory.id, **said)
        assert (done.outcome, done.version) == ("updated", len(memory.versions) + 1)
        memory.versions[-1] = replace(last, superseded=self.rules.step)
        memory.versions.append(Version(said, self.rules.step))

    async def forget(self, user: str, stranger: bool, place: int, hard: bool) -> None:
        if place >= len(self.rules.memories):
            return
        memory = self.rules.memories[place]
        person = somebody(user, memory.store, stranger)
        handle = await self.handle(person, memory.store)
        *_, last = memory.versions
        kept = [version for version in memory.versions if not version.erased]
        sees = [self.rules.may_see(person, memory, version) for version in memory.versions]
        may = self.rules.may_write(person, memory.store) and (
            (bool(kept) and all(sees)) if hard else (last.is_current and sees[-1])
        )
        if not may:
            await refused(handle.forget(memory.id, hard=hard))
            return
        await handle.forget(memory.id, hard=hard)
        if hard:
            memory.versions[:] = [self.ended(version, erased=True) for version in memory.versions]
        else:
            memory.versions[-1] = self.ended(last, erased=False)

    def ended(self, version: Version, *, erased: bool) -> Version:
        deleted = self.rules.step if version.deleted is None else version.deleted
        return replace(version, deleted=deleted, erased=erased)


def somebody(user: str, store: StoreKey, stranger: bool) -> Person:
    """A user of the store's tenant, or one of that name in the other."""
    [other] = {*TENANTS} - {store[0]}
    return (other if stranger else store[0]), user


async def refused(call: Any) -> None:
    with pytest.raises(MemoledgerError):
        await call


async def check(play: Play, person: Person, chosen: dict[str, Any], step: int) -> None:
    """One principal asks everything, now and as of a step."""
    rules = play.rules
    principal = await play.principal(person)
    listed = {store.id for store in (await principal.stores(limit=1_000)).stores}
    readable = {key for key in play.details if rules.may_read(person, key)}
    assert listed == {play.details[key].id for key in readable}
    for store in play.details:
        handle = await play.handle(person, store)
        if store in readable:
            assert (await principal.store_by_id(handle.id)).id == handle.id
        else:
            await refused(principal.store_by_id(handle.id))
        now = rules.shown(person, store, lambda said: True, rules.step)
        then = rules.shown(person, store, lambda said: True, step)
        assert await handle.count() == len(now)
        await check_reads(handle, {}, now, None)
        await check_reads(
            handle, chosen, rules.shown(person, store, passing(chosen), rules.step), None
        )
        await check_reads(handle, {}, then, play.instants[step - 1])
        await check_reads(
            handle,
            chosen,
            rules.shown(person, store, passing(chosen), step),
            play.instants[step - 1],
        )
        await check_each(play, person, handle, store, now)


async def check_reads(
    handle: StoreHandle, chosen: dict[str, Any], expected: set[Any], as_of: datetime | None
) -> None:
    page = await handle.list(**chosen, as_of=as_of, limit=1_000)
    assert {(memory.id, memory.version) for memory in page.memories} == expected
    for mode in MODES:
        hits = await handle.recall("zebra herd", mode=mode, limit=1_000, **chosen, as_of=as_of)
        found = [(hit.memory.id, hit.memory.version) for hit in hits]
        assert len(found) == len(set(found))
        assert set(found) == expected, mode


async def check_each(
    play: Play, person: Person, handle: StoreHandle, store: StoreKey, now: set[Any]
) -> None:
    for memory in play.rules.memories:
        here = memory.store == store
        if here and (memory.id, len(memory.versions)) in now:
            got = await handle.get(memory.id)
            said = memory.versions[-1].fields
            assert (got.content, got.privacy) == (said["content"], said["privacy"])
        else:
            await refused(handle.get(memory.id))
        visible = [
            number
            for number, version in enumerate(memory.versions, start=1)
            if here and play.rules.may_see(person, memory, version)
        ]
        if visible:
            history = await handle.history(memory.id)
            assert [version.version for version in history] == visible
            assert [version.content for version in history] == [
                "" if memory.versions[n - 1].erased else memory.versions[n - 1].fields["content"]
                for n in visible
            ]
        else:
            await refused(handle.history(memory.id))


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data(), history=st.lists(acts, min_size=4, max_size=16))
async def test_everybody_gets_what_the_rules_say(ledger: Any, data: Any, history: Any) -> None:
    play = Play(ledger)
    for act in history:
        await play.do(act)
    chosen = data.draw(filters())
    step = data.draw(st.integers(1, len(history)))
    for person in [(tenant, user) for tenant in TENANTS for user in USERS]:
        await check(play, person, chosen, step)
