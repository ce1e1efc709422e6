-- Embedding versions that change while the ledger serves. One version serves: its vectors are searched.
-- Others are filled beside it, or kept up to date after it; whoever writes writes the vectors of them all,
-- so that any of them can begin to serve from one moment to the next.
--
--      filling --filled--> ready --cut over--> serving --replaced--> previous
--         |                  | ^                  | ^                   | |
--         |                  | '----rolled back---' '-----rolled back---' |
--         '------------------'--------------> retired <-------------------'

ALTER TABLE memoledger_system.embedding_versions
    ADD COLUMN state       text COLLATE "C" NOT NULL DEFAULT 'filling',
    ADD COLUMN opening     jsonb,
    ADD COLUMN filled_at   timestamptz,
    ADD COLUMN served_at   timestamptz,
    ADD COLUMN replaced_at timestamptz,
    ADD COLUMN retired_at  timestamptz,
    ADD CONSTRAINT embedding_version_state_is_known CHECK (state IN ('filling', 'ready', 'serving', 'previous', 'retired')),
    ADD CONSTRAINT embedding_version_served_since_it_serves CHECK (state <> 'serving' OR served_at IS NOT NULL),
    ADD CONSTRAINT embedding_version_retired_once CHECK ((state = 'retired') = (retired_at IS NOT NULL));
COMMENT ON COLUMN memoledger_system.embedding_versions.state IS 'filling: lacks vectors of what was there before it; ready: complete, could serve; serving: is searched; previous: served before and is kept up to date; retired: its vectors are gone.';
COMMENT ON COLUMN memoledger_system.embedding_versions.opening IS 'With which words its embedder is opened (never a key); null where that was an object of a program''s own.';

-- Until now every ledger searched the version of whoever opened it. The one with the most vectors serves
-- from now on; the others, where there are any, are to be filled or retired.
DO $$
DECLARE
    found   record;
    vectors bigint;
    most    bigint := -1;
    chosen  integer;
BEGIN
    FOR found IN SELECT v.embedding_version, v.name FROM memoledger_system.embedding_versions AS v ORDER BY v.embedding_version
    LOOP
        EXECUTE format('SELECT count(*) FROM memoledger.%I', 'embeddings_' || found.name) INTO vectors;
        IF vectors >= most THEN
            most := vectors;
            chosen := found.embedding_version;
        END IF;
    END LOOP;
    UPDATE memoledger_system.embedding_versions SET state = 'serving', served_at = now(), filled_at = now()
    WHERE embedding_version = chosen;
END
$$;

CREATE UNIQUE INDEX embedding_versions_serving ON memoledger_system.embedding_versions (state) WHERE state = 'serving';

-- Declares an embedding version and makes its partition; gives the id of one declared before, and makes
-- the partition of one that was retired again. The first of a ledger serves; a later one is to be filled.
-- Attached rather than created in place: ATTACH lets reads and writes of other versions go on.
CREATE OR REPLACE FUNCTION memoledger_system.declare_embedding_version(
    version_name text, version_model text, version_dimensions integer, version_settings jsonb) RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
    id        integer;
    known     text;
    partition text := 'embeddings_' || version_name;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('memoledger'), hashtext('embedding_versions'));
    SELECT embedding_version, state INTO id, known FROM memoledger_system.embedding_versions WHERE name = version_name;
    IF known <> 'retired' OR to_regclass(format('memoledger.%I', partition)) IS NOT NULL THEN
        RETURN id;
    END IF;
    IF id IS NULL THEN
        INSERT INTO memoledger_system.embedding_versions (name, model, dimensions, settings)
        VALUES (version_name, version_model, version_dimensions, version_settings) RETURNING embedding_version INTO id;
    ELSE
        UPDATE memoledger_system.embedding_versions
        SET state = 'filling', filled_at = NULL, served_at = NULL, replaced_at = NULL, retired_at = NULL
        WHERE embedding_version = id;
    END IF;
    EXECUTE format('CREATE TABLE memoledger.%I (LIKE memoledger.embeddings INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', partition);
    EXECUTE format('ALTER TABLE memoledger.%I ALTER COLUMN embedding SET STORAGE PLAIN, '
                   'ADD CONSTRAINT embedding_has_its_dimensions CHECK (vector_dims(embedding) = %s), '
                   'ADD CONSTRAINT embedding_is_of_this_version CHECK (embedding_version = %s)',
                   partition, version_dimensions, id);
    EXECUTE format('ALTER TABLE memoledger.embeddings ATTACH PARTITION memoledger.%I FOR VALUES IN (%s)', partition, id);
    PERFORM memoledger_system.take_no_samples(format('memoledger.%I', partition)::regclass);
    -- Reached only through the parent, whose policies apply; directly, the partition shows nothing.
    EXECUTE format('ALTER TABLE memoledger.%I ENABLE ROW LEVEL SECURITY', partition);
    EXECUTE format('ALTER TABLE memoledger.%I FORCE ROW LEVEL SECURITY', partition);
    EXECUTE format('CREATE POLICY maintenance ON memoledger.%I TO memoledger_owner USING (true) WITH CHECK (true)', partition);
    UPDATE memoledger_system.embedding_versions SET state = 'serving', served_at = now(), filled_at = now()
    WHERE embedding_version = id
      AND NOT EXISTS (SELECT FROM memoledger_system.embedding_versions AS v WHERE v.state = 'serving');
    RETURN id;
END
$$;

-- Has a version serve in the place of the one that does, from the moment this transaction is committed.
-- The one that served goes on to be kept up to date: `left_as` says as what.
CREATE FUNCTION memoledger_system.serve_embedding_version(id integer, left_as text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('memoledger'), hashtext('embedding_versions'));
    UPDATE memoledger_system.embedding_versions AS v SET state = left_as, replaced_at = now()
    WHERE v.state = 'serving' AND v.embedding_version <> id;
    UPDATE memoledger_system.embedding_versions AS v
    SET state = 'serving', served_at = now(), filled_at = coalesce(v.filled_at, now()), replaced_at = NULL
    WHERE v.embedding_version = id AND v.state IN ('filling', 'ready', 'previous');
    IF NOT FOUND THEN
        RAISE EXCEPTION 'embedding version % cannot serve', id
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'It serves already, is retired, or is not there.';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION memoledger_system.serve_embedding_version FROM PUBLIC;

-- Has a version serve a ledger that holds nothing yet, and retires the one that did: nothing is lost by
-- that, and whoever sets up a ledger may change their mind. False where there is something already.
CREATE FUNCTION memoledger_system.adopt_embedding_version(id integer) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found record;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('memoledger'), hashtext('embedding_versions'));
    LOCK TABLE memoledger.memories, memoledger.term_vectors IN SHARE MODE;
    IF EXISTS (SELECT FROM memoledger.memories) OR EXISTS (SELECT FROM memoledger.term_vectors)
       OR EXISTS (SELECT FROM memoledger.embeddings) THEN
        RETURN false;
    END IF;
    PERFORM memoledger_system.serve_embedding_version(id, 'previous');
    FOR found IN
        UPDATE memoledger_system.embedding_versions AS v SET state = 'retired', retired_at = now()
        WHERE v.embedding_version <> id AND v.state <> 'retired' RETURNING v.name
    LOOP
        EXECUTE format('ALTER TABLE memoledger.embeddings DETACH PARTITION memoledger.%I', 'embeddings_' || found.name);
        EXECUTE format('DROP TABLE memoledger.%I', 'embeddings_' || found.name);
    END LOOP;
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION memoledger_system.adopt_embedding_version FROM PUBLIC;

-- Vectors may be written after their text: by a worker, or when a version is filled. Who writes them locks
-- the text's row first, so that its end is either seen there, or comes after: then what was written in
-- between is closed here, since the statement that closes a text looks for its vectors as they were when it
-- began. Mostly there is none.
CREATE FUNCTION memoledger.close_late_memory_vectors() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE memoledger.embeddings AS e SET superseded_at = coalesce(n.superseded_at, n.deleted_at)
    FROM new_rows AS n
    WHERE e.tenant_id = n.tenant_id AND e.store_id = n.store_id AND e.family = 'memory' AND e.owner_id = n.memory_id
      AND e.version = n.version AND e.superseded_at IS NULL AND n.erased_at IS NULL
      AND coalesce(n.superseded_at, n.deleted_at) IS NOT NULL;
    RETURN NULL;
END
$$;
CREATE TRIGGER close_late_vectors AFTER UPDATE ON memoledger.memories
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.close_late_memory_vectors();

CREATE FUNCTION memoledger.close_late_chunk_vectors() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE memoledger.embeddings AS e SET superseded_at = n.superseded_at
    FROM new_rows AS n
    WHERE e.tenant_id = n.tenant_id AND e.store_id = n.store_id AND e.family = 'chunk' AND e.owner_id = n.chunk_id
      AND e.version = n.first_version AND e.superseded_at IS NULL AND n.erased_at IS NULL
      AND n.superseded_at IS NOT NULL;
    RETURN NULL;
END
$$;
CREATE TRIGGER close_late_vectors AFTER UPDATE ON memoledger.chunks
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.close_late_chunk_vectors();
