"""What is remembered durably is embedded by workers, once, as those whose it is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from memoledger import Forbidden, InvalidInput
from memoledger.ledger.schedules import ToEmbed
from memoledger.model.principal import Principal


def texts(count: int) -> list[dict[str, Any]]:
    return [{"content": f"Note {number} about tea"} for number in range(count)]


class TestDurable:
    async def test_it_is_found_by_its_words_at_once_and_by_its_meaning_later(
        self, bench: Any, counting: Any
    ) -> None:
        notes = await bench.store()
        memory = await notes.remember("Tea with milk", wait="durable")
        assert (memory.outcome, counting.calls) == ("created", [])
        hits = await notes.recall("milk", mode="lexical")
        assert [hit.memory.id for hit in hits] == [memory.id]
        hits = await notes.recall("milk")
        assert ([hit.memory.id for hit in hits], hits.pending) == ([memory.id], 1)
        assert not await notes.recall("Tea with milk", mode="dense")
        assert await bench.worker().run() == 1
        hits = await notes.recall("Tea with milk", mode="dense")
        assert ([hit.memory.id for hit in hits], hits.pending) == ([memory.id], 0)
        assert bench.schedule() == []

    async def test_every_view_is_embedded(self, bench: Any, counting: Any) -> None:
        notes = await bench.store()
        await notes.remember("Tea with milk", title="Tea", summary="Milk", wait="durable")
        await bench.worker().run()
        assert counting.texts == {"Tea with milk": 1, "Tea": 1, "Milk": 1}
        views = bench.sql("SELECT view FROM memoledger.embeddings ORDER BY view")
        assert views == [("body",), ("summary",), ("title",)]

    async def test_a_vector_that_came_along_is_kept(self, bench: Any, counting: Any) -> None:
        notes = await bench.store()
        await notes.remember("A", wait="durable", embedding=counting.vector("another"))
        assert bench.schedule() == []
        given = counting.vector("a third")
        await notes.remember("B", title="Of B", wait="durable", embedding=given)
        await bench.worker().run()
        [hit] = await notes.recall("x", mode="dense", limit=1, embedding=given)
        assert (hit.memory.content, round(hit.score, 2)) == ("B", 1.0)
        assert bench.vectors() == 3

    async def test_a_next_version_too(self, bench: Any) -> None:
        notes = await bench.store()
        first = await notes.remember("Tea", external_id="1", wait="durable")
        await notes.remember("Coffee", external_id="1", wait="durable")
        assert len(bench.schedule()) == 2
        await bench.worker().run()
        closed = bench.sql(
            "SELECT e.version, e.superseded_at = m.superseded_at, e.recorded_at = m.recorded_at"
            " FROM memoledger.embeddings AS e JOIN memoledger.memories AS m"
            " ON m.memory_id = e.owner_id AND m.version = e.version ORDER BY e.version"
        )
        assert closed == [(1, True, True), (2, None, True)]
        [hit] = await notes.recall("Tea", mode="dense", as_of=first.recorded_at)
        assert hit.memory.content == "Tea"

    async def test_what_is_there_is_not_scheduled_again(self, bench: Any) -> None:
        notes = await bench.store()
        await notes.remember("Tea")
        again = await notes.remember("Tea", wait="durable")
        assert (again.outcome, bench.schedule()) == ("unchanged", [])

    async def test_many_at_once(self, bench: Any, counting: Any) -> None:
        notes = await bench.store()
        report = await notes.remember_many([*texts(100), *texts(3)], wait="durable")
        assert (report.progress.created, report.progress.unchanged) == (100, 3)
        assert (counting.calls, (await notes.recall("tea")).pending) == ([1], 100)
        assert await bench.worker(batch=30).run() == 4
        assert bench.vectors() == 100

    async def test_another_word_for_it_is_refused(self, bench: Any) -> None:
        notes = await bench.store()
        for wrong in ("soon", None, ["durable"]):
            with pytest.raises(InvalidInput, match="wait"):
                await notes.remember("Tea", wait=wrong)
            with pytest.raises(InvalidInput, match="wait"):
                await notes.remember_many([{"content": "Tea"}], wait=wrong)
        assert bench.vectors() == 0

    async def test_who_may_not_write_schedules_nothing(self, bench: Any) -> None:
        notes = await bench.store()
        memory = await notes.remember("Tea")
        await notes.share("bob", access="read")
        bob = await bench.ledger.principal(tenant="acme", user="bob")
        with pytest.raises(Forbidden):
            await (await bob.store("notes", owner="alice")).remember("Milk", wait="durable")
        schedules = bench.ledger.application.context.ledger.schedules
        with pytest.raises(Forbidden):
            await schedules.add(bob.principal, notes.id, "memory", [ToEmbed(memory.id, 1)])
        own = ToEmbed(memory.id, 1, private_to="bob")
        with pytest.raises(Forbidden):
            await schedules.add(Principal("acme", "alice"), notes.id, "memory", [own])
        assert bench.schedule() == []


class TestWhose:
    async def test_private_memories_are_embedded_as_their_creators(self, bench: Any) -> None:
        notes = await bench.store()
        await notes.share("bob", access="write")
        bob = await (await bench.ledger.principal(tenant="acme", user="bob")).store(
            "notes", owner="alice"
        )
        await bob.remember("Bob's own", privacy="creator", wait="durable")
        await notes.remember("Alice's", wait="durable")
        assert (await notes.recall("own")).pending == 1
        await bench.worker().run()
        assert bench.schedule() == []
        [first, *_] = await bob.recall("Bob's own", mode="dense")
        assert first.memory.content == "Bob's own"
        assert "Bob's own" not in {hit.memory.content for hit in await notes.recall("Bob")}

    async def test_what_its_creator_can_no_longer_see_is_let_go(self, bench: Any) -> None:
        notes = await bench.store()
        await notes.share("bob", access="write")
        bob = await (await bench.ledger.principal(tenant="acme", user="bob")).store(
            "notes", owner="alice"
        )
        await bob.remember("Bob's own", privacy="creator", wait="durable")
        await notes.unshare("bob")
        await bench.worker().run()
        assert (bench.schedule(), bench.vectors()) == ([], 0)

    async def test_many_tenants_share_a_call(self, bench: Any, counting: Any) -> None:
        for tenant in ("acme", "globex", "initech"):
            notes = await bench.store(tenant=tenant)
            await notes.remember(f"Of {tenant}", wait="durable")
        await bench.worker().run()
        assert counting.calls == [3]
        for tenant in ("acme", "globex", "initech"):
            hits = await (await bench.store(tenant=tenant)).recall("Of", mode="dense")
            assert [hit.memory.content for hit in hits] == [f"Of {tenant}"]


class TestMeanwhile:
    async def test_what_is_erased_while_it_is_embedded_gets_no_vector(
        self, bench: Any, counting: Any
    ) -> None:
        notes = await bench.store()
        memory = await notes.remember("Tea", wait="durable")

        async def erase(_: Sequence[str]) -> None:
            counting.before = None
            await notes.forget(memory.id, hard=True)

        counting.before = erase
        await bench.worker().run()
        assert (bench.vectors(), bench.schedule()) == (0, [])

    async def test_what_is_erased_before_is_off_the_schedule(self, bench: Any) -> None:
        notes = await bench.store()
        memory = await notes.remember("Tea", wait="durable")
        await notes.forget(memory.id, hard=True)
        assert bench.schedule() == []

    async def test_what_is_forgotten_while_it_is_embedded_is_closed(
        self, bench: Any, counting: Any
    ) -> None:
        notes = await bench.store()
        memory = await notes.remember("Tea", wait="durable")

        async def forget(_: Sequence[str]) -> None:
            counting.before = None
            await notes.forget(memory.id)

        counting.before = forget
        await bench.worker().run()
        [(closed,)] = bench.sql(
            "SELECT e.superseded_at = m.deleted_at FROM memoledger.embeddings AS e"
            " JOIN memoledger.memories AS m ON m.memory_id = e.owner_id"
        )
        assert closed
        assert not await notes.recall("Tea", mode="dense")

    async def test_who_lost_the_claim_writes_nothing(self, bench: Any, counting: Any) -> None:
        """A worker that was away too long finds that another has done its work."""
        notes = await bench.store()
        await notes.remember("Tea", wait="durable")
        late = asyncio.Event()

        async def wait_once(_: Sequence[str]) -> None:
            counting.before = None
            bench.abandon()
            await bench.worker().run()
            late.set()

        counting.before = wait_once
        await bench.worker().run()
        assert late.is_set()
        assert (bench.vectors(), bench.schedule(), counting.texts["Tea"]) == (1, [], 2)
        assert bench.done.embedded == 1

    async def test_the_claim_is_kept_while_the_model_is_slow(
        self, bench: Any, counting: Any
    ) -> None:
        notes = await bench.store()
        await notes.remember("Tea", wait="durable")
        seen: list[Any] = []

        async def slow(_: Sequence[str]) -> None:
            query = "SELECT claimed_until FROM memoledger.embedding_schedule"
            [(before,)] = bench.sql(query)
            await bench.until(lambda: bench.sql(query)[0][0] > before)
            seen.append(before)

        counting.before = slow
        await bench.worker(lease_s=1.0).run()
        assert (len(seen), bench.vectors()) == (1, 1)

    async def test_a_worker_that_is_stopped_gives_back_what_it_has_not_begun(
        self, bench: Any, counting: Any
    ) -> None:
        notes = await bench.store()
        await notes.remember_many(texts(5), wait="durable")
        begun = asyncio.Event()

        async def hang(_: Sequence[str]) -> None:
            begun.set()
            await asyncio.Event().wait()

        counting.before = hang
        running = asyncio.create_task(bench.worker().run())
        await begun.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert bench.schedule() == [(0, None, False)] * 5
        counting.before = None
        await bench.worker().run()
        assert bench.vectors() == 5
