-- name: remember_one
-- plan: once
-- Writes the first version of a memory with its vectors; no row if that identity is taken.
-- Triggers add the audit record and the outbox row in the same transaction.
WITH written AS (
    INSERT INTO memoledger.memories (
        tenant_id, store_id, memory_id, version, content, type, importance, source, tags, subject_refs, metadata,
        title, summary, external_id, privacy, occurred_at, valid_from, valid_to, expires_at, content_hash,
        created_by, updated_by)
    VALUES (
        %(tenant)s, %(store_id)s, %(memory_id)s, 1, %(content)s, %(type)s, %(importance)s, %(source)s, %(tags)s,
        %(subject_refs)s, %(metadata)s, %(title)s, %(summary)s, %(external_id)s, %(privacy)s, %(occurred_at)s,
        %(valid_from)s, %(valid_to)s, %(expires_at)s, %(content_hash)s, %(user)s, %(user)s)
    ON CONFLICT DO NOTHING
    RETURNING tenant_id, store_id, memory_id, version, recorded_at, expires_at, private_to
), embedded AS (
    INSERT INTO memoledger.embeddings (
        tenant_id, store_id, embedding_version, family, owner_id, version, view, recorded_at, expires_at, private_to,
        embedding)
    SELECT w.tenant_id, w.store_id, v.embedding_version, 'memory', w.memory_id, w.version, v.view, w.recorded_at,
           w.expires_at, w.private_to, v.embedding
    FROM written AS w,
         unnest(%(embedding_versions)s::integer[], %(views)s::text[], %(vectors)s::halfvec[]) AS v (embedding_version, view, embedding)
    -- One that was retired a moment ago has no place any more.
    WHERE v.embedding_version = ANY (ARRAY(SELECT l.embedding_version FROM memoledger_system.embedding_versions AS l
                                           WHERE l.state <> 'retired'))
), analysed AS (
    INSERT INTO memoledger.term_vectors (
        tenant_id, store_id, family, owner_id, version, recorded_at, expires_at, private_to, length, weights)
    SELECT w.tenant_id, w.store_id, 'memory', w.memory_id, w.version, w.recorded_at, w.expires_at, w.private_to,
           %(length)s, %(weights)s
    FROM written AS w
)
SELECT version, recorded_at FROM written

-- name: remember_batch
-- Writes the first versions of many memories with their vectors; rows come back for those whose
-- identity was free. Vectors come flat, each with the position of its memory in the batch.
WITH draft AS MATERIALIZED (
    SELECT d.*, t.length, t.weights
    FROM ROWS FROM (json_to_recordset(%(drafts)s::json) AS (
        memory_id uuid, content text, type text, importance double precision, source text, tags text[],
        subject_refs text[], metadata jsonb, title text, summary text, external_id text, privacy text,
        occurred_at timestamptz, valid_from timestamptz, valid_to timestamptz, expires_at timestamptz,
        content_hash bytea)) WITH ORDINALITY AS d (
        memory_id, content, type, importance, source, tags, subject_refs, metadata, title, summary, external_id,
        privacy, occurred_at, valid_from, valid_to, expires_at, content_hash, ordinality)
    JOIN unnest(%(lengths)s::integer[], %(weights)s::sparsevec[]) WITH ORDINALITY AS t (length, weights, ordinality)
         USING (ordinality)
), written AS (
    INSERT INTO memoledger.memories (
        tenant_id, store_id, memory_id, version, content, type, importance, source, tags, subject_refs, metadata,
        title, summary, external_id, privacy, occurred_at, valid_from, valid_to, expires_at, content_hash,
        created_by, updated_by)
    SELECT %(tenant)s, %(store_id)s, d.memory_id, 1, d.content, d.type, d.importance, d.source, d.tags,
           d.subject_refs, d.metadata, d.title, d.summary, d.external_id, d.privacy, d.occurred_at, d.valid_from,
           d.valid_to, d.expires_at, d.content_hash, %(user)s, %(user)s
    FROM draft AS d
    -- All writers take the identities in one order, so that none waits for another in a circle.
    ORDER BY d.ordinality
    ON CONFLICT DO NOTHING
    RETURNING tenant_id, store_id, memory_id, version, recorded_at, expires_at, private_to
), embedded AS (
    INSERT INTO memoledger.embeddings (
        tenant_id, store_id, embedding_version, family, owner_id, version, view, recorded_at, expires_at, private_to,
        embedding)
    SELECT w.tenant_id, w.store_id, v.embedding_version, 'memory', w.memory_id, w.version, v.view, w.recorded_at,
           w.expires_at, w.private_to, v.embedding
    FROM unnest(%(positions)s::integer[], %(embedding_versions)s::integer[], %(views)s::text[], %(vectors)s::halfvec[])
         AS v (position, embedding_version, view, embedding)
    JOIN draft AS d ON d.ordinality = v.position
    JOIN written AS w USING (memory_id)
    WHERE v.embedding_version = ANY (ARRAY(SELECT l.embedding_version FROM memoledger_system.embedding_versions AS l
                                           WHERE l.state <> 'retired'))
), analysed AS (
    INSERT INTO memoledger.term_vectors (
        tenant_id, store_id, family, owner_id, version, recorded_at, expires_at, private_to, length, weights)
    SELECT w.tenant_id, w.store_id, 'memory', w.memory_id, w.version, w.recorded_at, w.expires_at, w.private_to,
           d.length, d.weights
    FROM written AS w JOIN draft AS d USING (memory_id)
)
SELECT memory_id FROM written

-- name: take_turn
-- Waits until nobody else is writing the next version of a memory this way, until the transaction ends.
-- The statement after it sees what they wrote.
SELECT pg_advisory_xact_lock(hashtextextended(%(memory_id)s::uuid::text, 0))

-- name: write_version
-- Closes a memory's current version and writes the next, if the current one is still the expected one (or,
-- with none expected, if its content is another); otherwise no row. The instant of the change lies after
-- the one before, whatever the clock did.
WITH closed AS (
    UPDATE memoledger.memories AS m
    SET superseded_at = greatest(clock_timestamp(), m.recorded_at + interval '1 microsecond')
    WHERE m.store_id = %(store_id)s AND m.memory_id = %(memory_id)s
      AND (%(expected_version)s::integer IS NULL OR m.version = %(expected_version)s::integer)
      AND (%(other_than)s::bytea IS NULL OR m.content_hash <> %(other_than)s::bytea)
      AND m.superseded_at IS NULL AND m.deleted_at IS NULL AND (m.expires_at IS NULL OR m.expires_at > now())
    RETURNING m.tenant_id, m.store_id, m.memory_id, m.version, m.created_by, m.superseded_at
), closed_embeddings AS (
    -- By the key alone, here and below: what is asked to be current is looked for among all that is.
    UPDATE memoledger.embeddings AS e SET superseded_at = c.superseded_at
    FROM closed AS c
    WHERE e.tenant_id = c.tenant_id AND e.store_id = c.store_id AND e.family = 'memory'
      AND e.owner_id = c.memory_id AND e.version = c.version
), closed_terms AS (
    UPDATE memoledger.term_vectors AS t SET superseded_at = c.superseded_at
    FROM closed AS c
    WHERE t.tenant_id = c.tenant_id AND t.store_id = c.store_id AND t.family = 'memory'
      AND t.owner_id = c.memory_id AND t.version = c.version AND t.superseded_at IS NULL
), written AS (
    INSERT INTO memoledger.memories (
        tenant_id, store_id, memory_id, version, recorded_at, content, type, importance, source, tags, subject_refs,
        metadata, title, summary, external_id, privacy, occurred_at, valid_from, valid_to, expires_at, content_hash,
        created_by, updated_by)
    SELECT c.tenant_id, c.store_id, c.memory_id, c.version + 1, c.superseded_at, %(content)s, %(type)s,
           %(importance)s, %(source)s, %(tags)s, %(subject_refs)s, %(metadata)s, %(title)s, %(summary)s,
           %(external_id)s, %(privacy)s, %(occurred_at)s, %(valid_from)s, %(valid_to)s, %(expires_at)s,
           %(content_hash)s, c.created_by, %(user)s
    FROM closed AS c
    RETURNING tenant_id, store_id, memory_id, version, recorded_at, expires_at, private_to, created_by
), embedded AS (
    INSERT INTO memoledger.embeddings (
        tenant_id, store_id, embedding_version, family, owner_id, version, view, recorded_at, expires_at, private_to,
        embedding)
    SELECT w.tenant_id, w.store_id, v.embedding_version, 'memory', w.memory_id, w.version, v.view, w.recorded_at,
           w.expires_at, w.private_to, v.embedding
    FROM written AS w,
         unnest(%(embedding_versions)s::integer[], %(views)s::text[], %(vectors)s::halfvec[]) AS v (embedding_version, view, embedding)
    -- One that was retired a moment ago has no place any more.
    WHERE v.embedding_version = ANY (ARRAY(SELECT l.embedding_version FROM memoledger_system.embedding_versions AS l
                                           WHERE l.state <> 'retired'))
), analysed AS (
    INSERT INTO memoledger.term_vectors (
        tenant_id, store_id, family, owner_id, version, recorded_at, expires_at, private_to, length, weights)
    SELECT w.tenant_id, w.store_id, 'memory', w.memory_id, w.version, w.recorded_at, w.expires_at, w.private_to,
           %(length)s, %(weights)s
    FROM written AS w
)
SELECT version, recorded_at, created_by FROM written

-- name: version_vectors
-- The vectors of one version of a memory, to be kept for what an update leaves as it is.
SELECT e.view, e.embedding::real[]
FROM memoledger.embeddings AS e
WHERE e.store_id = %(store_id)s AND e.embedding_version = %(embedding_version)s AND e.family = 'memory'
  AND e.owner_id = %(memory_id)s AND e.version = %(version)s

-- name: comparable_versions
-- What tells versions that a search found apart from each other: the hash of the content, and the body's
-- vector as bytes, since a list of numbers would take longer than the search. None where it waits to be
-- embedded. OFFSET 0 has both looked up one by one.
SELECT m.memory_id, m.content_hash, halfvec_send(e.embedding)
FROM unnest(%(memory_ids)s::uuid[], %(versions)s::integer[]) AS wanted (memory_id, version)
CROSS JOIN LATERAL (
    SELECT * FROM memoledger.memories AS m
    WHERE m.store_id = %(store_id)s AND m.memory_id = wanted.memory_id AND m.version = wanted.version
      AND m.erased_at IS NULL
    OFFSET 0
) AS m
LEFT JOIN LATERAL (
    SELECT * FROM memoledger.embeddings AS e
    WHERE e.store_id = %(store_id)s AND e.embedding_version = %(embedding_version)s AND e.family = 'memory'
      AND e.owner_id = m.memory_id AND e.version = m.version AND e.view = 'body'
    OFFSET 0
) AS e ON true

-- name: current_by_external_id
-- The memory that holds an external id, expired or not, as long as it was not swept.
SELECT m.memory_id, m.version, m.store_id, m.content, m.type, m.importance, m.source, m.tags,
       m.subject_refs, m.metadata, m.title, m.summary, m.external_id, m.privacy, m.occurred_at,
       m.valid_from, m.valid_to, m.expires_at, m.recorded_at, m.superseded_at, m.deleted_at, m.erased_at,
       m.created_by, m.updated_by, m.content_hash, m.expires_at <= now() AS expired
FROM memoledger.memories AS m
WHERE m.store_id = %(store_id)s AND m.external_id = %(external_id)s
  AND m.private_to IS NOT DISTINCT FROM %(private_to)s
  AND m.superseded_at IS NULL AND m.deleted_at IS NULL

-- name: current_by_content
-- The memory that holds a content without an external id, expired or not, as long as it was not swept.
SELECT m.memory_id, m.version, m.store_id, m.content, m.type, m.importance, m.source, m.tags,
       m.subject_refs, m.metadata, m.title, m.summary, m.external_id, m.privacy, m.occurred_at,
       m.valid_from, m.valid_to, m.expires_at, m.recorded_at, m.superseded_at, m.deleted_at, m.erased_at,
       m.created_by, m.updated_by, m.content_hash, m.expires_at <= now() AS expired
FROM memoledger.memories AS m
WHERE m.store_id = %(store_id)s AND m.content_hash = %(content_hash)s AND m.external_id IS NULL
  AND m.private_to IS NOT DISTINCT FROM %(private_to)s
  AND m.superseded_at IS NULL AND m.deleted_at IS NULL

-- name: known_identities
-- Which of many identities are already held with the same content, so that a bulk write need not
-- embed them again. An identity that is only held by an expired memory is not known.
-- OFFSET 0 has them looked up one by one, however large or small the planner takes the store for.
SELECT held.external_id, held.content_hash, held.private_to, held.memory_id, held.version
FROM (SELECT DISTINCT unnest(%(external_ids)s::text[])) AS asked (external_id)
CROSS JOIN LATERAL (
    SELECT m.external_id, m.content_hash, m.private_to, m.memory_id, m.version
    FROM memoledger.memories AS m
    WHERE m.store_id = %(store_id)s AND m.superseded_at IS NULL AND m.deleted_at IS NULL
      AND (m.expires_at IS NULL OR m.expires_at > now())
      AND m.external_id = asked.external_id
    OFFSET 0
) AS held
UNION ALL
SELECT held.external_id, held.content_hash, held.private_to, held.memory_id, held.version
FROM (SELECT DISTINCT unnest(%(content_hashes)s::bytea[])) AS asked (content_hash)
CROSS JOIN LATERAL (
    SELECT m.external_id, m.content_hash, m.private_to, m.memory_id, m.version
    FROM memoledger.memories AS m
    WHERE m.store_id = %(store_id)s AND m.superseded_at IS NULL AND m.deleted_at IS NULL
      AND (m.expires_at IS NULL OR m.expires_at > now())
      AND m.external_id IS NULL AND m.content_hash = asked.content_hash
    OFFSET 0
) AS held

-- name: get_memory
-- The version of a memory that is current, or was at an instant.
SELECT m.memory_id, m.version, m.store_id, m.content, m.type, m.importance, m.source, m.tags,
       m.subject_refs, m.metadata, m.title, m.summary, m.external_id, m.privacy, m.occurred_at,
       m.valid_from, m.valid_to, m.expires_at, m.recorded_at, m.superseded_at, m.deleted_at, m.erased_at,
       m.created_by, m.updated_by
FROM memoledger.memories AS m
WHERE m.store_id = %(store_id)s AND m.memory_id = %(memory_id)s AND m.erased_at IS NULL
  AND CASE WHEN %(as_of)s::timestamptz IS NULL
      THEN m.superseded_at IS NULL AND m.deleted_at IS NULL AND (m.expires_at IS NULL OR m.expires_at > now())
      ELSE m.recorded_at <= %(as_of)s::timestamptz
           AND (m.superseded_at IS NULL OR m.superseded_at > %(as_of)s::timestamptz)
           AND (m.deleted_at IS NULL OR m.deleted_at > %(as_of)s::timestamptz)
           AND (m.expires_at IS NULL OR m.expires_at > %(as_of)s::timestamptz)
      END

-- name: get_memories
-- plan: once
-- Current or past versions by their ids and versions, for the answer of a search. What was forgotten
-- since the search drops out. OFFSET 0 has them looked up one by one, whatever the store's size.
SELECT m.memory_id, m.version, m.store_id, m.content, m.type, m.importance, m.source, m.tags,
       m.subject_refs, m.metadata, m.title, m.summary, m.external_id, m.privacy, m.occurred_at,
       m.valid_from, m.valid_to, m.expires_at, m.recorded_at, m.superseded_at, m.deleted_at, m.erased_at,
       m.created_by, m.updated_by
FROM unnest(%(memory_ids)s::uuid[], %(versions)s::integer[]) AS wanted (memory_id, version)
CROSS JOIN LATERAL (
    SELECT * FROM memoledger.memories AS m
    WHERE m.store_id = %(store_id)s AND m.memory_id = wanted.memory_id AND m.version = wanted.version
      AND m.erased_at IS NULL AND (%(as_of)s::timestamptz IS NOT NULL OR m.deleted_at IS NULL)
    OFFSET 0
) AS m

-- name: memory_history
-- Every version of a memory, oldest first, also of one that was forgotten or erased.
SELECT m.memory_id, m.version, m.store_id, m.content, m.type, m.importance, m.source, m.tags,
       m.subject_refs, m.metadata, m.title, m.summary, m.external_id, m.privacy, m.occurred_at,
       m.valid_from, m.valid_to, m.expires_at, m.recorded_at, m.superseded_at, m.deleted_at, m.erased_at,
       m.created_by, m.updated_by
FROM memoledger.memories AS m
WHERE m.store_id = %(store_id)s AND m.memory_id = %(memory_id)s
ORDER BY m.version

-- name: list_memories
-- A page of a store's memories in the order of their making, that are current or were at an instant.
SELECT m.memory_id, m.version, m.store_id, m.content, m.type, m.importance, m.source, m.tags,
       m.subject_refs, m.metadata, m.title, m.summary, m.external_id, m.privacy, m.occurred_at,
       m.valid_from, m.valid_to, m.expires_at, m.recorded_at, m.superseded_at, m.deleted_at, m.erased_at,
       m.created_by, m.updated_by
FROM memoledger.memories AS m
WHERE m.store_id = %(store_id)s AND m.erased_at IS NULL
  AND (%(after_id)s::uuid IS NULL OR m.memory_id > %(after_id)s::uuid)
  AND CASE WHEN %(as_of)s::timestamptz IS NULL
      THEN m.superseded_at IS NULL AND m.deleted_at IS NULL AND (m.expires_at IS NULL OR m.expires_at > now())
      ELSE m.recorded_at <= %(as_of)s::timestamptz
           AND (m.superseded_at IS NULL OR m.superseded_at > %(as_of)s::timestamptz)
           AND (m.deleted_at IS NULL OR m.deleted_at > %(as_of)s::timestamptz)
           AND (m.expires_at IS NULL OR m.expires_at > %(as_of)s::timestamptz)
      END
  AND (%(types)s::text[] IS NULL OR m.type = ANY (%(types)s::text[]))
  AND (%(tags)s::text[] IS NULL OR m.tags @> %(tags)s::text[])
  AND (%(since)s::timestamptz IS NULL OR coalesce(m.occurred_at, m.recorded_at) >= %(since)s::timestamptz)
  AND (%(until)s::timestamptz IS NULL OR coalesce(m.occurred_at, m.recorded_at) < %(until)s::timestamptz)
  AND (%(min_importance)s::double precision IS NULL OR m.importance >= %(min_importance)s::double precision)
  AND (%(metadata)s::jsonb IS NULL OR m.metadata @> %(metadata)s::jsonb)
  AND (%(valid_at)s::timestamptz IS NULL
       OR (m.valid_from IS NULL OR m.valid_from <= %(valid_at)s::timestamptz)
          AND (m.valid_to IS NULL OR m.valid_to > %(valid_at)s::timestamptz))
ORDER BY m.memory_id
LIMIT %(limit)s

-- name: count_memories
-- How many memories of a store are current.
SELECT count(*)
FROM memoledger.memories AS m
WHERE m.store_id = %(store_id)s AND m.superseded_at IS NULL AND m.deleted_at IS NULL AND (m.expires_at IS NULL OR m.expires_at > now())

-- name: forget_memory
-- Closes a memory for good and takes it out of search; its versions stay for as_of and history.
WITH closed AS (
    UPDATE memoledger.memories AS m
    SET deleted_at = greatest(clock_timestamp(), m.recorded_at + interval '1 microsecond')
    WHERE m.store_id = %(store_id)s AND m.memory_id = %(memory_id)s
      AND m.superseded_at IS NULL AND m.deleted_at IS NULL AND (m.expires_at IS NULL OR m.expires_at > now())
      AND (%(expected_version)s::integer IS NULL OR m.version = %(expected_version)s::integer)
    RETURNING m.tenant_id, m.store_id, m.memory_id, m.version, m.deleted_at
), closed_embeddings AS (
    UPDATE memoledger.embeddings AS e SET superseded_at = c.deleted_at
    FROM closed AS c
    WHERE e.tenant_id = c.tenant_id AND e.store_id = c.store_id AND e.family = 'memory'
      AND e.owner_id = c.memory_id AND e.version = c.version
), closed_terms AS (
    UPDATE memoledger.term_vectors AS t SET superseded_at = c.deleted_at
    FROM closed AS c
    WHERE t.tenant_id = c.tenant_id AND t.store_id = c.store_id AND t.family = 'memory'
      AND t.owner_id = c.memory_id AND t.version = c.version AND t.superseded_at IS NULL
)
SELECT version, deleted_at FROM closed

-- name: close_expired_memory
-- Sweeps one memory ahead of time, so that its identity is free again. coalesce keeps the planner from the
-- sweep's index, in which what is due lies for all tenants together.
WITH closed AS (
    UPDATE memoledger.memories AS m SET deleted_at = m.expires_at
    WHERE m.store_id = %(store_id)s AND m.memory_id = %(memory_id)s
      AND m.superseded_at IS NULL AND m.deleted_at IS NULL AND coalesce(m.expires_at <= now(), false)
    RETURNING m.tenant_id, m.store_id, m.memory_id, m.version, m.deleted_at
), closed_embeddings AS (
    UPDATE memoledger.embeddings AS e SET superseded_at = c.deleted_at
    FROM closed AS c
    WHERE e.tenant_id = c.tenant_id AND e.store_id = c.store_id AND e.family = 'memory'
      AND e.owner_id = c.memory_id AND e.version = c.version
), closed_terms AS (
    UPDATE memoledger.term_vectors AS t SET superseded_at = c.deleted_at
    FROM closed AS c
    WHERE t.tenant_id = c.tenant_id AND t.store_id = c.store_id AND t.family = 'memory'
      AND t.owner_id = c.memory_id AND t.version = c.version AND t.superseded_at IS NULL
)
SELECT version FROM closed

-- name: erase_memory
-- Empties every version of a memory, current or not; triggers remove the vectors and refuse to leave a
-- version behind that this user cannot see. The rows and their audit stay; without text and salt the
-- audit's commitment can no longer be tied to what was said.
-- The latest version is locked first: if an update was faster, none is found, and nothing is erased while a
-- version that this statement cannot see goes on.
WITH latest AS MATERIALIZED (
    SELECT l.tenant_id, l.store_id, l.memory_id, clock_timestamp() AS instant
    FROM memoledger.memories AS l
    WHERE l.store_id = %(store_id)s AND l.memory_id = %(memory_id)s AND l.superseded_at IS NULL
      AND (%(expected_version)s::integer IS NULL OR l.version = %(expected_version)s::integer)
    FOR UPDATE
), erased AS (
    UPDATE memoledger.memories AS m
    SET erased_at = l.instant, deleted_at = coalesce(m.deleted_at, l.instant),
        content = NULL, title = NULL, summary = NULL, source = NULL, external_id = NULL, tags = '{}',
        subject_refs = '{}', metadata = '{}', content_hash = NULL, salt = NULL
    FROM latest AS l
    WHERE m.tenant_id = l.tenant_id AND m.store_id = l.store_id AND m.memory_id = l.memory_id
      AND m.erased_at IS NULL
    RETURNING m.version
)
SELECT version FROM erased ORDER BY version
