-- name: store_index_of
-- The index of a store that is ready for an embedding version, the newest one; nothing if there is none.
SELECT x.build, x.covers_until, x.ef_search, x.texts, x.vectors, x.families
FROM memoledger.store_indexes AS x
WHERE x.store_id = %(store_id)s AND x.embedding_version = %(embedding_version)s AND x.state = 'ready'
ORDER BY x.build DESC
LIMIT 1

-- name: begin_indexing
-- Lets one process index at a time; the lock ends with the connection.
SELECT pg_try_advisory_lock(hashtext('memoledger'), hashtext('store_indexes'))

-- name: end_indexing
-- Gives the lock back.
SELECT pg_advisory_unlock(hashtext('memoledger'), hashtext('store_indexes'))

-- fragment: surveyed
-- What is told of a large store and one of its builds, beside `c`, which has the store's texts. Recent are texts
-- and vectors that the index does not hold: a text may be embedded long after it was written.
       x.build, x.embedding_version, x.state, x.texts,
       (SELECT coalesce(sum(p.texts), 0)::bigint FROM memoledger.store_postings AS p
        WHERE p.tenant_id = x.tenant_id AND p.store_id = x.store_id AND p.build = x.build
          AND p.term = 0 AND p.segment = 1),
       x.segments,
       x.retired_at <= now() - make_interval(secs => %(grace_s)s::double precision),
       CASE x.state WHEN 'ready' THEN greatest(
           (SELECT count(*) FROM memoledger.term_vectors AS t
            WHERE t.tenant_id = x.tenant_id AND t.store_id = x.store_id AND t.family = ANY ('{memory,chunk}')
              AND t.superseded_at IS NULL AND t.written_at >= x.covers_until AND t.written_at > '-infinity'),
           (SELECT count(*) FROM memoledger.embeddings AS e
            WHERE e.tenant_id = x.tenant_id AND e.store_id = x.store_id AND e.family = ANY ('{memory,chunk}')
              AND e.embedding_version = x.embedding_version AND e.view = 'body'
              AND e.superseded_at IS NULL AND e.written_at >= x.covers_until))
       ELSE 0 END

-- name: survey
-- Every store that holds at least so many texts, and every store that has an index or a part of one;
-- a row for each of its builds.
SELECT tenant_id, store_id, coalesce(c.texts, 0),
-- include: surveyed
FROM (SELECT t.tenant_id, t.store_id, count(*) AS texts FROM memoledger.term_vectors AS t
      WHERE t.family = ANY ('{memory,chunk}') AND t.superseded_at IS NULL AND t.written_at > '-infinity'
      GROUP BY t.tenant_id, t.store_id) AS c
FULL JOIN memoledger.store_indexes AS x USING (tenant_id, store_id)
WHERE c.texts >= %(least)s OR x.build IS NOT NULL
ORDER BY tenant_id, store_id, x.build

-- name: survey_some
-- The same of some stores, and of those that have a build which is not in use. Each store's texts are counted
-- on their own, so that the others cost nothing.
SELECT tenant_id, store_id, c.texts,
-- include: surveyed
FROM (SELECT w.tenant_id, w.store_id, n.texts
      FROM (SELECT * FROM unnest(%(tenants)s::text[], %(stores)s::uuid[]) AS given (tenant_id, store_id)
            UNION
            SELECT b.tenant_id, b.store_id FROM memoledger.store_indexes AS b WHERE b.state <> 'ready') AS w
      CROSS JOIN LATERAL (
          SELECT count(*) AS texts FROM memoledger.term_vectors AS t
          WHERE t.tenant_id = w.tenant_id AND t.store_id = w.store_id AND t.family = ANY ('{memory,chunk}')
            AND t.superseded_at IS NULL AND t.written_at > '-infinity'
          OFFSET 0
      ) AS n) AS c
LEFT JOIN memoledger.store_indexes AS x USING (tenant_id, store_id)
WHERE c.texts >= %(least)s OR x.build IS NOT NULL
ORDER BY tenant_id, store_id, x.build

-- name: take_scheduled
-- Which stores were written to since somebody looked; they are off the schedule, and on it again with the next
-- write. A transaction that is under way may have found its store on the schedule: the survey comes after it.
DELETE FROM memoledger.index_schedule AS s RETURNING s.tenant_id, s.store_id

-- name: put_back_scheduled
-- Puts stores back on the schedule that could not be looked at.
INSERT INTO memoledger.index_schedule (tenant_id, store_id)
SELECT * FROM unnest(%(tenants)s::text[], %(stores)s::uuid[])
ON CONFLICT DO NOTHING

-- name: list_store_indexes
-- Every index with its progress, for administration; the graph's own is asked of PostgreSQL.
SELECT x.tenant_id, x.store_id, s.owner_id, s.name, x.build, x.state,
       greatest(x.progress, (
           SELECT 0.3 + 0.6 * p.tuples_done / greatest(p.tuples_total, x.vectors, 1)
           FROM pg_stat_progress_create_index AS p
           WHERE p.relid = to_regclass('memoledger.store_vectors_' || x.build))) AS progress,
       x.texts, x.vectors, x.segments, x.ef_search, x.recall, x.started_at, x.built_at
FROM memoledger.store_indexes AS x
JOIN memoledger.stores AS s USING (tenant_id, store_id)
ORDER BY x.tenant_id, s.owner_id, s.name, x.build

-- name: register_build
-- A new build, of nothing as yet.
INSERT INTO memoledger.store_indexes (tenant_id, store_id, embedding_version)
VALUES (%(tenant)s, %(store_id)s, %(embedding_version)s)
RETURNING build

-- name: make_store_vectors
-- The table of a build's vectors, as long as its embedding version has them.
SELECT memoledger_system.make_store_vectors(%(build)s::integer, v.dimensions)
FROM memoledger_system.embedding_versions AS v
WHERE v.embedding_version = %(embedding_version)s

-- name: running_transactions
-- An instant, and the transactions that are running: once they have ended, every row written before the
-- instant can be seen. The margin of a second is for one that has begun but does not show yet.
SELECT clock_timestamp() - interval '1 second',
       ARRAY(SELECT l.virtualtransaction FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
             WHERE l.locktype = 'virtualxid' AND l.mode = 'ExclusiveLock' AND l.granted
               AND a.datname = current_database() AND l.pid <> pg_backend_pid()
               AND a.backend_type IS DISTINCT FROM 'autovacuum worker')

-- name: index_words
-- Packs the terms of a store's current texts that were written in a period, as a new segment: for each
-- term the memories and chunks by falling impact, 350 to a block, which fills a page.
WITH texts AS MATERIALIZED (
    SELECT t.owner_id, coalesce(t.private_to, '') AS private_to, t.length, t.weights
    FROM memoledger.term_vectors AS t
    WHERE t.tenant_id = %(tenant)s AND t.store_id = %(store_id)s AND t.family = ANY ('{memory,chunk}') AND t.superseded_at IS NULL
      AND t.written_at < %(until)s::timestamptz AND t.written_at > '-infinity'
      AND (%(since)s::timestamptz IS NULL OR t.written_at >= %(since)s::timestamptz)
), counted AS (
    INSERT INTO memoledger.store_postings (
        tenant_id, store_id, build, term, private_to, segment, block, texts, lengths, postings, best, owner_ids, impacts)
    SELECT %(tenant)s, %(store_id)s, %(build)s, 0, x.private_to, %(segment)s, 0, count(*), sum(x.length), 0, 0, '{}', '{}'
    FROM texts AS x
    GROUP BY x.private_to
), mean AS MATERIALIZED (
    SELECT greatest(avg(x.length), 1)::double precision AS length FROM texts AS x
), postings AS (
    SELECT split_part(pair, ':', 1)::integer AS term, x.private_to, x.owner_id,
           (split_part(pair, ':', 2)::double precision
            * 2.2 / (1 + 1.2 * (0.25 + 0.75 * greatest(x.length / m.length, 1))))::real AS impact
    FROM texts AS x CROSS JOIN mean AS m,
         string_to_table(split_part(ltrim(x.weights::text, '{'), '}', 1), ',') AS pair
    WHERE pair <> ''
), placed AS (
    SELECT p.term, p.private_to, p.owner_id, p.impact,
           row_number() OVER (PARTITION BY p.term, p.private_to ORDER BY p.impact DESC) - 1 AS place,
           count(*) OVER (PARTITION BY p.term, p.private_to) AS texts
    FROM postings AS p
)
INSERT INTO memoledger.store_postings (
    tenant_id, store_id, build, term, private_to, segment, block, texts, lengths, postings, best, owner_ids, impacts)
SELECT %(tenant)s, %(store_id)s, %(build)s, d.term, d.private_to, %(segment)s, d.place / 350,
       CASE d.place / 350 WHEN 0 THEN max(d.texts) ELSE 0 END, 0, count(*), max(d.impact),
       array_agg(d.owner_id ORDER BY d.place), array_agg(d.impact ORDER BY d.place)
FROM placed AS d
GROUP BY d.term, d.private_to, d.place / 350

-- name: count_indexed_texts
-- How many texts the segments of a build hold.
SELECT coalesce(sum(p.texts), 0)::bigint
FROM memoledger.store_postings AS p
WHERE p.tenant_id = %(tenant)s AND p.store_id = %(store_id)s AND p.build = %(build)s AND p.term = 0

-- name: index_vectors
-- Copies a store's current vectors that were written in a period and that nobody keeps private.
INSERT INTO memoledger.store_vectors_0 (tenant_id, owner_id, version, view, embedding, family)
SELECT e.tenant_id, e.owner_id, e.version, e.view, e.embedding, e.family
FROM memoledger.embeddings AS e
WHERE e.tenant_id = %(tenant)s AND e.store_id = %(store_id)s AND e.embedding_version = %(embedding_version)s
  AND e.family = ANY ('{memory,chunk}') AND e.superseded_at IS NULL AND e.private_to IS NULL
  AND e.written_at < %(until)s::timestamptz
  AND (%(since)s::timestamptz IS NULL OR e.written_at >= %(since)s::timestamptz)
ON CONFLICT DO NOTHING

-- name: count_indexed_vectors
-- How many vectors a build holds.
SELECT count(*) FROM memoledger.store_vectors_0

-- name: vector_bytes
-- How long a build's vectors are.
SELECT pg_column_size(v.embedding) FROM memoledger.store_vectors_0 AS v LIMIT 1

-- name: hold_out_vectors
-- Takes some vectors out again before the graph is made: what it finds for vectors that it does not hold
-- is what it finds for questions.
WITH chosen AS MATERIALIZED (
    SELECT v.tenant_id, v.owner_id, v.version, v.view FROM memoledger.store_vectors_0 AS v ORDER BY random() LIMIT %(count)s
)
DELETE FROM memoledger.store_vectors_0 AS v USING chosen AS c
WHERE (v.tenant_id, v.owner_id, v.version, v.view) = (c.tenant_id, c.owner_id, c.version, c.view)
RETURNING v.embedding::text

-- name: set_build_memory
-- Memory and helpers for making a graph; nothing else of the server's settings is touched.
SELECT set_config('maintenance_work_mem', %(memory)s, true),
       set_config('max_parallel_maintenance_workers', %(workers)s, true),
       set_config('statement_timeout', '0', true)

-- name: make_light_graph
-- The graph over a build's vectors, with pgvector's own defaults.
CREATE INDEX store_graph_0 ON memoledger.store_vectors_0 USING hnsw (embedding halfvec_ip_ops)
    WITH (m = 16, ef_construction = 64)

-- name: make_dense_graph
-- A graph with more and better links, which takes three times as long to make. In a light one over a
-- million vectors some questions end far from their neighbours, however widely they search.
CREATE INDEX store_graph_0 ON memoledger.store_vectors_0 USING hnsw (embedding halfvec_ip_ops)
    WITH (m = 24, ef_construction = 128)

-- name: make_densest_graph
-- A graph with still more links, where those do not suffice.
CREATE INDEX store_graph_0 ON memoledger.store_vectors_0 USING hnsw (embedding halfvec_ip_ops)
    WITH (m = 40, ef_construction = 256)

-- name: drop_graph
-- Makes room for another graph over the same vectors.
DROP INDEX IF EXISTS memoledger.store_graph_0

-- name: search_graph_only
-- Has the following statements of the transaction search the graph, so widely. They are planned anew: a
-- plan that was kept would be that of another way to search.
SELECT set_config('hnsw.ef_search', %(ef_search)s, true), set_config('enable_seqscan', 'off', true),
       set_config('plan_cache_mode', 'force_custom_plan', true)

-- name: search_exactly
-- Has the following statements of the transaction pass by the graph.
SELECT set_config('enable_indexscan', 'off', true), set_config('plan_cache_mode', 'force_custom_plan', true)

-- name: ten_nearest
-- The ten nearest of a build to a vector.
SELECT v.owner_id, v.view FROM memoledger.store_vectors_0 AS v
ORDER BY v.embedding <#> %(vector)s::halfvec
LIMIT 10

-- name: note_progress
-- How far a build is, 0 to 1, and how many texts and vectors it has.
UPDATE memoledger.store_indexes AS x
SET progress = %(progress)s, texts = %(texts)s, vectors = %(vectors)s
WHERE x.tenant_id = %(tenant)s AND x.store_id = %(store_id)s AND x.build = %(build)s

-- name: lock_build
-- Waits for whoever is erasing from this build; who erases later waits for this transaction.
SELECT x.started_at FROM memoledger.store_indexes AS x
WHERE x.tenant_id = %(tenant)s AND x.store_id = %(store_id)s AND x.build = %(build)s
FOR UPDATE

-- name: erase_what_was_erased
-- Takes out what was erased while the rows were being read; an hour is longer than any transaction.
SELECT memoledger_system.erase_from_build(%(tenant)s, %(store_id)s, %(build)s, g.ids, NULL)
FROM (SELECT array_agg(DISTINCT e.id) AS ids
      FROM (SELECT m.memory_id AS id FROM memoledger.memories AS m
            WHERE m.tenant_id = %(tenant)s AND m.store_id = %(store_id)s
              AND m.erased_at >= %(begun)s::timestamptz - interval '1 hour'
            UNION ALL
            SELECT c.chunk_id FROM memoledger.chunks AS c
            WHERE c.tenant_id = %(tenant)s AND c.store_id = %(store_id)s
              AND c.erased_at >= %(begun)s::timestamptz - interval '1 hour') AS e) AS g
WHERE g.ids IS NOT NULL

-- name: finish_build
-- A build is whole: searches use it from now on.
UPDATE memoledger.store_indexes AS x
SET state = 'ready', progress = 1, covers_until = %(until)s, texts = %(texts)s, vectors = %(vectors)s,
    segments = %(segment)s,
    families = CASE WHEN x.families = '{memory,chunk}' OR EXISTS (
                        SELECT FROM memoledger.term_vectors AS t
                        WHERE t.tenant_id = x.tenant_id AND t.store_id = x.store_id AND t.family = 'chunk'
                          AND t.superseded_at IS NULL AND t.written_at < %(until)s AND t.written_at > '-infinity')
                    THEN '{memory,chunk}'::text[] ELSE x.families END,
    ef_search = coalesce(%(ef_search)s, x.ef_search), recall = coalesce(%(recall)s, x.recall),
    built_at = coalesce(x.built_at, clock_timestamp())
WHERE x.tenant_id = %(tenant)s AND x.store_id = %(store_id)s AND x.build = %(build)s

-- name: indexed_versions
-- The embedding versions in which large stores have an index, the one that serves first.
SELECT v.embedding_version
FROM memoledger_system.embedding_versions AS v
WHERE v.state IN ('serving', 'ready', 'previous')
ORDER BY v.state <> 'serving', v.embedding_version

-- name: retire_builds
-- Searches use these builds no more; they stay for those that do not know it yet. Those of other embedding
-- versions stay in use, unless all are meant.
UPDATE memoledger.store_indexes AS x
SET state = 'retired', retired_at = clock_timestamp()
WHERE x.tenant_id = %(tenant)s AND x.store_id = %(store_id)s AND x.state = 'ready' AND x.build < %(before)s
  AND (%(embedding_version)s::integer IS NULL OR x.embedding_version = %(embedding_version)s::integer)

-- name: drop_build
-- Removes a build with everything that belongs to it.
SELECT memoledger_system.drop_store_index(%(tenant)s, %(store_id)s, %(build)s)
