"""The Python API gives nobody a document or a chunk that is not theirs to have."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

BOARD = ("acme", "alice", "board")
SHELF = ("acme", "alice", "shelf")


async def test_what_is_hidden_and_what_is_not_there_are_the_same(
    ledger: Any, world: Any, refusal: Any
) -> None:
    carol = await ledger.principal(tenant="acme", user="carol")
    board = await carol.store_by_id(world.stores[BOARD])
    ids = (
        world.documents["acme.alice.diary.alice.shared", "current"],
        world.documents["globex.alice.board.alice.shared", "current"],
        uuid4(),
    )
    for call in (board.document, board.document_history, board.chunks, board.forget_document):
        heard = set()
        for document_id in ids:
            with pytest.raises(refusal) as caught:
                await call(document_id)
            heard.add(str(caught.value).replace(str(document_id), "ID"))
        assert len(heard) == 1


async def test_sources_of_others_are_free(ledger: Any, world: Any) -> None:
    mark = "acme.alice.diary.alice.shared"
    dave = await ledger.principal(tenant="globex", user="dave")
    mine = await dave.store("mine")
    learned = await mine.learn(mark, f"{mark}.current", content=f"{mark} head")
    assert (learned.outcome, learned.chunks_new) == ("created", 1)


async def test_readers_read_and_do_not_learn(ledger: Any, world: Any, refusal: Any) -> None:
    bob = await ledger.principal(tenant="acme", user="bob")
    mark = "acme.alice.shelf.alice.shared"
    shelf = await bob.store_by_id(world.stores[SHELF])
    document_id = world.documents[mark, "current"]
    assert (await shelf.document(document_id)).title == f"{mark} title"
    assert len((await shelf.chunks(document_id)).chunks) == 3
    for call in (
        shelf.learn(mark, f"{mark}.current", content="other"),
        shelf.learn("new", "new", content="other"),
        shelf.forget_document(document_id),
        shelf.forget_document(document_id, hard=True),
    ):
        with pytest.raises(refusal):
            await call


async def test_chunks_are_not_to_be_had_by_their_ids(ledger: Any, world: Any) -> None:
    with world.root() as root:
        ids = [row[0] for row in root.execute("SELECT chunk_id FROM memoledger.chunks")]
    context = ledger.application.context
    carol = (await ledger.principal(tenant="acme", user="carol")).principal
    for key, store_id in world.stores.items():
        found = await context.ledger.documents.get_chunks(carol, store_id, ids)
        assert bool(found) == (("acme", "carol") in world.readers(key)), key
        assert {chunk.store_id for chunk in found.values()} <= {store_id}
