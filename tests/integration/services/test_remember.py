"""Remember: one memory a content, whoever writes it how often at the same time."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import numpy as np
import psycopg
import pytest

from memoledger.model.errors import Forbidden, InvalidInput, LedgerUnavailable, NotFound
from memoledger.surfaces.python.memoledger import Memoledger
from memoledger.surfaces.python.principal import PrincipalHandle
from memoledger.surfaces.python.store import StoreHandle

FIELDS: dict[str, Any] = {
    "type": "episode",
    "importance": 0.8,
    "source": "email",
    "tags": ("planning", "q4"),
    "subject_refs": ("john",),
    "metadata": {"speaker": "Ann", "n": [1, 2.5, None, True, {"é": "\u2028"}]},
    "title": "Roadmap",
    "summary": "What we will do",
    "external_id": "mail-1",
    "occurred_at": datetime(2026, 5, 8, 13, 56, tzinfo=UTC),
    "valid_from": datetime(2026, 1, 1, tzinfo=UTC),
    "valid_to": datetime(2027, 1, 1, tzinfo=UTC),
    "expires_at": datetime(2999, 1, 1, tzinfo=UTC),
    "privacy": "creator",
}


def soon(ms: int) -> datetime:
    return datetime.now(UTC) + timedelta(milliseconds=ms)


async def passed(instant: datetime) -> None:
    await asyncio.sleep(max(0.0, (instant - datetime.now(UTC)).total_seconds()) + 0.005)


class TestWhatIsKept:
    async def test_every_field_comes_back_as_it_was_given(self, notes: StoreHandle) -> None:
        written = await notes.remember("Meeting about the roadmap\r\n\tand more ", **FIELDS)
        read = await notes.get(written.id)
        assert read.content == "Meeting about the roadmap\r\n\tand more "
        assert {name: getattr(read, name) for name in FIELDS} == FIELDS
        assert {name: getattr(written, name) for name in FIELDS} == FIELDS
        assert (written.version, written.outcome, written.created_by) == (1, "created", "alice")
        assert {f: getattr(written, f) for f in read.as_dict()} == {
            f: getattr(read, f) for f in read.as_dict()
        }

    async def test_defaults(self, notes: StoreHandle) -> None:
        read = await notes.get((await notes.remember("Tea at five")).id)
        assert (read.type, read.importance, read.privacy) == ("fact", 0.5, "store")
        assert (read.tags, read.subject_refs, read.metadata) == ((), (), {})
        assert read.external_id is read.title is read.summary is read.expires_at is None

    async def test_the_longest_memory_there_can_be(self, notes: StoreHandle) -> None:
        words = " ".join(f"w{i}" for i in range(17_000))[:99_990] + " aardvark"
        written = await notes.remember(words, embedding=np.ones(32))
        assert (await notes.get(written.id)).content == words
        [hit] = await notes.recall("aardvark", mode="lexical")
        assert hit.memory.id == written.id

    @pytest.mark.parametrize("factor", [1, 1e-20, 1e20, -3])
    async def test_a_given_vector_counts_by_its_direction(
        self, notes: StoreHandle, hashing: Any, factor: float
    ) -> None:
        vector = hashing.vector("anything")
        await notes.remember("Tea", embedding=vector * factor)
        assert hashing.texts == []
        [hit] = await notes.recall("x", mode="dense", embedding=vector)
        assert hit.score == pytest.approx(np.sign(factor), abs=2e-3)

    async def test_a_buffer_that_is_filled_again_does_not_change_what_was_given(
        self, notes: StoreHandle, hashing: Any
    ) -> None:
        buffer = np.empty(32, dtype=np.float32)

        def items() -> Any:
            for text in ("one", "two", "three"):
                buffer[:] = hashing.vector(text)
                yield {"content": text, "embedding": buffer}

        await notes.remember_many(items())
        for text in ("one", "two", "three"):
            [hit] = await notes.recall(text, mode="dense", limit=1, embedding=hashing.vector(text))
            assert hit.memory.content == text


class TestIdentity:
    async def test_the_same_content_is_one_memory(self, notes: StoreHandle, hashing: Any) -> None:
        first = await notes.remember("Café  at\nfive", importance=0.2)
        for same in (
            "Café at five",
            "  Café\tat five ",
            unicodedata.normalize("NFD", "Café at five"),
            "Café\u3000at\u00a0five",
        ):
            again = await notes.remember(same, importance=0.9, tags=["new"])
            assert (again.id, again.version, again.outcome) == (first.id, 1, "unchanged")
            assert (again.content, again.importance) == ("Café  at\nfive", 0.2)
        assert await notes.count() == 1

    @pytest.mark.parametrize("other", ["café at five", "Café at five.", "Cafe at five", "at five"])
    async def test_another_content_is_another_memory(self, notes: StoreHandle, other: str) -> None:
        first = await notes.remember("Café at five")
        second = await notes.remember(other)
        assert second.outcome == "created"
        assert first.id != second.id

    async def test_an_external_id_is_an_identity_of_its_own(self, notes: StoreHandle) -> None:
        turns = [await notes.remember("Thanks!", external_id=f"turn-{i}") for i in range(3)]
        turns.append(await notes.remember("Thanks!"))
        assert len({turn.id for turn in turns}) == 4
        assert {turn.outcome for turn in turns} == {"created"}

    async def test_changed_content_under_an_external_id_is_a_new_version(
        self, notes: StoreHandle
    ) -> None:
        first = await notes.remember("one", external_id="x", title="Old", tags=["old"])
        second = await notes.remember("two", external_id="x", importance=0.9)
        assert (second.id, second.version, second.outcome) == (first.id, 2, "updated")
        read = await notes.get(first.id)
        assert (read.content, read.title, read.tags, read.importance) == ("two", None, (), 0.9)
        assert [m.content for m in await notes.history(first.id)] == ["one", "two"]

    async def test_the_same_content_under_an_external_id_changes_nothing_and_says_so(
        self, notes: StoreHandle
    ) -> None:
        first = await notes.remember("one", external_id="x", title="Old")
        again = await notes.remember(" one ", external_id="x", title="New", importance=1)
        assert (again.outcome, again.title, again.version) == ("unchanged", "Old", 1)
        assert (await notes.get(first.id)).title == "Old"

    async def test_stores_users_and_tenants_are_apart(
        self, shared: Memoledger, alice: PrincipalHandle, bob: PrincipalHandle
    ) -> None:
        other = await shared.principal(tenant=f"tenant-{uuid4().hex}", user="alice")
        stores = [await who.store(name) for who in (alice, bob, other) for name in ("a", "b")]
        written = [await store.remember("Tea", external_id="x") for store in stores]
        assert {memory.outcome for memory in written} == {"created"}
        assert len({memory.id for memory in written}) == 6

    async def test_a_private_memory_has_an_identity_of_its_own(
        self, notes: StoreHandle, bob: PrincipalHandle
    ) -> None:
        await notes.share("bob", access="write")
        shared = await bob.store("notes", owner="alice")
        written = [
            await notes.remember("Tea", privacy="creator"),
            await shared.remember("Tea", privacy="creator"),
            await shared.remember("Tea"),
        ]
        assert {memory.outcome for memory in written} == {"created"}
        assert (await notes.remember("Tea")).id == written[2].id
        assert (await notes.remember("Tea", privacy="creator")).id == written[0].id
        assert await notes.count() == await shared.count() == 2

    async def test_after_forgetting_it_is_a_new_memory(self, notes: StoreHandle) -> None:
        for external_id in (None, "x"):
            first = await notes.remember("Tea", external_id=external_id)
            await notes.forget(first.id)
            second = await notes.remember("Tea", external_id=external_id)
            assert second.outcome == "created"
            assert second.id != first.id
            with pytest.raises(NotFound):
                await notes.get(first.id)

    async def test_after_its_expiry_it_is_a_new_memory(
        self, notes: StoreHandle, sql: Callable[..., list[tuple[Any, ...]]]
    ) -> None:
        expires = soon(60)
        first = await notes.remember("Tea", expires_at=expires)
        assert (await notes.remember("Tea")).outcome == "unchanged"
        await passed(expires)
        second = await notes.remember("Tea")
        assert second.outcome == "created"
        assert second.id != first.id
        assert [m.deleted_at for m in await notes.history(first.id)] == [expires]
        assert [act for (act,) in self.acts(sql, first)] == ["remember", "expire"]

    @staticmethod
    def acts(sql: Callable[..., list[tuple[Any, ...]]], memory: Any) -> list[tuple[Any, ...]]:
        return sql(
            "SELECT act FROM memoledger.audit_records WHERE row_key ->> 'memory_id' = %s "
            "ORDER BY audit_id",
            str(memory.id),
        )


class TestRights:
    async def test_a_reader_may_not_write_even_what_is_there(
        self, notes: StoreHandle, bob: PrincipalHandle
    ) -> None:
        await notes.remember("Tea", external_id="x")
        await notes.share("bob", access="read")
        shared = await bob.store("notes", owner="alice")
        for given in ({"content": "Milk"}, {"content": "Tea", "external_id": "x"}):
            with pytest.raises(Forbidden):
                await shared.remember(**given)
            with pytest.raises(Forbidden):
                await shared.remember_many([given, {"content": "More"}])
        assert await notes.count() == 1

    async def test_a_right_taken_back_is_gone_at_once(
        self, notes: StoreHandle, bob: PrincipalHandle
    ) -> None:
        await notes.share("bob", access="write")
        shared = await bob.store("notes", owner="alice")
        assert (await shared.remember("Tea")).created_by == "bob"
        await notes.unshare("bob")
        with pytest.raises(Forbidden):
            await shared.remember("Milk")
        assert await shared.count() == 0


class TestExpiry:
    async def test_one_in_the_past_is_refused(self, notes: StoreHandle) -> None:
        with pytest.raises(InvalidInput, match="expires_at"):
            await notes.remember("Tea", expires_at=soon(-1))
        assert await notes.count() == 0


class TestTogether:
    """Many at the same time."""

    async def test_the_same_content(self, open_ledger: Callable[..., Any], tenant: str) -> None:
        async with open_ledger(pool_max=8) as one, open_ledger(pool_max=8) as two:
            stores = [
                await (await each.principal(tenant=tenant, user="alice")).store("notes")
                for each in (one, two)
            ]
            written = await asyncio.gather(
                *(stores[i % 2].remember("Tea", importance=i / 100) for i in range(60))
            )
            assert len({memory.id for memory in written}) == 1
            outcomes = sorted(memory.outcome for memory in written)
            assert outcomes == ["created"] + ["unchanged"] * 59
            assert len({memory.importance for memory in written}) == 1
            assert await stores[0].count() == 1

    async def test_other_contents_under_one_external_id(
        self, open_ledger: Callable[..., Any], tenant: str
    ) -> None:
        contents = [f"Tea at {i}" for i in range(50)]
        async with open_ledger(pool_max=8) as one, open_ledger(pool_max=8) as two:
            stores = [
                await (await each.principal(tenant=tenant, user="alice")).store("notes")
                for each in (one, two)
            ]
            written = await asyncio.gather(
                *(stores[i % 2].remember(c, external_id="x") for i, c in enumerate(contents))
            )
            history = await stores[0].history(written[0].id)
        assert [memory.version for memory in history] == list(range(1, 51))
        assert sorted(memory.content for memory in history) == sorted(contents)
        by_version = {memory.version: memory.content for memory in history}
        assert {memory.version: memory.content for memory in written} == by_version

    async def test_after_its_expiry(self, notes: StoreHandle) -> None:
        expires = soon(60)
        await notes.remember("Tea", expires_at=expires)
        await passed(expires)
        written = await asyncio.gather(*(notes.remember("Tea") for _ in range(20)))
        assert sorted(memory.outcome for memory in written) == ["created"] + ["unchanged"] * 19
        assert len({memory.id for memory in written}) == 1

    async def test_remembering_and_forgetting(self, notes: StoreHandle) -> None:
        async def forget_all() -> None:
            for _ in range(10):
                for memory in (await notes.list()).memories:
                    try:
                        await notes.forget(memory.id)
                    except NotFound:
                        continue

        async def remember() -> None:
            for _ in range(15):
                assert (await notes.remember("Tea")).content == "Tea"

        await asyncio.gather(forget_all(), remember(), forget_all(), remember())
        assert await notes.count() <= 1


class TestCancellation:
    """Whoever gives up in the middle harms nobody else."""

    async def test_the_pool_goes_on_and_nobody_sees_through_anothers_eyes(
        self, open_ledger: Callable[..., Any], tenant: str
    ) -> None:
        async with open_ledger(pool_max=2, pool_wait_s=30.0) as ledger:
            alice = await (await ledger.principal(tenant=tenant, user="alice")).store("notes")
            bob = await (await ledger.principal(tenant=tenant, user="bob")).store("notes")
            await alice.remember("Alice's secret")

            async def cancelled(number: int) -> None:
                act = alice.remember(f"given up {number}") if number % 2 else alice.recall("secret")
                task = asyncio.create_task(act)
                for _ in range(number % 7):
                    await asyncio.sleep(0)
                if number % 3 == 0:
                    await asyncio.sleep(number / 50_000)
                task.cancel()
                [outcome] = await asyncio.gather(task, return_exceptions=True)
                # It may have been done before it could be cancelled.
                if isinstance(outcome, BaseException):
                    assert isinstance(outcome, asyncio.CancelledError)

            for number in range(120):
                await cancelled(number)
                if number % 10 == 0:
                    assert [m.content for m in (await bob.list()).memories] == []
                    assert await bob.recall("secret") == []
            assert (await bob.remember("Bob's")).created_by == "bob"
            contents = {memory.content for memory in (await alice.list()).memories}
            assert "Alice's secret" in contents
            assert all(c == "Alice's secret" or c.startswith("given up") for c in contents)

    async def test_a_connection_goes_back_without_a_trace_of_its_user(
        self, shared: Memoledger, notes: StoreHandle
    ) -> None:
        await notes.remember("Tea")
        pool = shared.application.context.ledger.sessions._pool
        task = asyncio.create_task(notes.recall("Tea"))
        await asyncio.sleep(0.002)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        async with pool.connection() as connection:
            cursor = await connection.execute(
                "SELECT current_setting('app.current_tenant_id', true),"
                " current_setting('app.current_user', true),"
                " (SELECT count(*) FROM memoledger.memories)"
            )
            row = await cursor.fetchone()
        assert row is not None
        assert row[0] in (None, "")
        assert row[1] in (None, "")
        assert row[2] == 0


class TestPool:
    async def test_without_a_free_connection_it_says_so_and_works_again_after(
        self, open_ledger: Callable[..., Any], tenant: str
    ) -> None:
        async with open_ledger(pool_max=1, pool_wait_s=0.1) as ledger:
            notes = await (await ledger.principal(tenant=tenant, user="alice")).store("notes")
            pool = ledger.application.context.ledger.sessions._pool
            async with pool.connection():
                with pytest.raises(LedgerUnavailable, match="MEMOLEDGER_POOL_MAX"):
                    await notes.remember("Tea")
                with pytest.raises(LedgerUnavailable):
                    await notes.recall("Tea")
            assert (await notes.remember("Tea")).outcome == "created"

    async def test_connections_cut_by_the_server_are_replaced(
        self,
        open_ledger: Callable[..., Any],
        tenant: str,
        sql: Callable[..., list[tuple[Any, ...]]],
        service_database: str,
    ) -> None:
        async with open_ledger(pool_min=4, pool_max=4) as ledger:
            notes = await (await ledger.principal(tenant=tenant, user="alice")).store("notes")
            cut = sql(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE datname = %s AND usename = 'memoledger_app'",
                service_database,
            )
            assert len(cut) >= 4
            # Not one request fails: a connection that is gone is noticed before it is used.
            for number in range(6):
                await notes.remember(f"Tea {number}")
            assert await notes.count() == 6

    async def test_a_statement_that_takes_too_long_is_ended(
        self, open_ledger: Callable[..., Any], tenant: str, server: Any, service_database: str
    ) -> None:
        async with open_ledger(statement_timeout_s=0.2) as ledger:
            notes = await (await ledger.principal(tenant=tenant, user="alice")).store("notes")
            written = await notes.remember("Tea")
            with psycopg.connect(server.conninfo("postgres", service_database)) as connection:
                connection.execute(
                    "SELECT FROM memoledger.memories WHERE memory_id = %s FOR UPDATE", [written.id]
                )
                with pytest.raises(Exception, match="longer than it may"):
                    await notes.forget(written.id)
            assert await notes.count() == 1
