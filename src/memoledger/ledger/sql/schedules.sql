-- name: schedule_current_memories
-- Puts the current versions of some memories on the schedule of embedding versions, the given ones or all that
-- are kept up to date, as far as they lack a vector there. It follows the statement that wrote them, in its transaction: what that one did not
-- write, because it was there, is found as it is. OFFSET 0 has them looked up one by one.
INSERT INTO memoledger.embedding_schedule (
    tenant_id, store_id, family, owner_id, version, embedding_version, private_to, reason, urgency)
SELECT m.tenant_id, m.store_id, 'memory', m.memory_id, m.version, v.embedding_version, m.private_to, %(reason)s,
       %(urgency)s
FROM unnest(%(owner_ids)s::uuid[]) AS wanted (memory_id)
CROSS JOIN LATERAL (
    SELECT * FROM memoledger.memories AS m
    WHERE m.store_id = %(store_id)s AND m.memory_id = wanted.memory_id AND m.superseded_at IS NULL
      AND m.deleted_at IS NULL
    OFFSET 0
) AS m
CROSS JOIN memoledger_system.embedding_versions AS v
WHERE v.state <> 'retired'
  AND (%(embedding_versions)s::integer[] IS NULL OR v.embedding_version = ANY (%(embedding_versions)s::integer[]))
  AND (SELECT count(*) FROM memoledger.embeddings AS e
       WHERE e.store_id = %(store_id)s AND e.family = 'memory' AND e.owner_id = m.memory_id AND e.version = m.version
         AND e.embedding_version = v.embedding_version)
      < 1 + (m.title IS NOT NULL)::integer + (m.summary IS NOT NULL)::integer
-- All writers take the rows in one order, so that none waits for another in a circle.
ORDER BY m.memory_id, v.embedding_version
ON CONFLICT DO NOTHING

-- name: schedule_rows
-- Puts rows of any family on the schedule of embedding versions, the given ones or all that are kept up to
-- date, in the transaction that writes them. A row of which there turns out to be nothing to embed is taken off again by the worker.
INSERT INTO memoledger.embedding_schedule (
    tenant_id, store_id, family, owner_id, version, embedding_version, private_to, reason, urgency)
SELECT %(tenant)s, %(store_id)s, %(family)s, o.owner_id, o.version, v.embedding_version, o.private_to, %(reason)s,
       %(urgency)s
FROM unnest(%(owner_ids)s::uuid[], %(versions)s::integer[], %(private_to)s::text[]) AS o (owner_id, version, private_to)
CROSS JOIN memoledger_system.embedding_versions AS v
WHERE v.state <> 'retired'
  AND (%(embedding_versions)s::integer[] IS NULL OR v.embedding_version = ANY (%(embedding_versions)s::integer[]))
ORDER BY o.owner_id, o.version, v.embedding_version
ON CONFLICT DO NOTHING

-- name: wake_workers
-- Wakes a worker once this transaction is committed.
SELECT memoledger.wake_workers()

-- name: count_pending
-- plan: once
-- How much of a store waits to be embedded in one embedding version, counted to a bound and no further.
SELECT count(*) FROM (
    SELECT FROM memoledger.embedding_schedule AS s
    WHERE s.store_id = %(store_id)s AND s.embedding_version = %(embedding_version)s
    LIMIT %(at_most)s
) AS waiting

-- name: scheduled_memories
-- The texts of versions that are to be embedded, past and forgotten ones too. What was erased is not there.
SELECT m.memory_id, m.version, m.content, m.title, m.summary, m.metadata -> 'speaker', m.occurred_at
FROM unnest(%(owner_ids)s::uuid[], %(versions)s::integer[]) AS wanted (memory_id, version)
CROSS JOIN LATERAL (
    SELECT * FROM memoledger.memories AS m
    WHERE m.store_id = %(store_id)s AND m.memory_id = wanted.memory_id AND m.version = wanted.version
      AND m.erased_at IS NULL
    OFFSET 0
) AS m

-- name: hold_memories
-- Holds versions whose vectors are about to be written: whoever closes or erases one waits until they are.
-- Before the schedule, as those do, so that nobody waits in a circle.
SELECT m.version FROM memoledger.memories AS m
WHERE m.store_id = %(store_id)s
  AND (m.memory_id, m.version) IN (SELECT * FROM unnest(%(owner_ids)s::uuid[], %(versions)s::integer[]))
ORDER BY m.memory_id, m.version
FOR SHARE

-- name: write_scheduled_memories
-- Takes versions off the schedule and writes their vectors, of those that were still claimed by this worker and
-- are still there. Vectors come flat, each with its version's id and number. How many versions were settled.
WITH settled AS MATERIALIZED (
    SELECT s.owner_id, s.version, s.embedding_version
    FROM memoledger.settle_schedule(%(claim)s, %(store_id)s, %(embedding_version)s, %(owner_ids)s::uuid[],
                                    %(versions)s::integer[]) AS s
    WHERE s.family = 'memory'
), written AS (
    INSERT INTO memoledger.embeddings (
        tenant_id, store_id, embedding_version, family, owner_id, version, view, recorded_at, superseded_at, expires_at,
        private_to, embedding)
    SELECT m.tenant_id, m.store_id, s.embedding_version, 'memory', m.memory_id, m.version, v.view, m.recorded_at,
           coalesce(m.superseded_at, m.deleted_at), m.expires_at, m.private_to, v.embedding
    FROM unnest(%(vector_owners)s::uuid[], %(vector_versions)s::integer[], %(views)s::text[], %(vectors)s::halfvec[])
         AS v (owner_id, version, view, embedding)
    JOIN settled AS s ON s.owner_id = v.owner_id AND s.version = v.version
     AND s.embedding_version = %(embedding_version)s
    CROSS JOIN LATERAL (
        SELECT * FROM memoledger.memories AS m
        WHERE m.store_id = %(store_id)s AND m.memory_id = v.owner_id AND m.version = v.version AND m.erased_at IS NULL
        OFFSET 0
    ) AS m
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM settled

-- name: scheduled_chunks
-- The texts of chunks that are to be embedded, of past versions of documents too. What was erased is not there.
SELECT c.chunk_id, c.first_version, c.text, c.section
FROM unnest(%(owner_ids)s::uuid[], %(versions)s::integer[]) AS wanted (chunk_id, version)
CROSS JOIN LATERAL (
    SELECT * FROM memoledger.chunks AS c
    WHERE c.store_id = %(store_id)s AND c.chunk_id = wanted.chunk_id AND c.first_version = wanted.version
      AND c.erased_at IS NULL
    OFFSET 0
) AS c

-- name: hold_chunks
-- Holds chunks whose vectors are about to be written: whoever closes or erases one waits until they are.
-- Before the schedule, as those do, so that nobody waits in a circle.
SELECT c.first_version FROM memoledger.chunks AS c
WHERE c.store_id = %(store_id)s AND c.chunk_id = ANY (%(owner_ids)s::uuid[])
ORDER BY c.chunk_id
FOR SHARE

-- name: write_scheduled_chunks
-- Takes chunks off the schedule and writes their vectors, of those that were still claimed by this worker and are
-- still there. How many chunks were settled.
WITH settled AS MATERIALIZED (
    SELECT s.owner_id, s.version, s.embedding_version
    FROM memoledger.settle_schedule(%(claim)s, %(store_id)s, %(embedding_version)s, %(owner_ids)s::uuid[],
                                    %(versions)s::integer[]) AS s
    WHERE s.family = 'chunk'
), written AS (
    INSERT INTO memoledger.embeddings (
        tenant_id, store_id, embedding_version, family, owner_id, version, view, recorded_at, superseded_at, embedding)
    SELECT c.tenant_id, c.store_id, s.embedding_version, 'chunk', c.chunk_id, c.first_version, v.view, c.recorded_at,
           c.superseded_at, v.embedding
    FROM unnest(%(vector_owners)s::uuid[], %(vector_versions)s::integer[], %(views)s::text[], %(vectors)s::halfvec[])
         AS v (owner_id, version, view, embedding)
    JOIN settled AS s ON s.owner_id = v.owner_id AND s.version = v.version
     AND s.embedding_version = %(embedding_version)s
    CROSS JOIN LATERAL (
        SELECT * FROM memoledger.chunks AS c
        WHERE c.store_id = %(store_id)s AND c.chunk_id = v.owner_id AND c.first_version = v.version
          AND c.erased_at IS NULL
        OFFSET 0
    ) AS c
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM settled

-- name: tenant_queue_depth
-- How much of the tenant waits, is being embedded, was set aside or failed before, and for how long the oldest waits.
SELECT waiting, claimed, poisoned, failed, age_s FROM memoledger.tenant_queue_depth()

-- name: tenant_queue
-- What of the tenant is on the schedule, what was set aside first, then the oldest.
SELECT %(tenant)s::text, q.* FROM memoledger.tenant_queue(%(poisoned)s::boolean, %(limit)s::integer) AS q

-- name: retry_tenant_queue
-- Has what failed or was set aside tried again now.
SELECT memoledger.retry_tenant_queue(%(owner_ids)s::uuid[])

-- name: drop_tenant_queue
-- Takes what was set aside off the schedule.
SELECT memoledger.drop_tenant_queue(%(owner_ids)s::uuid[])
