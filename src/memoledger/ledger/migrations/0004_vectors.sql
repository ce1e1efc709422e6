-- What search reads: embeddings and term vectors. Both are narrow, hold ids only, and are made from the
-- memories beside which they are written; they carry no audit of their own (the memory's record counts).

-- What belongs to the installation and to no tenant.
CREATE TABLE memoledger_system.embedding_versions (
    embedding_version integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name              text COLLATE "C" NOT NULL UNIQUE,
    model             text NOT NULL,
    dimensions        integer NOT NULL CHECK (dimensions BETWEEN 1 AND 3900),
    settings          jsonb NOT NULL DEFAULT '{}',
    created_at        timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE memoledger_system.embedding_versions IS 'Model + dimensions + settings: one namespace of vectors, one partition.';
ALTER TABLE memoledger_system.embedding_versions ENABLE ROW LEVEL SECURITY;
ALTER TABLE memoledger_system.embedding_versions FORCE ROW LEVEL SECURITY;
CREATE POLICY maintenance ON memoledger_system.embedding_versions TO memoledger_owner USING (true) WITH CHECK (true);
CREATE POLICY readable ON memoledger_system.embedding_versions FOR SELECT TO memoledger_app USING (true);
GRANT SELECT ON memoledger_system.embedding_versions TO memoledger_app;

CREATE TABLE memoledger.embeddings (
    tenant_id         text COLLATE "C" NOT NULL,
    store_id          uuid NOT NULL,
    embedding_version integer NOT NULL,
    family            text COLLATE "C" NOT NULL,
    owner_id          uuid NOT NULL,
    version           integer NOT NULL,
    view              text COLLATE "C" NOT NULL,
    recorded_at       timestamptz NOT NULL,
    superseded_at     timestamptz,
    expires_at        timestamptz,
    private_to        text COLLATE "C",
    embedding         halfvec NOT NULL,
    -- The embedding version comes last: a partition has only one, and closing a memory asks for all.
    PRIMARY KEY (tenant_id, store_id, family, owner_id, version, view, embedding_version),
    CONSTRAINT embedding_family_is_known CHECK (family IN ('chunk', 'memory', 'summary', 'profile')),
    CONSTRAINT embedding_view_is_known CHECK (view IN ('body', 'title', 'summary'))
) PARTITION BY LIST (embedding_version);
SELECT memoledger_system.take_no_samples('memoledger.embeddings');
COMMENT ON TABLE memoledger.embeddings IS 'Unit vectors, one for each view; retiring a model drops its partition.';

CREATE TABLE memoledger.term_vectors (
    tenant_id     text COLLATE "C" NOT NULL,
    store_id      uuid NOT NULL,
    family        text COLLATE "C" NOT NULL,
    owner_id      uuid NOT NULL,
    version       integer NOT NULL,
    recorded_at   timestamptz NOT NULL,
    superseded_at timestamptz,
    expires_at    timestamptz,
    private_to    text COLLATE "C",
    length        integer NOT NULL,
    weights       sparsevec NOT NULL,
    PRIMARY KEY (tenant_id, store_id, family, owner_id, version),
    CONSTRAINT term_vector_family_is_known CHECK (family IN ('chunk', 'memory', 'summary', 'profile'))
);
SELECT memoledger_system.take_no_samples('memoledger.term_vectors');
COMMENT ON TABLE memoledger.term_vectors IS 'BM25 weights of a text: saturated term frequencies at hashed term ids, and its length in terms.';
-- A sparse vector larger than TOAST's 2 kB is left in the row: a scan must not fetch it from elsewhere.
ALTER TABLE memoledger.term_vectors ALTER COLUMN weights SET STORAGE MAIN;

ALTER TABLE memoledger.embeddings ENABLE ROW LEVEL SECURITY;
ALTER TABLE memoledger.embeddings FORCE ROW LEVEL SECURITY;
CREATE POLICY maintenance ON memoledger.embeddings TO memoledger_owner USING (true) WITH CHECK (true);
CREATE POLICY readable ON memoledger.embeddings FOR SELECT TO memoledger_app
    USING (tenant_id = (SELECT memoledger.current_tenant())
           AND store_id = ANY ((SELECT memoledger.readable_store_ids())::uuid[])
           AND (private_to IS NULL OR private_to = (SELECT current_setting('app.current_user', true))));
CREATE POLICY writable_insert ON memoledger.embeddings FOR INSERT TO memoledger_app
    WITH CHECK (tenant_id = (SELECT memoledger.current_tenant())
                AND store_id = ANY ((SELECT memoledger.writable_store_ids())::uuid[]));
CREATE POLICY writable_update ON memoledger.embeddings FOR UPDATE TO memoledger_app
    USING (tenant_id = (SELECT memoledger.current_tenant())
           AND store_id = ANY ((SELECT memoledger.writable_store_ids())::uuid[])
           AND (private_to IS NULL OR private_to = (SELECT current_setting('app.current_user', true))));
GRANT SELECT, INSERT, UPDATE (superseded_at) ON memoledger.embeddings TO memoledger_app;

ALTER TABLE memoledger.term_vectors ENABLE ROW LEVEL SECURITY;
ALTER TABLE memoledger.term_vectors FORCE ROW LEVEL SECURITY;
CREATE POLICY maintenance ON memoledger.term_vectors TO memoledger_owner USING (true) WITH CHECK (true);
CREATE POLICY readable ON memoledger.term_vectors FOR SELECT TO memoledger_app
    USING (tenant_id = (SELECT memoledger.current_tenant())
           AND store_id = ANY ((SELECT memoledger.readable_store_ids())::uuid[])
           AND (private_to IS NULL OR private_to = (SELECT current_setting('app.current_user', true))));
CREATE POLICY writable_insert ON memoledger.term_vectors FOR INSERT TO memoledger_app
    WITH CHECK (tenant_id = (SELECT memoledger.current_tenant())
                AND store_id = ANY ((SELECT memoledger.writable_store_ids())::uuid[]));
CREATE POLICY writable_update ON memoledger.term_vectors FOR UPDATE TO memoledger_app
    USING (tenant_id = (SELECT memoledger.current_tenant())
           AND store_id = ANY ((SELECT memoledger.writable_store_ids())::uuid[])
           AND (private_to IS NULL OR private_to = (SELECT current_setting('app.current_user', true))));
GRANT SELECT, INSERT, UPDATE (superseded_at) ON memoledger.term_vectors TO memoledger_app;

-- An erasure is of all versions, and takes the vectors with it; whoever erases, and whichever way.
-- The application's role cannot delete vectors otherwise.
CREATE FUNCTION memoledger.complete_erasure() RETURNS trigger
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
    DELETE FROM memoledger.embeddings AS e USING new_rows AS n
    WHERE n.erased_at IS NOT NULL AND e.tenant_id = n.tenant_id AND e.store_id = n.store_id
      AND e.family = 'memory' AND e.owner_id = n.memory_id;
    DELETE FROM memoledger.term_vectors AS t USING new_rows AS n
    WHERE n.erased_at IS NOT NULL AND t.tenant_id = n.tenant_id AND t.store_id = n.store_id
      AND t.family = 'memory' AND t.owner_id = n.memory_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER erase_completely AFTER UPDATE ON memoledger.memories
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.complete_erasure();

-- Declares an embedding version and makes its partition; gives the id of one declared before.
-- Attached rather than created in place: ATTACH lets reads and writes of other versions go on.
CREATE FUNCTION memoledger_system.declare_embedding_version(
    version_name text, version_model text, version_dimensions integer, version_settings jsonb) RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
    id        integer;
    partition text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('memoledger'), hashtext('embedding_versions'));
    SELECT embedding_version INTO id FROM memoledger_system.embedding_versions WHERE name = version_name;
    IF FOUND THEN
        RETURN id;
    END IF;
    INSERT INTO memoledger_system.embedding_versions (name, model, dimensions, settings)
    VALUES (version_name, version_model, version_dimensions, version_settings) RETURNING embedding_version INTO id;
    partition := 'embeddings_' || version_name;
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
    RETURN id;
END
$$;
REVOKE ALL ON FUNCTION memoledger_system.declare_embedding_version FROM PUBLIC;
