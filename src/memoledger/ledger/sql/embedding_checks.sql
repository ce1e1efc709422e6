-- name: vectors_by_view
-- How many texts there are that should have a vector, and how many vectors there are in an embedding
-- version, by family and view.
SELECT family, view, coalesce(w.texts, 0), coalesce(e.vectors, 0)
FROM (SELECT 'memory' AS family, v.view, count(*) AS texts
      FROM memoledger.memories AS m
      CROSS JOIN LATERAL (VALUES ('body', true), ('title', m.title IS NOT NULL), ('summary', m.summary IS NOT NULL))
                         AS v (view, has)
      WHERE m.erased_at IS NULL AND v.has
      GROUP BY v.view
      UNION ALL
      SELECT 'chunk', 'body', count(*) FROM memoledger.chunks AS c WHERE c.erased_at IS NULL) AS w
FULL JOIN (SELECT e.family, e.view, count(*) AS vectors FROM memoledger.embeddings AS e
           WHERE e.embedding_version = %(number)s
           GROUP BY e.family, e.view) AS e USING (family, view)
WHERE coalesce(w.texts, 0) > 0 OR coalesce(e.vectors, 0) > 0
ORDER BY family, view

-- name: malformed_vectors
-- How many vectors of an embedding version are of another length than it has, or not of Euclidean length 1,
-- but for what half precision rounds.
SELECT count(*) FILTER (WHERE vector_dims(e.embedding) <> v.dimensions),
       count(*) FILTER (WHERE NOT l2_norm(e.embedding) BETWEEN 0.99 AND 1.01)
FROM memoledger.embeddings AS e
JOIN memoledger_system.embedding_versions AS v USING (embedding_version)
WHERE e.embedding_version = %(number)s

-- name: misplaced_vectors
-- How many vectors of an embedding version belong to nothing that is there, and how many say something else
-- than their memory or chunk about when it ended or whose it is.
SELECT count(*) FILTER (WHERE o.tenant_id IS NULL),
       count(*) FILTER (WHERE o.tenant_id IS NOT NULL
                          AND (o.superseded_at, o.private_to) IS DISTINCT FROM (e.superseded_at, e.private_to))
FROM memoledger.embeddings AS e
LEFT JOIN (SELECT m.tenant_id, m.store_id, 'memory' AS family, m.memory_id AS owner_id, m.version,
                  coalesce(m.superseded_at, m.deleted_at) AS superseded_at, m.private_to
           FROM memoledger.memories AS m WHERE m.erased_at IS NULL
           UNION ALL
           SELECT c.tenant_id, c.store_id, 'chunk', c.chunk_id, c.first_version, c.superseded_at, NULL
           FROM memoledger.chunks AS c WHERE c.erased_at IS NULL) AS o
     USING (tenant_id, store_id, family, owner_id, version)
WHERE e.embedding_version = %(number)s AND e.family IN ('memory', 'chunk')

-- name: remove_orphaned_vectors
-- Removes vectors of an embedding version that belong to nothing that is there.
WITH gone AS (
    DELETE FROM memoledger.embeddings AS e
    WHERE e.embedding_version = %(number)s AND e.family IN ('memory', 'chunk')
      AND NOT EXISTS (SELECT FROM memoledger.memories AS m
                      WHERE e.family = 'memory' AND m.tenant_id = e.tenant_id AND m.store_id = e.store_id
                        AND m.memory_id = e.owner_id AND m.version = e.version AND m.erased_at IS NULL)
      AND NOT EXISTS (SELECT FROM memoledger.chunks AS c
                      WHERE e.family = 'chunk' AND c.tenant_id = e.tenant_id AND c.store_id = e.store_id
                        AND c.chunk_id = e.owner_id AND c.first_version = e.version AND c.erased_at IS NULL)
    RETURNING 1
)
SELECT count(*) FROM gone

-- name: close_ended_vectors
-- Closes vectors of an embedding version whose memory or chunk has ended.
WITH closed AS (
    UPDATE memoledger.embeddings AS e SET superseded_at = o.superseded_at
    FROM (SELECT m.tenant_id, m.store_id, 'memory' AS family, m.memory_id AS owner_id, m.version,
                 coalesce(m.superseded_at, m.deleted_at) AS superseded_at
          FROM memoledger.memories AS m WHERE m.erased_at IS NULL
          UNION ALL
          SELECT c.tenant_id, c.store_id, 'chunk', c.chunk_id, c.first_version, c.superseded_at
          FROM memoledger.chunks AS c WHERE c.erased_at IS NULL) AS o
    WHERE e.embedding_version = %(number)s AND e.tenant_id = o.tenant_id AND e.store_id = o.store_id
      AND e.family = o.family AND e.owner_id = o.owner_id AND e.version = o.version
      AND o.superseded_at IS NOT NULL AND e.superseded_at IS DISTINCT FROM o.superseded_at
    RETURNING 1
)
SELECT count(*) FROM closed

-- name: sample_vectors
-- Some current texts that have a vector in an embedding version, at random.
SELECT e.tenant_id, e.store_id, e.family, e.owner_id, e.version
FROM memoledger.embeddings AS e
WHERE e.embedding_version = %(number)s AND e.view = 'body' AND e.superseded_at IS NULL
  AND e.family IN ('memory', 'chunk') AND (e.expires_at IS NULL OR e.expires_at > now())
ORDER BY random()
LIMIT %(count)s

-- name: vectors_of
-- The vectors of given texts in an embedding version, as bytes.
SELECT e.tenant_id, e.store_id, e.family, e.owner_id, e.version, halfvec_send(e.embedding)
FROM unnest(%(tenants)s::text[], %(store_ids)s::uuid[], %(families)s::text[], %(owner_ids)s::uuid[],
            %(versions)s::integer[]) AS g (tenant_id, store_id, family, owner_id, version)
JOIN memoledger.embeddings AS e USING (tenant_id, store_id, family, owner_id, version)
WHERE e.embedding_version = %(number)s AND e.view = 'body'

-- name: nearest_in_version
-- The ten nearest of a text in its store and in an embedding version, without itself. They are measured one
-- by one: whoever compares versions wants no index to decide.
WITH own AS MATERIALIZED (
    SELECT e.embedding FROM memoledger.embeddings AS e
    WHERE e.tenant_id = %(tenant)s AND e.store_id = %(store_id)s AND e.family = %(family)s
      AND e.owner_id = %(owner_id)s AND e.version = %(version)s AND e.view = 'body' AND e.embedding_version = %(number)s
)
SELECT e.owner_id
FROM memoledger.embeddings AS e CROSS JOIN own AS o
WHERE e.tenant_id = %(tenant)s AND e.store_id = %(store_id)s AND e.family = %(family)s AND e.view = 'body'
  AND e.embedding_version = %(number)s AND e.superseded_at IS NULL AND e.owner_id <> %(owner_id)s
ORDER BY e.embedding <#> o.embedding, e.owner_id
LIMIT 10

-- name: stores_without_index
-- Stores that have an index in one embedding version and none in another.
SELECT s.tenant_id, s.owner_id, s.name
FROM memoledger.store_indexes AS x
JOIN memoledger.stores AS s USING (tenant_id, store_id)
WHERE x.embedding_version = %(serving)s AND x.state = 'ready'
  AND NOT EXISTS (SELECT FROM memoledger.store_indexes AS y
                  WHERE y.tenant_id = x.tenant_id AND y.store_id = x.store_id AND y.state = 'ready'
                    AND y.embedding_version = %(number)s)
GROUP BY s.tenant_id, s.owner_id, s.name
ORDER BY s.tenant_id, s.owner_id, s.name
