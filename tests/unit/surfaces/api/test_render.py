from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from memoledger.client import wire
from memoledger.model.context_pack import ContextItem, ContextPack, Source
from memoledger.model.document import Chunk
from memoledger.model.ids import new_id
from memoledger.model.keys import ApiKey, FreshKey
from memoledger.model.memory import Remembered
from memoledger.model.recall import Hit, Hits, Parts
from memoledger.model.receipts import Accesses, Receipt, ReceiptHit
from memoledger.model.store import Grant, Store
from memoledger.model.why import Why
from memoledger.surfaces.api import answers, recall_answers, render
from memoledger.surfaces.api.render import to_json

NOW = datetime(2026, 5, 8, 13, 56, tzinfo=UTC)
PARTS = Parts(dense=0.5, lexical=None, dense_scaled=1.0, lexical_scaled=None, rank=1)


def a_memory() -> Remembered:
    return Remembered(
        **{name: None for name in ("source", "title", "summary", "external_id", "occurred_at")},  # type: ignore[arg-type]  # noqa: C420
        valid_from=None,
        valid_to=NOW,
        expires_at=None,
        superseded_at=None,
        deleted_at=None,
        erased_at=None,
        id=uuid4(),
        version=2,
        store_id=uuid4(),
        content="text “quoted”",
        type="fact",
        importance=0.5,
        tags=("a",),
        subject_refs=(),
        metadata={"snake_case": {"large": 10**300}, "float": 1e23},
        privacy="store",
        recorded_at=NOW,
        created_by="ada",
        updated_by="ada",
        outcome="updated",
    )


def a_chunk() -> Chunk:
    return Chunk(
        id=uuid4(),
        document_id=uuid4(),
        version=2,
        first_version=1,
        store_id=uuid4(),
        place=0,
        text="text",
        section="A > B",
        start=3,
        end=7,
        token_count=1,
        keywords=("text",),
        source="files",
        source_id="a.md",
        title=None,
        type="document",
        tags=("a",),
        occurred_at=None,
        recorded_at=NOW,
        superseded_at=None,
    )


def through(rendered: dict[str, Any]) -> Any:
    return json.loads(to_json(rendered))


def test_a_memory() -> None:
    one = a_memory()
    told = through(render.remembered(one))
    answers.Remembered.model_validate(told)
    # What is the user's own keeps its names and its numbers.
    assert told["metadata"] == one.metadata
    assert datetime.fromisoformat(told["validTo"]) == NOW
    answers.Memory.model_validate(through(render.memory(one)))


def test_answers_to_questions() -> None:
    hit = Hit(found=a_memory(), score=0.5, parts=PARTS, folded=(uuid4(),))
    hits = Hits([hit], receipt_id=uuid4(), timings_ms={"embed": 1.23456})
    told = through(render.hits(hits))
    assert recall_answers.Hits.model_validate(told).timings_ms == {"embed": 1.235}
    source = Source(
        store="notes",
        store_id=uuid4(),
        memory_id=uuid4(),
        version=1,
        speaker=None,
        occurred_at=NOW,
        recorded_at=NOW,
    )
    item = ContextItem(
        number=1, text="x", truncated=False, score=1.0, group=None, source=source, folded=(uuid4(),)
    )
    pack = ContextPack(
        query="q",
        text="x",
        items=(item,),
        tokens=1,
        max_tokens=5,
        omitted=0,
        folded=1,
        counted_by="estimate",
    )
    recall_answers.Context.model_validate(through(render.context(pack)))
    why = Why(memory_id=uuid4(), reason="recalled", text="x", limit=3, parts=PARTS)
    assert recall_answers.Why.model_validate(through(render.why(why))).recalled


def test_a_hit_that_is_a_chunk() -> None:
    hits = Hits([Hit(found=a_chunk(), score=0.5, parts=PARTS)])
    told = through(render.hits(hits))
    [hit] = recall_answers.Hits.model_validate(told).hits
    assert (hit.family, hit.memory) == ("chunk", None)
    assert hit.chunk is not None
    assert hit.chunk.id == hit.id
    # What the client makes of it is what was found.
    assert wire.hits(told) == hits


def test_a_receipt() -> None:
    kept = Receipt(
        id=new_id(),
        user="ada",
        store_id=uuid4(),
        recorded_at=NOW,
        struck_at=None,
        embedding_version=None,
        limit=10,
        pending=0,
        complete=True,
        mode="lexical",
        searched_by="exact",
        query=None,
        query_hash="ab",
        filters={"min_importance": 0.5, "metadata": {"snake_case": 1}},
        hits=(ReceiptHit(uuid4(), 1, None), ReceiptHit(None, 2, 0.5, uuid4())),
        timings_ms={},
    )
    told = through(render.receipt(kept))
    recall_answers.Receipt.model_validate(told)
    assert told["filters"] == {"minImportance": 0.5, "metadata": {"snake_case": 1}}
    counted = render.access_count(uuid4(), Accesses(3, NOW))
    recall_answers.AccessCount.model_validate(through(counted))


def test_stores_grants_and_keys() -> None:
    store = Store(
        id=uuid4(), name="n", owner="ada", visibility="private", created_at=NOW, updated_at=NOW
    )
    answers.Store.model_validate(through(render.store(store)))
    grant = Grant(store_id=uuid4(), grantee="g", access="read", granted_by="ada", granted_at=NOW)
    answers.Grant.model_validate(through(render.grant(grant)))
    facts: Any = (uuid4(), "n", "acme", "ada", frozenset({"write", "read"}), NOW, "ada")
    told = through(render.key(FreshKey(*facts, secret="mlk_secret")))
    assert answers.Key.model_validate(told).scopes == ["read", "write"]
    assert "mlk_secret" not in str(told)
    fresh = answers.FreshKey.model_validate(through(render.fresh_key(FreshKey(*facts, secret="s"))))
    assert fresh.secret == "s"
    again = answers.FreshKey.model_validate(through(render.fresh_key(ApiKey(*facts))))
    assert again.secret is None
