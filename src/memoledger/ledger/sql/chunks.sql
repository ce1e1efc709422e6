-- name: comparable_chunks
-- What tells chunks that a search found apart from each other, as comparable_versions does for memories.
SELECT c.chunk_id, c.chunk_hash, halfvec_send(e.embedding)
FROM unnest(%(chunk_ids)s::uuid[]) AS wanted (chunk_id)
CROSS JOIN LATERAL (
    SELECT c.chunk_id, c.first_version, c.chunk_hash FROM memoledger.chunks AS c
    WHERE c.store_id = %(store_id)s AND c.chunk_id = wanted.chunk_id AND c.erased_at IS NULL
    OFFSET 0
) AS c
LEFT JOIN LATERAL (
    SELECT e.embedding FROM memoledger.embeddings AS e
    WHERE e.store_id = %(store_id)s AND e.embedding_version = %(embedding_version)s AND e.family = 'chunk'
      AND e.owner_id = c.chunk_id AND e.version = c.first_version AND e.view = 'body'
    OFFSET 0
) AS e ON true

-- name: life_of_chunk
-- Since when there is a chunk, what became of it, and of its document: for telling why a recall does not find it.
SELECT c.document_id, c.first_version, c.recorded_at, c.superseded_at, c.erased_at, d.version, d.deleted_at
FROM memoledger.chunks AS c
CROSS JOIN LATERAL (
    SELECT d.version, d.deleted_at FROM memoledger.documents AS d
    WHERE d.store_id = %(store_id)s AND d.document_id = c.document_id
    ORDER BY d.version DESC
    LIMIT 1
) AS d
WHERE c.store_id = %(store_id)s AND c.chunk_id = %(chunk_id)s

-- name: store_of_chunk
-- The store of a chunk, among all that the current user may read.
SELECT s.store_id, s.name, s.owner_id
FROM memoledger.stores AS s
WHERE EXISTS (SELECT FROM memoledger.chunks AS c WHERE c.store_id = s.store_id AND c.chunk_id = %(chunk_id)s)
LIMIT 1

-- name: judge_chunk
-- Which conditions of a question a chunk's document meets, each with its own answer (NULL where it was not asked),
-- and what there is of the chunk for searches to find; as judge_version tells it of memories.
SELECT d.type = ANY (%(types)s::text[]) AS types, d.tags @> %(tags)s::text[] AS tags,
       coalesce(d.occurred_at, d.recorded_at) >= %(since)s::timestamptz AS since,
       coalesce(d.occurred_at, d.recorded_at) < %(until)s::timestamptz AS until,
       CASE WHEN %(min_importance)s::double precision IS NOT NULL THEN false END AS min_importance,
       d.metadata @> %(metadata)s::jsonb AS metadata,
       CASE WHEN %(valid_at)s::timestamptz IS NOT NULL THEN true END AS valid_at,
       e.similarity, e.embedded, t.shares_words
FROM memoledger.chunks AS c
CROSS JOIN LATERAL (
    SELECT * FROM memoledger.documents AS d
    WHERE d.store_id = %(store_id)s AND d.document_id = c.document_id AND d.version = %(version)s AND d.erased_at IS NULL
    OFFSET 0
) AS d
CROSS JOIN LATERAL (
    SELECT max(-(e.embedding <#> %(vector)s::halfvec)) AS similarity, count(*) > 0 AS embedded
    FROM memoledger.embeddings AS e
    WHERE e.store_id = %(store_id)s AND e.embedding_version = %(embedding_version)s AND e.family = 'chunk'
      AND e.owner_id = c.chunk_id AND e.version = c.first_version
) AS e
CROSS JOIN LATERAL (
    SELECT count(*) > 0 AS shares_words
    FROM memoledger.term_vectors AS t
    WHERE t.store_id = %(store_id)s AND t.family = 'chunk' AND t.owner_id = c.chunk_id AND t.version = c.first_version
      AND t.weights <#> %(asked)s::sparsevec < 0
) AS t
WHERE c.store_id = %(store_id)s AND c.chunk_id = %(chunk_id)s AND c.erased_at IS NULL
