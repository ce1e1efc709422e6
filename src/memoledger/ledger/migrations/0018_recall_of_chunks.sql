-- Chunks are recalled beside memories: receipts tell which of what they list are chunks, and the indexes of
-- large stores hold both.

-- Null where all are memories, as in receipts of before: an answer without chunks takes no more room.
ALTER TABLE memoledger.receipts ADD COLUMN families text[] COLLATE "C",
    ADD CONSTRAINT receipt_families_are_of_its_hits
        CHECK (families IS NULL OR cardinality(families) = cardinality(memory_ids) AND families <@ '{memory,chunk}');
ALTER TABLE memoledger.receipts ALTER COLUMN families SET STATISTICS 0;
COMMENT ON COLUMN memoledger.receipts.families IS 'Of each of memory_ids, whether it is a memory or a chunk; null where all are memories.';
COMMENT ON COLUMN memoledger.receipts.memory_ids IS 'The ids of what was returned, memories and chunks, best first.';
GRANT INSERT (families) ON memoledger.receipts TO memoledger_app;

-- As before, and no erasure changes what was a memory and what a chunk.
CREATE OR REPLACE FUNCTION memoledger.refuse_receipt_change() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.struck_at IS NOT NULL
       AND NOT EXISTS (SELECT FROM unnest(NEW.scores, OLD.scores) AS s (now, before)
                       WHERE s.now IS NOT NULL AND s.now IS DISTINCT FROM s.before)
       AND (NEW.tenant_id, NEW.receipt_id, NEW.user_id, NEW.store_id, NEW.recorded_at, NEW.embedding_version, NEW.at_most,
            NEW.pending, NEW.complete, NEW.unproven, NEW.mode, NEW.searched_by, NEW.private_to, NEW.memory_ids,
            NEW.versions, NEW.families, NEW.timings_ms)
           IS NOT DISTINCT FROM
           (OLD.tenant_id, OLD.receipt_id, OLD.user_id, OLD.store_id, OLD.recorded_at, OLD.embedding_version, OLD.at_most,
            OLD.pending, OLD.complete, OLD.unproven, OLD.mode, OLD.searched_by, OLD.private_to, OLD.memory_ids,
            OLD.versions, OLD.families, OLD.timings_ms) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'receipts are append-only: % is refused for every role', TG_OP
        USING ERRCODE = 'insufficient_privilege', HINT = 'An erasure strikes the question; retention drops whole months.';
END
$$;

-- What an index holds. Only chunks that it holds are asked for in a search through it, at no cost to stores
-- that have none.
ALTER TABLE memoledger.store_indexes ADD COLUMN families text[] COLLATE "C" NOT NULL DEFAULT '{memory}';
ALTER TABLE memoledger.store_indexes ALTER COLUMN families SET STATISTICS 0;
COMMENT ON COLUMN memoledger.store_indexes.families IS 'Of which families texts and vectors are in it.';
COMMENT ON TABLE memoledger.store_postings IS 'Which memories and chunks of a large store have a term, in blocks; private ones in blocks of their own.';

-- The vectors of a build tell their family, so that each is looked up once. Builds of before hold memories.
DO $$
DECLARE
    found record;
BEGIN
    FOR found IN SELECT x.build FROM memoledger.store_indexes AS x
                 WHERE to_regclass('memoledger.store_vectors_' || x.build) IS NOT NULL
    LOOP
        EXECUTE format('ALTER TABLE memoledger.store_vectors_%s ADD COLUMN family text COLLATE "C" NOT NULL DEFAULT %L',
                       found.build, 'memory');
        EXECUTE format('CREATE OR REPLACE VIEW memoledger.store_nearest_%s AS SELECT v.tenant_id, v.owner_id, v.version, '
                       'v.view, v.embedding, v.family FROM memoledger.store_vectors_%s AS v '
                       'WHERE (SELECT x.tenant_id = memoledger.current_tenant() '
                       'AND x.store_id = ANY (memoledger.readable_store_ids()) '
                       'FROM memoledger.store_indexes AS x WHERE x.build = %s)', found.build, found.build, found.build);
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION memoledger_system.make_store_vectors(of_build integer, dimensions integer) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    name   CONSTANT text := 'store_vectors_' || of_build;
    halves CONSTANT text := (SELECT format('%I.halfvec', n.nspname) FROM pg_type AS t JOIN pg_namespace AS n
                             ON n.oid = t.typnamespace WHERE t.typname = 'halfvec');
BEGIN
    EXECUTE format('CREATE TABLE memoledger.%I (tenant_id text COLLATE "C" NOT NULL, owner_id uuid NOT NULL, '
                   'version integer NOT NULL, view text COLLATE "C" NOT NULL, embedding %s(%s) NOT NULL, '
                   'family text COLLATE "C" NOT NULL DEFAULT %L, '
                   'PRIMARY KEY (tenant_id, owner_id, version, view))', name, halves, dimensions, 'memory');
    EXECUTE format('ALTER TABLE memoledger.%I ALTER COLUMN embedding SET STORAGE PLAIN', name);
    PERFORM memoledger_system.take_no_samples(format('memoledger.%I', name)::regclass);
    EXECUTE format('ALTER TABLE memoledger.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE memoledger.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY maintenance ON memoledger.%I TO memoledger_owner USING (true) WITH CHECK (true)', name);
    EXECUTE format('CREATE VIEW memoledger.store_nearest_%s AS SELECT v.tenant_id, v.owner_id, v.version, v.view, v.embedding, '
                   'v.family FROM memoledger.%I AS v WHERE (SELECT x.tenant_id = memoledger.current_tenant() '
                   'AND x.store_id = ANY (memoledger.readable_store_ids()) '
                   'FROM memoledger.store_indexes AS x WHERE x.build = %s)', of_build, name, of_build);
    EXECUTE format('GRANT SELECT ON memoledger.store_nearest_%s TO memoledger_app', of_build);
END
$$;

-- Recall looks chunks and documents up one by one. The planner takes a store among thousands for a row or
-- two, and any index that begins with tenant and store for as good as another: with one of these it would
-- read the whole store at each look-up. What is asked of them names the column in question, which proves
-- their condition; what is not asked of them does not.
DROP INDEX memoledger.chunks_by_document;
CREATE INDEX chunks_by_document ON memoledger.chunks (tenant_id, store_id, document_id)
    WHERE document_id IS NOT NULL;
DROP INDEX memoledger.document_chunks_by_chunk;
CREATE UNIQUE INDEX document_chunks_by_chunk ON memoledger.document_chunks (tenant_id, store_id, chunk_id, version)
    WHERE chunk_id IS NOT NULL;
DROP INDEX memoledger.documents_by_source;
CREATE UNIQUE INDEX documents_by_source ON memoledger.documents (tenant_id, store_id, source, source_id)
    WHERE superseded_at IS NULL AND deleted_at IS NULL AND source_id IS NOT NULL;
