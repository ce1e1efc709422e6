"""A bulk write leaves the planner informed: nothing after it is planned for an empty table."""

from __future__ import annotations

from typing import Any

import numpy as np
import psycopg

from memoledger import Memoledger

WORDS = "".join(f" word{place}" for place in range(20))
TABLES = "relname IN ('memories', 'term_vectors') OR relname LIKE 'embeddings\\_%'"


async def test_the_planner_knows_what_a_bulk_write_wrote(ledger: Memoledger, database: Any) -> None:
    alice = await ledger.principal(tenant="acme", user="alice")
    notes = await alice.store("notes")
    vectors = np.random.default_rng(1).standard_normal((3_000, 384))
    await notes.remember_many(
        {"content": f"Number {place}{WORDS}", "embedding": vector}
        for place, vector in enumerate(vectors)
    )
    with psycopg.connect(database.conninfo("postgres")) as connection:
        rows = connection.execute(
            f"SELECT relname, reltuples FROM pg_class WHERE relkind = 'r' AND ({TABLES})"
        ).fetchall()
    assert len(rows) == 3
    assert all(tuples >= 1_000 for _, tuples in rows), rows
