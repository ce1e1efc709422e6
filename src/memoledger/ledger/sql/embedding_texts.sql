-- fragment: memory_texts
-- Of the memories' versions in `page` which views lack a vector, and their texts where any does.
SELECT p.tenant_id, p.store_id, 'memory', p.owner_id, p.version, l.views,
       CASE WHEN l.views <> '{}' THEN m.content END, CASE WHEN l.views <> '{}' THEN m.title END,
       CASE WHEN l.views <> '{}' THEN m.summary END,
       CASE WHEN l.views <> '{}' AND jsonb_typeof(m.metadata -> 'speaker') = 'string' THEN m.metadata ->> 'speaker' END,
       m.occurred_at
FROM page AS p
CROSS JOIN LATERAL (
    SELECT * FROM memoledger.memories AS m
    WHERE m.tenant_id = p.tenant_id AND m.store_id = p.store_id AND m.memory_id = p.owner_id AND m.version = p.version
    OFFSET 0
) AS m
CROSS JOIN LATERAL (
    SELECT ARRAY(
        SELECT v.view
        FROM (VALUES ('body', m.content IS NOT NULL), ('title', m.title IS NOT NULL), ('summary', m.summary IS NOT NULL))
             AS v (view, has)
        WHERE v.has AND NOT EXISTS (
            SELECT FROM memoledger.embeddings AS e
            WHERE e.tenant_id = p.tenant_id AND e.store_id = p.store_id AND e.family = 'memory' AND e.owner_id = p.owner_id
              AND e.version = p.version AND e.view = v.view AND e.embedding_version = %(number)s)) AS views
) AS l


-- fragment: chunk_texts
-- Of the chunks in `page` those that lack a vector, with their texts.
SELECT p.tenant_id, p.store_id, 'chunk', p.owner_id, p.version, l.views,
       CASE WHEN l.views <> '{}' THEN c.text END, NULL, NULL, CASE WHEN l.views <> '{}' THEN c.section END,
       NULL::timestamptz
FROM page AS p
CROSS JOIN LATERAL (
    SELECT * FROM memoledger.chunks AS c
    WHERE c.tenant_id = p.tenant_id AND c.store_id = p.store_id AND c.chunk_id = p.owner_id
    OFFSET 0
) AS c
CROSS JOIN LATERAL (
    SELECT CASE WHEN c.text IS NULL OR EXISTS (
        SELECT FROM memoledger.embeddings AS e
        WHERE e.tenant_id = p.tenant_id AND e.store_id = p.store_id AND e.family = 'chunk' AND e.owner_id = p.owner_id
          AND e.version = p.version AND e.view = 'body' AND e.embedding_version = %(number)s)
        THEN '{}'::text[] ELSE '{body}' END AS views
) AS l


-- name: page_of_memories
-- A page of all memories' versions in the order of their keys, and of each which views lack a vector in an
-- embedding version. The page is taken first, so that its cost is the same wherever it lies.
WITH page AS MATERIALIZED (
    SELECT m.tenant_id, m.store_id, m.memory_id AS owner_id, m.version
    FROM memoledger.memories AS m
    WHERE (m.tenant_id, m.store_id, m.memory_id, m.version)
        > (%(tenant)s, %(store_id)s::uuid, %(owner_id)s::uuid, %(version)s::integer)
    ORDER BY m.tenant_id, m.store_id, m.memory_id, m.version
    LIMIT %(limit)s
)
-- include: memory_texts
ORDER BY p.tenant_id, p.store_id, p.owner_id, p.version

-- name: page_of_chunks
-- A page of all chunks in the order of their keys; in all else as page_of_memories.
WITH page AS MATERIALIZED (
    SELECT c.tenant_id, c.store_id, c.chunk_id AS owner_id, c.first_version AS version
    FROM memoledger.chunks AS c
    WHERE (c.tenant_id, c.store_id, c.chunk_id) > (%(tenant)s, %(store_id)s::uuid, %(owner_id)s::uuid)
    ORDER BY c.tenant_id, c.store_id, c.chunk_id
    LIMIT %(limit)s
)
-- include: chunk_texts
ORDER BY p.tenant_id, p.store_id, p.owner_id

-- name: memories_of
-- The given versions of memories; in all else as page_of_memories.
WITH page AS MATERIALIZED (
    SELECT * FROM unnest(%(tenants)s::text[], %(store_ids)s::uuid[], %(owner_ids)s::uuid[], %(versions)s::integer[])
                  AS g (tenant_id, store_id, owner_id, version)
)
-- include: memory_texts

-- name: chunks_of
-- The given chunks; in all else as page_of_chunks.
WITH page AS MATERIALIZED (
    SELECT * FROM unnest(%(tenants)s::text[], %(store_ids)s::uuid[], %(owner_ids)s::uuid[], %(versions)s::integer[])
                  AS g (tenant_id, store_id, owner_id, version)
)
-- include: chunk_texts

-- name: recently_missing
-- What was written since an instant, is current, and lacks a vector in an embedding version. Every text that
-- is found has its words, and an index that tells when they were written; it is asked store by store.
SELECT t.tenant_id, t.store_id, t.family, t.owner_id, t.version
FROM memoledger.stores AS s
CROSS JOIN (VALUES ('memory'), ('chunk')) AS f (family)
CROSS JOIN LATERAL (
    SELECT t.tenant_id, t.store_id, t.family, t.owner_id, t.version FROM memoledger.term_vectors AS t
    WHERE t.tenant_id = s.tenant_id AND t.store_id = s.store_id AND t.family = f.family AND t.superseded_at IS NULL
      AND t.written_at >= %(since)s::timestamptz AND t.written_at > '-infinity'
    OFFSET 0
) AS t
WHERE NOT EXISTS (
    SELECT FROM memoledger.embeddings AS e
    WHERE e.tenant_id = t.tenant_id AND e.store_id = t.store_id AND e.family = t.family AND e.owner_id = t.owner_id
      AND e.version = t.version AND e.view = 'body' AND e.embedding_version = %(number)s)
LIMIT %(limit)s

-- name: write_memory_vectors
-- Writes vectors of versions of memories, as these are by now; of what was erased meanwhile none. The rows
-- are locked first: whoever is closing one is waited for, and whoever closes one later closes these too.
WITH given AS MATERIALIZED (
    SELECT * FROM unnest(%(tenants)s::text[], %(store_ids)s::uuid[], %(owner_ids)s::uuid[], %(versions)s::integer[],
                         %(views)s::text[], %(vectors)s::halfvec[])
                  AS g (tenant_id, store_id, owner_id, version, view, embedding)
), held AS MATERIALIZED (
    SELECT m.*
    FROM (SELECT DISTINCT g.tenant_id, g.store_id, g.owner_id, g.version FROM given AS g ORDER BY 1, 2, 3, 4) AS k
    CROSS JOIN LATERAL (
        SELECT m.tenant_id, m.store_id, m.memory_id, m.version, m.recorded_at,
               coalesce(m.superseded_at, m.deleted_at) AS superseded_at, m.expires_at, m.private_to
        FROM memoledger.memories AS m
        WHERE m.tenant_id = k.tenant_id AND m.store_id = k.store_id AND m.memory_id = k.owner_id
          AND m.version = k.version AND m.erased_at IS NULL
        FOR SHARE
    ) AS m
), written AS (
    INSERT INTO memoledger.embeddings (
        tenant_id, store_id, embedding_version, family, owner_id, version, view, recorded_at, superseded_at, expires_at,
        private_to, embedding)
    SELECT h.tenant_id, h.store_id, %(number)s, 'memory', h.memory_id, h.version, g.view, h.recorded_at,
           h.superseded_at, h.expires_at, h.private_to, g.embedding
    FROM held AS h
    JOIN given AS g ON g.tenant_id = h.tenant_id AND g.store_id = h.store_id AND g.owner_id = h.memory_id
                   AND g.version = h.version
    ON CONFLICT DO NOTHING
    RETURNING 1
)
SELECT count(*) FROM written

-- name: write_chunk_vectors
-- Writes vectors of chunks; in all else as write_memory_vectors. Their documents are locked too: an erasure
-- begins there, and takes the vectors away before it comes to the chunks.
WITH given AS MATERIALIZED (
    SELECT * FROM unnest(%(tenants)s::text[], %(store_ids)s::uuid[], %(owner_ids)s::uuid[], %(versions)s::integer[],
                         %(views)s::text[], %(vectors)s::halfvec[])
                  AS g (tenant_id, store_id, owner_id, version, view, embedding)
), held AS MATERIALIZED (
    SELECT c.*
    FROM (SELECT DISTINCT g.tenant_id, g.store_id, g.owner_id FROM given AS g ORDER BY 1, 2, 3) AS k
    CROSS JOIN LATERAL (
        SELECT c.tenant_id, c.store_id, c.chunk_id, c.first_version, c.recorded_at, c.superseded_at
        FROM memoledger.chunks AS c
        JOIN memoledger.documents AS d ON d.tenant_id = c.tenant_id AND d.store_id = c.store_id
             AND d.document_id = c.document_id AND d.version = c.first_version
        WHERE c.tenant_id = k.tenant_id AND c.store_id = k.store_id AND c.chunk_id = k.owner_id
          AND c.erased_at IS NULL AND d.erased_at IS NULL
        FOR SHARE
    ) AS c
), written AS (
    INSERT INTO memoledger.embeddings (
        tenant_id, store_id, embedding_version, family, owner_id, version, view, recorded_at, superseded_at, embedding)
    SELECT h.tenant_id, h.store_id, %(number)s, 'chunk', h.chunk_id, h.first_version, g.view, h.recorded_at,
           h.superseded_at, g.embedding
    FROM held AS h
    JOIN given AS g ON g.tenant_id = h.tenant_id AND g.store_id = h.store_id AND g.owner_id = h.chunk_id
    ON CONFLICT DO NOTHING
    RETURNING 1
)
SELECT count(*) FROM written

-- name: count_missing
-- How many texts lack a vector in an embedding version: of every version of a memory that is not erased its
-- content, and its title and summary where it has them; and every chunk.
SELECT count(*)
FROM (SELECT m.tenant_id, m.store_id, 'memory' AS family, m.memory_id AS owner_id, m.version, v.view
      FROM memoledger.memories AS m
      CROSS JOIN LATERAL (VALUES ('body', true), ('title', m.title IS NOT NULL), ('summary', m.summary IS NOT NULL))
                         AS v (view, has)
      WHERE m.erased_at IS NULL AND v.has
      UNION ALL
      SELECT c.tenant_id, c.store_id, 'chunk', c.chunk_id, c.first_version, 'body'
      FROM memoledger.chunks AS c
      WHERE c.erased_at IS NULL) AS w
WHERE NOT EXISTS (
    SELECT FROM memoledger.embeddings AS e
    WHERE e.tenant_id = w.tenant_id AND e.store_id = w.store_id AND e.family = w.family AND e.owner_id = w.owner_id
      AND e.version = w.version AND e.view = w.view AND e.embedding_version = %(number)s)
