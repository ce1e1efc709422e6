-- fragment: rarity
-- How rare each of the question's terms is among a store's texts, and the question weighed by that: what
-- stands between `collection` and `lexical`.
), rarity AS MATERIALIZED (
    SELECT a.term, ln(1 + (c.texts - f.texts + 0.5) / (f.texts + 0.5)) AS idf
    FROM (SELECT u.term, ('{' || u.term || ':1}/1000000000')::sparsevec AS alone
          FROM unnest(%(terms)s::integer[]) AS u (term)
          OFFSET 0) AS a,
         collection AS c,
         LATERAL (SELECT count(*)::double precision AS texts FROM matched AS k WHERE k.weights <#> a.alone < 0) AS f
), question AS MATERIALIZED (
    SELECT ('{' || string_agg(r.term || ':' || r.idf, ',' ORDER BY r.term) || '}/1000000000')::sparsevec AS weights
    FROM rarity AS r


-- fragment: current_words
-- The best current memories and chunks by words, from the texts of a store: what is in the parentheses of
-- `texts`, and what follows from it up to `lexical`. The texts are read once and not kept: those that match
-- are gathered in arrays beside the count of all.
    SELECT count(*)::double precision AS texts, greatest(avg(t.length), 1)::double precision AS mean_length,
           array_agg(t.owner_id) FILTER (WHERE t.weights IS NOT NULL) AS owner_ids,
           array_agg(t.version) FILTER (WHERE t.weights IS NOT NULL) AS versions,
           array_agg(t.length) FILTER (WHERE t.weights IS NOT NULL) AS lengths,
           array_agg(t.weights) FILTER (WHERE t.weights IS NOT NULL) AS weights,
           array_agg(t.family) FILTER (WHERE t.weights IS NOT NULL) AS families
    FROM (
        SELECT t.owner_id, t.version, t.length, CASE WHEN t.weights <#> %(asked)s < 0 THEN t.weights END AS weights, t.family
        FROM memoledger.term_vectors AS t
        WHERE t.store_id = %(store_id)s AND t.family = ANY (%(families)s::text[]) AND t.superseded_at IS NULL AND t.written_at > '-infinity'
          AND (t.expires_at IS NULL OR t.expires_at > now())
        OFFSET 0
    ) AS t
), matched AS MATERIALIZED (
    SELECT k.owner_id, k.version, k.length, k.weights, k.family
    FROM texts AS x, unnest(x.owner_ids, x.versions, x.lengths, x.weights, x.families) AS k (owner_id, version, length, weights, family)
), collection AS MATERIALIZED (
    SELECT x.texts, x.mean_length
    FROM texts AS x
-- include: rarity
), lexical AS MATERIALIZED (
    SELECT k.owner_id, k.version,
           -(k.weights <#> q.weights) * 2.2 / (1 + 1.2 * (0.25 + 0.75 * greatest(k.length / c.mean_length, 1))) AS bm25, k.family
    FROM matched AS k, question AS q, collection AS c
    ORDER BY bm25 DESC, k.owner_id
    LIMIT %(candidates)s


-- fragment: passing
-- The memories that a filter lets through, and the chunks of the documents that it lets through: what is in
-- the parentheses of `passing`, and what follows from it up to `passing_chunks`. A document has no importance,
-- so that whoever asks for some asks for none of them; and it says nothing of when it is true.
    SELECT m.memory_id AS owner_id, m.version
    FROM memoledger.memories AS m
    WHERE m.store_id = %(store_id)s AND m.erased_at IS NULL
      AND (%(types)s::text[] IS NULL OR m.type = ANY (%(types)s::text[]))
      AND (%(tags)s::text[] IS NULL OR m.tags @> %(tags)s::text[])
      AND (%(since)s::timestamptz IS NULL OR coalesce(m.occurred_at, m.recorded_at) >= %(since)s::timestamptz)
      AND (%(until)s::timestamptz IS NULL OR coalesce(m.occurred_at, m.recorded_at) < %(until)s::timestamptz)
      AND (%(min_importance)s::double precision IS NULL OR m.importance >= %(min_importance)s::double precision)
      AND (%(metadata)s::jsonb IS NULL OR m.metadata @> %(metadata)s::jsonb)
      AND (%(valid_at)s::timestamptz IS NULL
           OR (m.valid_from IS NULL OR m.valid_from <= %(valid_at)s::timestamptz)
              AND (m.valid_to IS NULL OR m.valid_to > %(valid_at)s::timestamptz))
), passing_chunks AS MATERIALIZED (
    SELECT p.chunk_id
    FROM memoledger.documents AS d
    CROSS JOIN LATERAL (
        SELECT p.chunk_id FROM memoledger.document_chunks AS p
        WHERE p.store_id = %(store_id)s AND p.document_id = d.document_id AND p.version = d.version
        OFFSET 0
    ) AS p
    WHERE d.store_id = %(store_id)s AND 'chunk' = ANY (%(families)s::text[]) AND d.erased_at IS NULL
      AND CASE WHEN %(as_of)s::timestamptz IS NULL
          THEN d.superseded_at IS NULL AND d.deleted_at IS NULL
          ELSE d.recorded_at <= %(as_of)s::timestamptz
               AND (d.superseded_at IS NULL OR d.superseded_at > %(as_of)s::timestamptz)
               AND (d.deleted_at IS NULL OR d.deleted_at > %(as_of)s::timestamptz)
          END
      AND (%(types)s::text[] IS NULL OR d.type = ANY (%(types)s::text[]))
      AND (%(tags)s::text[] IS NULL OR d.tags @> %(tags)s::text[])
      AND (%(since)s::timestamptz IS NULL OR coalesce(d.occurred_at, d.recorded_at) >= %(since)s::timestamptz)
      AND (%(until)s::timestamptz IS NULL OR coalesce(d.occurred_at, d.recorded_at) < %(until)s::timestamptz)
      AND %(min_importance)s::double precision IS NULL
      AND (%(metadata)s::jsonb IS NULL OR d.metadata @> %(metadata)s::jsonb)


-- fragment: words
-- The best memories and chunks by words, as of an instant, that a filter lets through: what is in the parentheses of
-- `matched`, and what follows from it up to `lexical`.
    SELECT t.owner_id, t.version, t.length, t.weights, t.family
    FROM memoledger.term_vectors AS t
    WHERE t.store_id = %(store_id)s AND t.family = ANY (%(families)s::text[])
      AND CASE WHEN %(as_of)s::timestamptz IS NULL
          THEN t.superseded_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now())
          ELSE t.recorded_at <= %(as_of)s::timestamptz
               AND (t.superseded_at IS NULL OR t.superseded_at > %(as_of)s::timestamptz)
               AND (t.expires_at IS NULL OR t.expires_at > %(as_of)s::timestamptz)
          END
      AND t.weights <#> %(asked)s < 0
), collection AS MATERIALIZED (
    SELECT count(*)::double precision AS texts, greatest(avg(t.length), 1)::double precision AS mean_length
    FROM memoledger.term_vectors AS t
    WHERE t.store_id = %(store_id)s AND t.family = ANY (%(families)s::text[])
      AND CASE WHEN %(as_of)s::timestamptz IS NULL
          THEN t.superseded_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now())
          ELSE t.recorded_at <= %(as_of)s::timestamptz
               AND (t.superseded_at IS NULL OR t.superseded_at > %(as_of)s::timestamptz)
               AND (t.expires_at IS NULL OR t.expires_at > %(as_of)s::timestamptz)
          END
-- include: rarity
), lexical AS MATERIALIZED (
    SELECT k.owner_id, k.version,
           -(k.weights <#> q.weights) * 2.2 / (1 + 1.2 * (0.25 + 0.75 * greatest(k.length / c.mean_length, 1))) AS bm25, k.family
    FROM matched AS k, question AS q, collection AS c
    WHERE %(unfiltered)s::boolean OR (k.owner_id, k.version) IN (SELECT p.owner_id, p.version FROM passing AS p)
       OR k.owner_id IN (SELECT p.chunk_id FROM passing_chunks AS p)
    ORDER BY bm25 DESC, k.owner_id
    LIMIT %(candidates)s


-- fragment: fused
-- Both channels put together, each candidate with both scores, and the row without a memory.
), candidates AS (
    SELECT f.owner_id, f.version, max(f.similarity) AS similarity, max(f.bm25) AS bm25, any_value(f.family) AS family
    FROM (SELECT d.owner_id, d.version, d.similarity, NULL::double precision AS bm25, d.family FROM dense AS d
          UNION ALL
          SELECT x.owner_id, x.version, NULL, x.bm25, x.family FROM lexical AS x) AS f
    GROUP BY f.owner_id, f.version
)
SELECT c.owner_id, c.version, coalesce(c.similarity, other_d.similarity) AS similarity,
       coalesce(c.bm25, other_x.bm25) AS bm25, NULL::integer[] AS terms, NULL::double precision[] AS rarity,
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
    -- Where words gave fewer than they might have, what they did not give has none of them.
    WHERE c.bm25 IS NULL AND (SELECT count(*) FROM lexical AS x) >= %(candidates)s
      AND t.store_id = %(store_id)s AND t.family = c.family AND t.owner_id = c.owner_id AND t.version = c.version
    OFFSET 0
) AS other_x ON true
WHERE %(min_similarity)s <= -1 OR coalesce(c.similarity, other_d.similarity) >= %(min_similarity)s
UNION ALL
SELECT NULL, NULL, NULL, c.mean_length, ARRAY(SELECT r.term FROM rarity AS r ORDER BY r.term),
       ARRAY(SELECT r.idf FROM rarity AS r ORDER BY r.term), NULL
FROM collection AS c


-- name: nearest_memories
-- plan: once
-- The hot path of dense recall: the nearest current memories and chunks of a store by an exact scan, the
-- memories with their rows, in one statement. A memory has at most three views, so that three times the limit in views
-- holds at least the limit in memories. OFFSET 0 has the rows looked up one by one: the planner takes
-- a store among thousands for a row or two, and would read all of it. The distance has a name because
-- two expressions of it would be computed twice a row.
WITH nearest AS MATERIALIZED (
    SELECT e.owner_id, e.version, e.embedding <#> %(vector)s AS distance
    FROM memoledger.embeddings AS e
    WHERE e.store_id = %(store_id)s AND e.embedding_version = %(embedding_version)s AND e.family = ANY (%(families)s::text[])
      AND e.superseded_at IS NULL AND (e.expires_at IS NULL OR e.expires_at > now())
    ORDER BY distance, e.owner_id
    LIMIT %(limit)s * 3
), best AS MATERIALIZED (
    SELECT n.owner_id, n.version, -min(n.distance) AS similarity
    FROM nearest AS n
    WHERE -n.distance >= %(min_similarity)s
    GROUP BY n.owner_id, n.version
    ORDER BY similarity DESC, n.owner_id
    LIMIT %(limit)s
)
SELECT best.similarity, best.owner_id, m.memory_id, m.version, m.store_id, m.content, m.type, m.importance, m.source, m.tags,
       m.subject_refs, m.metadata, m.title, m.summary, m.external_id, m.privacy, m.occurred_at,
       m.valid_from, m.valid_to, m.expires_at, m.recorded_at, m.superseded_at, m.deleted_at, m.erased_at,
       m.created_by, m.updated_by
FROM best
LEFT JOIN LATERAL (
    SELECT * FROM memoledger.memories AS m
    WHERE m.store_id = %(store_id)s AND m.memory_id = best.owner_id AND m.version = best.version
    OFFSET 0
) AS m ON true
ORDER BY best.similarity DESC, best.owner_id

-- name: dense_candidates
-- The nearest memories of a store under a filter or as of an instant; the filter comes before the limit.
WITH passing AS MATERIALIZED (
-- include: passing
), dense AS MATERIALIZED (
    SELECT e.owner_id, e.version, max(-(e.embedding <#> %(vector)s)) AS similarity, any_value(e.family) AS family
    FROM memoledger.embeddings AS e
    WHERE e.store_id = %(store_id)s AND e.embedding_version = %(embedding_version)s AND e.family = ANY (%(families)s::text[])
      AND CASE WHEN %(as_of)s::timestamptz IS NULL
          THEN e.superseded_at IS NULL AND (e.expires_at IS NULL OR e.expires_at > now())
          ELSE e.recorded_at <= %(as_of)s::timestamptz
               AND (e.superseded_at IS NULL OR e.superseded_at > %(as_of)s::timestamptz)
               AND (e.expires_at IS NULL OR e.expires_at > %(as_of)s::timestamptz)
          END
      AND (%(unfiltered)s::boolean OR (e.owner_id, e.version) IN (SELECT p.owner_id, p.version FROM passing AS p)
           OR e.owner_id IN (SELECT p.chunk_id FROM passing_chunks AS p))
    GROUP BY e.owner_id, e.version
    HAVING max(-(e.embedding <#> %(vector)s)) >= %(min_similarity)s
    ORDER BY similarity DESC, e.owner_id
    LIMIT %(candidates)s
)
SELECT d.owner_id, d.version, d.similarity, NULL::double precision AS bm25, NULL::integer[] AS terms,
       NULL::double precision[] AS rarity, nullif(d.family, 'memory') AS family
FROM dense AS d

-- name: lexical_candidates
-- The best memories of a store by BM25, under a filter or as of an instant. One row without a memory
-- tells what the scores rest on: the mean length in the place of the score, and the terms' IDF.
-- IDF and mean length are counted over the store's texts as they are (or were) at the asked instant.
-- The stored weights hold what depends on the text alone; the formula is that of model/indexing.py.
WITH passing AS MATERIALIZED (
-- include: passing
), matched AS MATERIALIZED (
-- include: words
)
SELECT x.owner_id, x.version, NULL::double precision AS similarity, x.bm25, NULL::integer[] AS terms,
       NULL::double precision[] AS rarity, nullif(x.family, 'memory') AS family
FROM lexical AS x
UNION ALL
SELECT NULL, NULL, NULL, c.mean_length, ARRAY(SELECT r.term FROM rarity AS r ORDER BY r.term),
       ARRAY(SELECT r.idf FROM rarity AS r ORDER BY r.term), NULL
FROM collection AS c

-- name: lexical_current
-- plan: once
-- The best current memories of a store by BM25, without a filter; in all else as lexical_candidates.
WITH texts AS MATERIALIZED (
-- include: current_words
)
SELECT x.owner_id, x.version, NULL::double precision AS similarity, x.bm25, NULL::integer[] AS terms,
       NULL::double precision[] AS rarity, nullif(x.family, 'memory') AS family
FROM lexical AS x
UNION ALL
SELECT NULL, NULL, NULL, c.mean_length, ARRAY(SELECT r.term FROM rarity AS r ORDER BY r.term),
       ARRAY(SELECT r.idf FROM rarity AS r ORDER BY r.term), NULL
FROM collection AS c

-- name: hybrid_candidates
-- The best memories by vectors and the best by words, each with both scores, for fusion; and one row
-- without a memory that tells what the scores rest on, as in lexical_candidates.
-- The two are added up rather than joined, and what one channel lacks is looked up one by one (OFFSET 0):
-- the planner takes a store among thousands for a row or two, and would read all of it for each.
-- IDF and mean length are counted over the store's texts as they are (or were) at the asked instant.
-- The stored weights hold what depends on the text alone; the formula is that of model/indexing.py.
WITH passing AS MATERIALIZED (
-- include: passing
), dense AS MATERIALIZED (
    SELECT e.owner_id, e.version, max(-(e.embedding <#> %(vector)s)) AS similarity, any_value(e.family) AS family
    FROM memoledger.embeddings AS e
    WHERE e.store_id = %(store_id)s AND e.embedding_version = %(embedding_version)s AND e.family = ANY (%(families)s::text[])
      AND CASE WHEN %(as_of)s::timestamptz IS NULL
          THEN e.superseded_at IS NULL AND (e.expires_at IS NULL OR e.expires_at > now())
          ELSE e.recorded_at <= %(as_of)s::timestamptz
               AND (e.superseded_at IS NULL OR e.superseded_at > %(as_of)s::timestamptz)
               AND (e.expires_at IS NULL OR e.expires_at > %(as_of)s::timestamptz)
          END
      AND (%(unfiltered)s::boolean OR (e.owner_id, e.version) IN (SELECT p.owner_id, p.version FROM passing AS p)
           OR e.owner_id IN (SELECT p.chunk_id FROM passing_chunks AS p))
    GROUP BY e.owner_id, e.version
    HAVING max(-(e.embedding <#> %(vector)s)) >= %(min_similarity)s
    ORDER BY similarity DESC, e.owner_id
    LIMIT %(candidates)s
), matched AS MATERIALIZED (
-- include: words
-- include: fused

-- name: hybrid_current
-- plan: once
-- The hot path of recall: the best current memories of a store by vectors and the best by words, without
-- a filter; in all else as hybrid_candidates.
WITH dense AS MATERIALIZED (
    -- A memory has at most three views, so that so many of them hold as many memories as are wanted.
    SELECT n.owner_id, n.version, max(n.similarity) AS similarity, any_value(n.family) AS family
    FROM (SELECT e.owner_id, e.version, -(e.embedding <#> %(vector)s) AS similarity, e.family
          FROM memoledger.embeddings AS e
          WHERE e.store_id = %(store_id)s AND e.embedding_version = %(embedding_version)s AND e.family = ANY (%(families)s::text[])
            AND e.superseded_at IS NULL AND (e.expires_at IS NULL OR e.expires_at > now())
          ORDER BY similarity DESC
          LIMIT 3 * %(candidates)s) AS n
    -- Not before: a distance that two expressions ask for is computed twice.
    WHERE n.similarity >= %(min_similarity)s
    GROUP BY n.owner_id, n.version
    ORDER BY similarity DESC, n.owner_id
    LIMIT %(candidates)s
), texts AS MATERIALIZED (
-- include: current_words
-- include: fused
