"""What must be true of every ledger at every moment, told as SQL that finds what breaks it.

`mine(x)` in a statement limits the table x to one tenant, or to nothing.
"""

from __future__ import annotations

import re

import psycopg

VERSIONS_COUNT_FROM_ONE = """
SELECT memory_id FROM memoledger.memories AS m WHERE mine(m)
GROUP BY tenant_id, store_id, memory_id
HAVING min(version) <> 1 OR max(version) <> count(*)
"""

A_VERSION_ENDS_WHERE_THE_NEXT_BEGINS = """
SELECT m.memory_id, m.version, m.superseded_at, next.recorded_at
FROM memoledger.memories AS m
LEFT JOIN memoledger.memories AS next
    ON (next.tenant_id, next.store_id, next.memory_id, next.version)
     = (m.tenant_id, m.store_id, m.memory_id, m.version + 1)
WHERE mine(m)
  AND (m.superseded_at IS DISTINCT FROM next.recorded_at
       OR m.superseded_at <= m.recorded_at
       OR (m.superseded_at IS NOT NULL AND m.deleted_at IS NOT NULL AND m.erased_at IS NULL))
"""

EVERY_VERSION_CAN_BE_SEARCHED = """
SELECT m.memory_id, m.version, e.views, t.vectors
FROM memoledger.memories AS m,
     LATERAL (SELECT coalesce(array_agg(DISTINCT x.view ORDER BY x.view), '{}') AS views
              FROM memoledger.embeddings AS x
              WHERE (x.tenant_id, x.store_id, x.owner_id, x.version)
                  = (m.tenant_id, m.store_id, m.memory_id, m.version) AND x.family = 'memory') AS e,
     LATERAL (SELECT count(*) AS vectors FROM memoledger.term_vectors AS x
              WHERE (x.tenant_id, x.store_id, x.owner_id, x.version)
                  = (m.tenant_id, m.store_id, m.memory_id, m.version) AND x.family = 'memory') AS t
WHERE mine(m) AND (e.views, t.vectors) IS DISTINCT FROM (
    CASE WHEN m.erased_at IS NOT NULL THEN '{}' ELSE
        array_remove(ARRAY['body', CASE WHEN m.summary IS NOT NULL THEN 'summary' END,
                           CASE WHEN m.title IS NOT NULL THEN 'title' END], NULL) END,
    CASE WHEN m.erased_at IS NOT NULL THEN 0 ELSE 1 END)
"""

WHAT_IS_SEARCHED_IS_A_VERSION_AND_KNOWS_WHEN = """
SELECT x.owner_id, x.version, x.kind
FROM (SELECT tenant_id, store_id, owner_id, version, recorded_at, superseded_at, expires_at,
             private_to, view AS kind
      FROM memoledger.embeddings WHERE family = 'memory'
      UNION ALL
      SELECT tenant_id, store_id, owner_id, version, recorded_at, superseded_at, expires_at,
             private_to, 'terms'
      FROM memoledger.term_vectors WHERE family = 'memory') AS x
LEFT JOIN memoledger.memories AS m
    ON (m.tenant_id, m.store_id, m.memory_id, m.version)
     = (x.tenant_id, x.store_id, x.owner_id, x.version)
WHERE mine(x)
  AND (m.memory_id IS NULL OR m.erased_at IS NOT NULL
       OR (x.recorded_at, x.superseded_at, x.expires_at, x.private_to) IS DISTINCT FROM
          (m.recorded_at, coalesce(m.superseded_at, m.deleted_at), m.expires_at, m.private_to))
"""

_ACTS = """
SELECT m.tenant_id, m.memory_id, m.version,
       CASE m.version WHEN 1 THEN 'remember' ELSE 'update' END AS act
FROM memoledger.memories AS m WHERE mine(m)
UNION ALL
SELECT m.tenant_id, m.memory_id, m.version, 'supersede'
FROM memoledger.memories AS m WHERE mine(m) AND m.superseded_at IS NOT NULL
UNION ALL
SELECT m.tenant_id, m.memory_id, m.version,
       CASE WHEN m.deleted_at = m.expires_at THEN 'expire' ELSE 'forget' END
FROM memoledger.memories AS m
WHERE mine(m) AND m.deleted_at < coalesce(m.erased_at, 'infinity')
UNION ALL
SELECT m.tenant_id, m.memory_id, m.version, 'erase'
FROM memoledger.memories AS m WHERE mine(m) AND m.erased_at IS NOT NULL
"""

THE_AUDIT_TELLS_EVERY_ACT_ONCE = f"""
SELECT memory_id, version, act, happened.times, told.times
FROM (SELECT tenant_id, memory_id, version, act, count(*) AS times
      FROM ({_ACTS}) AS a GROUP BY 1, 2, 3, 4) AS happened
FULL JOIN (SELECT tenant_id, (row_key ->> 'memory_id')::uuid AS memory_id,
                  (row_key ->> 'version')::integer AS version, act, count(*) AS times
           FROM memoledger.audit_records AS a
           WHERE mine(a) AND table_name = 'memories' GROUP BY 1, 2, 3, 4) AS told
     USING (tenant_id, memory_id, version, act)
WHERE happened.times IS DISTINCT FROM told.times
"""

THE_AUDIT_COMMITS_TO_WHAT_IS_THERE = """
SELECT m.memory_id, m.version
FROM memoledger.memories AS m
JOIN memoledger.audit_records AS a
    ON a.tenant_id = m.tenant_id AND a.table_name = 'memories' AND a.act IN ('remember', 'update')
   AND (a.row_key ->> 'memory_id')::uuid = m.memory_id
   AND (a.row_key ->> 'version')::integer = m.version
WHERE mine(m) AND m.erased_at IS NULL
  AND a.after ->> 'commitment' IS DISTINCT FROM memoledger.memory_commitment(m)
"""

THE_OUTBOX_TELLS_EVERY_VERSION_ONCE = """
SELECT memory_id, version, act, happened.times, told.times
FROM (SELECT tenant_id, memory_id, version, 'remember' AS act, 1 AS times
      FROM memoledger.memories AS m WHERE mine(m)
      UNION ALL
      SELECT tenant_id, memory_id, version, 'forget',
             (deleted_at < coalesce(erased_at, 'infinity'))::integer
             + (erased_at IS NOT NULL)::integer
      FROM memoledger.memories AS m
      WHERE mine(m) AND superseded_at IS NULL AND deleted_at IS NOT NULL) AS happened
FULL JOIN (SELECT tenant_id, owner_id AS memory_id, version, act, count(*) AS times
           FROM memoledger.outbox AS o
           WHERE mine(o) AND family = 'memory' GROUP BY 1, 2, 3, 4) AS told
     USING (tenant_id, memory_id, version, act)
WHERE happened.times IS DISTINCT FROM told.times
"""

AN_IDENTITY_IS_HELD_ONCE = """
SELECT min(memory_id::text), count(*)
FROM memoledger.memories AS m
WHERE mine(m) AND superseded_at IS NULL AND deleted_at IS NULL
GROUP BY tenant_id, store_id, private_to, external_id,
         CASE WHEN external_id IS NULL THEN content_hash END
HAVING count(*) > 1
"""

ACCESS_IS_WHAT_RECEIPTS_TELL = """
SELECT memory_id, told.times, counted.count
FROM (SELECT r.tenant_id, r.store_id, h.memory_id, count(*) AS times, max(r.recorded_at) AS last
      FROM memoledger.receipts AS r, unnest(r.memory_ids, r.families) AS h (memory_id, family)
      WHERE mine(r) AND NOT r.unproven AND h.family IS DISTINCT FROM 'chunk'
        AND NOT EXISTS (SELECT FROM memoledger.memories AS m
                        WHERE (m.tenant_id, m.store_id, m.memory_id)
                            = (r.tenant_id, r.store_id, h.memory_id)
                          AND m.erased_at IS NOT NULL)
      GROUP BY 1, 2, 3) AS told
FULL JOIN (SELECT * FROM memoledger.memory_access AS a WHERE mine(a)) AS counted
     USING (tenant_id, store_id, memory_id)
WHERE (told.times, told.last) IS DISTINCT FROM (counted.count, counted.last_accessed)
"""

NO_RECEIPT_TELLS_OF_WHAT_WAS_ERASED = """
SELECT r.receipt_id, h.memory_id
FROM memoledger.receipts AS r, unnest(r.memory_ids, r.scores) AS h (memory_id, score)
JOIN (SELECT tenant_id, memory_id FROM memoledger.memories WHERE erased_at IS NOT NULL
      UNION
      SELECT tenant_id, chunk_id FROM memoledger.chunks WHERE erased_at IS NOT NULL)
     AS m ON m.memory_id = h.memory_id
WHERE mine(r) AND m.tenant_id = r.tenant_id
  AND (r.struck_at IS NULL OR h.score IS NOT NULL
       OR num_nonnulls(r.query, r.query_hash, r.filters) > 0)
"""

DOCUMENTS_ARE_VERSIONED = """
SELECT d.document_id, d.version
FROM memoledger.documents AS d
LEFT JOIN memoledger.documents AS next
    ON (next.tenant_id, next.store_id, next.document_id, next.version)
     = (d.tenant_id, d.store_id, d.document_id, d.version + 1)
WHERE mine(d)
  AND (d.superseded_at IS DISTINCT FROM next.recorded_at
       OR (d.version > 1 AND NOT EXISTS (
           SELECT FROM memoledger.documents AS p
           WHERE (p.tenant_id, p.store_id, p.document_id, p.version)
               = (d.tenant_id, d.store_id, d.document_id, d.version - 1))))
"""

A_VERSION_HAS_ITS_CHUNKS_IN_ORDER = """
SELECT d.document_id, d.version, d.chunk_count, p.places
FROM memoledger.documents AS d,
     LATERAL (SELECT coalesce(array_agg(p.place ORDER BY p.place), '{}') AS places
              FROM memoledger.document_chunks AS p
              JOIN memoledger.chunks AS c USING (tenant_id, store_id, document_id, chunk_id)
              WHERE (p.tenant_id, p.store_id, p.document_id, p.version)
                  = (d.tenant_id, d.store_id, d.document_id, d.version)
                AND c.first_version <= d.version
                AND (c.superseded_at IS NULL OR c.superseded_at > d.recorded_at)) AS p
WHERE mine(d) AND p.places IS DISTINCT FROM ARRAY(SELECT generate_series(0, d.chunk_count - 1))
"""

A_CHUNK_ENDS_WITH_THE_LAST_VERSION_THAT_HAS_IT = """
SELECT c.chunk_id, c.superseded_at, last.ended
FROM memoledger.chunks AS c
LEFT JOIN LATERAL (
    SELECT coalesce(d.superseded_at, d.deleted_at) AS ended, min(p.version) OVER () AS first
    FROM memoledger.document_chunks AS p
    JOIN memoledger.documents AS d USING (tenant_id, store_id, document_id, version)
    WHERE (p.tenant_id, p.store_id, p.chunk_id) = (c.tenant_id, c.store_id, c.chunk_id)
    ORDER BY p.version DESC LIMIT 1) AS last ON true
WHERE mine(c)
  AND (c.superseded_at IS DISTINCT FROM last.ended OR last.first IS DISTINCT FROM c.first_version)
"""

EVERY_CHUNK_CAN_BE_SEARCHED = """
SELECT c.chunk_id, e.vectors, w.waiting, t.words
FROM memoledger.chunks AS c,
     LATERAL (SELECT count(*) AS vectors FROM memoledger.embeddings AS x
              JOIN memoledger_system.embedding_versions AS v USING (embedding_version)
              WHERE (x.tenant_id, x.store_id, x.owner_id, x.version)
                  = (c.tenant_id, c.store_id, c.chunk_id, c.first_version)
                AND x.family = 'chunk' AND x.view = 'body' AND v.state = 'serving'
                AND (x.recorded_at, x.superseded_at)
                    IS NOT DISTINCT FROM (c.recorded_at, c.superseded_at)) AS e,
     LATERAL (SELECT count(*) AS waiting FROM memoledger.embedding_schedule AS x
              JOIN memoledger_system.embedding_versions AS v USING (embedding_version)
              WHERE (x.tenant_id, x.store_id, x.owner_id, x.family)
                  = (c.tenant_id, c.store_id, c.chunk_id, 'chunk') AND v.state = 'serving') AS w,
     LATERAL (SELECT count(*) AS words FROM memoledger.term_vectors AS x
              WHERE (x.tenant_id, x.store_id, x.owner_id, x.version)
                  = (c.tenant_id, c.store_id, c.chunk_id, c.first_version)
                AND x.family = 'chunk' AND (x.recorded_at, x.superseded_at)
                    IS NOT DISTINCT FROM (c.recorded_at, c.superseded_at)) AS t
WHERE mine(c)
  AND CASE WHEN c.erased_at IS NULL
      THEN t.words <> 1 OR e.vectors > 1
           OR (e.vectors = 0 AND w.waiting = 0 AND c.superseded_at IS NULL)
      ELSE t.words + e.vectors + w.waiting > 0 END
"""

WHAT_IS_SEARCHED_IS_A_CHUNK = """
SELECT x.owner_id
FROM (SELECT tenant_id, store_id, owner_id, version FROM memoledger.embeddings
      WHERE family = 'chunk'
      UNION ALL
      SELECT tenant_id, store_id, owner_id, version FROM memoledger.term_vectors
      WHERE family = 'chunk') AS x
LEFT JOIN memoledger.chunks AS c
    ON (c.tenant_id, c.store_id, c.chunk_id, c.first_version)
     = (x.tenant_id, x.store_id, x.owner_id, x.version)
WHERE mine(x) AND (c.chunk_id IS NULL OR c.erased_at IS NOT NULL)
"""

_ACTS_ON_DOCUMENTS = """
SELECT d.tenant_id, d.document_id AS id, d.version,
       CASE d.version WHEN 1 THEN 'learn' ELSE 'update' END AS act
FROM memoledger.documents AS d WHERE mine(d)
UNION ALL
SELECT d.tenant_id, d.document_id, d.version, 'supersede'
FROM memoledger.documents AS d WHERE mine(d) AND d.superseded_at IS NOT NULL
UNION ALL
SELECT d.tenant_id, d.document_id, d.version, 'forget'
FROM memoledger.documents AS d
WHERE mine(d) AND d.deleted_at < coalesce(d.erased_at, 'infinity')
UNION ALL
SELECT d.tenant_id, d.document_id, d.version, 'erase'
FROM memoledger.documents AS d WHERE mine(d) AND d.erased_at IS NOT NULL
UNION ALL
SELECT c.tenant_id, c.chunk_id, 0, 'learn' FROM memoledger.chunks AS c WHERE mine(c)
UNION ALL
SELECT c.tenant_id, c.chunk_id, 0, 'supersede'
FROM memoledger.chunks AS c
WHERE mine(c) AND c.superseded_at < coalesce(c.erased_at, 'infinity')
UNION ALL
SELECT c.tenant_id, c.chunk_id, 0, 'erase'
FROM memoledger.chunks AS c WHERE mine(c) AND c.erased_at IS NOT NULL
"""

THE_AUDIT_TELLS_EVERY_ACT_ON_A_DOCUMENT_ONCE = f"""
SELECT id, version, act, happened.times, told.times
FROM (SELECT tenant_id, id, version, act, count(*) AS times
      FROM ({_ACTS_ON_DOCUMENTS}) AS a GROUP BY 1, 2, 3, 4) AS happened
FULL JOIN (SELECT tenant_id,
                  coalesce(row_key ->> 'document_id', row_key ->> 'chunk_id')::uuid AS id,
                  coalesce((row_key ->> 'version')::integer, 0) AS version, act, count(*) AS times
           FROM memoledger.audit_records AS a
           WHERE mine(a) AND table_name IN ('documents', 'chunks') GROUP BY 1, 2, 3, 4) AS told
     USING (tenant_id, id, version, act)
WHERE happened.times IS DISTINCT FROM told.times
"""

THE_AUDIT_COMMITS_TO_DOCUMENTS = """
SELECT d.document_id, d.version
FROM memoledger.documents AS d
JOIN memoledger.audit_records AS a
    ON a.tenant_id = d.tenant_id AND a.table_name = 'documents' AND a.act IN ('learn', 'update')
   AND (a.row_key ->> 'document_id')::uuid = d.document_id
   AND (a.row_key ->> 'version')::integer = d.version
WHERE mine(d) AND d.erased_at IS NULL
  AND a.after ->> 'commitment' IS DISTINCT FROM memoledger.document_commitment(d)
UNION ALL
SELECT c.chunk_id, 0
FROM memoledger.chunks AS c
JOIN memoledger.audit_records AS a
    ON a.tenant_id = c.tenant_id AND a.table_name = 'chunks' AND a.act = 'learn'
   AND (a.row_key ->> 'chunk_id')::uuid = c.chunk_id
WHERE mine(c) AND c.erased_at IS NULL
  AND a.after ->> 'commitment' IS DISTINCT FROM memoledger.chunk_commitment(c)
"""

A_SOURCE_IS_ONE_DOCUMENT = """
SELECT min(document_id::text), count(*)
FROM memoledger.documents AS d
WHERE mine(d) AND superseded_at IS NULL AND deleted_at IS NULL
GROUP BY tenant_id, store_id, source, source_id
HAVING count(*) > 1
"""

INVARIANTS = {
    "versions count from one": VERSIONS_COUNT_FROM_ONE,
    "a version ends where the next begins": A_VERSION_ENDS_WHERE_THE_NEXT_BEGINS,
    "every version can be searched": EVERY_VERSION_CAN_BE_SEARCHED,
    "what is searched is a version": WHAT_IS_SEARCHED_IS_A_VERSION_AND_KNOWS_WHEN,
    "the audit tells every act once": THE_AUDIT_TELLS_EVERY_ACT_ONCE,
    "the audit commits to what is there": THE_AUDIT_COMMITS_TO_WHAT_IS_THERE,
    "the outbox tells every version once": THE_OUTBOX_TELLS_EVERY_VERSION_ONCE,
    "an identity is held once": AN_IDENTITY_IS_HELD_ONCE,
    "access is what receipts tell": ACCESS_IS_WHAT_RECEIPTS_TELL,
    "no receipt tells of what was erased": NO_RECEIPT_TELLS_OF_WHAT_WAS_ERASED,
    "documents are versioned": DOCUMENTS_ARE_VERSIONED,
    "a version has its chunks in order": A_VERSION_HAS_ITS_CHUNKS_IN_ORDER,
    "a chunk ends with its last version": A_CHUNK_ENDS_WITH_THE_LAST_VERSION_THAT_HAS_IT,
    "every chunk can be searched": EVERY_CHUNK_CAN_BE_SEARCHED,
    "what is searched is a chunk": WHAT_IS_SEARCHED_IS_A_CHUNK,
    "the audit tells every act on a document": THE_AUDIT_TELLS_EVERY_ACT_ON_A_DOCUMENT_ONCE,
    "the audit commits to documents": THE_AUDIT_COMMITS_TO_DOCUMENTS,
    "a source is one document": A_SOURCE_IS_ONE_DOCUMENT,
}


def assert_consistent(conninfo: str, tenant: str | None = None) -> None:
    """Nothing in the ledger is lost, doubled or half-written.

    Args:
        conninfo: of a superuser, whom no policy keeps from seeing everything.
        tenant: whose memories are looked at; None for everybody's.
    """
    mine = "true" if tenant is None else r"\1.tenant_id = %(tenant)s"
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for name, broken in INVARIANTS.items():
            query = re.sub(r"mine\((\w)\)", mine, broken)
            found = connection.execute(query, {"tenant": tenant}).fetchmany(5)
            assert found == [], name
