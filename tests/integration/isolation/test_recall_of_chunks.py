"""Recall of chunks goes no further than its caller may read, whatever ids and stores are named."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from memoledger.ledger.statements import statements
from memoledger.model.errors import NotFound
from memoledger.model.principal import Principal
from memoledger.model.recall import Query
from memoledger.services.context import Context, Scope
from memoledger.services.recall import answer
from memoledger.services.why import why
from memoledger.surfaces.python.memoledger import Memoledger

MODES = ("hybrid", "dense", "lexical")
CAROL = ("acme", "carol")
HERS = ("acme", "alice", "diary")
"""A store that Carol may not read."""

LEARNED = """
SELECT chunk_id FROM memoledger.chunks WHERE store_id = %s AND superseded_at IS NULL ORDER BY 1
"""


@pytest.fixture
def context(ledger: Memoledger) -> Context:
    """What services work with, in the copied world."""
    return ledger.application.context


def chunks_of(world: Any, store_id: UUID) -> list[UUID]:
    with world.root() as root:
        return [one for (one,) in root.execute(LEARNED, [store_id]).fetchall()]


async def test_everybody_finds_the_chunks_of_the_stores_they_read_and_no_others(
    copied_world: Any, context: Context, marks: Any
) -> None:
    found_some = False
    for person in copied_world.everybody:
        allowed = copied_world.marks_of(person)
        for key, store_id in copied_world.stores.items():
            scope = Scope(Principal(*person), store_id)
            readable = person in copied_world.readers(key)
            for mode in MODES:
                for as_of in (None, datetime.now(UTC)):
                    query = Query.of(".".join(key), mode=mode, limit=100, as_of=as_of)
                    hits = await answer(context, scope, query)
                    assert marks(repr(hits)) <= allowed
                    chunks = [hit for hit in hits if hit.family == "chunk"]
                    assert not chunks or readable
                    found_some |= bool(chunks)
    assert found_some


async def test_known_ids_open_nothing(copied_world: Any, context: Context) -> None:
    """Who may not read a store learns nothing of its chunks, nor that there are any."""
    theirs = chunks_of(copied_world, copied_world.store(*HERS))
    assert theirs
    who, ledger = Principal(*CAROL), context.ledger
    vector = await context.preparer.embed_query("x")
    asked: dict[str, Any] = {
        "vector": vector,
        "embedding_version": ledger.embedding_version,
        "terms": context.preparer.query_terms("was current"),
    }
    for key in (HERS, ("acme", "carol", "diary")):
        store_id = copied_world.store(*key)
        seen = await ledger.neighbours.around(
            who, store_id, Query.of("x"), [], chunks=theirs, quotes=(), timed=True, **asked
        )
        assert seen == ([], [])
        assert await ledger.neighbours.standings(who, store_id, [], chunks=theirs) == {}
        compared = await ledger.chunks.comparable(who, store_id, theirs, ledger.embedding_version)
        assert compared == {}
        assert await ledger.documents.get_chunks(who, store_id, theirs) == {}
        assert await ledger.chunks.life(who, store_id, theirs[0]) is None
        with pytest.raises(NotFound):
            await why(context, Scope(who, store_id), theirs[0], Query.of("x"))
    assert await ledger.chunks.whereabouts(who, theirs[0]) is None


def rows_counted(plan: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Of every scan of a table: the rows it gave and those it says it passed over."""
    if "Relation Name" in plan or "Index Name" in plan:
        removed = [value for name, value in plan.items() if name.startswith("Rows Removed")]
        yield plan["Node Type"], plan["Actual Rows"] + sum(removed)
    for child in plan.get("Plans", []):
        yield from rows_counted(child)


@pytest.mark.parametrize(
    "full",
    [
        *("search.hybrid_candidates", "search.hybrid_current", "search.nearest_memories"),
        *("neighbours.chunk_surroundings", "neighbours.chunk_standings"),
        *("chunks.comparable_chunks", "chunks.judge_chunk", "chunks.life_of_chunk"),
    ],
)
def test_a_plan_counts_no_hidden_row(world: Any, attacker: Any, full: str) -> None:
    """EXPLAIN by one who may not read a store: no scan of its tables came upon a row."""
    store_id = world.store(*HERS)
    theirs = chunks_of(world, store_id)
    aggregate, name = full.split(".")
    text = statements(aggregate)[name].sql.decode()
    values: dict[str, str] = {
        "store_id": f"'{store_id}'::uuid",
        "chunk_ids": f"'{{{','.join(map(str, theirs))}}}'::uuid[]",
        "chunk_id": f"'{theirs[0]}'::uuid",
        "families": "'{memory,chunk}'::text[]",
        "vector": "'[1,1,1,1,1,1,1,1]'::halfvec",
        "asked": "'{1:1}/1000000000'::sparsevec",
        "terms": "'{1}'::integer[]",
        "quotes": "'{x}'::text[]",
        "unfiltered": "false",
        "timed": "true",
        "min_similarity": "-2.0",
        **dict.fromkeys(("candidates", "limit", "longest"), "100"),
        **dict.fromkeys(("embedding_version", "version", "reach"), "1"),
    }
    for parameter in set(re.findall(r"%\((\w+)\)s", text)):
        text = text.replace(f"%({parameter})s", values.get(parameter, "NULL"))
    attacker.become(CAROL, store_id)
    [[[explained]]] = attacker.ask("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) " + text)
    counted = list(rows_counted(explained["Plan"]))
    assert counted
    assert [scan for scan in counted if scan[1] > 0] == []
