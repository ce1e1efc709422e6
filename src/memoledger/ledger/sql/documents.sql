-- fragment: document_columns
-- What a document is to its readers, in the order of its fields.
       d.document_id, d.version, d.store_id, d.source, d.source_id, d.type, d.title, d.summary, d.state, d.author,
       d.tags, d.metadata, d.media_type, encode(d.content_hash, 'hex'), d.artifact_key, d.artifact_hash, d.lineage,
       d.chunk_count, d.char_count, d.occurred_at, d.recorded_at, d.superseded_at, d.deleted_at, d.erased_at,
       d.created_by, d.updated_by

-- fragment: chunk_columns
-- What a chunk is to its readers, in the order of its fields.
       c.chunk_id, c.document_id, d.version, c.first_version, c.store_id, p.place, c.text, c.section,
       p.start_offset, p.end_offset, c.token_count, c.keywords, d.source, d.source_id, d.title, d.type, d.tags,
       d.occurred_at, c.recorded_at, c.superseded_at

-- fragment: held
-- Whether a document's version is current, or was at an instant.
      CASE WHEN %(as_of)s::timestamptz IS NULL
      THEN d.superseded_at IS NULL AND d.deleted_at IS NULL
      ELSE d.recorded_at <= %(as_of)s::timestamptz
           AND (d.superseded_at IS NULL OR d.superseded_at > %(as_of)s::timestamptz)
           AND (d.deleted_at IS NULL OR d.deleted_at > %(as_of)s::timestamptz)
      END

-- name: learn_first
-- Writes the first version of a document; no row if its identity is taken.
INSERT INTO memoledger.documents AS d (
    tenant_id, store_id, document_id, version, source, source_id, type, title, summary, state, author, tags, metadata,
    media_type, content_hash, artifact_key, artifact_hash, lineage, chunk_count, char_count, occurred_at, created_by,
    updated_by)
VALUES (
    %(tenant)s, %(store_id)s, %(document_id)s, 1, %(source)s, %(source_id)s, %(type)s, %(title)s, %(summary)s, %(state)s,
    %(author)s, %(tags)s, %(metadata)s, %(media_type)s, %(content_hash)s, %(artifact_key)s, %(artifact_hash)s,
    %(lineage)s, %(chunk_count)s, %(char_count)s, %(occurred_at)s, %(user)s, %(user)s)
ON CONFLICT DO NOTHING
RETURNING
-- include: document_columns

-- name: learn_next
-- Closes a document's current version and writes the next, if the current one is still the expected one;
-- otherwise no row. The instant of the change lies after the one before, whatever the clock did.
WITH closed AS (
    UPDATE memoledger.documents AS d
    SET superseded_at = greatest(clock_timestamp(), d.recorded_at + interval '1 microsecond')
    WHERE d.store_id = %(store_id)s AND d.document_id = %(document_id)s AND d.version = %(expected_version)s
      AND d.superseded_at IS NULL AND d.deleted_at IS NULL
    RETURNING d.tenant_id, d.store_id, d.document_id, d.version, d.created_by, d.superseded_at
)
INSERT INTO memoledger.documents AS d (
    tenant_id, store_id, document_id, version, recorded_at, source, source_id, type, title, summary, state, author,
    tags, metadata, media_type, content_hash, artifact_key, artifact_hash, lineage, chunk_count, char_count,
    occurred_at, created_by, updated_by)
SELECT o.tenant_id, o.store_id, o.document_id, o.version + 1, o.superseded_at, %(source)s, %(source_id)s, %(type)s,
       %(title)s, %(summary)s, %(state)s, %(author)s, %(tags)s, %(metadata)s, %(media_type)s, %(content_hash)s,
       %(artifact_key)s, %(artifact_hash)s, %(lineage)s, %(chunk_count)s, %(char_count)s, %(occurred_at)s,
       o.created_by, %(user)s
FROM closed AS o
RETURNING
-- include: document_columns

-- name: supersede_chunks
-- Closes the chunks that a document's new version does not have, and takes them out of search; as long as that
-- version is written by this transaction. Their ids are given, not joined: they are looked up by the keys,
-- whatever the planner takes the store's size for.
WITH learned AS MATERIALIZED (
    SELECT memoledger.being_learned_since(%(tenant)s, %(store_id)s, %(document_id)s, %(version)s) AS instant
), closed AS (
    UPDATE memoledger.chunks AS c SET superseded_at = l.instant
    FROM learned AS l
    WHERE l.instant IS NOT NULL AND c.store_id = %(store_id)s AND c.chunk_id = ANY (%(chunk_ids)s::uuid[])
      AND c.document_id = %(document_id)s AND c.superseded_at IS NULL
), closed_embeddings AS (
    UPDATE memoledger.embeddings AS e SET superseded_at = l.instant
    FROM learned AS l
    WHERE l.instant IS NOT NULL AND e.store_id = %(store_id)s AND e.family = 'chunk'
      AND e.owner_id = ANY (%(chunk_ids)s::uuid[])
)
UPDATE memoledger.term_vectors AS t SET superseded_at = l.instant
FROM learned AS l
WHERE l.instant IS NOT NULL AND t.store_id = %(store_id)s AND t.family = 'chunk'
  AND t.owner_id = ANY (%(chunk_ids)s::uuid[]) AND t.superseded_at IS NULL

-- name: write_chunks
-- Writes chunks that a document's version is the first to have, with their words and as many of their
-- vectors as there are; these come flat, each with the position of its chunk in the batch. A version that
-- this transaction does not write has no instant: then a trigger refuses them.
WITH learned AS MATERIALIZED (
    SELECT coalesce(memoledger.being_learned_since(%(tenant)s, %(store_id)s, %(document_id)s, %(version)s),
                    'infinity') AS instant
), piece AS MATERIALIZED (
    SELECT p.*, t.length, t.weights
    FROM ROWS FROM (json_to_recordset(%(pieces)s::json) AS (
        chunk_id uuid, token_count integer, text text, section text, keywords text[], chunk_hash bytea))
        WITH ORDINALITY AS p (chunk_id, token_count, text, section, keywords, chunk_hash, ordinality)
    JOIN unnest(%(lengths)s::integer[], %(weights)s::sparsevec[]) WITH ORDINALITY AS t (length, weights, ordinality)
         USING (ordinality)
), written AS (
    INSERT INTO memoledger.chunks (
        tenant_id, store_id, chunk_id, document_id, first_version, recorded_at, token_count, text, section, keywords,
        chunk_hash)
    SELECT %(tenant)s, %(store_id)s, p.chunk_id, %(document_id)s, %(version)s, l.instant, p.token_count, p.text,
           p.section, p.keywords, p.chunk_hash
    FROM piece AS p, learned AS l
    RETURNING tenant_id, store_id, chunk_id, first_version, recorded_at
), embedded AS (
    INSERT INTO memoledger.embeddings (
        tenant_id, store_id, embedding_version, family, owner_id, version, view, recorded_at, embedding)
    SELECT w.tenant_id, w.store_id, v.embedding_version, 'chunk', w.chunk_id, w.first_version, 'body', w.recorded_at,
           v.embedding
    FROM unnest(%(positions)s::integer[], %(embedding_versions)s::integer[], %(vectors)s::halfvec[])
         AS v (position, embedding_version, embedding)
    JOIN piece AS p ON p.ordinality = v.position
    JOIN written AS w USING (chunk_id)
    -- One that was retired a moment ago has no place any more.
    WHERE v.embedding_version = ANY (ARRAY(SELECT l.embedding_version FROM memoledger_system.embedding_versions AS l
                                           WHERE l.state <> 'retired'))
), analysed AS (
    INSERT INTO memoledger.term_vectors (
        tenant_id, store_id, family, owner_id, version, recorded_at, length, weights)
    SELECT w.tenant_id, w.store_id, 'chunk', w.chunk_id, w.first_version, w.recorded_at, p.length, p.weights
    FROM written AS w JOIN piece AS p USING (chunk_id)
)
SELECT count(*) FROM written

-- name: place_chunks
-- Writes where the chunks of a document's version stand, kept and new ones alike.
INSERT INTO memoledger.document_chunks (
    tenant_id, store_id, document_id, version, place, chunk_id, start_offset, end_offset)
SELECT %(tenant)s, %(store_id)s, %(document_id)s, %(version)s, p.place, p.chunk_id, p.start_offset, p.end_offset
FROM unnest(%(places)s::integer[], %(chunk_ids)s::uuid[], %(starts)s::integer[], %(ends)s::integer[])
     AS p (place, chunk_id, start_offset, end_offset)

-- name: link_memories
-- Writes which memories a document's version yielded.
INSERT INTO memoledger.document_memories (tenant_id, store_id, document_id, version, memory_id, memory_version, made)
SELECT %(tenant)s, %(store_id)s, %(document_id)s, %(version)s, m.memory_id, m.memory_version, m.made
FROM unnest(%(memory_ids)s::uuid[], %(memory_versions)s::integer[], %(made)s::boolean[])
     AS m (memory_id, memory_version, made)

-- name: document_by_source
-- The document that holds an identity.
SELECT
-- include: document_columns
FROM memoledger.documents AS d
WHERE d.store_id = %(store_id)s AND d.source = %(source)s AND d.source_id = %(source_id)s
  AND d.superseded_at IS NULL AND d.deleted_at IS NULL

-- name: learned_hashes
-- Which of many identities are held, and the hash of what each was learned from; so that many sources can
-- be told from those that changed before they are read. OFFSET 0 has them looked up one by one.
SELECT held.source_id, held.document_id, held.version, encode(held.content_hash, 'hex')
FROM (SELECT DISTINCT unnest(%(source_ids)s::text[])) AS asked (source_id)
CROSS JOIN LATERAL (
    SELECT * FROM memoledger.documents AS d
    WHERE d.store_id = %(store_id)s AND d.source = %(source)s AND d.source_id = asked.source_id
      AND d.superseded_at IS NULL AND d.deleted_at IS NULL
    OFFSET 0
) AS held

-- name: chunks_held
-- The chunks of a document's current version in their order, by what makes them the same.
SELECT c.chunk_id, c.chunk_hash
FROM memoledger.document_chunks AS p
CROSS JOIN LATERAL (
    SELECT * FROM memoledger.chunks AS c WHERE c.store_id = %(store_id)s AND c.chunk_id = p.chunk_id OFFSET 0
) AS c
WHERE p.store_id = %(store_id)s AND p.document_id = %(document_id)s AND p.version = %(version)s
ORDER BY p.place

-- name: get_document
-- The version of a document that is current, or was at an instant, or has a number.
SELECT
-- include: document_columns
FROM memoledger.documents AS d
WHERE d.store_id = %(store_id)s AND d.document_id = %(document_id)s AND d.erased_at IS NULL
  AND CASE WHEN %(version)s::integer IS NULL THEN
-- include: held
      ELSE d.version = %(version)s::integer END

-- name: document_stamp
-- plan: once
-- The current version of a document, and the secret with which what is cached of it was sealed.
SELECT d.version, d.salt
FROM memoledger.documents AS d
WHERE d.store_id = %(store_id)s AND d.document_id = %(document_id)s
  AND d.superseded_at IS NULL AND d.deleted_at IS NULL AND d.erased_at IS NULL

-- name: document_history
-- Every version of a document, oldest first, also of one that was forgotten or erased.
SELECT
-- include: document_columns
FROM memoledger.documents AS d
WHERE d.store_id = %(store_id)s AND d.document_id = %(document_id)s
ORDER BY d.version

-- name: list_documents
-- A page of a store's documents in the order of their making, that are current or were at an instant.
SELECT
-- include: document_columns
FROM memoledger.documents AS d
WHERE d.store_id = %(store_id)s AND d.erased_at IS NULL
  AND (%(after_id)s::uuid IS NULL OR d.document_id > %(after_id)s::uuid)
  AND
-- include: held
  AND (%(source)s::text IS NULL OR d.source = %(source)s::text)
  AND (%(types)s::text[] IS NULL OR d.type = ANY (%(types)s::text[]))
  AND (%(tags)s::text[] IS NULL OR d.tags @> %(tags)s::text[])
  AND (%(since)s::timestamptz IS NULL OR coalesce(d.occurred_at, d.recorded_at) >= %(since)s::timestamptz)
  AND (%(until)s::timestamptz IS NULL OR coalesce(d.occurred_at, d.recorded_at) < %(until)s::timestamptz)
  AND (%(metadata)s::jsonb IS NULL OR d.metadata @> %(metadata)s::jsonb)
ORDER BY d.document_id
LIMIT %(limit)s

-- name: count_documents
-- How many documents of a store are current.
SELECT count(*)
FROM memoledger.documents AS d
WHERE d.store_id = %(store_id)s AND d.superseded_at IS NULL AND d.deleted_at IS NULL

-- name: get_chunks
-- plan: once
-- Chunks by their ids, for the answer of a search, each where it stands in the version that is current or
-- was at an instant; one that no such version has drops out. OFFSET 0 has them looked up one by one.
SELECT
-- include: chunk_columns
FROM unnest(%(chunk_ids)s::uuid[]) AS wanted (chunk_id)
CROSS JOIN LATERAL (
    SELECT * FROM memoledger.chunks AS c
    WHERE c.store_id = %(store_id)s AND c.chunk_id = wanted.chunk_id AND c.erased_at IS NULL
    OFFSET 0
) AS c
CROSS JOIN LATERAL (
    SELECT * FROM memoledger.documents AS d
    WHERE d.store_id = %(store_id)s AND d.document_id = c.document_id AND d.erased_at IS NULL AND
-- include: held
    OFFSET 0
) AS d
CROSS JOIN LATERAL (
    SELECT * FROM memoledger.document_chunks AS p
    WHERE p.store_id = %(store_id)s AND p.document_id = d.document_id AND p.chunk_id = c.chunk_id
      AND p.version = d.version
    OFFSET 0
) AS p

-- name: list_chunks
-- A page of the chunks of one version of a document, in its order.
SELECT
-- include: chunk_columns
FROM (SELECT * FROM memoledger.documents AS d
      WHERE d.store_id = %(store_id)s AND d.document_id = %(document_id)s AND d.version = %(version)s
        AND d.erased_at IS NULL
      OFFSET 0) AS d
CROSS JOIN LATERAL (
    SELECT * FROM memoledger.document_chunks AS p
    WHERE p.store_id = %(store_id)s AND p.document_id = %(document_id)s AND p.version = %(version)s
      AND p.place > %(after_place)s
    ORDER BY p.place
    LIMIT %(limit)s
) AS p
CROSS JOIN LATERAL (
    SELECT * FROM memoledger.chunks AS c
    WHERE c.store_id = %(store_id)s AND c.chunk_id = p.chunk_id AND c.erased_at IS NULL
    OFFSET 0
) AS c
ORDER BY p.place

-- name: own_observations
-- The memories that a document made and no other current one yielded: they go with it.
SELECT DISTINCT l.memory_id
FROM memoledger.document_memories AS l
WHERE l.store_id = %(store_id)s AND l.document_id = %(document_id)s AND l.made
  AND NOT EXISTS (
      SELECT FROM memoledger.document_memories AS o
      JOIN memoledger.documents AS d
          ON d.tenant_id = o.tenant_id AND d.store_id = o.store_id AND d.document_id = o.document_id
         AND d.version = o.version AND d.deleted_at IS NULL
      WHERE o.store_id = %(store_id)s AND o.memory_id = l.memory_id AND o.document_id <> l.document_id)
ORDER BY l.memory_id

-- name: observed_memories
-- The memories that one version of a document yielded.
SELECT l.memory_id, l.memory_version, l.made
FROM memoledger.document_memories AS l
WHERE l.store_id = %(store_id)s AND l.document_id = %(document_id)s AND l.version = %(version)s
ORDER BY l.memory_id

-- name: forget_document
-- Closes a document for good, and its chunks; when, and which. Its versions stay for as_of and history.
WITH closed AS (
    UPDATE memoledger.documents AS d
    SET deleted_at = greatest(clock_timestamp(), d.recorded_at + interval '1 microsecond')
    WHERE d.store_id = %(store_id)s AND d.document_id = %(document_id)s
      AND d.superseded_at IS NULL AND d.deleted_at IS NULL
      AND (%(expected_version)s::integer IS NULL OR d.version = %(expected_version)s::integer)
    RETURNING d.deleted_at
), closed_chunks AS (
    UPDATE memoledger.chunks AS c SET superseded_at = o.deleted_at
    FROM closed AS o
    WHERE c.store_id = %(store_id)s AND c.document_id = %(document_id)s AND c.superseded_at IS NULL
    RETURNING c.chunk_id
)
SELECT o.deleted_at, ARRAY(SELECT c.chunk_id FROM closed_chunks AS c) FROM closed AS o

-- name: take_out_of_search
-- Closes the vectors and words of chunks that were closed at an instant; by their keys, as supersede_chunks.
WITH closed_embeddings AS (
    UPDATE memoledger.embeddings AS e SET superseded_at = %(instant)s
    WHERE e.store_id = %(store_id)s AND e.family = 'chunk' AND e.owner_id = ANY (%(chunk_ids)s::uuid[])
)
UPDATE memoledger.term_vectors AS t SET superseded_at = %(instant)s
WHERE t.store_id = %(store_id)s AND t.family = 'chunk' AND t.owner_id = ANY (%(chunk_ids)s::uuid[])
  AND t.superseded_at IS NULL

-- name: erase_document
-- Empties every version of a document, current or not; triggers empty its chunks and remove their vectors.
-- The latest version is locked first: if another was learned meanwhile, none is found, and nothing is erased
-- while a version that this statement cannot see goes on.
WITH latest AS MATERIALIZED (
    SELECT l.tenant_id, l.store_id, l.document_id, clock_timestamp() AS instant
    FROM memoledger.documents AS l
    WHERE l.store_id = %(store_id)s AND l.document_id = %(document_id)s AND l.superseded_at IS NULL
      AND (%(expected_version)s::integer IS NULL OR l.version = %(expected_version)s::integer)
    FOR UPDATE
), erased AS (
    UPDATE memoledger.documents AS d
    SET erased_at = l.instant, deleted_at = coalesce(d.deleted_at, l.instant),
        source = NULL, source_id = NULL, state = NULL, title = NULL, summary = NULL, media_type = NULL,
        author = '{}', tags = '{}', metadata = '{}', lineage = '{}', artifact_key = NULL, artifact_hash = NULL,
        content_hash = NULL, salt = NULL
    FROM latest AS l
    WHERE d.tenant_id = l.tenant_id AND d.store_id = l.store_id AND d.document_id = l.document_id
      AND d.erased_at IS NULL
    RETURNING d.version
)
SELECT version FROM erased ORDER BY version
