-- Documents: source texts with versions, and the chunks in which they are found. A document's version is
-- written once, like a memory's. Its text is in chunks; one that a new version leaves as it is goes on, with
-- its id, its vectors and its words, and document_chunks tells where it stands in each version.
--
--      documents (document, version) --< document_chunks (place, offsets) >-- chunks (text, once)
--
-- A document is seen by whoever sees its store. All that one act of learning writes is of one transaction,
-- which the triggers below hold writers to: nothing is added to a version afterwards.

CREATE TABLE memoledger.documents (
    tenant_id     text COLLATE "C" NOT NULL,
    store_id      uuid NOT NULL,
    document_id   uuid NOT NULL,
    version       integer NOT NULL,
    recorded_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    superseded_at timestamptz,
    deleted_at    timestamptz,
    erased_at     timestamptz,
    occurred_at   timestamptz,
    chunk_count   integer NOT NULL,
    char_count    integer NOT NULL,
    type          text COLLATE "C" NOT NULL,
    created_by    text COLLATE "C" NOT NULL,
    updated_by    text COLLATE "C" NOT NULL,
    source        text COLLATE "C",
    source_id     text COLLATE "C",
    state         text,
    title         text,
    summary       text,
    media_type    text,
    author        jsonb NOT NULL DEFAULT '{}',
    tags          text[] NOT NULL DEFAULT '{}',
    metadata      jsonb NOT NULL DEFAULT '{}',
    lineage       jsonb NOT NULL DEFAULT '{}',
    artifact_key  text,
    artifact_hash text,
    content_hash  bytea,
    salt          bytea DEFAULT uuid_send(gen_random_uuid()),
    PRIMARY KEY (tenant_id, store_id, document_id, version),
    FOREIGN KEY (tenant_id, store_id) REFERENCES memoledger.stores (tenant_id, store_id),
    CONSTRAINT document_version_counts_from_one CHECK (version >= 1),
    CONSTRAINT document_is_superseded_later CHECK (superseded_at > recorded_at),
    CONSTRAINT document_counts_are_counts CHECK (chunk_count >= 0 AND char_count >= 0),
    CONSTRAINT document_type_is_a_word CHECK (char_length(type) BETWEEN 1 AND 50),
    CONSTRAINT document_source_is_a_name CHECK (octet_length(source) BETWEEN 1 AND 200),
    CONSTRAINT document_source_id_fits_its_index CHECK (char_length(source_id) BETWEEN 1 AND 500),
    CONSTRAINT document_artifact_has_its_hash CHECK ((artifact_key IS NULL) = (artifact_hash IS NULL)),
    CONSTRAINT document_is_whole_until_erased
        CHECK (erased_at IS NOT NULL
               OR (num_nulls(source, source_id) = 0 AND octet_length(content_hash) = 32 AND octet_length(salt) = 16)),
    CONSTRAINT document_erased_is_empty
        CHECK (erased_at IS NULL
               OR (num_nonnulls(source, source_id, state, title, summary, media_type, artifact_key, artifact_hash,
                                content_hash, salt) = 0
                   AND author = '{}' AND tags = '{}' AND metadata = '{}' AND lineage = '{}'))
);
SELECT memoledger_system.take_no_samples('memoledger.documents');
COMMENT ON TABLE memoledger.documents IS 'Every version of every document. Current = not superseded, not deleted.';
COMMENT ON COLUMN memoledger.documents.content_hash IS 'SHA-256 of the source as it was given: the same again is nothing new.';
COMMENT ON COLUMN memoledger.documents.lineage IS 'Where this version came from: what it was learned from, by which splitter, after which version.';

-- Identity of what is current: where it comes from, and which one it is there. (The first condition is true of
-- all that is current; it keeps the index for those who ask by the source.)
CREATE UNIQUE INDEX documents_by_source ON memoledger.documents (tenant_id, store_id, source, source_id)
    WHERE source IS NOT NULL AND superseded_at IS NULL AND deleted_at IS NULL;

CREATE TABLE memoledger.chunks (
    tenant_id     text COLLATE "C" NOT NULL,
    store_id      uuid NOT NULL,
    chunk_id      uuid NOT NULL,
    document_id   uuid NOT NULL,
    first_version integer NOT NULL,
    recorded_at   timestamptz NOT NULL,
    superseded_at timestamptz,
    erased_at     timestamptz,
    token_count   integer NOT NULL,
    text          text,
    section       text,
    keywords      text[] NOT NULL DEFAULT '{}',
    chunk_hash    bytea,
    salt          bytea DEFAULT uuid_send(gen_random_uuid()),
    PRIMARY KEY (tenant_id, store_id, chunk_id),
    FOREIGN KEY (tenant_id, store_id, document_id, first_version)
        REFERENCES memoledger.documents (tenant_id, store_id, document_id, version),
    CONSTRAINT chunk_is_superseded_later CHECK (superseded_at > recorded_at),
    CONSTRAINT chunk_token_count_is_a_count CHECK (token_count >= 0),
    CONSTRAINT chunk_has_text_until_erased
        CHECK (erased_at IS NOT NULL OR (text <> '' AND octet_length(chunk_hash) = 32 AND octet_length(salt) = 16)),
    CONSTRAINT chunk_erased_is_empty
        CHECK (erased_at IS NULL OR (num_nonnulls(text, section, chunk_hash, salt) = 0 AND keywords = '{}'))
);
CREATE INDEX chunks_by_document ON memoledger.chunks (tenant_id, store_id, document_id);
SELECT memoledger_system.take_no_samples('memoledger.chunks');
COMMENT ON TABLE memoledger.chunks IS 'The searchable pieces of documents, each written once for all versions that have it.';
COMMENT ON COLUMN memoledger.chunks.first_version IS 'The document''s version that first had it; its vectors and words carry this number.';
COMMENT ON COLUMN memoledger.chunks.superseded_at IS 'When it ceased to be part of its document''s current version: changed, removed or forgotten.';

CREATE TABLE memoledger.document_chunks (
    tenant_id    text COLLATE "C" NOT NULL,
    store_id     uuid NOT NULL,
    document_id  uuid NOT NULL,
    version      integer NOT NULL,
    place        integer NOT NULL,
    chunk_id     uuid NOT NULL,
    start_offset integer NOT NULL,
    end_offset   integer NOT NULL,
    PRIMARY KEY (tenant_id, store_id, document_id, version, place),
    CONSTRAINT document_chunk_place_counts_from_zero CHECK (place >= 0),
    CONSTRAINT document_chunk_has_a_span CHECK (start_offset >= 0 AND end_offset > start_offset)
);
CREATE UNIQUE INDEX document_chunks_by_chunk ON memoledger.document_chunks (tenant_id, store_id, chunk_id, version);
SELECT memoledger_system.take_no_samples('memoledger.document_chunks');
COMMENT ON TABLE memoledger.document_chunks IS 'Which chunks a document''s version has, in which order and where in its text (characters, half-open).';

CREATE TABLE memoledger.document_memories (
    tenant_id      text COLLATE "C" NOT NULL,
    store_id       uuid NOT NULL,
    document_id    uuid NOT NULL,
    version        integer NOT NULL,
    memory_id      uuid NOT NULL,
    memory_version integer NOT NULL,
    made           boolean NOT NULL,
    private_to     text COLLATE "C",
    PRIMARY KEY (tenant_id, store_id, document_id, version, memory_id),
    FOREIGN KEY (tenant_id, store_id, document_id, version)
        REFERENCES memoledger.documents (tenant_id, store_id, document_id, version),
    FOREIGN KEY (tenant_id, store_id, memory_id, memory_version)
        REFERENCES memoledger.memories (tenant_id, store_id, memory_id, version)
);
CREATE INDEX document_memories_by_memory ON memoledger.document_memories (tenant_id, store_id, memory_id);
SELECT memoledger_system.take_no_samples('memoledger.document_memories');
COMMENT ON TABLE memoledger.document_memories IS 'Observations: which memories a document''s version yielded.';
COMMENT ON COLUMN memoledger.document_memories.private_to IS 'The one user who may read the memory, where its privacy narrows it to its creator.';
COMMENT ON COLUMN memoledger.document_memories.made IS 'Whether the memory was made by it; false where it was there before.';

-- As of the tables before: that a store's rows are all of one tenant, the planner is told. It is also told
-- that a store has a good part of all rows: policies ask for the store once more, each time the planner
-- takes off nearly all rows that it had left, and then any index will do for the one that remains, even
-- one that reads the whole store. (PostgreSQL before 18 cannot be told; there both columns are sampled.)
DO $$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT t.name AS table_name, c.name AS column_name, c.n_distinct
        FROM unnest('{documents,chunks,document_chunks,document_memories}'::text[]) AS t (name),
             (VALUES ('tenant_id', 1), ('store_id', 10)) AS c (name, n_distinct)
    LOOP
        IF current_setting('server_version_num')::integer < 180000 THEN
            EXECUTE format('ALTER TABLE memoledger.%I ALTER COLUMN %I SET STATISTICS -1', found.table_name, found.column_name);
            CONTINUE;
        END IF;
        EXECUTE format('ALTER TABLE memoledger.%I ALTER COLUMN %I SET STATISTICS 0', found.table_name, found.column_name);
        EXECUTE 'SELECT pg_restore_attribute_stats(''schemaname'', ''memoledger'', ''relname'', $1, ''attname'', $2,
                        ''inherited'', false, ''null_frac'', 0::real, ''avg_width'', 16, ''n_distinct'', $3)'
        USING found.table_name, found.column_name, found.n_distinct::real;
    END LOOP;
END
$$;

-- Written once -------------------------------------------------------------------------------------

-- As for memories: a version may be superseded, deleted or erased, each once, and each now.
CREATE FUNCTION memoledger.refuse_document_rewrite() RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
    words      CONSTANT text[] := '{source,source_id,state,title,summary,media_type,author,tags,metadata,lineage,artifact_key,artifact_hash,content_hash,salt}';
    ends       CONSTANT text[] := '{superseded_at,deleted_at,erased_at}';
    earliest   timestamptz := now() - interval '1 minute';
    latest     timestamptz := greatest(clock_timestamp(), OLD.recorded_at + interval '1 microsecond');
    superseded boolean := NEW.superseded_at IS DISTINCT FROM OLD.superseded_at;
    deleted    boolean := NEW.deleted_at IS DISTINCT FROM OLD.deleted_at;
    erased     boolean := NEW.erased_at IS DISTINCT FROM OLD.erased_at;
    allowed    boolean;
BEGIN
    allowed := CASE
        WHEN erased THEN
            OLD.erased_at IS NULL AND NEW.erased_at BETWEEN earliest AND latest AND NOT superseded
            AND (NOT deleted OR OLD.deleted_at IS NULL AND NEW.deleted_at BETWEEN earliest AND latest)
        WHEN superseded THEN
            OLD.superseded_at IS NULL AND OLD.deleted_at IS NULL AND NOT deleted
            AND NEW.superseded_at BETWEEN earliest AND latest
        WHEN deleted THEN
            OLD.superseded_at IS NULL AND OLD.deleted_at IS NULL AND NEW.deleted_at BETWEEN earliest AND latest
        ELSE false END;
    -- An erasure empties all that is in words: a constraint of the table says so.
    allowed := allowed AND CASE WHEN erased THEN to_jsonb(NEW) - ends - words = to_jsonb(OLD) - ends - words
                                ELSE to_jsonb(NEW) - ends = to_jsonb(OLD) - ends END;
    IF allowed IS NOT TRUE THEN
        RAISE EXCEPTION 'a document''s version is written once'
            USING ERRCODE = 'restrict_violation', HINT = 'Learn the next version instead.';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER documents_are_append_only BEFORE UPDATE ON memoledger.documents
    FOR EACH ROW EXECUTE FUNCTION memoledger.refuse_document_rewrite();

CREATE FUNCTION memoledger.refuse_document_gap() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM FROM memoledger.documents AS d
    WHERE d.tenant_id = NEW.tenant_id AND d.store_id = NEW.store_id AND d.document_id = NEW.document_id
      AND d.version = NEW.version - 1 AND d.superseded_at = NEW.recorded_at AND d.created_by = NEW.created_by;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'version % of a document does not follow the one before it', NEW.version
            USING ERRCODE = 'restrict_violation', HINT = 'Supersede the current version in the same statement.';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER document_versions_follow BEFORE INSERT ON memoledger.documents
    FOR EACH ROW WHEN (NEW.version > 1) EXECUTE FUNCTION memoledger.refuse_document_gap();

-- A chunk ends when it is no part of the current version any more, or is emptied by its document's erasure.
CREATE FUNCTION memoledger.refuse_chunk_rewrite() RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
    words      CONSTANT text[] := '{text,section,keywords,chunk_hash,salt}';
    ends       CONSTANT text[] := '{superseded_at,erased_at}';
    earliest   timestamptz := now() - interval '1 minute';
    latest     timestamptz := greatest(clock_timestamp(), OLD.recorded_at + interval '1 microsecond');
    superseded boolean := NEW.superseded_at IS DISTINCT FROM OLD.superseded_at;
    erased     boolean := NEW.erased_at IS DISTINCT FROM OLD.erased_at;
    allowed    boolean;
BEGIN
    -- Where the clock was set back, a chunk ends with its document's version all the same.
    IF superseded AND NEW.superseded_at > latest AND EXISTS (
        SELECT FROM memoledger.documents AS d
        WHERE d.tenant_id = OLD.tenant_id AND d.store_id = OLD.store_id AND d.document_id = OLD.document_id
          AND NEW.superseded_at IN (d.superseded_at, d.deleted_at)) THEN
        latest := NEW.superseded_at;
    END IF;
    allowed := (superseded OR erased)
        AND (NOT superseded OR OLD.superseded_at IS NULL AND NEW.superseded_at BETWEEN earliest AND latest)
        AND (NOT erased OR OLD.erased_at IS NULL AND NEW.erased_at BETWEEN earliest AND latest)
        AND CASE WHEN erased THEN to_jsonb(NEW) - ends - words = to_jsonb(OLD) - ends - words
                 ELSE to_jsonb(NEW) - ends = to_jsonb(OLD) - ends END;
    IF allowed IS NOT TRUE THEN
        RAISE EXCEPTION 'a chunk is written once'
            USING ERRCODE = 'restrict_violation', HINT = 'Learn the document''s next version instead.';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER chunks_are_append_only BEFORE UPDATE ON memoledger.chunks
    FOR EACH ROW EXECUTE FUNCTION memoledger.refuse_chunk_rewrite();

-- When a version was recorded that this transaction is writing and that is the current one; null for any
-- other. Only to such a one may anything be added. (An act that changed it since would have ended it.)
CREATE FUNCTION memoledger.being_learned_since(of_tenant text, of_store uuid, of_document uuid, of_version integer)
RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (SELECT d.recorded_at FROM memoledger.documents AS d
            WHERE d.tenant_id = of_tenant AND d.store_id = of_store AND d.document_id = of_document
              AND d.version = of_version AND d.superseded_at IS NULL AND d.deleted_at IS NULL
              AND d.xmin = pg_current_xact_id()::xid);
END
$$;
GRANT EXECUTE ON FUNCTION memoledger.being_learned_since TO memoledger_app;

CREATE FUNCTION memoledger.refuse_late_chunks() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF EXISTS (SELECT FROM (SELECT DISTINCT n.tenant_id, n.store_id, n.document_id, n.first_version, n.recorded_at
                            FROM new_rows AS n) AS v
               WHERE memoledger.being_learned_since(v.tenant_id, v.store_id, v.document_id, v.first_version)
                     IS DISTINCT FROM v.recorded_at) THEN
        RAISE EXCEPTION 'a chunk is written with the version that first has it'
            USING ERRCODE = 'restrict_violation', HINT = 'Learn the document''s next version instead.';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER chunks_come_with_their_version AFTER INSERT ON memoledger.chunks
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.refuse_late_chunks();

-- (A set at a time in place of foreign keys: a row's two would take as long as all else of it.)
CREATE FUNCTION memoledger.refuse_late_places() RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
    learned record;
BEGIN
    FOR learned IN
        SELECT n.tenant_id, n.store_id, n.document_id, n.version, array_agg(n.chunk_id) AS chunk_ids
        FROM new_rows AS n GROUP BY n.tenant_id, n.store_id, n.document_id, n.version
    LOOP
        IF memoledger.being_learned_since(learned.tenant_id, learned.store_id, learned.document_id, learned.version) IS NULL
           OR (SELECT count(*) FROM memoledger.chunks AS c
               WHERE c.tenant_id = learned.tenant_id AND c.store_id = learned.store_id
                 AND c.document_id = learned.document_id AND c.superseded_at IS NULL
                 AND c.chunk_id = ANY (learned.chunk_ids)) <> cardinality(learned.chunk_ids) THEN
            RAISE EXCEPTION 'the places of chunks are written with their version'
                USING ERRCODE = 'restrict_violation', HINT = 'Learn the document''s next version instead.';
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;
CREATE TRIGGER places_come_with_their_version AFTER INSERT ON memoledger.document_chunks
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.refuse_late_places();

-- Who may read a link is who may read its memory, whatever the writer says of it.
CREATE FUNCTION memoledger.derive_link_privacy() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    SELECT m.private_to INTO NEW.private_to FROM memoledger.memories AS m
    WHERE m.tenant_id = NEW.tenant_id AND m.store_id = NEW.store_id AND m.memory_id = NEW.memory_id
      AND m.version = NEW.memory_version;
    IF NOT FOUND
       OR memoledger.being_learned_since(NEW.tenant_id, NEW.store_id, NEW.document_id, NEW.version) IS NULL THEN
        RAISE EXCEPTION 'an observation is linked with the version that yields it'
            USING ERRCODE = 'restrict_violation', HINT = 'Learn the document''s next version instead.';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER observations_come_with_their_version BEFORE INSERT ON memoledger.document_memories
    FOR EACH ROW EXECUTE FUNCTION memoledger.derive_link_privacy();

-- The rows of documents are never deleted, only emptied by an erasure.
CREATE FUNCTION memoledger.refuse_document_delete() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION 'the rows of % are never deleted', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', HINT = 'Forget the document, or erase it (forget_document with hard=True).';
END
$$;
CREATE TRIGGER documents_are_kept BEFORE DELETE OR TRUNCATE ON memoledger.documents
    FOR EACH STATEMENT EXECUTE FUNCTION memoledger.refuse_document_delete();
ALTER TABLE memoledger.documents ENABLE ALWAYS TRIGGER documents_are_kept;
CREATE TRIGGER chunks_are_kept BEFORE DELETE OR TRUNCATE ON memoledger.chunks
    FOR EACH STATEMENT EXECUTE FUNCTION memoledger.refuse_document_delete();
ALTER TABLE memoledger.chunks ENABLE ALWAYS TRIGGER chunks_are_kept;
CREATE TRIGGER places_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON memoledger.document_chunks
    FOR EACH STATEMENT EXECUTE FUNCTION memoledger.refuse_document_delete();
ALTER TABLE memoledger.document_chunks ENABLE ALWAYS TRIGGER places_are_kept;
CREATE TRIGGER observations_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON memoledger.document_memories
    FOR EACH STATEMENT EXECUTE FUNCTION memoledger.refuse_document_delete();
ALTER TABLE memoledger.document_memories ENABLE ALWAYS TRIGGER observations_are_kept;

-- The audit ----------------------------------------------------------------------------------------

-- What the audit keeps of a document and of a chunk: the plain facts, and one commitment to the words.
CREATE FUNCTION memoledger.document_commitment(d memoledger.documents) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN encode(sha256(d.salt || convert_to(jsonb_build_array(
    d.source, d.source_id, d.state, d.title, d.summary, d.media_type, d.author, d.tags, d.metadata, d.lineage,
    d.artifact_key, d.artifact_hash, encode(d.content_hash, 'hex'))::text, 'UTF8')), 'hex');
GRANT EXECUTE ON FUNCTION memoledger.document_commitment TO memoledger_app;

CREATE FUNCTION memoledger.document_facts(d memoledger.documents) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
RETURN jsonb_build_object(
    'commitment', memoledger.document_commitment(d), 'type', d.type, 'created_by', d.created_by,
    'chunk_count', d.chunk_count, 'char_count', d.char_count, 'occurred_at', d.occurred_at,
    'recorded_at', d.recorded_at, 'superseded_at', d.superseded_at, 'deleted_at', d.deleted_at, 'erased_at', d.erased_at);

CREATE FUNCTION memoledger.chunk_commitment(c memoledger.chunks) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN encode(sha256(c.salt || convert_to(jsonb_build_array(c.text, c.section, c.keywords)::text, 'UTF8')), 'hex');
GRANT EXECUTE ON FUNCTION memoledger.chunk_commitment TO memoledger_app;

CREATE FUNCTION memoledger.chunk_facts(c memoledger.chunks) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
RETURN jsonb_build_object(
    'commitment', memoledger.chunk_commitment(c), 'document_id', c.document_id, 'first_version', c.first_version,
    'token_count', c.token_count, 'recorded_at', c.recorded_at, 'superseded_at', c.superseded_at,
    'erased_at', c.erased_at);

CREATE FUNCTION memoledger.record_documents_written() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    WITH recorded AS (
        INSERT INTO memoledger.audit_records (tenant_id, actor, act, table_name, store_id, row_key, after)
        SELECT n.tenant_id, memoledger.current_actor(), CASE n.version WHEN 1 THEN 'learn' ELSE 'update' END,
               'documents', n.store_id, jsonb_build_object('document_id', n.document_id, 'version', n.version),
               memoledger.document_facts(n)
        FROM new_rows AS n
    )
    INSERT INTO memoledger.outbox (tenant_id, store_id, family, owner_id, version, act)
    SELECT n.tenant_id, n.store_id, 'document', n.document_id, n.version, 'learn' FROM new_rows AS n;
    RETURN NULL;
END
$$;
CREATE TRIGGER audit_insert AFTER INSERT ON memoledger.documents
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.record_documents_written();

CREATE FUNCTION memoledger.record_documents_closed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    WITH recorded AS (
        INSERT INTO memoledger.audit_records (tenant_id, actor, act, table_name, store_id, row_key, before, after)
        SELECT n.tenant_id, memoledger.current_actor(),
               CASE WHEN n.erased_at IS NOT NULL THEN 'erase' WHEN n.deleted_at IS NULL THEN 'supersede' ELSE 'forget' END,
               'documents', n.store_id, jsonb_build_object('document_id', n.document_id, 'version', n.version),
               memoledger.document_facts(o), memoledger.document_facts(n)
        FROM new_rows AS n JOIN old_rows AS o USING (tenant_id, store_id, document_id, version)
    )
    INSERT INTO memoledger.outbox (tenant_id, store_id, family, owner_id, version, act)
    SELECT n.tenant_id, n.store_id, 'document', n.document_id, n.version, 'forget'
    FROM new_rows AS n WHERE n.superseded_at IS NULL;
    RETURN NULL;
END
$$;
CREATE TRIGGER audit_update AFTER UPDATE ON memoledger.documents
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT
    EXECUTE FUNCTION memoledger.record_documents_closed();

CREATE FUNCTION memoledger.record_chunks_written() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    WITH recorded AS (
        INSERT INTO memoledger.audit_records (tenant_id, actor, act, table_name, store_id, row_key, after)
        SELECT n.tenant_id, memoledger.current_actor(), 'learn', 'chunks', n.store_id,
               jsonb_build_object('chunk_id', n.chunk_id), memoledger.chunk_facts(n)
        FROM new_rows AS n
    )
    INSERT INTO memoledger.outbox (tenant_id, store_id, family, owner_id, version, act)
    SELECT n.tenant_id, n.store_id, 'chunk', n.chunk_id, n.first_version, 'learn' FROM new_rows AS n;
    RETURN NULL;
END
$$;
CREATE TRIGGER audit_insert AFTER INSERT ON memoledger.chunks
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.record_chunks_written();

CREATE FUNCTION memoledger.record_chunks_closed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    WITH recorded AS (
        INSERT INTO memoledger.audit_records (tenant_id, actor, act, table_name, store_id, row_key, before, after)
        SELECT n.tenant_id, memoledger.current_actor(), CASE WHEN n.erased_at IS NULL THEN 'supersede' ELSE 'erase' END,
               'chunks', n.store_id, jsonb_build_object('chunk_id', n.chunk_id),
               memoledger.chunk_facts(o), memoledger.chunk_facts(n)
        FROM new_rows AS n JOIN old_rows AS o USING (tenant_id, store_id, chunk_id)
    )
    INSERT INTO memoledger.outbox (tenant_id, store_id, family, owner_id, version, act)
    SELECT n.tenant_id, n.store_id, 'chunk', n.chunk_id, n.first_version, 'forget' FROM new_rows AS n;
    RETURN NULL;
END
$$;
CREATE TRIGGER audit_update AFTER UPDATE ON memoledger.chunks
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT
    EXECUTE FUNCTION memoledger.record_chunks_closed();

-- document_chunks and document_memories have none: ids and numbers, written with the version whose record
-- counts, and never afterwards.

-- Erasure ------------------------------------------------------------------------------------------

-- Memories and chunks alike: the ids of both are in the indexes.
CREATE OR REPLACE FUNCTION memoledger_system.erase_from_indexes(of_tenant text, of_store uuid, memory_ids uuid[]) RETURNS void
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
            WHERE t.tenant_id = of_tenant AND t.store_id = of_store AND t.family = ANY ('{memory,chunk}')
              AND t.owner_id = ANY (memory_ids) AND pair <> ''));
        PERFORM memoledger_system.erase_from_build(of_tenant, of_store, found.build, memory_ids, terms);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION memoledger_system.erase_from_indexes FROM PUBLIC;

-- An erasure is of all versions and all chunks, and takes along vectors, words, what the indexes have of
-- them, and the questions of the recalls that returned them; whoever erases, and whichever way.
CREATE FUNCTION memoledger.complete_document_erasure() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    gone record;
BEGIN
    FOR gone IN
        SELECT n.tenant_id, n.store_id, n.document_id, min(n.erased_at) AS erased_at,
               ARRAY(SELECT c.chunk_id FROM memoledger.chunks AS c
                     WHERE c.tenant_id = n.tenant_id AND c.store_id = n.store_id AND c.document_id = n.document_id
                       AND c.erased_at IS NULL ORDER BY c.chunk_id) AS chunk_ids
        FROM new_rows AS n WHERE n.erased_at IS NOT NULL
        GROUP BY n.tenant_id, n.store_id, n.document_id ORDER BY n.tenant_id, n.store_id, n.document_id
    LOOP
        IF EXISTS (SELECT FROM memoledger.documents AS d
                   WHERE d.tenant_id = gone.tenant_id AND d.store_id = gone.store_id
                     AND d.document_id = gone.document_id AND d.erased_at IS NULL) THEN
            RAISE EXCEPTION 'a document is erased in all its versions or not at all'
                USING ERRCODE = 'insufficient_privilege', HINT = 'Erase them in one statement.';
        END IF;
        CONTINUE WHEN gone.chunk_ids = '{}';
        PERFORM pg_advisory_xact_lock(memoledger.receipts_lock(gone.tenant_id, gone.store_id));
        PERFORM memoledger_system.erase_from_indexes(gone.tenant_id, gone.store_id, gone.chunk_ids);
        DELETE FROM memoledger.embeddings AS e
        WHERE e.tenant_id = gone.tenant_id AND e.store_id = gone.store_id AND e.family = 'chunk'
          AND e.owner_id = ANY (gone.chunk_ids);
        DELETE FROM memoledger.term_vectors AS t
        WHERE t.tenant_id = gone.tenant_id AND t.store_id = gone.store_id AND t.family = 'chunk'
          AND t.owner_id = ANY (gone.chunk_ids);
        DELETE FROM memoledger.embedding_schedule AS s
        WHERE s.tenant_id = gone.tenant_id AND s.store_id = gone.store_id AND s.family = 'chunk'
          AND s.owner_id = ANY (gone.chunk_ids);
        UPDATE memoledger.chunks AS c
        SET erased_at = gone.erased_at,
            superseded_at = coalesce(c.superseded_at, greatest(gone.erased_at, c.recorded_at + interval '1 microsecond')),
            text = NULL, section = NULL, keywords = '{}', chunk_hash = NULL, salt = NULL
        WHERE c.tenant_id = gone.tenant_id AND c.store_id = gone.store_id AND c.document_id = gone.document_id
          AND c.erased_at IS NULL;
        DELETE FROM memoledger.memory_access AS a
        WHERE a.tenant_id = gone.tenant_id AND a.store_id = gone.store_id AND a.memory_id = ANY (gone.chunk_ids);
        PERFORM memoledger.strike(gone.tenant_id, gone.store_id, gone.chunk_ids);
    END LOOP;
    RETURN NULL;
END
$$;
CREATE TRIGGER erase_completely AFTER UPDATE ON memoledger.documents
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.complete_document_erasure();

-- No chunk is erased without its document.
CREATE FUNCTION memoledger.refuse_chunk_erasure() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF EXISTS (SELECT FROM new_rows AS n JOIN memoledger.documents AS d USING (tenant_id, store_id, document_id)
               WHERE n.erased_at IS NOT NULL AND d.erased_at IS NULL) THEN
        RAISE EXCEPTION 'a chunk is erased with its document' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER erased_with_their_document AFTER UPDATE ON memoledger.chunks
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.refuse_chunk_erasure();

-- What was erased between a recall and its receipt is struck from it at once, as it is for memories.
CREATE FUNCTION memoledger.strike_late_chunks() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    late record;
BEGIN
    FOR late IN
        SELECT r.tenant_id, r.store_id, array_agg(DISTINCT c.chunk_id) AS chunk_ids
        FROM (SELECT DISTINCT n.tenant_id, n.store_id, unnest(n.memory_ids) AS chunk_id FROM new_rows AS n) AS r
        CROSS JOIN LATERAL (
            SELECT * FROM memoledger.chunks AS c
            WHERE c.tenant_id = r.tenant_id AND c.store_id = r.store_id AND c.chunk_id = r.chunk_id
              AND c.erased_at IS NOT NULL
            OFFSET 0
        ) AS c
        GROUP BY r.tenant_id, r.store_id
    LOOP
        PERFORM memoledger.strike(late.tenant_id, late.store_id, late.chunk_ids);
    END LOOP;
    RETURN NULL;
END
$$;
-- After count_accesses, whose lock it relies on: triggers of one event run in the order of their names.
CREATE TRIGGER strike_late_chunks AFTER INSERT ON memoledger.receipts
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.strike_late_chunks();

-- Statistics right after a bulk write, of the new tables too.
CREATE OR REPLACE FUNCTION memoledger.refresh_statistics() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    grown regclass;
BEGIN
    FOR grown IN
        SELECT c.oid FROM pg_class AS c
        WHERE c.relnamespace = 'memoledger'::regnamespace AND c.relkind = 'r'
          AND (c.relname IN ('memories', 'term_vectors', 'documents', 'chunks', 'document_chunks')
               OR c.relname LIKE 'embeddings\_%')
          -- More than doubled since: over a table's whole growth that is a few dozen samples.
          AND pg_relation_size(c.oid) / current_setting('block_size')::integer > 2 * c.relpages + 50
    LOOP
        -- Autovacuum may be at it already; then there is nothing to wait for.
        EXECUTE format('ANALYZE (SKIP_LOCKED) %s', grown);
    END LOOP;
END
$$;

-- Who may what -------------------------------------------------------------------------------------

ALTER TABLE memoledger.documents ENABLE ROW LEVEL SECURITY;
ALTER TABLE memoledger.documents FORCE ROW LEVEL SECURITY;
CREATE POLICY maintenance ON memoledger.documents TO memoledger_owner USING (true) WITH CHECK (true);
CREATE POLICY readable ON memoledger.documents FOR SELECT TO memoledger_app
    USING (tenant_id = (SELECT memoledger.current_tenant())
           AND store_id = ANY ((SELECT memoledger.readable_store_ids())::uuid[]));
CREATE POLICY writable_insert ON memoledger.documents FOR INSERT TO memoledger_app
    WITH CHECK (tenant_id = (SELECT memoledger.current_tenant())
                AND store_id = ANY ((SELECT memoledger.writable_store_ids())::uuid[])
                AND updated_by = (SELECT current_setting('app.current_user', true))
                AND superseded_at IS NULL AND deleted_at IS NULL AND erased_at IS NULL
                -- A later version's instant and creator are those that its trigger demands.
                AND (version > 1
                     OR created_by = (SELECT current_setting('app.current_user', true))
                        AND recorded_at BETWEEN now() - interval '1 minute' AND clock_timestamp()));
CREATE POLICY writable_update ON memoledger.documents FOR UPDATE TO memoledger_app
    USING (tenant_id = (SELECT memoledger.current_tenant())
           AND store_id = ANY ((SELECT memoledger.writable_store_ids())::uuid[]));
GRANT SELECT, INSERT,
      UPDATE (superseded_at, deleted_at, erased_at, source, source_id, state, title, summary, media_type, author, tags,
              metadata, lineage, artifact_key, artifact_hash, content_hash, salt)
    ON memoledger.documents TO memoledger_app;

ALTER TABLE memoledger.chunks ENABLE ROW LEVEL SECURITY;
ALTER TABLE memoledger.chunks FORCE ROW LEVEL SECURITY;
CREATE POLICY maintenance ON memoledger.chunks TO memoledger_owner USING (true) WITH CHECK (true);
CREATE POLICY readable ON memoledger.chunks FOR SELECT TO memoledger_app
    USING (tenant_id = (SELECT memoledger.current_tenant())
           AND store_id = ANY ((SELECT memoledger.readable_store_ids())::uuid[]));
CREATE POLICY writable_insert ON memoledger.chunks FOR INSERT TO memoledger_app
    WITH CHECK (tenant_id = (SELECT memoledger.current_tenant())
                AND store_id = ANY ((SELECT memoledger.writable_store_ids())::uuid[])
                AND superseded_at IS NULL AND erased_at IS NULL);
CREATE POLICY writable_update ON memoledger.chunks FOR UPDATE TO memoledger_app
    USING (tenant_id = (SELECT memoledger.current_tenant())
           AND store_id = ANY ((SELECT memoledger.writable_store_ids())::uuid[]));
GRANT SELECT, INSERT, UPDATE (superseded_at) ON memoledger.chunks TO memoledger_app;

ALTER TABLE memoledger.document_chunks ENABLE ROW LEVEL SECURITY;
ALTER TABLE memoledger.document_chunks FORCE ROW LEVEL SECURITY;
CREATE POLICY maintenance ON memoledger.document_chunks TO memoledger_owner USING (true) WITH CHECK (true);
CREATE POLICY readable ON memoledger.document_chunks FOR SELECT TO memoledger_app
    USING (tenant_id = (SELECT memoledger.current_tenant())
           AND store_id = ANY ((SELECT memoledger.readable_store_ids())::uuid[]));
CREATE POLICY writable_insert ON memoledger.document_chunks FOR INSERT TO memoledger_app
    WITH CHECK (tenant_id = (SELECT memoledger.current_tenant())
                AND store_id = ANY ((SELECT memoledger.writable_store_ids())::uuid[]));
GRANT SELECT, INSERT ON memoledger.document_chunks TO memoledger_app;

-- A link to a memory that another keeps private is not shown: it would tell that there is one.
ALTER TABLE memoledger.document_memories ENABLE ROW LEVEL SECURITY;
ALTER TABLE memoledger.document_memories FORCE ROW LEVEL SECURITY;
CREATE POLICY maintenance ON memoledger.document_memories TO memoledger_owner USING (true) WITH CHECK (true);
CREATE POLICY readable ON memoledger.document_memories FOR SELECT TO memoledger_app
    USING (tenant_id = (SELECT memoledger.current_tenant())
           AND store_id = ANY ((SELECT memoledger.readable_store_ids())::uuid[])
           AND (private_to IS NULL OR private_to = (SELECT current_setting('app.current_user', true))));
CREATE POLICY writable_insert ON memoledger.document_memories FOR INSERT TO memoledger_app
    WITH CHECK (tenant_id = (SELECT memoledger.current_tenant())
                AND store_id = ANY ((SELECT memoledger.writable_store_ids())::uuid[]));
GRANT SELECT, INSERT ON memoledger.document_memories TO memoledger_app;
