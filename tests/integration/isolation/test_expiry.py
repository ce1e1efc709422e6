"""What expires is gone for everybody at once, and stays in the past for those who could see it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

MODES = ("dense", "lexical", "hybrid")


async def test_what_expires_is_gone_for_everybody_and_stays_in_the_past(
    ledger: Any, copied_world: Any
) -> None:
    alice = await ledger.principal(tenant="acme", user="alice")
    bob = await ledger.principal(tenant="acme", user="bob")
    mine = await alice.store("shelf of things that expire")
    await mine.share("bob")
    instant = datetime.now(UTC) + timedelta(milliseconds=400)
    kept = await mine.remember("zebra for good")
    await mine.remember("zebra for now", expires_at=instant)
    bobs = await bob.store_by_id(mine.id)
    assert await bobs.count() == 2
    before = datetime.now(UTC)
    await asyncio.sleep(0.45)
    for swept in (False, True):
        for handle in (mine, bobs):
            for mode in MODES:
                hits = await handle.recall("zebra", mode=mode)
                assert [hit.memory.id for hit in hits] == [kept.id]
                assert len(await handle.recall("zebra", mode=mode, as_of=before)) == 2
            assert [memory.id for memory in (await handle.list()).memories] == [kept.id]
        if not swept:
            await ledger.sweep()
    with psycopg.connect(copied_world.conninfo("postgres")) as root:
        assert root.execute(
            "SELECT actor FROM memoledger.audit_records WHERE act = 'expire' AND store_id = %s",
            [mine.id],
        ).fetchall() == [("system",)]
