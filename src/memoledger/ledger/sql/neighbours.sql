-- name: without_sorting
-- plan: once
-- For the rest of the transaction: neighbours are to be read in the order of the index of threads. The
-- planner takes a store among thousands for a row or two, and would rather read and sort all of it.
SELECT set_config('enable_sort', 'off', true)

-- name: surroundings
-- plan: once
-- The given memories of a store and the two on either side of each in its thread, with what both
-- channels, names and times know of them. A neighbour is seen as the memories themselves are: by the
-- same policies, as of the same instant. `found` tells whether the question's filter lets it through;
-- one that does not lends what it says and is no answer. `runs` tells where it stands: 16 times the
-- number of a given memory, from 0, plus the distance from it, plus 8.
-- Everything is looked up one by one (OFFSET 0): the planner takes a store among thousands for a row
-- or two, and would read all of it for each. The cost is that of five look-ups in each of three tables
-- for each of the given, at any size of the store.
WITH given AS MATERIALIZED (
    SELECT a.number, m.memory_id, m.version, m.thread, m.place
    FROM unnest(%(memory_ids)s::uuid[], %(versions)s::integer[]) WITH ORDINALITY AS a (memory_id, version, number)
    CROSS JOIN LATERAL (
        SELECT m.memory_id, m.version, m.thread, m.place
        FROM memoledger.memories AS m
        WHERE m.store_id = %(store_id)s AND m.memory_id = a.memory_id AND m.version = a.version AND m.erased_at IS NULL
        OFFSET 0
    ) AS m
), near AS MATERIALIZED (
    SELECT g.memory_id, g.version, (g.number - 1) * 16 + 8 AS standing
    FROM given AS g
    UNION ALL
    SELECT n.memory_id, n.version, (g.number - 1) * 16 + 8 - n.step
    FROM given AS g
    CROSS JOIN LATERAL (
        SELECT m.memory_id, m.version, row_number() OVER (ORDER BY m.place DESC, m.memory_id DESC) AS step
        FROM memoledger.memories AS m
        WHERE m.store_id = %(store_id)s AND m.thread = g.thread AND (m.place, m.memory_id) < (g.place, g.memory_id)
          AND m.erased_at IS NULL
          AND CASE WHEN %(as_of)s::timestamptz IS NULL
              THEN m.superseded_at IS NULL AND m.deleted_at IS NULL AND (m.expires_at IS NULL OR m.expires_at > now())
              ELSE m.recorded_at <= %(as_of)s::timestamptz
                   AND (m.superseded_at IS NULL OR m.superseded_at > %(as_of)s::timestamptz)
                   AND (m.deleted_at IS NULL OR m.deleted_at > %(as_of)s::timestamptz)
                   AND (m.expires_at IS NULL OR m.expires_at > %(as_of)s::timestamptz)
              END
        ORDER BY m.place DESC, m.memory_id DESC
        LIMIT %(reach)s
    ) AS n
    WHERE g.thread IS NOT NULL
    UNION ALL
    SELECT n.memory_id, n.version, (g.number - 1) * 16 + 8 + n.step
    FROM given AS g
    CROSS JOIN LATERAL (
        SELECT m.memory_id, m.version, row_number() OVER (ORDER BY m.place, m.memory_id) AS step
        FROM memoledger.memories AS m
        WHERE m.store_id = %(store_id)s AND m.thread = g.thread AND (m.place, m.memory_id) > (g.place, g.memory_id)
          AND m.erased_at IS NULL
          AND CASE WHEN %(as_of)s::timestamptz IS NULL
              THEN m.superseded_at IS NULL AND m.deleted_at IS NULL AND (m.expires_at IS NULL OR m.expires_at > now())
              ELSE m.recorded_at <= %(as_of)s::timestamptz
                   AND (m.superseded_at IS NULL OR m.superseded_at > %(as_of)s::timestamptz)
                   AND (m.deleted_at IS NULL OR m.deleted_at > %(as_of)s::timestamptz)
                   AND (m.expires_at IS NULL OR m.expires_at > %(as_of)s::timestamptz)
              END
        ORDER BY m.place, m.memory_id
        LIMIT %(reach)s
    ) AS n
    WHERE g.thread IS NOT NULL
), seen AS MATERIALIZED (
    SELECT n.memory_id, n.version, string_agg(n.standing::text, ' ') AS runs
    FROM near AS n
    GROUP BY n.memory_id, n.version
)
SELECT s.memory_id, s.version, s.runs, m.found, m.speaker, m.happened_at, m.asks, m.quoted, d.similarity,
       x.length, x.weights
FROM seen AS s
CROSS JOIN LATERAL (
    SELECT m.thread,
           (%(types)s::text[] IS NULL OR m.type = ANY (%(types)s::text[]))
           AND (%(tags)s::text[] IS NULL OR m.tags @> %(tags)s::text[])
           AND (%(since)s::timestamptz IS NULL OR coalesce(m.occurred_at, m.recorded_at) >= %(since)s::timestamptz)
           AND (%(until)s::timestamptz IS NULL OR coalesce(m.occurred_at, m.recorded_at) < %(until)s::timestamptz)
           AND (%(min_importance)s::double precision IS NULL OR m.importance >= %(min_importance)s::double precision)
           AND (%(metadata)s::jsonb IS NULL OR m.metadata @> %(metadata)s::jsonb)
           AND (%(valid_at)s::timestamptz IS NULL
                OR (m.valid_from IS NULL OR m.valid_from <= %(valid_at)s::timestamptz)
                   AND (m.valid_to IS NULL OR m.valid_to > %(valid_at)s::timestamptz)) AS found,
           CASE WHEN jsonb_typeof(m.metadata -> 'speaker') = 'string' THEN m.metadata ->> 'speaker' END AS speaker,
           CASE WHEN %(timed)s::boolean THEN coalesce(m.occurred_at, m.recorded_at) END AS happened_at,
           CASE WHEN m.thread IS NULL THEN 0 ELSE m.asks END AS asks,
           (SELECT count(*) FROM unnest(%(quotes)s::text[]) AS q (words)
            WHERE strpos(lower(m.content), q.words) > 0) AS quoted
    FROM memoledger.memories AS m
    WHERE m.store_id = %(store_id)s AND m.memory_id = s.memory_id AND m.version = s.version
    OFFSET 0
) AS m
LEFT JOIN LATERAL (
    SELECT max(-(e.embedding <#> %(vector)s)) AS similarity
    FROM memoledger.embeddings AS e
    WHERE e.store_id = %(store_id)s AND e.embedding_version = %(embedding_version)s AND e.family = 'memory'
      AND e.owner_id = s.memory_id AND e.version = s.version
) AS d ON true
LEFT JOIN LATERAL (
    SELECT t.length, CASE WHEN t.length <= %(longest)s AND t.weights <#> %(asked)s < 0
                     THEN sparsevec_send(t.weights) END AS weights
    FROM memoledger.term_vectors AS t
    WHERE m.thread IS NOT NULL
      AND t.store_id = %(store_id)s AND t.family = 'memory' AND t.owner_id = s.memory_id AND t.version = s.version
    OFFSET 0
) AS x ON true

-- name: standings
-- plan: once
-- What the caller's weights ask of the given memories: when each happened, its importance, and how often
-- it was recalled.
SELECT a.memory_id, coalesce(m.occurred_at, m.recorded_at) AS happened_at, m.importance, coalesce(c.count, 0) AS accesses
FROM unnest(%(memory_ids)s::uuid[], %(versions)s::integer[]) AS a (memory_id, version)
CROSS JOIN LATERAL (
    SELECT m.occurred_at, m.recorded_at, m.importance
    FROM memoledger.memories AS m
    WHERE m.store_id = %(store_id)s AND m.memory_id = a.memory_id AND m.version = a.version
    OFFSET 0
) AS m
LEFT JOIN LATERAL (
    SELECT c.count
    FROM memoledger.memory_access AS c
    WHERE c.store_id = %(store_id)s AND c.memory_id = a.memory_id
    OFFSET 0
) AS c ON true

-- name: chunk_surroundings
-- plan: once
-- The same for chunks: each of the given and the two on either side of it in the version of its document that
-- is current, or was at the asked instant. A document's fields are what its chunks are filtered and dated by.
-- `runs` numbers the given ones from 0, as in `surroundings`.
WITH given AS MATERIALIZED (
    SELECT a.number, d.document_id, d.version, d.found, d.happened_at, p.place
    FROM unnest(%(chunk_ids)s::uuid[]) WITH ORDINALITY AS a (chunk_id, number)
    CROSS JOIN LATERAL (
        SELECT c.document_id FROM memoledger.chunks AS c
        WHERE c.store_id = %(store_id)s AND c.chunk_id = a.chunk_id AND c.erased_at IS NULL
        OFFSET 0
    ) AS c
    CROSS JOIN LATERAL (
        SELECT d.document_id, d.version,
               (%(types)s::text[] IS NULL OR d.type = ANY (%(types)s::text[]))
               AND (%(tags)s::text[] IS NULL OR d.tags @> %(tags)s::text[])
               AND (%(since)s::timestamptz IS NULL OR coalesce(d.occurred_at, d.recorded_at) >= %(since)s::timestamptz)
               AND (%(until)s::timestamptz IS NULL OR coalesce(d.occurred_at, d.recorded_at) < %(until)s::timestamptz)
               AND %(min_importance)s::double precision IS NULL
               AND (%(metadata)s::jsonb IS NULL OR d.metadata @> %(metadata)s::jsonb) AS found,
               CASE WHEN %(timed)s::boolean THEN coalesce(d.occurred_at, d.recorded_at) END AS happened_at
        FROM memoledger.documents AS d
        WHERE d.store_id = %(store_id)s AND d.document_id = c.document_id AND d.erased_at IS NULL
          AND CASE WHEN %(as_of)s::timestamptz IS NULL
              THEN d.superseded_at IS NULL AND d.deleted_at IS NULL
              ELSE d.recorded_at <= %(as_of)s::timestamptz
                   AND (d.superseded_at IS NULL OR d.superseded_at > %(as_of)s::timestamptz)
                   AND (d.deleted_at IS NULL OR d.deleted_at > %(as_of)s::timestamptz)
              END
        OFFSET 0
    ) AS d
    CROSS JOIN LATERAL (
        SELECT p.place FROM memoledger.document_chunks AS p
        WHERE p.store_id = %(store_id)s AND p.document_id = d.document_id AND p.chunk_id = a.chunk_id
          AND p.version = d.version
        OFFSET 0
    ) AS p
), seen AS MATERIALIZED (
    SELECT n.chunk_id, string_agg(((g.number - 1) * 16 + 8 + n.place - g.place)::text, ' ') AS runs,
           bool_or(g.found) AS found, max(g.happened_at) AS happened_at
    FROM given AS g
    CROSS JOIN LATERAL (
        SELECT p.chunk_id, p.place FROM memoledger.document_chunks AS p
        WHERE p.store_id = %(store_id)s AND p.document_id = g.document_id AND p.version = g.version
          AND p.place BETWEEN g.place - %(reach)s AND g.place + %(reach)s
        OFFSET 0
    ) AS n
    GROUP BY n.chunk_id
)
SELECT c.chunk_id, c.first_version, s.runs, s.found, NULL AS speaker, s.happened_at, 0::real AS asks, c.quoted,
       d.similarity, x.length, x.weights
FROM seen AS s
CROSS JOIN LATERAL (
    SELECT c.chunk_id, c.first_version,
           (SELECT count(*) FROM unnest(%(quotes)s::text[]) AS q (words)
            WHERE strpos(lower(c.text), q.words) > 0) AS quoted
    FROM memoledger.chunks AS c
    WHERE c.store_id = %(store_id)s AND c.chunk_id = s.chunk_id AND c.erased_at IS NULL
    OFFSET 0
) AS c
LEFT JOIN LATERAL (
    SELECT max(-(e.embedding <#> %(vector)s)) AS similarity
    FROM memoledger.embeddings AS e
    WHERE e.store_id = %(store_id)s AND e.embedding_version = %(embedding_version)s AND e.family = 'chunk'
      AND e.owner_id = c.chunk_id AND e.version = c.first_version
) AS d ON true
LEFT JOIN LATERAL (
    SELECT t.length, CASE WHEN t.length <= %(longest)s AND t.weights <#> %(asked)s < 0
                     THEN sparsevec_send(t.weights) END AS weights
    FROM memoledger.term_vectors AS t
    WHERE t.store_id = %(store_id)s AND t.family = 'chunk' AND t.owner_id = c.chunk_id AND t.version = c.first_version
    OFFSET 0
) AS x ON true

-- name: chunk_standings
-- plan: once
-- What the caller's weights ask of chunks: when what their document tells happened. Nothing says that one
-- document is more important than another, and recalls of chunks are not counted.
SELECT c.chunk_id, max(coalesce(d.occurred_at, d.recorded_at)) AS happened_at, 0.5::double precision AS importance,
       0 AS accesses
FROM unnest(%(chunk_ids)s::uuid[]) AS a (chunk_id)
CROSS JOIN LATERAL (
    SELECT c.chunk_id, c.document_id FROM memoledger.chunks AS c
    WHERE c.store_id = %(store_id)s AND c.chunk_id = a.chunk_id AND c.erased_at IS NULL
    OFFSET 0
) AS c
CROSS JOIN LATERAL (
    SELECT d.occurred_at, d.recorded_at FROM memoledger.documents AS d
    WHERE d.store_id = %(store_id)s AND d.document_id = c.document_id AND d.erased_at IS NULL
      AND CASE WHEN %(as_of)s::timestamptz IS NULL
          THEN d.superseded_at IS NULL AND d.deleted_at IS NULL
          ELSE d.recorded_at <= %(as_of)s::timestamptz
               AND (d.superseded_at IS NULL OR d.superseded_at > %(as_of)s::timestamptz)
               AND (d.deleted_at IS NULL OR d.deleted_at > %(as_of)s::timestamptz)
          END
    OFFSET 0
) AS d
GROUP BY c.chunk_id
