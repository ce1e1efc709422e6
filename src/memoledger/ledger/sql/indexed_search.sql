-- fragment: nearest
-- The nearest by the graph and beside it: what is in the parentheses of `near`, and what follows from it up
-- to `dense`.
    SELECT v.owner_id, v.version, v.view, v.embedding <#> %(vector)s AS distance, v.family
    FROM memoledger.store_nearest_0 AS v
    ORDER BY v.embedding <#> %(vector)s
    LIMIT %(nearest)s
), alive AS MATERIALIZED (
    SELECT n.owner_id, n.version, n.distance, n.family
    FROM near AS n
    CROSS JOIN LATERAL (
        SELECT FROM memoledger.embeddings AS e
        WHERE e.store_id = %(store_id)s AND e.embedding_version = %(embedding_version)s AND e.family = n.family
          AND e.owner_id = n.owner_id AND e.version = n.version AND e.view = n.view
          AND e.superseded_at IS NULL AND (e.expires_at IS NULL OR e.expires_at > now())
        OFFSET 0
    ) AS e
), dense AS MATERIALIZED (
    SELECT f.owner_id, f.version, max(f.similarity) AS similarity, any_value(f.family) AS family
    FROM (
        SELECT a.owner_id, a.version, -a.distance AS similarity, a.family FROM alive AS a
        UNION ALL
        (SELECT e.owner_id, e.version, -(e.embedding <#> %(vector)s) AS similarity, e.family
         FROM memoledger.embeddings AS e
         WHERE e.store_id = %(store_id)s AND e.embedding_version = %(embedding_version)s AND e.family = ANY (%(families)s::text[])
           AND e.superseded_at IS NULL AND (e.expires_at IS NULL OR e.expires_at > now())
           AND e.written_at >= %(covers_until)s
         ORDER BY similarity DESC
         LIMIT 3 * %(candidates)s)
        UNION ALL
        (SELECT e.owner_id, e.version, -(e.embedding <#> %(vector)s) AS similarity, e.family
         FROM memoledger.embeddings AS e
         WHERE e.store_id = %(store_id)s AND e.embedding_version = %(embedding_version)s AND e.family = ANY (%(families)s::text[])
           AND e.superseded_at IS NULL AND (e.expires_at IS NULL OR e.expires_at > now())
           AND e.private_to = current_setting('app.current_user', true) AND e.written_at < %(covers_until)s
         ORDER BY similarity DESC
         LIMIT 3 * %(candidates)s)
    ) AS f
    GROUP BY f.owner_id, f.version
    ORDER BY similarity DESC, f.owner_id
    LIMIT %(candidates)s


-- fragment: words
-- The best by the postings and beside them: what is in the parentheses of `recent`, and what follows from
-- it up to `lexical`.
    SELECT t.owner_id, t.version, t.length, t.weights, t.family
    FROM memoledger.term_vectors AS t
    WHERE t.store_id = %(store_id)s AND t.family = ANY (%(families)s::text[]) AND t.written_at >= %(covers_until)s AND t.written_at > '-infinity'
      AND t.superseded_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now())
      AND t.weights <#> %(asked)s < 0
), heads AS MATERIALIZED (
    SELECT p.term, sum(p.texts)::double precision AS texts, sum(p.lengths)::double precision AS lengths
    FROM memoledger.store_postings AS p
    WHERE p.store_id = %(store_id)s AND p.build = %(build)s AND p.term = ANY (0 || %(terms)s::integer[]) AND p.block = 0
    GROUP BY p.term
), collection AS MATERIALIZED (
    SELECT r.texts + coalesce(h.texts, 0) AS texts,
           greatest((r.lengths + coalesce(h.lengths, 0)) / greatest(r.texts + coalesce(h.texts, 0), 1), 1) AS mean_length
    FROM (SELECT count(*)::double precision AS texts, coalesce(sum(t.length), 0)::double precision AS lengths
          FROM memoledger.term_vectors AS t
          WHERE t.store_id = %(store_id)s AND t.family = ANY (%(families)s::text[]) AND t.written_at >= %(covers_until)s AND t.written_at > '-infinity'
            AND t.superseded_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now())) AS r
    LEFT JOIN heads AS h ON h.term = 0
), rarity AS MATERIALIZED (
    SELECT a.term, ln(1 + (greatest(c.texts - f.texts, 0) + 0.5) / (f.texts + 0.5)) AS idf
    FROM (SELECT u.term, ('{' || u.term || ':1}/1000000000')::sparsevec AS alone
          FROM unnest(%(terms)s::integer[]) AS u (term)
          OFFSET 0) AS a
    CROSS JOIN collection AS c
    CROSS JOIN LATERAL (
        SELECT coalesce((SELECT h.texts FROM heads AS h WHERE h.term = a.term), 0)
               + (SELECT count(*) FROM recent AS k WHERE k.weights <#> a.alone < 0) AS texts
        OFFSET 0
    ) AS f
), question AS MATERIALIZED (
    SELECT ('{' || string_agg(r.term || ':' || r.idf, ',' ORDER BY r.term) || '}/1000000000')::sparsevec AS weights
    FROM rarity AS r
), blocks AS MATERIALIZED (
    SELECT p.private_to, p.term, p.segment, p.block, r.idf, p.best * r.idf AS most,
           sum(p.postings) OVER (ORDER BY r.idf DESC, p.term, p.best DESC, p.segment, p.block, p.private_to) - p.postings AS before
    FROM rarity AS r
    CROSS JOIN LATERAL (
        SELECT s.private_to, s.term, s.segment, s.block, s.best, s.postings FROM memoledger.store_postings AS s
        WHERE s.store_id = %(store_id)s AND s.build = %(build)s AND s.term = r.term
        OFFSET 0
    ) AS p
), partial AS MATERIALIZED (
    SELECT x.owner_id, sum(x.impact) AS score
    FROM (
        SELECT unnest(p.owner_ids) AS owner_id, unnest(p.impacts) * b.idf AS impact
        FROM blocks AS b
        CROSS JOIN LATERAL (
            SELECT s.owner_ids, s.impacts FROM memoledger.store_postings AS s
            WHERE s.store_id = %(store_id)s AND s.build = %(build)s AND s.term = b.term
              AND s.private_to = b.private_to AND s.segment = b.segment AND s.block = b.block
            OFFSET 0
        ) AS p
        WHERE b.before < %(postings)s
    ) AS x
    GROUP BY x.owner_id
    ORDER BY score DESC, x.owner_id
    LIMIT %(candidates)s + 50
), unread AS MATERIALIZED (
    -- What a memory that was not looked at could score at most: nothing if every block was read.
    SELECT coalesce(sum(b.most), 0)
           + CASE WHEN count(b.most) > 0 THEN
                 (SELECT CASE WHEN count(*) < %(candidates)s + 50 THEN 0 ELSE min(p.score) END FROM partial AS p)
             ELSE 0 END AS most
    FROM (SELECT max(b.most) AS most FROM blocks AS b WHERE b.before >= %(postings)s GROUP BY b.term) AS b
), lexical AS MATERIALIZED (
    SELECT k.owner_id, k.version,
           -(k.weights <#> q.weights) * 2.2 / (1 + 1.2 * (0.25 + 0.75 * greatest(k.length / c.mean_length, 1))) AS bm25,
           k.family
    FROM (
        SELECT t.owner_id, t.version, t.length, t.weights, t.family
        FROM partial AS p
        CROSS JOIN LATERAL (
            SELECT t.owner_id, t.version, t.length, t.weights, t.family FROM memoledger.term_vectors AS t
            WHERE t.store_id = %(store_id)s AND t.family = ANY (%(indexed)s::text[]) AND t.owner_id = p.owner_id
              AND t.superseded_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now())
              AND t.written_at < %(covers_until)s
            OFFSET 0
        ) AS t
        UNION ALL
        SELECT r.owner_id, r.version, r.length, r.weights, r.family FROM recent AS r
    ) AS k, question AS q, collection AS c
    ORDER BY bm25 DESC, k.owner_id
    LIMIT %(candidates)s


-- name: dense_indexed
-- plan: once
-- The nearest memories and chunks of a large store: those that its graph finds and that are still current, those
-- written since, and those that the current user keeps private, which are in no graph. One row without
-- a memory tells how many vectors the graph gave and how many memories of them are still current.
WITH near AS MATERIALIZED (
-- include: nearest
)
SELECT d.owner_id, d.version, d.similarity, NULL::double precision AS bm25, NULL::integer[] AS terms,
       NULL::double precision[] AS rarity, NULL::double precision AS unread,
       NULL::bigint AS near, NULL::bigint AS alive, nullif(d.family, 'memory') AS family
FROM dense AS d
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, 0, (SELECT count(*) FROM near AS n),
       (SELECT count(DISTINCT a.owner_id) FROM alive AS a), NULL

-- name: lexical_indexed
-- plan: once
-- The best memories and chunks of a large store by BM25. The rarest terms' postings are read first, and of each term
-- those for which it counts most, as many as allowed; what they lead to and what was written since is
-- scored from the texts' own weights. IDF is over what the segments hold and what was written since. The
-- row without a memory tells, beside what the scores rest on, what one that was not looked at could have.
WITH recent AS MATERIALIZED (
-- include: words
)
SELECT x.owner_id, x.version, NULL::double precision AS similarity, x.bm25, NULL::integer[] AS terms,
       NULL::double precision[] AS rarity, NULL::double precision AS unread,
       NULL::bigint AS near, NULL::bigint AS alive, nullif(x.family, 'memory') AS family
FROM lexical AS x
UNION ALL
SELECT NULL, NULL, NULL, c.mean_length, ARRAY(SELECT r.term FROM rarity AS r ORDER BY r.term),
       ARRAY(SELECT r.idf FROM rarity AS r ORDER BY r.term), (SELECT u.most FROM unread AS u), 0, 0, NULL
FROM collection AS c

-- name: hybrid_indexed
-- plan: once
-- The two before together, each candidate with both scores, as hybrid_candidates gives them.
WITH near AS MATERIALIZED (
-- include: nearest
), recent AS MATERIALIZED (
-- include: words
), candidates AS (
    SELECT f.owner_id, f.version, max(f.similarity) AS similarity, max(f.bm25) AS bm25, any_value(f.family) AS family
    FROM (SELECT d.owner_id, d.version, d.similarity, NULL::double precision AS bm25, d.family FROM dense AS d
          UNION ALL
          SELECT x.owner_id, x.version, NULL, x.bm25, x.family FROM lexical AS x) AS f
    GROUP BY f.owner_id, f.version
)
SELECT c.owner_id, c.version, coalesce(c.similarity, other_d.similarity) AS similarity,
       coalesce(c.bm25, other_x.bm25) AS bm25, NULL::integer[] AS terms, NULL::double precision[] AS rarity,
       NULL::double precision AS unread, NULL::bigint AS near, NULL::bigint AS alive,
       nullif(c.family, 'memory') AS family
FROM candidates AS c
LEFT JOIN LATERAL (
    SELECT max(-(e.embedding <#> %(vector)s)) AS similarity
    FROM memoledger.embeddings AS e
    WHERE c.similarity IS NULL
      AND e.store_id = %(store_id)s AND e.embedding_version = %(embedding_version)s AND e.family = c.family
      AND e.owner_id = c.owner_id AND e.version = c.version
) AS other_d ON true
LEFT JOIN LATERAL (
    SELECT -(t.weights <#> q.weights) * 2.2 / (1 + 1.2 * (0.25 + 0.75 * greatest(t.length / s.mean_length, 1))) AS bm25
    FROM memoledger.term_vectors AS t, question AS q, collection AS s
    WHERE c.bm25 IS NULL
      AND t.store_id = %(store_id)s AND t.family = c.family AND t.owner_id = c.owner_id AND t.version = c.version
    OFFSET 0
) AS other_x ON true
UNION ALL
SELECT NULL, NULL, NULL, c.mean_length, ARRAY(SELECT r.term FROM rarity AS r ORDER BY r.term),
       ARRAY(SELECT r.idf FROM rarity AS r ORDER BY r.term), (SELECT u.most FROM unread AS u),
       (SELECT count(*) FROM near AS n),
       (SELECT count(DISTINCT a.owner_id) FROM alive AS a), NULL
FROM collection AS c

-- name: search_the_graph
-- plan: once
-- How widely the transaction searches a graph, and that it goes on where more is asked for than so many.
-- How many postings are in a block the planner cannot know: with few it would sort them to add them up.
SELECT set_config('hnsw.ef_search', %(ef_search)s, true), set_config('hnsw.iterative_scan', 'strict_order', true),
       set_config('enable_sort', 'off', true)

-- name: search_within
-- How long a scan of a large store may take.
SELECT set_config('statement_timeout', %(timeout)s, true)

-- name: passing_chunks
-- Which of the given chunks are of current documents that pass a filter, as in a search without an index.
SELECT c.chunk_id
FROM unnest(%(chunk_ids)s::uuid[]) AS given (chunk_id)
CROSS JOIN LATERAL (
    SELECT c.chunk_id, c.document_id FROM memoledger.chunks AS c
    WHERE c.store_id = %(store_id)s AND c.chunk_id = given.chunk_id AND c.erased_at IS NULL AND c.superseded_at IS NULL
    OFFSET 0
) AS c
CROSS JOIN LATERAL (
    SELECT FROM memoledger.documents AS d
    WHERE d.store_id = %(store_id)s AND d.document_id = c.document_id
      AND d.superseded_at IS NULL AND d.deleted_at IS NULL AND d.erased_at IS NULL
      AND (%(types)s::text[] IS NULL OR d.type = ANY (%(types)s::text[]))
      AND (%(tags)s::text[] IS NULL OR d.tags @> %(tags)s::text[])
      AND (%(since)s::timestamptz IS NULL OR coalesce(d.occurred_at, d.recorded_at) >= %(since)s::timestamptz)
      AND (%(until)s::timestamptz IS NULL OR coalesce(d.occurred_at, d.recorded_at) < %(until)s::timestamptz)
      AND %(min_importance)s::double precision IS NULL
      AND (%(metadata)s::jsonb IS NULL OR d.metadata @> %(metadata)s::jsonb)
    OFFSET 0
) AS d

-- name: passing_memories
-- Which of the given current memories pass a filter.
SELECT m.memory_id
FROM memoledger.memories AS m
WHERE m.store_id = %(store_id)s AND m.memory_id = ANY (%(memory_ids)s::uuid[]) AND m.erased_at IS NULL
  AND m.superseded_at IS NULL AND m.deleted_at IS NULL
  AND (%(types)s::text[] IS NULL OR m.type = ANY (%(types)s::text[]))
  AND (%(tags)s::text[] IS NULL OR m.tags @> %(tags)s::text[])
  AND (%(since)s::timestamptz IS NULL OR coalesce(m.occurred_at, m.recorded_at) >= %(since)s::timestamptz)
  AND (%(until)s::timestamptz IS NULL OR coalesce(m.occurred_at, m.recorded_at) < %(until)s::timestamptz)
  AND (%(min_importance)s::double precision IS NULL OR m.importance >= %(min_importance)s::double precision)
  AND (%(metadata)s::jsonb IS NULL OR m.metadata @> %(metadata)s::jsonb)
  AND (%(valid_at)s::timestamptz IS NULL
       OR (m.valid_from IS NULL OR m.valid_from <= %(valid_at)s::timestamptz)
          AND (m.valid_to IS NULL OR m.valid_to > %(valid_at)s::timestamptz))
