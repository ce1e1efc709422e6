-- Indexes of large stores. A small store is searched exactly; one that outgrows that gets an index of
-- its own, made in the background and used beside an exact scan of what was written since.
--
-- Words are rows like any others, found by tenant and store under the same policies. Vectors need a
-- graph, and a graph is over one table: so each index has a table of its own, which only its own
-- searches touch. (A partial index for each store would be looked at by every insert and every plan of
-- all the others.) That table holds one store's memories that nobody keeps private, so that who may read
-- the store may read all of it, and who may not is turned away before the first row: a view asks once.
-- (A policy would be applied row by row, and EXPLAIN would count the hidden rows.)

-- What was written since an index was made is told by when its row was written. `recorded_at` cannot
-- tell: a memory may be embedded long after it was recorded.
ALTER TABLE memoledger.embeddings ADD COLUMN written_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE memoledger.term_vectors ADD COLUMN written_at timestamptz NOT NULL DEFAULT now();
DROP INDEX memoledger.embeddings_current;
CREATE INDEX embeddings_current ON memoledger.embeddings (tenant_id, store_id, family, written_at)
    WHERE superseded_at IS NULL;
-- Only for statements that say the last condition: others look up one memory's terms by its key.
CREATE INDEX term_vectors_recent ON memoledger.term_vectors (tenant_id, store_id, family, written_at)
    WHERE superseded_at IS NULL AND written_at > '-infinity';
-- Private ones are in no graph.
CREATE INDEX embeddings_private ON memoledger.embeddings (tenant_id, store_id, family, private_to)
    WHERE superseded_at IS NULL AND private_to IS NOT NULL;

-- Which indexes there are. A build is made beside the one in use and takes its place when it is whole.
CREATE TABLE memoledger.store_indexes (
    tenant_id         text COLLATE "C" NOT NULL,
    store_id          uuid NOT NULL,
    build             integer GENERATED ALWAYS AS IDENTITY,
    embedding_version integer NOT NULL,
    state             text COLLATE "C" NOT NULL DEFAULT 'building',
    progress          double precision NOT NULL DEFAULT 0,
    covers_until      timestamptz,
    texts             bigint NOT NULL DEFAULT 0,
    vectors           bigint NOT NULL DEFAULT 0,
    segments          integer NOT NULL DEFAULT 0,
    ef_search         integer,
    recall            double precision,
    started_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    built_at          timestamptz,
    retired_at        timestamptz,
    PRIMARY KEY (tenant_id, store_id, build),
    CONSTRAINT store_index_state_is_known CHECK (state IN ('building', 'ready', 'retired')),
    CONSTRAINT store_index_progress_is_a_fraction CHECK (progress BETWEEN 0 AND 1)
);
CREATE INDEX store_indexes_by_build ON memoledger.store_indexes (build);
SELECT memoledger_system.take_no_samples('memoledger.store_indexes');
COMMENT ON TABLE memoledger.store_indexes IS 'The indexes of stores that outgrew exact search: what they cover, how far they are, how well they find.';
COMMENT ON COLUMN memoledger.store_indexes.covers_until IS 'What was written before this instant is in it; later rows are searched exactly.';
COMMENT ON COLUMN memoledger.store_indexes.ef_search IS 'How widely the graph is searched to find what an exact search finds; null where no width does, and vectors are searched exactly.';
COMMENT ON COLUMN memoledger.store_indexes.recall IS 'Of the ten nearest of vectors that were not in it, the part it found, when it was made.';

-- Words: for each term the memories that have it, packed, those for which it counts most first.
-- Term 0, which no word has, holds the number of texts and the sum of their lengths.
CREATE TABLE memoledger.store_postings (
    tenant_id  text COLLATE "C" NOT NULL,
    store_id   uuid NOT NULL,
    build      integer NOT NULL,
    term       integer NOT NULL,
    private_to text COLLATE "C" NOT NULL,
    segment    integer NOT NULL,
    block      integer NOT NULL,
    texts      bigint NOT NULL,
    lengths    bigint NOT NULL,
    postings   integer NOT NULL,
    best       real NOT NULL,
    owner_ids  uuid[] NOT NULL,
    impacts    real[] NOT NULL,
    PRIMARY KEY (tenant_id, store_id, build, term, private_to, segment, block)
);
SELECT memoledger_system.take_no_samples('memoledger.store_postings');
ALTER TABLE memoledger.store_postings ALTER COLUMN owner_ids SET STORAGE MAIN, ALTER COLUMN impacts SET STORAGE MAIN,
    ALTER COLUMN owner_ids SET STATISTICS 0, ALTER COLUMN impacts SET STATISTICS 0, ALTER COLUMN term SET STATISTICS 0,
    ALTER COLUMN best SET STATISTICS 0;
COMMENT ON TABLE memoledger.store_postings IS 'Which memories of a large store have a term, in blocks; private ones in blocks of their own.';
COMMENT ON COLUMN memoledger.store_postings.private_to IS 'The one user who may read these memories; empty for all who may read the store.';
COMMENT ON COLUMN memoledger.store_postings.texts IS 'In the first block of a segment: how many memories of it have the term; otherwise 0.';
COMMENT ON COLUMN memoledger.store_postings.best IS 'The largest of the impacts; no later block of the segment has a larger one.';
COMMENT ON COLUMN memoledger.store_postings.impacts IS 'The term''s weight times the text''s length factor at the mean length when the segment was made.';

ALTER TABLE memoledger.store_indexes ENABLE ROW LEVEL SECURITY;
ALTER TABLE memoledger.store_indexes FORCE ROW LEVEL SECURITY;
CREATE POLICY maintenance ON memoledger.store_indexes TO memoledger_owner USING (true) WITH CHECK (true);
CREATE POLICY readable ON memoledger.store_indexes FOR SELECT TO memoledger_app
    USING (tenant_id = (SELECT memoledger.current_tenant())
           AND store_id = ANY ((SELECT memoledger.readable_store_ids())::uuid[]));
GRANT SELECT ON memoledger.store_indexes TO memoledger_app;

ALTER TABLE memoledger.store_postings ENABLE ROW LEVEL SECURITY;
ALTER TABLE memoledger.store_postings FORCE ROW LEVEL SECURITY;
CREATE POLICY maintenance ON memoledger.store_postings TO memoledger_owner USING (true) WITH CHECK (true);
-- Private blocks are kept apart by a condition of the index, so that a plan counts none of another's.
CREATE POLICY readable ON memoledger.store_postings FOR SELECT TO memoledger_app
    USING (tenant_id = (SELECT memoledger.current_tenant())
           AND store_id = ANY ((SELECT memoledger.readable_store_ids())::uuid[])
           AND private_to IN ('', (SELECT current_setting('app.current_user', true))));
GRANT SELECT ON memoledger.store_postings TO memoledger_app;

-- Makes the table of a build's vectors and the view through which the application sees it. Neither
-- name nor definition tells whose it is. The graph comes when the table is filled.
CREATE FUNCTION memoledger_system.make_store_vectors(of_build integer, dimensions integer) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    name   CONSTANT text := 'store_vectors_' || of_build;
    halves CONSTANT text := (SELECT format('%I.halfvec', n.nspname) FROM pg_type AS t JOIN pg_namespace AS n
                             ON n.oid = t.typnamespace WHERE t.typname = 'halfvec');
BEGIN
    EXECUTE format('CREATE TABLE memoledger.%I (tenant_id text COLLATE "C" NOT NULL, owner_id uuid NOT NULL, '
                   'version integer NOT NULL, view text COLLATE "C" NOT NULL, embedding %s(%s) NOT NULL, '
                   'PRIMARY KEY (tenant_id, owner_id, version, view))', name, halves, dimensions);
    EXECUTE format('ALTER TABLE memoledger.%I ALTER COLUMN embedding SET STORAGE PLAIN', name);
    PERFORM memoledger_system.take_no_samples(format('memoledger.%I', name)::regclass);
    EXECUTE format('ALTER TABLE memoledger.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE memoledger.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY maintenance ON memoledger.%I TO memoledger_owner USING (true) WITH CHECK (true)', name);
    EXECUTE format('CREATE VIEW memoledger.store_nearest_%s AS SELECT v.tenant_id, v.owner_id, v.version, v.view, v.embedding '
                   'FROM memoledger.%I AS v WHERE (SELECT x.tenant_id = memoledger.current_tenant() '
                   'AND x.store_id = ANY (memoledger.readable_store_ids()) '
                   'FROM memoledger.store_indexes AS x WHERE x.build = %s)', of_build, name, of_build);
    EXECUTE format('GRANT SELECT ON memoledger.store_nearest_%s TO memoledger_app', of_build);
END
$$;
REVOKE ALL ON FUNCTION memoledger_system.make_store_vectors FROM PUBLIC;

-- Removes all that belongs to a build, whole or not.
CREATE FUNCTION memoledger_system.drop_store_index(of_tenant text, of_store uuid, of_build integer) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    EXECUTE format('DROP VIEW IF EXISTS memoledger.store_nearest_%s', of_build);
    EXECUTE format('DROP TABLE IF EXISTS memoledger.store_vectors_%s', of_build);
    DELETE FROM memoledger.store_postings AS p
    WHERE p.tenant_id = of_tenant AND p.store_id = of_store AND p.build = of_build;
    DELETE FROM memoledger.store_indexes AS x
    WHERE x.tenant_id = of_tenant AND x.store_id = of_store AND x.build = of_build;
END
$$;
REVOKE ALL ON FUNCTION memoledger_system.drop_store_index FROM PUBLIC;

-- Takes memories out of one build: their vectors, and their ids out of the packed blocks, where one
-- that no memory has takes their place. With terms only those terms' blocks are looked at.
CREATE FUNCTION memoledger_system.erase_from_build(
    of_tenant text, of_store uuid, of_build integer, memory_ids uuid[], terms integer[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF to_regclass('memoledger.store_vectors_' || of_build) IS NOT NULL THEN
        EXECUTE format('DELETE FROM memoledger.store_vectors_%s WHERE tenant_id = $1 AND owner_id = ANY ($2)', of_build)
        USING of_tenant, memory_ids;
    END IF;
    UPDATE memoledger.store_postings AS p
    SET owner_ids = ARRAY(SELECT CASE WHEN o.id = ANY (memory_ids) THEN '00000000-0000-0000-0000-000000000000' ELSE o.id END
                          FROM unnest(p.owner_ids) WITH ORDINALITY AS o (id, place) ORDER BY o.place)
    WHERE p.tenant_id = of_tenant AND p.store_id = of_store AND p.build = of_build
      AND (terms IS NULL OR p.term = ANY (terms)) AND p.owner_ids && memory_ids;
END
$$;
REVOKE ALL ON FUNCTION memoledger_system.erase_from_build FROM PUBLIC;

-- Takes memories out of every index of their store. The rows of the indexes are locked: a build that is
-- about to end waits for this transaction and then looks which of its memories are gone, or this one
-- waits for the build.
CREATE FUNCTION memoledger_system.erase_from_indexes(of_tenant text, of_store uuid, memory_ids uuid[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found record;
    terms integer[];
BEGIN
    FOR found IN
        SELECT x.build FROM memoledger.store_indexes AS x
        WHERE x.tenant_id = of_tenant AND x.store_id = of_store ORDER BY x.build FOR SHARE
    LOOP
        -- A sparse vector's text is {term:weight,…}/dimensions.
        terms := coalesce(terms, ARRAY(
            SELECT DISTINCT split_part(pair, ':', 1)::integer
            FROM memoledger.term_vectors AS t,
                 string_to_table(split_part(ltrim(t.weights::text, '{'), '}', 1), ',') AS pair
            WHERE t.tenant_id = of_tenant AND t.store_id = of_store AND t.family = 'memory'
              AND t.owner_id = ANY (memory_ids) AND pair <> ''));
        PERFORM memoledger_system.erase_from_build(of_tenant, of_store, found.build, memory_ids, terms);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION memoledger_system.erase_from_indexes FROM PUBLIC;

-- An erasure is of all versions, and takes the vectors and what the indexes have of them with it;
-- whoever erases, and whichever way. The application's role cannot delete vectors otherwise.
CREATE OR REPLACE FUNCTION memoledger.complete_erasure() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM new_rows AS n WHERE n.erased_at IS NOT NULL) THEN
        RETURN NULL;
    END IF;
    IF EXISTS (SELECT FROM new_rows AS n JOIN memoledger.memories AS m USING (tenant_id, store_id, memory_id)
               WHERE n.erased_at IS NOT NULL AND m.erased_at IS NULL) THEN
        RAISE EXCEPTION 'a memory is erased in all its versions or not at all'
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'A version that its creator keeps private can be erased by its creator only.';
    END IF;
    PERFORM memoledger_system.erase_from_indexes(n.tenant_id, n.store_id, n.memory_ids)
    FROM (SELECT r.tenant_id, r.store_id, array_agg(DISTINCT r.memory_id) AS memory_ids
          FROM new_rows AS r WHERE r.erased_at IS NOT NULL GROUP BY r.tenant_id, r.store_id) AS n;
    DELETE FROM memoledger.embeddings AS e USING new_rows AS n
    WHERE n.erased_at IS NOT NULL AND e.tenant_id = n.tenant_id AND e.store_id = n.store_id
      AND e.family = 'memory' AND e.owner_id = n.memory_id;
    DELETE FROM memoledger.term_vectors AS t USING new_rows AS n
    WHERE n.erased_at IS NOT NULL AND t.tenant_id = n.tenant_id AND t.store_id = n.store_id
      AND t.family = 'memory' AND t.owner_id = n.memory_id;
    RETURN NULL;
END
$$;
