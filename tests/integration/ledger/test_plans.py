"""Hot statements find their rows by tenant and store, whatever other tenants have.

Plans are looked at under the policies, as EXPLAIN tells them, once made for the values at hand and
once for any values: a prepared statement may change from the one to the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from memoledger.ledger.statements import statements

DIMENSIONS = 8
OURS = {"memories", "term_vectors", "stores", "grants", "users", "tenants", "audit_records"}
OURS |= {"documents", "chunks", "document_chunks"}
MODES = ("force_custom_plan", "force_generic_plan")

# A store of 300 memories, every tenth with a second version, beside what the others have.
STORE = UUID("00000000-0000-7000-8000-0000000000aa")
MEMORY = UUID("00000000-0000-7000-8000-000000000064")
CHUNK = UUID("00000000-0000-7000-8401-000000000065")

FILL = """
INSERT INTO memoledger.tenants (tenant_id, created_by) VALUES (%(tenant)s, 'alice') ON CONFLICT DO
    NOTHING;
INSERT INTO memoledger.users (tenant_id, user_id, created_by) VALUES (%(tenant)s, 'alice', 'alice')
ON CONFLICT DO NOTHING;
INSERT INTO memoledger.stores (tenant_id, store_id, owner_id, name, created_by, updated_by)
SELECT %(tenant)s, id, 'alice', id::text, 'alice', 'alice' FROM unnest(%(stores)s::uuid[]) AS id;
INSERT INTO memoledger.memories (tenant_id, store_id, memory_id, version, importance, type,
    privacy, created_by,
    updated_by, content, content_hash, external_id)
SELECT %(tenant)s, s, ('00000000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, 1, 0.5,
    'fact', 'store',
       'alice', 'alice', 'memory ' || i, sha256(('memory ' || i)::bytea), CASE WHEN i %% 2 = 0 THEN
           'id ' || i END
FROM unnest(%(stores)s::uuid[]) AS s, generate_series(1, %(memories)s) AS i;
INSERT INTO memoledger.embeddings (tenant_id, store_id, embedding_version, family, owner_id,
    version, view,
    recorded_at, embedding)
SELECT tenant_id, store_id, %(embedding_version)s, 'memory', memory_id, 1, 'body', recorded_at,
       ARRAY(SELECT sin(ascii(right(memory_id::text, 1)) * i) FROM generate_series(1, 8) AS
           i)::real[]::halfvec
FROM memoledger.memories WHERE tenant_id = %(tenant)s AND store_id = ANY (%(stores)s::uuid[]);
INSERT INTO memoledger.term_vectors (tenant_id, store_id, family, owner_id, version, recorded_at,
    length, weights)
SELECT tenant_id, store_id, 'memory', memory_id, 1, recorded_at, 2, '{1:0.5,2:0.5}/1000000000'
FROM memoledger.memories WHERE tenant_id = %(tenant)s AND store_id = ANY (%(stores)s::uuid[]);
"""

# A document of five chunks for every ten memories, of a transaction as triggers want it.
LEARN = """
INSERT INTO memoledger.documents (tenant_id, store_id, document_id, version, chunk_count,
    char_count, type, created_by, updated_by, source, source_id, content_hash)
SELECT %(tenant)s, s, ('00000000-0000-7000-8001-' || lpad(to_hex(i), 12, '0'))::uuid, 1, 5, 50,
       'document', 'alice', 'alice', 'files', i::text, sha256(i::text::bytea)
FROM unnest(%(stores)s::uuid[]) AS s, generate_series(1, %(memories)s, 10) AS i;
INSERT INTO memoledger.chunks (tenant_id, store_id, chunk_id, document_id, first_version,
    recorded_at, token_count, text, chunk_hash)
SELECT tenant_id, store_id, overlay(document_id::text placing '8' || place from 20 for 2)::uuid,
       document_id, 1, recorded_at, 3, 'chunk', sha256('chunk'::bytea)
FROM memoledger.documents, generate_series(2, 6) AS place WHERE store_id = ANY (%(stores)s::uuid[]);
INSERT INTO memoledger.document_chunks SELECT tenant_id, store_id, document_id, 1,
       substr(chunk_id::text, 21, 1)::integer - 2, chunk_id, 0, 5
FROM memoledger.chunks WHERE store_id = ANY (%(stores)s::uuid[]);
INSERT INTO memoledger.embeddings (tenant_id, store_id, embedding_version, family, owner_id,
    version, view, recorded_at, embedding)
SELECT tenant_id, store_id, %(embedding_version)s, 'chunk', chunk_id, 1, 'body', recorded_at,
       ARRAY(SELECT cos(i) FROM generate_series(1, 8) AS i)::real[]::halfvec
FROM memoledger.chunks WHERE store_id = ANY (%(stores)s::uuid[]);
INSERT INTO memoledger.term_vectors (tenant_id, store_id, family, owner_id, version, recorded_at,
    length, weights)
SELECT tenant_id, store_id, 'chunk', chunk_id, 1, recorded_at, 2, '{1:0.5,3:0.5}/1000000000'
FROM memoledger.chunks WHERE store_id = ANY (%(stores)s::uuid[]);
"""

# Name -> (PostgreSQL's type, a value) of the parameters below; what is not here is given as null.
PARAMETERS: dict[str, tuple[str, object]] = {
    "tenant": ("text", "acme"),
    "user": ("text", "alice"),
    "store_id": ("uuid", STORE),
    "memory_id": ("uuid", MEMORY),
    "memory_ids": ("uuid[]", f"{{{MEMORY}}}"),
    "versions": ("int[]", "{1}"),
    "chunk_ids": ("uuid[]", f"{{{CHUNK}}}"),
    "chunk_id": ("uuid", CHUNK),
    **dict.fromkeys(("version", "reach", "longest"), ("int", 1)),
    "families": ("text[]", "{memory,chunk}"),
    "as_of": ("timestamptz", None),
    "after_id": ("uuid", None),
    "limit": ("int", 10),
    "candidates": ("int", 200),
    "expected_version": ("int", 1),
    "embedding_version": ("int", 0),
    "embedding_versions": ("int[]", "{}"),
    "vector": ("halfvec", f"[{','.join(['1'] * DIMENSIONS)}]"),
    "min_similarity": ("float8", -2.0),
    "asked": ("sparsevec", "{1:1,2:1}/1000000000"),
    "terms": ("int[]", "{1,2}"),
    "unfiltered": ("bool", True),
    "types": ("text[]", None),
    "tags": ("text[]", None),
    "since": ("timestamptz", None),
    "until": ("timestamptz", None),
    "min_importance": ("float8", None),
    "metadata": ("jsonb", None),
    "external_id": ("text", "id 64"),
    "content_hash": ("bytea", "\\x" + "ab" * 32),
    "private_to": ("text", None),
    "external_ids": ("text[]", "{" + ",".join(f"id {i}" for i in range(250)) + "}"),
    "content_hashes": ("bytea[]", "{" + ",".join(f'"\\\\x{i:064x}"' for i in range(250)) + "}"),
    "owner": ("text", "alice"),
    "name": ("text", str(STORE)),
    "views": ("text[]", "{body}"),
    "vectors": ("halfvec[]", '{"[' + ",".join(["1"] * DIMENSIONS) + ']"}'),
    "weights": ("sparsevec", "{1:1}/1000000000"),
    "length": ("int", 1),
    "content": ("text", "planned"),
    "type": ("text", "fact"),
    "importance": ("float8", 0.5),
    "privacy": ("text", "store"),
    **dict.fromkeys(("source", "title", "summary"), ("text", None)),
    **dict.fromkeys(("occurred_at", "valid_from", "valid_to", "expires_at"), ("timestamptz", None)),
    "subject_refs": ("text[]", "{}"),
}
FILTERED = {"unfiltered": False, "types": "{fact}", "min_importance": 0.25}
WRITTEN = {
    "tags": "{}",
    "metadata": "{}",
    "memory_id": UUID(int=7),
    "content_hash": "\\x" + "cd" * 32,
    "external_id": None,
}

# Statement -> indexes that it has to use, and the column each is asked by besides tenant and store.
READS: dict[str, dict[str, str | None]] = {
    "search.nearest_memories": {"embeddings": None, "memories_pkey": "memory_id"},
    "search.dense_candidates": {"embeddings": None},
    "search.lexical_candidates": {"term_vectors_pkey": None},
    "search.hybrid_candidates": {"embeddings": None, "term_vectors_pkey": None},
    "search.lexical_current": {"term_vectors_recent": None},
    "search.hybrid_current": {"embeddings": None, "term_vectors_recent": None},
    "neighbours.chunk_surroundings": {"chunks_pkey": "chunk_id", "documents_pkey": "document_id"},
    "neighbours.chunk_standings": {"chunks_pkey": "chunk_id", "documents_pkey": "document_id"},
    "chunks.comparable_chunks": {"chunks_pkey": "chunk_id", "embeddings": "owner_id"},
    "chunks.judge_chunk": {"chunks_pkey": "chunk_id", "documents_pkey": "document_id"},
    "chunks.life_of_chunk": {"chunks_pkey": "chunk_id", "documents_pkey": "document_id"},
    "documents.get_chunks": {"chunks_pkey": "chunk_id", "documents_pkey": "document_id"},
    "memories.get_memory": {"memories_pkey": "memory_id"},
    "memories.get_memories": {"memories_pkey": "memory_id"},
    "memories.memory_history": {"memories_pkey": "memory_id"},
    "memories.list_memories": {"memories_pkey": None},
    "memories.count_memories": {},
    "memories.current_by_external_id": {"memories_by_external_id": "external_id"},
    "memories.current_by_content": {"memories_by_content": "content_hash"},
    "memories.known_identities": {
        "memories_by_external_id": "external_id",
        "memories_by_content": "content_hash",
    },
}
WRITES = (
    "memories.write_version",
    "memories.forget_memory",
    "memories.erase_memory",
    "memories.close_expired_memory",
)
STORES = ("stores.store_by_name", "stores.store_by_id", "stores.list_stores", "stores.list_grants")


class Ground:
    """A database with the store in it, and what other tenants have."""

    def __init__(self, server: Any, name: str) -> None:
        self.server, self.name = server, name
        with self.connect("postgres") as root:
            root.execute("SET ROLE memoledger_owner")
            row = root.execute(
                "SELECT memoledger_system.declare_embedding_version('plans', 'm', %s, '{}')",
                [DIMENSIONS],
            ).fetchone()
            assert row is not None
            self.embedding_version = row[0]
        self.fill("acme", [STORE], memories=300)

    def connect(self, user: str = "memoledger_app") -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(self.server.conninfo(user, self.name), autocommit=True)

    def fill(self, tenant: str, stores: list[UUID], *, memories: int) -> None:
        values = {
            "tenant": tenant,
            "stores": stores,
            "memories": memories,
            "embedding_version": self.embedding_version,
        }
        with self.connect("postgres") as root:
            root.execute("SET ROLE memoledger_owner")
            psycopg.ClientCursor(root).execute(FILL + LEARN, values)
            root.execute("RESET ROLE")
            root.execute("ANALYZE")

    def explain(self, full: str, mode: str, **replaced: object) -> dict[str, Any]:
        """The plan of a statement, executed twice, with the buffers of the second time."""
        aggregate, name = full.split(".")
        text = statements(aggregate)[name].sql.decode()
        casts = dict(re.findall(r"%\((\w+)\)s::([a-z ]+(?:\[\])?)", text))
        names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", text)))
        known = {name: PARAMETERS.get(name) or (casts[name].strip(), None) for name in names}
        number = self.embedding_version
        values = {"embedding_version": number, "embedding_versions": f"{{{number}}}", **replaced}
        for place, parameter in enumerate(names, start=1):
            text = text.replace(f"%({parameter})s", f"${place}")
        with self.connect() as app:
            cursor = psycopg.ClientCursor(app)
            app.execute(f"SET plan_cache_mode = {mode}")
            types = ", ".join(known[parameter][0] for parameter in names)
            app.execute(f"PREPARE q ({types}) AS {text}")
            given = [values.get(parameter, known[parameter][1]) for parameter in names]
            call = f"EXECUTE q ({', '.join(['%s'] * len(given))})" if given else "EXECUTE q"
            for _ in range(2):
                with app.transaction(force_rollback=True):
                    app.execute(
                        "SELECT set_config('app.current_tenant_id', 'acme', true),"
                        " set_config('app.current_user', 'alice', true),"
                        " set_config('app.current_store_id', %s, true)",
                        [str(STORE)],
                    )
                    explained = "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) "
                    [[[answer]]] = cursor.execute(explained + call, given).fetchall()
        plan: dict[str, Any] = answer["Plan"]
        return plan


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def is_ours(node: dict[str, Any]) -> bool:
    relation = node.get("Relation Name", "")
    return relation in OURS or relation.startswith("embeddings")


def whole_tables(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """Scans of a table of ours from its beginning to its end, unless it is empty."""
    return [
        node
        for node in nodes(plan)
        if node["Node Type"] == "Seq Scan"
        and is_ours(node)
        and node["Actual Rows"] + node.get("Rows Removed by Filter", 0) > 0
    ]


def index_conditions(plan: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Index, condition and node of every scan of an index."""
    return [
        (node["Index Name"], node.get("Index Cond", ""), node)
        for node in nodes(plan)
        if "Index Name" in node
    ]


@pytest.fixture(scope="module")
def ground(server: Any, template: str) -> Iterator[Ground]:
    """Three thousand memories in three hundred stores of another tenant."""
    name = f"plans_{uuid4().hex[:12]}"
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    made = Ground(server, name)
    made.fill("globex", [uuid4() for _ in range(300)], memories=10)
    yield made
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("statement", READS)
def test_a_read_asks_an_index_by_tenant_and_store(
    ground: Ground, statement: str, mode: str
) -> None:
    for replaced in ({}, FILTERED if "candidates" in statement else {"as_of": "2999-01-01Z"}):
        plan = ground.explain(statement, mode, **replaced)
        assert whole_tables(plan) == []
        found = index_conditions(plan)
        assert found
        for index, condition, _ in found:
            assert "tenant_id =" in condition, (index, condition)
            assert "store_id =" in condition, (index, condition)
        for wanted, column in READS[statement].items():
            assert any(
                (index == wanted or (wanted == "embeddings" and index.startswith("embeddings_")))
                and (column is None or f"{column} =" in condition)
                for index, condition, _ in found
            ), (wanted, found)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("statement", ["search.nearest_memories", "memories.get_memories"])
def test_rows_of_hits_are_looked_up_one_by_one(ground: Ground, statement: str, mode: str) -> None:
    """A planner that believes a store to be small is tempted to read all of it instead."""
    plan = ground.explain(statement, mode)
    lookups = [node for index, _, node in index_conditions(plan) if index == "memories_pkey"]
    assert lookups
    for node in lookups:
        assert node["Actual Rows"] + node.get("Rows Removed by Filter", 0) <= 1
        assert node["Actual Loops"] <= 10


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("statement", [name for name in READS if "chunk" in name])
def test_of_chunks_no_more_is_read_than_their_document_has(
    ground: Ground, statement: str, mode: str
) -> None:
    for as_of in (None, "2999-01-01Z"):
        scans = [n for _, _, n in index_conditions(ground.explain(statement, mode, as_of=as_of))]
        assert max(n["Actual Rows"] + n.get("Rows Removed by Filter", 0) for n in scans) <= 5


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("statement", ["search.hybrid_candidates", "search.hybrid_current"])
def test_fusion_reads_each_scan_of_the_store_once(
    ground: Ground, statement: str, mode: str
) -> None:
    plan = ground.explain(statement, mode)
    whole = [
        node
        for _, _, node in index_conditions(plan)
        if node["Actual Rows"] > 1 and node["Actual Loops"] > 1
    ]
    assert whole == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("statement", WRITES)
def test_a_change_finds_its_rows_by_their_key(ground: Ground, statement: str, mode: str) -> None:
    values = {**WRITTEN, "memory_id": MEMORY} if statement == "memories.write_version" else {}
    plan = ground.explain(statement, mode, **values)
    assert whole_tables(plan) == []
    for index, condition, node in index_conditions(plan):
        assert "tenant_id =" in condition, index
        if not index.startswith("stores"):
            assert "memory_id =" in condition or "owner_id =" in condition, (index, condition)
            assert node["Actual Rows"] <= 2


@pytest.mark.parametrize("mode", MODES)
def test_remembering_reads_nothing_but_the_store(ground: Ground, mode: str) -> None:
    plan = ground.explain("memories.remember_one", mode, **WRITTEN)
    assert [node for node in nodes(plan) if "Scan" in node["Node Type"] and is_ours(node)] == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("statement", STORES)
def test_stores_are_found_by_tenant(ground: Ground, statement: str, mode: str) -> None:
    plan = ground.explain(statement, mode)
    assert [node for node in whole_tables(plan) if node["Relation Name"] != "grants"] == []
    for index, condition, _ in index_conditions(plan):
        assert "tenant_id =" in condition, (index, condition)


def test_no_policy_asks_anew_for_each_row(ground: Ground) -> None:
    """Who asks is found out once a statement, by plans that run at its start."""
    plan = ground.explain("memories.list_memories", "force_generic_plan", limit=300)
    starts = [node for node in nodes(plan) if node.get("Parent Relationship") == "InitPlan"]
    assert len(starts) >= 2
    assert {node["Actual Loops"] for node in starts} <= {0, 1}
    assert not [node for node in nodes(plan) if node.get("Parent Relationship") == "SubPlan"]


def buffers(plan: dict[str, Any]) -> int:
    return int(plan["Shared Hit Blocks"]) + int(plan["Shared Read Blocks"])


def test_a_tenant_does_not_pay_for_anothers_growth(ground: Ground) -> None:
    """Ten times the rows elsewhere: the same pages here, but for an index a level higher."""
    reads = [(statement, mode) for statement in (*READS, *STORES) for mode in MODES]
    before = {key: buffers(ground.explain(*key)) for key in reads}
    ground.fill("globex", [uuid4() for _ in range(2_700)], memories=10)
    after = {key: buffers(ground.explain(*key)) for key in reads}
    lookups = {
        "memories.known_identities": 500,
        "search.hybrid_candidates": 400,
        "search.hybrid_current": 400,
        "search.nearest_memories": 10,
    }
    grown = {
        key: (before[key], after[key])
        for key in reads
        if after[key] > 1.25 * before[key] + 12 + lookups.get(key[0], 0)
    }
    assert grown == {}
