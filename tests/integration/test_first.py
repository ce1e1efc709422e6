from memoledger import Memoledger


async def test_a_memory_is_remembered_and_recalled(ledger: Memoledger) -> None:
    alice = await ledger.principal(tenant="acme", user="alice")
    notes = await alice.store("notes")
    await notes.remember("Meeting with John about the Q4 roadmap")
    [hit] = await notes.recall("roadmap planning")
    assert hit.memory.content == "Meeting with John about the Q4 roadmap"
