-- name: write_receipts
-- plan: once
-- Writes a user's receipts of recalls in one store; what was written before is passed over, so that a
-- batch may be sent again. A store that the user could read then and cannot read now makes them unproven.
-- A trigger counts the accesses.
INSERT INTO memoledger.receipts (
    tenant_id, receipt_id, user_id, store_id, embedding_version, at_most, pending, complete, unproven, mode,
    searched_by, private_to, query, query_hash, filters, memory_ids, versions, scores, timings_ms, families)
SELECT %(tenant)s, r.receipt_id, %(user)s, %(store_id)s::uuid, r.embedding_version, r.at_most, r.pending, r.complete,
       NOT %(store_id)s::uuid = ANY ((SELECT memoledger.readable_store_ids())::uuid[]), r.mode, r.searched_by,
       CASE WHEN r.private THEN %(user)s END,
       CASE WHEN NOT %(hashed)s::boolean THEN r.query END,
       CASE WHEN %(hashed)s::boolean
            THEN sha256((SELECT s.salt FROM memoledger.receipt_salts AS s WHERE s.user_id = %(user)s)
                        || convert_to(r.query, 'UTF8')) END,
       r.filters, r.memory_ids, r.versions, r.scores, r.timings_ms, r.families
FROM json_to_recordset(%(receipts)s::json) AS r (
    receipt_id uuid, embedding_version integer, at_most integer, pending integer, complete boolean, mode text,
    searched_by text, private boolean, query text, filters jsonb, memory_ids uuid[], versions integer[],
    scores double precision[], timings_ms jsonb, families text[])
ON CONFLICT DO NOTHING

-- name: introduce_salt
-- plan: once
-- Gives a user a salt for hashed questions, once.
INSERT INTO memoledger.receipt_salts (tenant_id, user_id) VALUES (%(tenant)s, %(user)s)
ON CONFLICT DO NOTHING

-- name: own_hash
-- The hash under which a question of the current user is kept, where questions are hashed.
SELECT sha256(s.salt || convert_to(%(query)s, 'UTF8'))
FROM memoledger.receipt_salts AS s
WHERE s.user_id = %(user)s

-- name: receipt_by_id
-- A receipt, if the current user may see it.
SELECT r.receipt_id, r.user_id, r.store_id, r.recorded_at, r.struck_at,
       (SELECT v.name FROM memoledger_system.embedding_versions AS v WHERE v.embedding_version = r.embedding_version),
       r.at_most, r.pending, r.complete, r.mode, r.searched_by, r.query, r.query_hash, r.filters, r.memory_ids, r.versions, r.scores,
       r.timings_ms, r.families
FROM memoledger.receipts AS r
WHERE r.receipt_id = %(receipt_id)s

-- name: list_receipts
-- A page of the receipts the current user may see, newest first: the own ones, and others' on the own
-- stores. Each source is read in the order of an index and no further than the page needs.
WITH own AS (
    SELECT * FROM memoledger.receipts AS r
    WHERE r.user_id = %(user)s AND r.receipt_id < %(before)s AND r.receipt_id >= %(from)s
      AND (%(store_id)s::uuid IS NULL OR r.store_id = %(store_id)s::uuid)
      AND (%(memory_id)s::uuid IS NULL OR %(memory_id)s::uuid = ANY (r.memory_ids))
    ORDER BY r.receipt_id DESC
    LIMIT %(limit)s
), others AS (
    SELECT o.* FROM unnest((SELECT memoledger.owned_store_ids())::uuid[]) AS s (store_id)
    CROSS JOIN LATERAL (
        SELECT * FROM memoledger.receipts AS r
        WHERE r.store_id = s.store_id AND r.private_to IS NULL AND NOT r.unproven
          AND r.user_id <> %(user)s AND r.receipt_id < %(before)s AND r.receipt_id >= %(from)s
          AND (%(memory_id)s::uuid IS NULL OR %(memory_id)s::uuid = ANY (r.memory_ids))
        ORDER BY r.receipt_id DESC
        LIMIT %(limit)s
    ) AS o
)
SELECT r.receipt_id, r.user_id, r.store_id, r.recorded_at, r.struck_at,
       (SELECT v.name FROM memoledger_system.embedding_versions AS v WHERE v.embedding_version = r.embedding_version),
       r.at_most, r.pending, r.complete, r.mode, r.searched_by, r.query, r.query_hash, r.filters, r.memory_ids, r.versions, r.scores,
       r.timings_ms, r.families
FROM (SELECT * FROM own UNION ALL SELECT * FROM others) AS r
ORDER BY r.receipt_id DESC
LIMIT %(limit)s

-- name: memory_accesses
-- How often each of some memories was returned by a recall, and when last; no row for one that never was.
SELECT a.memory_id, a.count, a.last_accessed
FROM memoledger.memory_access AS a
WHERE a.store_id = %(store_id)s AND a.memory_id = ANY (%(memory_ids)s::uuid[])

-- name: tend_receipts
-- Makes the partitions that receipts will need, and drops those that are older than they are kept.
SELECT memoledger.tend_receipts()

-- name: receipt_retention
-- How many days receipts are kept; 0 for ever.
SELECT days FROM memoledger_system.receipt_retention

-- name: set_receipt_retention
-- Has receipts kept so many days from now on; 0 for ever.
UPDATE memoledger_system.receipt_retention SET days = %(days)s WHERE days <> %(days)s

-- name: whereabouts
-- The store of a memory, among all that the current user may read.
SELECT s.store_id, s.name, s.owner_id
FROM memoledger.stores AS s
WHERE EXISTS (SELECT FROM memoledger.memories AS m WHERE m.store_id = s.store_id AND m.memory_id = %(memory_id)s)
LIMIT 1

-- name: judge_version
-- Which conditions of a question one version of a memory meets, each with its own answer (NULL where it was not
-- asked), and what there is of it for searches to find.
SELECT m.type = ANY (%(types)s::text[]) AS types, m.tags @> %(tags)s::text[] AS tags,
       coalesce(m.occurred_at, m.recorded_at) >= %(since)s::timestamptz AS since,
       coalesce(m.occurred_at, m.recorded_at) < %(until)s::timestamptz AS until,
       m.importance >= %(min_importance)s::double precision AS min_importance,
       m.metadata @> %(metadata)s::jsonb AS metadata,
       CASE WHEN %(valid_at)s::timestamptz IS NOT NULL
            THEN (m.valid_from IS NULL OR m.valid_from <= %(valid_at)s::timestamptz)
                 AND (m.valid_to IS NULL OR m.valid_to > %(valid_at)s::timestamptz) END AS valid_at,
       (SELECT max(-(e.embedding <#> %(vector)s::halfvec)) FROM memoledger.embeddings AS e
        WHERE e.store_id = %(store_id)s AND e.embedding_version = %(embedding_version)s AND e.family = 'memory'
          AND e.owner_id = m.memory_id AND e.version = m.version) AS similarity,
       EXISTS (SELECT FROM memoledger.embeddings AS e
               WHERE e.store_id = %(store_id)s AND e.embedding_version = %(embedding_version)s AND e.family = 'memory'
                 AND e.owner_id = m.memory_id AND e.version = m.version) AS embedded,
       EXISTS (SELECT FROM memoledger.term_vectors AS t
               WHERE t.store_id = %(store_id)s AND t.family = 'memory' AND t.owner_id = m.memory_id
                 AND t.version = m.version AND t.weights <#> %(asked)s::sparsevec < 0) AS shares_words
FROM memoledger.memories AS m
WHERE m.store_id = %(store_id)s AND m.memory_id = %(memory_id)s AND m.version = %(version)s
