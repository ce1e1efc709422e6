"""Statements about documents find their rows by tenant and store, whatever other tenants have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from memoledger.ledger.statements import statements

MODES = ("force_custom_plan", "force_generic_plan")
OURS = {"documents", "chunks", "document_chunks", "document_memories", "term_vectors", "stores"}
STORE = UUID("00000000-0000-7000-8000-0000000000aa")
DOCUMENT = UUID("00000000-0000-7000-8000-000000000007")
CHUNKS = [UUID(f"00000000-0000-7000-9007-{place:012x}") for place in range(10)]

# Thirty documents of ten chunks a store.
FILL = """
INSERT INTO memoledger.tenants (tenant_id, created_by) VALUES (%(tenant)s, 'alice')
ON CONFLICT DO NOTHING;
INSERT INTO memoledger.users (tenant_id, user_id, created_by) VALUES (%(tenant)s, 'alice', 'alice')
ON CONFLICT DO NOTHING;
INSERT INTO memoledger.stores (tenant_id, store_id, owner_id, name, created_by, updated_by)
SELECT %(tenant)s, id, 'alice', id::text, 'alice', 'alice' FROM unnest(%(stores)s::uuid[]) AS id;
INSERT INTO memoledger.documents (tenant_id, store_id, document_id, version, chunk_count,
    char_count, type, created_by, updated_by, source, source_id, content_hash)
SELECT %(tenant)s, s, ('00000000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, 1, 10, 100,
    'document', 'alice', 'alice', 'wiki', 'page ' || i, sha256(('page ' || i)::bytea)
FROM unnest(%(stores)s::uuid[]) AS s, generate_series(1, 30) AS i;
INSERT INTO memoledger.chunks (tenant_id, store_id, chunk_id, document_id, first_version,
    recorded_at, token_count, text, chunk_hash)
SELECT d.tenant_id, d.store_id, ('00000000-0000-7000-9' || right(d.document_id::text, 3) || '-'
    || lpad(to_hex(p), 12, '0'))::uuid, d.document_id, 1, d.recorded_at, 2, 'chunk ' || p,
    sha256(('chunk ' || p)::bytea)
FROM memoledger.documents AS d, generate_series(0, 9) AS p
WHERE d.tenant_id = %(tenant)s AND d.store_id = ANY (%(stores)s::uuid[]);
INSERT INTO memoledger.document_chunks (tenant_id, store_id, document_id, version, place, chunk_id,
    start_offset, end_offset)
SELECT c.tenant_id, c.store_id, c.document_id, 1, right(c.chunk_id::text, 1)::integer, c.chunk_id,
    0, 1
FROM memoledger.chunks AS c
WHERE c.tenant_id = %(tenant)s AND c.store_id = ANY (%(stores)s::uuid[]);
INSERT INTO memoledger.memories (tenant_id, store_id, memory_id, version, importance, type,
    privacy, created_by, updated_by, content, content_hash)
SELECT d.tenant_id, d.store_id, d.document_id, 1, 0.5, 'fact', 'store', 'alice', 'alice', 'seen',
    d.content_hash
FROM memoledger.documents AS d
WHERE d.tenant_id = %(tenant)s AND d.store_id = ANY (%(stores)s::uuid[]);
INSERT INTO memoledger.document_memories (tenant_id, store_id, document_id, version, memory_id,
    memory_version, made)
SELECT d.tenant_id, d.store_id, d.document_id, 1, d.document_id, 1, true
FROM memoledger.documents AS d
WHERE d.tenant_id = %(tenant)s AND d.store_id = ANY (%(stores)s::uuid[]);
INSERT INTO memoledger.term_vectors (tenant_id, store_id, family, owner_id, version, recorded_at,
    length, weights)
SELECT c.tenant_id, c.store_id, 'chunk', c.chunk_id, 1, c.recorded_at, 2, '{1:0.5}/1000000000'
FROM memoledger.chunks AS c
WHERE c.tenant_id = %(tenant)s AND c.store_id = ANY (%(stores)s::uuid[]);
"""

# Name -> (PostgreSQL's type, a value); what is not here is null, of the type it is cast to.
PARAMETERS: dict[str, tuple[str, object]] = {
    "store_id": ("uuid", STORE),
    "document_id": ("uuid", DOCUMENT),
    "version": ("int", 1),
    "expected_version": ("int", 1),
    "source": ("text", "wiki"),
    "source_id": ("text", "page 7"),
    "source_ids": ("text[]", "{" + ",".join(f'"page {n}"' for n in range(1, 20)) + "}"),
    "chunk_ids": ("uuid[]", "{" + ",".join(map(str, CHUNKS)) + "}"),
    "tenant": ("text", "acme"),
    "after_place": ("int", -1),
    "limit": ("int", 10),
    "as_of": ("timestamptz", None),
    "instant": ("timestamptz", "now"),
}

# Statement -> index that it has to use, and the column it is asked by besides tenant and store.
READS: dict[str, dict[str, str | None]] = {
    "document_by_source": {"documents_by_source": "source_id"},
    "learned_hashes": {"documents_by_source": "source_id"},
    "chunks_held": {"document_chunks_pkey": "document_id", "chunks_pkey": "chunk_id"},
    "get_document": {"documents_pkey": "document_id"},
    "document_history": {"documents_pkey": "document_id"},
    "list_documents": {"documents_pkey": None},
    "get_chunks": {
        "chunks_pkey": "chunk_id",
        "documents_pkey": "document_id",
        "document_chunks_by_chunk": "chunk_id",
    },
    "list_chunks": {"document_chunks_pkey": "document_id", "chunks_pkey": "chunk_id"},
    "observed_memories": {"document_memories_pkey": "document_id"},
    "own_observations": {
        "document_memories_pkey": "document_id",
        "document_memories_by_memory": "memory_id",
    },
}
WRITES = ("forget_document", "erase_document", "supersede_chunks", "take_out_of_search")


class Ground:
    """A database with the store in it, and what other tenants have."""

    def __init__(self, server: Any, name: str) -> None:
        self.server, self.name = server, name
        self.fill("acme", [STORE])

    def connect(self, user: str = "memoledger_app") -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(self.server.conninfo(user, self.name), autocommit=True)

    def fill(self, tenant: str, stores: list[UUID]) -> None:
        with self.connect("postgres") as root:
            root.execute("SET ROLE memoledger_owner")
            filling = {"tenant": tenant, "stores": stores}
            psycopg.ClientCursor(root).execute(FILL, filling)
            root.execute("RESET ROLE")
            root.execute("ANALYZE")

    def explain(self, name: str, mode: str, **replaced: object) -> dict[str, Any]:
        """The plan of a statement as it was executed the second time."""
        text = statements("documents")[name].sql.decode()
        casts = dict(re.findall(r"%\((\w+)\)s::([a-z ]+(?:\[\])?)", text))
        names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", text)))
        for place, parameter in enumerate(names, start=1):
            text = text.replace(f"%({parameter})s", f"${place}")
        known = {n: PARAMETERS.get(n) or (casts.get(n, "timestamptz").strip(), None) for n in names}
        given = [replaced.get(n, known[n][1]) for n in names]
        with self.connect() as app:
            cursor = psycopg.ClientCursor(app)
            app.execute(f"SET plan_cache_mode = {mode}")
            types = ", ".join(known[n][0] for n in names)
            app.execute(f"PREPARE q ({types}) AS {text}".encode())
            for _ in range(2):
                with app.transaction(force_rollback=True):
                    app.execute(
                        "SELECT set_config('app.current_tenant_id', 'acme', true),"
                        " set_config('app.current_user', 'alice', true),"
                        " set_config('app.current_store_id', %s, true)",
                        [str(STORE)],
                    )
                    call = f"EXECUTE q ({', '.join(['%s'] * len(given))})"
                    explained = f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {call}"
                    [[[answer]]] = cursor.execute(explained, given).fetchall()
        plan: dict[str, Any] = answer["Plan"]
        return plan


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def whole_tables(plan: dict[str, Any]) -> list[str]:
    """Tables of ours that are read from their beginning to their end, unless they are empty."""
    return [
        node["Relation Name"]
        for node in nodes(plan)
        if node["Node Type"] == "Seq Scan"
        and node["Relation Name"] in OURS
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
    """Six thousand documents in two hundred stores of another tenant."""
    name = f"plans_{uuid4().hex[:12]}"
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    made = Ground(server, name)
    made.fill("globex", [uuid4() for _ in range(200)])
    yield made
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("statement", READS)
def test_a_read_asks_an_index_by_tenant_and_store(
    ground: Ground, statement: str, mode: str
) -> None:
    for as_of in (None, "2999-01-01Z"):
        replaced: dict[str, object] = {"as_of": as_of}
        if statement == "get_document":
            replaced["version"] = None
        if statement == "list_documents":
            replaced["source"] = None
        plan = ground.explain(statement, mode, **replaced)
        assert whole_tables(plan) == [], json.dumps(plan)
        found = index_conditions(plan)
        assert found
        for index, condition, _ in found:
            assert "tenant_id =" in condition, (index, condition)
            assert "store_id =" in condition, (index, condition)
        for wanted, column in READS[statement].items():
            assert any(
                index == wanted and (column is None or f"{column} =" in condition)
                for index, condition, _ in found
            ), (wanted, found)


@pytest.mark.parametrize("mode", MODES)
def test_chunks_of_hits_are_looked_up_one_by_one(ground: Ground, mode: str) -> None:
    for _, _, node in index_conditions(ground.explain("get_chunks", mode)):
        assert node["Actual Rows"] + node.get("Rows Removed by Filter", 0) <= 1
        assert node["Actual Loops"] <= len(CHUNKS)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("statement", WRITES)
def test_a_change_finds_its_rows_by_their_key(ground: Ground, statement: str, mode: str) -> None:
    plan = ground.explain(statement, mode)
    assert whole_tables(plan) == []
    for index, condition, _ in index_conditions(plan):
        assert "tenant_id =" in condition, index
        if not index.startswith("stores"):
            assert re.search(r"(document|chunk|owner)_id =", condition), (index, condition)
