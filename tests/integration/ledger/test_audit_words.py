"""The audit holds no words: it commits to them, and an erasure takes them from everywhere."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from uuid import uuid4

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memoledger.surfaces.python.memoledger import Memoledger
from memoledger.surfaces.python.store import StoreHandle

Root = psycopg.Connection[tuple[Any, ...]]

WORDS = "content, title, summary, source, external_id, tags, subject_refs, metadata"


class TestCommitment:
    async def commitments(self, root: Root, memory_id: Any) -> list[tuple[Any, ...]]:
        return root.execute(
            "SELECT a.after ->> 'commitment', memoledger.memory_commitment(m), m.salt, "
            "m.content, m.title,"
            " m.summary, m.source, m.external_id, m.tags, m.subject_refs, m.metadata"
            " FROM memoledger.audit_records AS a JOIN memoledger.memories AS m"
            " ON a.row_key ->> 'memory_id' = m.memory_id::text"
            " AND (a.row_key ->> 'version')::integer = m.version"
            " WHERE m.memory_id = %s AND a.act IN ('remember', 'update') ORDER BY m.version",
            [memory_id],
        ).fetchall()

    async def test_it_is_what_anybody_can_compute(self, notes: StoreHandle, root: Root) -> None:
        memory = await notes.remember(
            'Tee um fünf – "bitte" ☕',
            title="T",
            source="mail",
            external_id="e1",
            tags=["b", "a"],
            subject_refs=["r"],
            metadata={"k": 1},
        )
        await notes.update(memory.id, content="Tee um sechs", summary="Tee")
        rows = await self.commitments(root, memory.id)
        assert len(rows) == 2
        for recorded, computed, salt, *words in rows:
            text = json.dumps(words, ensure_ascii=False)
            assert recorded == computed == hashlib.sha256(salt + text.encode()).hexdigest()

    async def test_it_ties_every_word(self, notes: StoreHandle, root: Root) -> None:
        memory = await notes.remember(
            "Tea",
            title="T",
            summary="S",
            source="s",
            external_id="e",
            tags=["t"],
            subject_refs=["r"],
            metadata={"k": 1},
        )
        columns = WORDS.split(", ")
        for column in columns:
            expressions = ", ".join(
                f"jsonb_build_array(m.{name})" if name == column else f"to_jsonb(m.{name})"
                for name in columns
            )
            [(honest, changed)] = root.execute(
                "SELECT memoledger.memory_commitment(m),"
                f" encode(sha256(m.salt || convert_to(jsonb_build_array({expressions})::text, "
                f"'UTF8')), 'hex')"
                " FROM memoledger.memories AS m WHERE memory_id = %s",
                [memory.id],
            ).fetchall()
            assert honest != changed, column

    async def test_the_same_words_have_another_commitment_each_time(
        self, ledger: Memoledger, notes: StoreHandle, root: Root
    ) -> None:
        """A salt for each version: nobody finds out by guessing what a record is about."""
        bob = await (await ledger.principal(tenant="acme", user="bob")).store("notes")
        ids = [(await store.remember("Tea")).id for store in (notes, bob)]
        await notes.forget(ids[0])
        ids.append((await notes.remember("Tea")).id)
        found = [(await self.commitments(root, memory_id))[0] for memory_id in ids]
        assert len({row[0] for row in found}) == 3
        assert len({row[2] for row in found}) == 3

    async def test_nothing_verifies_after_an_erasure(
        self, notes: StoreHandle, root: Root, new_records: Any
    ) -> None:
        memory = await notes.remember("Tea", title="T")
        await notes.update(memory.id, content="Coffee")
        before = await self.commitments(root, memory.id)
        new_records()
        await notes.forget(memory.id, hard=True)
        after = await self.commitments(root, memory.id)
        assert [row[0] for row in after] == [row[0] for row in before]
        assert [row[1:8] for row in after] == [(None,) * 7] * 2
        for record in new_records():
            assert record["before"]["commitment"] in {row[0] for row in before}
            assert record["after"]["commitment"] is None


class TestErasure:
    async def test_no_table_holds_a_word_of_it(self, notes: StoreHandle, root: Root) -> None:
        mark = f"mark{uuid4().hex}"
        values: dict[str, Any] = {
            "title": f"{mark} t",
            "summary": f"{mark} s",
            "source": mark,
            "tags": [mark],
            "subject_refs": [mark],
            "metadata": {mark: mark},
        }
        memory = await notes.remember(f"{mark} one", external_id=mark, **values)
        await notes.update(memory.id, content=f"{mark} two")
        await notes.update(memory.id, title=None, tags=[mark, "x"])
        root.execute("ANALYZE")
        tables = root.execute(
            "SELECT c.oid::regclass::text FROM pg_class AS c"
            " WHERE c.relnamespace::regnamespace::text LIKE 'memoledger%' AND c.relkind IN ('r', "
            "'p')"
            " UNION ALL VALUES ('pg_stats'), ('pg_stats_ext')"
        ).fetchall()
        assert len(tables) > 10

        def holding() -> list[str]:
            return [
                name
                for (name,) in tables
                if root.execute(
                    f"SELECT 1 FROM {name} AS t WHERE to_jsonb(t)::text LIKE %s LIMIT 1",
                    [f"%{mark}%"],
                ).fetchone()
            ]

        assert holding() == ["memoledger.memories"]
        await notes.forget(memory.id, hard=True)
        assert holding() == []

    async def test_its_vectors_are_gone_and_the_others_stay(
        self, notes: StoreHandle, root: Root
    ) -> None:
        kept = await notes.remember("Coffee", title="C")
        memory = await notes.remember("Tea", title="T")
        await notes.update(memory.id, content="Green tea")
        await notes.forget(memory.id)
        query = "SELECT owner_id, count(*) FROM memoledger.{} GROUP BY 1"
        counts = {
            table: dict(root.execute(query.format(table)).fetchall())
            for table in ("embeddings", "term_vectors")
        }
        assert counts["embeddings"] == {kept.id: 2, memory.id: 4}
        assert counts["term_vectors"] == {kept.id: 1, memory.id: 2}
        await notes.forget(memory.id, hard=True)
        for table, before in counts.items():
            assert root.execute(query.format(table)).fetchall() == [(kept.id, before[kept.id])]

    async def test_whichever_way_it_is_erased_vectors_go(
        self, notes: StoreHandle, root: Root
    ) -> None:
        """Also of many at once, by a statement of the owner's without a word on vectors."""
        for i in range(5):
            await notes.remember(f"Tea {i}", title="T", external_id=str(i))
        root.execute("SET ROLE memoledger_owner")
        root.execute(
            "UPDATE memoledger.memories SET erased_at = clock_timestamp(), deleted_at = "
            "clock_timestamp(),"
            " content = NULL, title = NULL, summary = NULL, source = NULL, external_id = NULL,"
            " tags = '{}', subject_refs = '{}', metadata = '{}', content_hash = NULL, salt = NULL"
            " WHERE external_id <> '0'"
        )
        assert root.execute("SELECT count(*) FROM memoledger.embeddings").fetchone() == (2,)
        assert root.execute("SELECT count(*) FROM memoledger.term_vectors").fetchone() == (1,)


word = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=6).map(
    lambda text: f"w{uuid4().hex[:12]}{text}"
)


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
async def test_no_record_ever_holds_a_word(
    ledger: Memoledger, root: Root, embedder: Any, data: st.DataObject
) -> None:
    """Whatever is remembered, changed, forgotten and erased. A store's name is no such word."""
    words: list[str] = []

    def draw() -> str:
        words.append(data.draw(word))
        return words[-1]

    notes = await (await ledger.principal(tenant=f"t{uuid4().hex}", user="alice")).store("notes")
    vector = [1.0] * embedder.version.dimensions

    def draft() -> dict[str, Any]:
        return {
            "content": draw(),
            "source": draw(),
            "tags": [draw(), draw()],
            "subject_refs": [draw()],
            "metadata": {draw(): draw(), "nested": [{"deep": draw()}]},
            "privacy": data.draw(st.sampled_from(["store", "creator"])),
        }

    made = await notes.remember(**draft(), external_id=draw(), embedding=vector)
    await notes.update(made.id, **draft(), embedding=vector)
    report = await notes.remember_many([{**draft(), "embedding": vector} for _ in range(2)])
    if data.draw(st.booleans()):
        await notes.forget(report.items[0].id or "", hard=data.draw(st.booleans()))
    if data.draw(st.booleans()):
        await notes.forget(made.id, hard=data.draw(st.booleans()))
    records = root.execute(
        "SELECT to_jsonb(a)::text FROM memoledger.audit_records AS a WHERE store_id = %s",
        [notes.id],
    ).fetchall()
    assert len(records) >= 6
    text = "".join(record for (record,) in records)
    stamps = {stamp for stamp in (entry[:13] for entry in words) if stamp in text}
    assert stamps == set()
