-- The schema that the migrations make, to be read; nothing runs it.
-- Written by `make schema`. Change the migrations, then run that again.

CREATE SCHEMA memoledger;

CREATE SCHEMA memoledger_jobs;

CREATE SCHEMA memoledger_system;

CREATE FUNCTION memoledger.asking_share(content text) RETURNS real
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN ((content IS NULL) OR (content !~~ '%?%'::text)) THEN (0)::double precision ELSE ((1)::double precision - ((char_length(regexp_replace("right"(content, 2000), '[^.!?]+[?]+\s*'::text, ''::text, 'g'::text)))::real / (char_length("right"(content, 2000)))::double precision)) END;

CREATE FUNCTION memoledger.audit_api_keys() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    before CONSTANT jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) - '{digest,name}'::text[] END;
    after  CONSTANT jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) - '{digest,name}'::text[] END;
    either CONSTANT jsonb := coalesce(after, before);
BEGIN
    INSERT INTO memoledger.audit_records (tenant_id, actor, act, table_name, row_key, before, after)
    VALUES (either ->> 'tenant_id', memoledger.current_actor(), lower(TG_OP), TG_TABLE_NAME,
            jsonb_build_object('user_id', either -> 'user_id', 'key_id', either -> 'key_id'), before, after);
    RETURN NULL;
END
$$;

CREATE FUNCTION memoledger.audit_delete() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    INSERT INTO memoledger.audit_records (tenant_id, actor, act, table_name, store_id, row_key, before)
    SELECT o.r ->> 'tenant_id', memoledger.current_actor(), 'delete', TG_TABLE_NAME, (o.r ->> 'store_id')::uuid,
           (SELECT jsonb_object_agg(k, o.r -> k) FROM unnest(TG_ARGV) AS k), o.r
    FROM (SELECT to_jsonb(r) AS r FROM old_rows AS r) AS o;
    RETURN NULL;
END
$$;

CREATE FUNCTION memoledger.audit_insert() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    INSERT INTO memoledger.audit_records (tenant_id, actor, act, table_name, store_id, row_key, after)
    SELECT n.r ->> 'tenant_id', memoledger.current_actor(), 'insert', TG_TABLE_NAME, (n.r ->> 'store_id')::uuid,
           (SELECT jsonb_object_agg(k, n.r -> k) FROM unnest(TG_ARGV) AS k), n.r
    FROM (SELECT to_jsonb(r) AS r FROM new_rows AS r) AS n;
    RETURN NULL;
END
$$;

CREATE FUNCTION memoledger.audit_update() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    INSERT INTO memoledger.audit_records (tenant_id, actor, act, table_name, store_id, row_key, before, after)
    SELECT tenant_id, memoledger.current_actor(), 'update', TG_TABLE_NAME,
           (coalesce(n.r, o.r) ->> 'store_id')::uuid, k, o.r, n.r
    FROM (SELECT r ->> 'tenant_id' AS tenant_id, r, (SELECT jsonb_object_agg(k, r -> k) FROM unnest(TG_ARGV) AS k) AS k
          FROM (SELECT to_jsonb(x) AS r FROM new_rows AS x)) AS n
    FULL JOIN
         (SELECT r ->> 'tenant_id' AS tenant_id, r, (SELECT jsonb_object_agg(k, r -> k) FROM unnest(TG_ARGV) AS k) AS k
          FROM (SELECT to_jsonb(x) AS r FROM old_rows AS x)) AS o USING (tenant_id, k);
    RETURN NULL;
END
$$;

CREATE FUNCTION memoledger.being_learned_since(of_tenant text, of_store uuid, of_document uuid, of_version integer) RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN (SELECT d.recorded_at FROM memoledger.documents AS d
            WHERE d.tenant_id = of_tenant AND d.store_id = of_store AND d.document_id = of_document
              AND d.version = of_version AND d.superseded_at IS NULL AND d.deleted_at IS NULL
              AND d.xmin = pg_current_xact_id()::xid);
END
$$;

CREATE TABLE memoledger.chunks (
    tenant_id text NOT NULL COLLATE pg_catalog."C",
    store_id uuid NOT NULL,
    chunk_id uuid NOT NULL,
    document_id uuid NOT NULL,
    first_version integer NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    superseded_at timestamp with time zone,
    erased_at timestamp with time zone,
    token_count integer NOT NULL,
    text text,
    section text,
    keywords text[] DEFAULT '{}'::text[] NOT NULL,
    chunk_hash bytea,
    salt bytea DEFAULT uuid_send(gen_random_uuid()),
    CONSTRAINT chunk_erased_is_empty CHECK (((erased_at IS NULL) OR ((num_nonnulls(text, section, chunk_hash, salt) = 0) AND (keywords = '{}'::text[])))),
    CONSTRAINT chunk_has_text_until_erased CHECK (((erased_at IS NOT NULL) OR ((text <> ''::text) AND (octet_length(chunk_hash) = 32) AND (octet_length(salt) = 16)))),
    CONSTRAINT chunk_is_superseded_later CHECK ((superseded_at > recorded_at)),
    CONSTRAINT chunk_token_count_is_a_count CHECK ((token_count >= 0))
);
ALTER TABLE ONLY memoledger.chunks ALTER COLUMN tenant_id SET STATISTICS 0;
ALTER TABLE ONLY memoledger.chunks ALTER COLUMN store_id SET STATISTICS 0;
ALTER TABLE ONLY memoledger.chunks ALTER COLUMN text SET STATISTICS 0;
ALTER TABLE ONLY memoledger.chunks ALTER COLUMN section SET STATISTICS 0;
ALTER TABLE ONLY memoledger.chunks ALTER COLUMN keywords SET STATISTICS 0;
ALTER TABLE ONLY memoledger.chunks ALTER COLUMN chunk_hash SET STATISTICS 0;
ALTER TABLE ONLY memoledger.chunks ALTER COLUMN salt SET STATISTICS 0;

ALTER TABLE ONLY memoledger.chunks FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE memoledger.chunks IS 'The searchable pieces of documents, each written once for all versions that have it.';

COMMENT ON COLUMN memoledger.chunks.first_version IS 'The document''s version that first had it; its vectors and words carry this number.';

COMMENT ON COLUMN memoledger.chunks.superseded_at IS 'When it ceased to be part of its document''s current version: changed, removed or forgotten.';

CREATE FUNCTION memoledger.chunk_commitment(c memoledger.chunks) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN encode(sha256(((c).salt || convert_to((jsonb_build_array((c).text, (c).section, (c).keywords))::text, 'UTF8'::name))), 'hex'::text);

CREATE FUNCTION memoledger.chunk_facts(c memoledger.chunks) RETURNS jsonb
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN jsonb_build_object('commitment', memoledger.chunk_commitment(c), 'document_id', (c).document_id, 'first_version', (c).first_version, 'token_count', (c).token_count, 'recorded_at', (c).recorded_at, 'superseded_at', (c).superseded_at, 'erased_at', (c).erased_at);

CREATE FUNCTION memoledger.close_late_chunk_vectors() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
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

CREATE FUNCTION memoledger.close_late_memory_vectors() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
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

CREATE FUNCTION memoledger.complete_document_erasure() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
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

CREATE FUNCTION memoledger.complete_erasure() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
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

CREATE FUNCTION memoledger.count_accesses() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    late record;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(memoledger.receipts_lock(s.tenant_id, s.store_id))
    FROM (SELECT DISTINCT n.tenant_id, n.store_id FROM new_rows AS n ORDER BY 1, 2) AS s;
    FOR late IN WITH returned AS MATERIALIZED (
        SELECT n.tenant_id, n.store_id, h.memory_id, n.recorded_at, n.unproven, m.private_to, m.erased_at
        FROM new_rows AS n
        CROSS JOIN LATERAL unnest(n.memory_ids, n.versions) AS h (memory_id, version)
        CROSS JOIN LATERAL (
            SELECT * FROM memoledger.memories AS m
            WHERE m.tenant_id = n.tenant_id AND m.store_id = n.store_id AND m.memory_id = h.memory_id
              AND m.version = h.version AND (m.private_to IS NULL OR m.private_to = n.user_id)
            OFFSET 0 -- looked up one by one, whatever the planner takes the store's size for
        ) AS m
    ), counted AS (
        INSERT INTO memoledger.memory_access AS a (tenant_id, store_id, memory_id, last_accessed, count, private_to)
        SELECT r.tenant_id, r.store_id, r.memory_id, max(r.recorded_at), count(*), max(r.private_to)
        FROM returned AS r
        WHERE r.erased_at IS NULL AND NOT r.unproven
        GROUP BY r.tenant_id, r.store_id, r.memory_id
        -- All writers take the rows in one order, so that none waits for another in a circle.
        ORDER BY r.tenant_id, r.store_id, r.memory_id
        ON CONFLICT (tenant_id, store_id, memory_id) DO UPDATE
        SET count = a.count + EXCLUDED.count, last_accessed = greatest(a.last_accessed, EXCLUDED.last_accessed),
            private_to = EXCLUDED.private_to
    )
    SELECT r.tenant_id, r.store_id, array_agg(DISTINCT r.memory_id) AS memory_ids
    FROM returned AS r WHERE r.erased_at IS NOT NULL
    GROUP BY r.tenant_id, r.store_id
    LOOP
        PERFORM memoledger.strike(late.tenant_id, late.store_id, late.memory_ids);
    END LOOP;
    RETURN NULL;
END
$$;

CREATE FUNCTION memoledger.current_actor() RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN COALESCE(NULLIF(current_setting('app.current_user'::text, true), ''::text), 'system'::text);

CREATE FUNCTION memoledger.current_scopes() RETURNS text[]
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN string_to_array(COALESCE(current_setting('app.current_scopes'::text, true), ''::text), ' '::text);

CREATE FUNCTION memoledger.current_tenant() RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE WHEN (current_setting('app.current_user'::text, true) <> ALL (ARRAY[''::text, 'system'::text])) THEN current_setting('app.current_tenant_id'::text, true) ELSE NULL::text END;

CREATE FUNCTION memoledger.derive_columns() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    NEW.private_to := NULL;
    NEW.thread := NULL;
    NEW.place := 0;
    NEW.asks := 0;
    IF NEW.privacy = 'creator' THEN
        NEW.private_to := NEW.created_by;
    END IF;
    IF NEW.metadata <> '{}' THEN
        NEW.thread := memoledger.thread_of(NEW.metadata);
    END IF;
    IF NEW.metadata <> '{}' OR NEW.occurred_at IS NOT NULL THEN
        NEW.place := memoledger.place_of(NEW.metadata, NEW.occurred_at);
    END IF;
    IF strpos(NEW.content, '?') > 0 THEN
        NEW.asks := memoledger.asking_share(NEW.content);
    END IF;
    RETURN NEW;
END
$$;

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

CREATE TABLE memoledger.documents (
    tenant_id text NOT NULL COLLATE pg_catalog."C",
    store_id uuid NOT NULL,
    document_id uuid NOT NULL,
    version integer NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    superseded_at timestamp with time zone,
    deleted_at timestamp with time zone,
    erased_at timestamp with time zone,
    occurred_at timestamp with time zone,
    chunk_count integer NOT NULL,
    char_count integer NOT NULL,
    type text NOT NULL COLLATE pg_catalog."C",
    created_by text NOT NULL COLLATE pg_catalog."C",
    updated_by text NOT NULL COLLATE pg_catalog."C",
    source text COLLATE pg_catalog."C",
    source_id text COLLATE pg_catalog."C",
    state text,
    title text,
    summary text,
    media_type text,
    author jsonb DEFAULT '{}'::jsonb NOT NULL,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    lineage jsonb DEFAULT '{}'::jsonb NOT NULL,
    artifact_key text,
    artifact_hash text,
    content_hash bytea,
    salt bytea DEFAULT uuid_send(gen_random_uuid()),
    CONSTRAINT document_artifact_has_its_hash CHECK (((artifact_key IS NULL) = (artifact_hash IS NULL))),
    CONSTRAINT document_counts_are_counts CHECK (((chunk_count >= 0) AND (char_count >= 0))),
    CONSTRAINT document_erased_is_empty CHECK (((erased_at IS NULL) OR ((num_nonnulls(source, source_id, state, title, summary, media_type, artifact_key, artifact_hash, content_hash, salt) = 0) AND (author = '{}'::jsonb) AND (tags = '{}'::text[]) AND (metadata = '{}'::jsonb) AND (lineage = '{}'::jsonb)))),
    CONSTRAINT document_is_superseded_later CHECK ((superseded_at > recorded_at)),
    CONSTRAINT document_is_whole_until_erased CHECK (((erased_at IS NOT NULL) OR ((num_nulls(source, source_id) = 0) AND (octet_length(content_hash) = 32) AND (octet_length(salt) = 16)))),
    CONSTRAINT document_source_id_fits_its_index CHECK (((char_length(source_id) >= 1) AND (char_length(source_id) <= 500))),
    CONSTRAINT document_source_is_a_name CHECK (((octet_length(source) >= 1) AND (octet_length(source) <= 200))),
    CONSTRAINT document_type_is_a_word CHECK (((char_length(type) >= 1) AND (char_length(type) <= 50))),
    CONSTRAINT document_version_counts_from_one CHECK ((version >= 1))
);
ALTER TABLE ONLY memoledger.documents ALTER COLUMN tenant_id SET STATISTICS 0;
ALTER TABLE ONLY memoledger.documents ALTER COLUMN store_id SET STATISTICS 0;
ALTER TABLE ONLY memoledger.documents ALTER COLUMN type SET STATISTICS 0;
ALTER TABLE ONLY memoledger.documents ALTER COLUMN created_by SET STATISTICS 0;
ALTER TABLE ONLY memoledger.documents ALTER COLUMN updated_by SET STATISTICS 0;
ALTER TABLE ONLY memoledger.documents ALTER COLUMN source SET STATISTICS 0;
ALTER TABLE ONLY memoledger.documents ALTER COLUMN source_id SET STATISTICS 0;
ALTER TABLE ONLY memoledger.documents ALTER COLUMN state SET STATISTICS 0;
ALTER TABLE ONLY memoledger.documents ALTER COLUMN title SET STATISTICS 0;
ALTER TABLE ONLY memoledger.documents ALTER COLUMN summary SET STATISTICS 0;
ALTER TABLE ONLY memoledger.documents ALTER COLUMN media_type SET STATISTICS 0;
ALTER TABLE ONLY memoledger.documents ALTER COLUMN author SET STATISTICS 0;
ALTER TABLE ONLY memoledger.documents ALTER COLUMN tags SET STATISTICS 0;
ALTER TABLE ONLY memoledger.documents ALTER COLUMN metadata SET STATISTICS 0;
ALTER TABLE ONLY memoledger.documents ALTER COLUMN lineage SET STATISTICS 0;
ALTER TABLE ONLY memoledger.documents ALTER COLUMN artifact_key SET STATISTICS 0;
ALTER TABLE ONLY memoledger.documents ALTER COLUMN artifact_hash SET STATISTICS 0;
ALTER TABLE ONLY memoledger.documents ALTER COLUMN content_hash SET STATISTICS 0;
ALTER TABLE ONLY memoledger.documents ALTER COLUMN salt SET STATISTICS 0;

ALTER TABLE ONLY memoledger.documents FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE memoledger.documents IS 'Every version of every document. Current = not superseded, not deleted.';

COMMENT ON COLUMN memoledger.documents.lineage IS 'Where this version came from: what it was learned from, by which splitter, after which version.';

COMMENT ON COLUMN memoledger.documents.content_hash IS 'SHA-256 of the source as it was given: the same again is nothing new.';

CREATE FUNCTION memoledger.document_commitment(d memoledger.documents) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN encode(sha256(((d).salt || convert_to((jsonb_build_array((d).source, (d).source_id, (d).state, (d).title, (d).summary, (d).media_type, (d).author, (d).tags, (d).metadata, (d).lineage, (d).artifact_key, (d).artifact_hash, encode((d).content_hash, 'hex'::text)))::text, 'UTF8'::name))), 'hex'::text);

CREATE FUNCTION memoledger.document_facts(d memoledger.documents) RETURNS jsonb
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN jsonb_build_object('commitment', memoledger.document_commitment(d), 'type', (d).type, 'created_by', (d).created_by, 'chunk_count', (d).chunk_count, 'char_count', (d).char_count, 'occurred_at', (d).occurred_at, 'recorded_at', (d).recorded_at, 'superseded_at', (d).superseded_at, 'deleted_at', (d).deleted_at, 'erased_at', (d).erased_at);

CREATE FUNCTION memoledger.drop_artifacts() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    UPDATE memoledger.artifacts AS a SET state = 'dropped'
    FROM (SELECT DISTINCT n.tenant_id, n.store_id, n.document_id FROM new_rows AS n WHERE n.erased_at IS NOT NULL) AS e
    WHERE a.tenant_id = e.tenant_id AND a.store_id = e.store_id AND a.document_id = e.document_id
      AND a.state IN ('writing', 'kept');
    RETURN NULL;
END
$$;

CREATE FUNCTION memoledger.drop_tenant_queue(owner_ids uuid[]) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    managed CONSTANT text := memoledger.managed_tenant();
    gone    bigint;
BEGIN
    DELETE FROM memoledger.embedding_schedule AS s
    WHERE s.tenant_id = managed AND s.poisoned_at IS NOT NULL AND (owner_ids IS NULL OR s.owner_id = ANY (owner_ids));
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END
$$;

CREATE FUNCTION memoledger.first_managed_user() RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE WHEN ('admin'::text = ANY (memoledger.current_scopes())) THEN ''::text ELSE current_setting('app.current_user'::text, true) END;

CREATE FUNCTION memoledger.good_keys(key_ids uuid[], digests bytea[], used_ago_s double precision[]) RETURNS TABLE(key_id uuid, digest bytea, tenant_id text, user_id text, name text, scopes text[], created_at timestamp with time zone, created_by text, created_with uuid, expires_at timestamp with time zone)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
DECLARE
    nonce CONSTANT bytea := uuid_send(gen_random_uuid());
BEGIN
    RETURN QUERY
    WITH good AS MATERIALIZED (
        SELECT k.*, a.used_ago_s
        FROM unnest(key_ids, digests, used_ago_s) AS a (key_id, digest, used_ago_s)
        CROSS JOIN LATERAL (SELECT * FROM memoledger.api_keys AS k WHERE k.key_id = a.key_id OFFSET 0) AS k
        WHERE sha256(nonce || k.digest) = sha256(nonce || a.digest)
          AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())
    ), noted AS (
        INSERT INTO memoledger.api_key_uses AS u (tenant_id, user_id, key_id, last_used_at)
        SELECT g.tenant_id, g.user_id, g.key_id, clock_timestamp() - g.used_ago_s * interval '1 second'
        FROM good AS g
        -- Known before anything is locked: most are asked about much more often than noted.
        WHERE g.used_ago_s >= 0
          AND NOT EXISTS (SELECT FROM memoledger.api_key_uses AS x
                          WHERE x.tenant_id = g.tenant_id AND x.user_id = g.user_id AND x.key_id = g.key_id
                            AND x.last_used_at > clock_timestamp() - (g.used_ago_s + 60) * interval '1 second')
        -- All writers take the rows in one order, so that none waits for another in a circle.
        ORDER BY g.tenant_id, g.user_id, g.key_id
        ON CONFLICT (tenant_id, user_id, key_id) DO UPDATE
        SET last_used_at = greatest(u.last_used_at, EXCLUDED.last_used_at)
    )
    SELECT g.key_id, g.digest, g.tenant_id, g.user_id, g.name, g.scopes, g.created_at, g.created_by, g.created_with,
           g.expires_at
    FROM good AS g;
END
$$;

CREATE FUNCTION memoledger.granted_store_ids(least_access text) RETURNS uuid[]
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN ARRAY(SELECT g.store_id FROM memoledger.grants AS g
                 WHERE g.grantee_id = current_setting('app.current_user', true)
                   AND (g.access = 'write' OR least_access = 'read'));
END
$$;

CREATE FUNCTION memoledger.keep_artifacts() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM new_rows AS n WHERE n.artifact_key IS NOT NULL) THEN
        RETURN NULL;
    END IF;
    UPDATE memoledger.artifacts AS a SET state = 'kept'
    FROM new_rows AS n
    WHERE a.tenant_id = n.tenant_id AND a.store_id = n.store_id AND a.document_id = n.document_id
      AND a.key = n.artifact_key AND encode(a.hash, 'hex') = n.artifact_hash AND a.state IN ('writing', 'kept');
    IF EXISTS (SELECT FROM new_rows AS n
               WHERE n.artifact_key IS NOT NULL
                 AND NOT EXISTS (SELECT FROM memoledger.artifacts AS a
                                 WHERE a.tenant_id = n.tenant_id AND a.store_id = n.store_id
                                   AND a.document_id = n.document_id AND a.key = n.artifact_key
                                   AND encode(a.hash, 'hex') = n.artifact_hash AND a.state = 'kept')) THEN
        RAISE EXCEPTION 'the artifact of a document was given up, or is none of this document'
            USING ERRCODE = 'serialization_failure', HINT = 'Store it again.';
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION memoledger.last_managed_user() RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE WHEN ('admin'::text = ANY (memoledger.current_scopes())) THEN chr(1114111) ELSE current_setting('app.current_user'::text, true) END;

CREATE FUNCTION memoledger.managed_tenant() RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF 'admin' = ANY (memoledger.current_scopes()) THEN
        RETURN memoledger.current_tenant();
    END IF;
    RAISE EXCEPTION 'this takes the scope admin' USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TABLE memoledger.memories (
    tenant_id text NOT NULL COLLATE pg_catalog."C",
    store_id uuid NOT NULL,
    memory_id uuid NOT NULL,
    version integer NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    superseded_at timestamp with time zone,
    deleted_at timestamp with time zone,
    erased_at timestamp with time zone,
    expires_at timestamp with time zone,
    occurred_at timestamp with time zone,
    valid_from timestamp with time zone,
    valid_to timestamp with time zone,
    importance double precision NOT NULL,
    type text NOT NULL COLLATE pg_catalog."C",
    privacy text NOT NULL COLLATE pg_catalog."C",
    created_by text NOT NULL COLLATE pg_catalog."C",
    updated_by text NOT NULL COLLATE pg_catalog."C",
    private_to text COLLATE pg_catalog."C",
    external_id text COLLATE pg_catalog."C",
    source text,
    content text,
    title text,
    summary text,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    subject_refs text[] DEFAULT '{}'::text[] NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    content_hash bytea,
    salt bytea DEFAULT uuid_send(gen_random_uuid()),
    thread uuid,
    place double precision NOT NULL,
    asks real NOT NULL,
    CONSTRAINT memory_erased_is_empty CHECK (((erased_at IS NULL) OR ((content IS NULL) AND (title IS NULL) AND (summary IS NULL) AND (source IS NULL) AND (external_id IS NULL) AND (content_hash IS NULL) AND (salt IS NULL) AND (tags = '{}'::text[]) AND (subject_refs = '{}'::text[]) AND (metadata = '{}'::jsonb)))),
    CONSTRAINT memory_has_content_until_erased CHECK (((erased_at IS NOT NULL) OR ((content <> ''::text) AND (octet_length(content_hash) = 32) AND (octet_length(salt) = 16)))),
    CONSTRAINT memory_importance_is_a_fraction CHECK (((importance >= (0)::double precision) AND (importance <= (1)::double precision))),
    CONSTRAINT memory_is_superseded_later CHECK ((superseded_at > recorded_at)),
    CONSTRAINT memory_privacy_is_known CHECK ((privacy = ANY (ARRAY['store'::text, 'creator'::text]))),
    CONSTRAINT memory_type_is_a_word CHECK (((char_length(type) >= 1) AND (char_length(type) <= 50))),
    CONSTRAINT memory_version_counts_from_one CHECK ((version >= 1))
);
ALTER TABLE ONLY memoledger.memories ALTER COLUMN tenant_id SET STATISTICS 0;
ALTER TABLE ONLY memoledger.memories ALTER COLUMN type SET STATISTICS 0;
ALTER TABLE ONLY memoledger.memories ALTER COLUMN created_by SET STATISTICS 0;
ALTER TABLE ONLY memoledger.memories ALTER COLUMN updated_by SET STATISTICS 0;
ALTER TABLE ONLY memoledger.memories ALTER COLUMN private_to SET STATISTICS 0;
ALTER TABLE ONLY memoledger.memories ALTER COLUMN external_id SET STATISTICS 0;
ALTER TABLE ONLY memoledger.memories ALTER COLUMN source SET STATISTICS 0;
ALTER TABLE ONLY memoledger.memories ALTER COLUMN content SET STATISTICS 0;
ALTER TABLE ONLY memoledger.memories ALTER COLUMN title SET STATISTICS 0;
ALTER TABLE ONLY memoledger.memories ALTER COLUMN summary SET STATISTICS 0;
ALTER TABLE ONLY memoledger.memories ALTER COLUMN tags SET STATISTICS 0;
ALTER TABLE ONLY memoledger.memories ALTER COLUMN subject_refs SET STATISTICS 0;
ALTER TABLE ONLY memoledger.memories ALTER COLUMN metadata SET STATISTICS 0;
ALTER TABLE ONLY memoledger.memories ALTER COLUMN content_hash SET STATISTICS 0;
ALTER TABLE ONLY memoledger.memories ALTER COLUMN salt SET STATISTICS 0;
ALTER TABLE ONLY memoledger.memories ALTER COLUMN thread SET STATISTICS 0;
ALTER TABLE ONLY memoledger.memories ALTER COLUMN place SET STATISTICS 0;
ALTER TABLE ONLY memoledger.memories ALTER COLUMN asks SET STATISTICS 0;

ALTER TABLE ONLY memoledger.memories FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE memoledger.memories IS 'Every version of every memory. Current = not superseded, not deleted, not expired.';

COMMENT ON COLUMN memoledger.memories.private_to IS 'The one user who may read it, where privacy narrows it to its creator.';

COMMENT ON COLUMN memoledger.memories.salt IS 'Makes the audit''s commitment unguessable; erasing it makes the commitment meaningless.';

COMMENT ON COLUMN memoledger.memories.thread IS 'The conversation, session or document it is part of; NULL where it stands alone.';

COMMENT ON COLUMN memoledger.memories.place IS 'Where it stands in its thread; equals are in the order of their ids.';

COMMENT ON COLUMN memoledger.memories.asks IS 'Which share of its text is questions.';

CREATE FUNCTION memoledger.memory_commitment(m memoledger.memories) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN encode(sha256(((m).salt || convert_to((jsonb_build_array((m).content, (m).title, (m).summary, (m).source, (m).external_id, (m).tags, (m).subject_refs, (m).metadata))::text, 'UTF8'::name))), 'hex'::text);

CREATE FUNCTION memoledger.memory_facts(m memoledger.memories) RETURNS jsonb
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN jsonb_build_object('commitment', memoledger.memory_commitment(m), 'type', (m).type, 'importance', (m).importance, 'privacy', (m).privacy, 'created_by', (m).created_by, 'occurred_at', (m).occurred_at, 'valid_from', (m).valid_from, 'valid_to', (m).valid_to, 'expires_at', (m).expires_at, 'recorded_at', (m).recorded_at, 'superseded_at', (m).superseded_at, 'deleted_at', (m).deleted_at, 'erased_at', (m).erased_at);

CREATE FUNCTION memoledger.owned_store_ids() RETURNS uuid[]
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    scope text := current_setting('app.current_store_id', true);
BEGIN
    IF scope <> '' THEN
        RETURN ARRAY(SELECT s.store_id FROM memoledger.stores AS s
                     WHERE s.store_id = scope::uuid AND s.owner_id = current_setting('app.current_user', true));
    END IF;
    RETURN ARRAY(SELECT s.store_id FROM memoledger.stores AS s
                 WHERE s.owner_id = current_setting('app.current_user', true));
END
$$;

CREATE FUNCTION memoledger.place_of(metadata jsonb, occurred_at timestamp with time zone) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (jsonb_typeof((metadata -> 'order'::text)) = 'number'::text) THEN (round(LEAST(GREATEST(((metadata -> 'order'::text))::numeric, '-1000000000000000'::numeric), '1000000000000000'::numeric), 6))::double precision WHEN (jsonb_typeof((metadata -> 'turn'::text)) = 'number'::text) THEN (round(LEAST(GREATEST(((metadata -> 'turn'::text))::numeric, '-1000000000000000'::numeric), '1000000000000000'::numeric), 6))::double precision WHEN (jsonb_typeof((metadata -> 'turn_index'::text)) = 'number'::text) THEN (round(LEAST(GREATEST(((metadata -> 'turn_index'::text))::numeric, '-1000000000000000'::numeric), '1000000000000000'::numeric), 6))::double precision WHEN (jsonb_typeof((metadata -> 'position'::text)) = 'number'::text) THEN (round(LEAST(GREATEST(((metadata -> 'position'::text))::numeric, '-1000000000000000'::numeric), '1000000000000000'::numeric), 6))::double precision WHEN ((occurred_at >= '0001-01-01 00:00:00+00'::timestamp with time zone) AND (occurred_at <= '9999-12-31 00:00:00+00'::timestamp with time zone)) THEN (EXTRACT(epoch FROM (occurred_at - '2000-01-01 00:00:00+00'::timestamp with time zone)))::double precision ELSE (0)::double precision END;

CREATE FUNCTION memoledger.readable_store_ids() RETURNS uuid[]
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    scope text := current_setting('app.current_store_id', true);
BEGIN
    IF scope <> '' THEN
        RETURN ARRAY(SELECT s.store_id FROM memoledger.stores AS s WHERE s.store_id = scope::uuid);
    END IF;
    RETURN ARRAY(SELECT s.store_id FROM memoledger.stores AS s);
END
$$;

CREATE FUNCTION memoledger.receipts_lock(of_tenant text, of_store uuid) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN hashtextextended(((('memoledger.receipts '::text || of_tenant) || ' '::text) || (of_store)::text), (0)::bigint);

CREATE FUNCTION memoledger.record_artifacts_changed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    INSERT INTO memoledger.audit_records (tenant_id, actor, act, table_name, store_id, row_key, before, after)
    SELECT n.tenant_id, memoledger.current_actor(),
           CASE n.state WHEN 'kept' THEN 'keep' WHEN 'dropped' THEN 'drop' ELSE 'collect' END, 'artifacts', n.store_id,
           jsonb_build_object('artifact_id', n.artifact_id),
           jsonb_build_object('document_id', o.document_id, 'bytes', o.bytes, 'state', o.state),
           jsonb_build_object('document_id', n.document_id, 'bytes', n.bytes, 'state', n.state)
    FROM new_rows AS n JOIN old_rows AS o USING (tenant_id, store_id, artifact_id)
    WHERE n.state <> o.state;
    RETURN NULL;
END
$$;

CREATE FUNCTION memoledger.record_chunks_closed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
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

CREATE FUNCTION memoledger.record_chunks_written() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
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

CREATE FUNCTION memoledger.record_documents_closed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
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

CREATE FUNCTION memoledger.record_documents_written() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
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

CREATE FUNCTION memoledger.record_memories_closed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    INSERT INTO memoledger.audit_records (tenant_id, actor, act, table_name, store_id, row_key, before, after)
    SELECT n.tenant_id, memoledger.current_actor(),
           CASE WHEN n.erased_at IS NOT NULL THEN 'erase'
                WHEN n.deleted_at IS NULL THEN 'supersede'
                WHEN n.deleted_at = n.expires_at THEN 'expire'
                ELSE 'forget' END,
           'memories', n.store_id, jsonb_build_object('memory_id', n.memory_id, 'version', n.version),
           memoledger.memory_facts(o), memoledger.memory_facts(n)
    FROM new_rows AS n JOIN old_rows AS o USING (tenant_id, store_id, memory_id, version);
    INSERT INTO memoledger.outbox (tenant_id, store_id, family, owner_id, version, act)
    SELECT n.tenant_id, n.store_id, 'memory', n.memory_id, n.version, 'forget'
    FROM new_rows AS n WHERE n.superseded_at IS NULL;
    RETURN NULL;
END
$$;

CREATE FUNCTION memoledger.record_memories_written() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    WITH recorded AS (
        INSERT INTO memoledger.audit_records (tenant_id, actor, act, table_name, store_id, row_key, after)
        SELECT n.tenant_id, memoledger.current_actor(), CASE n.version WHEN 1 THEN 'remember' ELSE 'update' END,
               'memories', n.store_id, jsonb_build_object('memory_id', n.memory_id, 'version', n.version),
               memoledger.memory_facts(n)
        FROM new_rows AS n
    )
    INSERT INTO memoledger.outbox (tenant_id, store_id, family, owner_id, version, act)
    SELECT n.tenant_id, n.store_id, 'memory', n.memory_id, n.version, 'remember' FROM new_rows AS n;
    RETURN NULL;
END
$$;

CREATE FUNCTION memoledger.refresh_statistics() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
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

CREATE FUNCTION memoledger.refuse_artifact_delete() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF OLD.state <> 'collected' THEN
        RAISE EXCEPTION 'an artifact''s row stays as long as its object may be there'
            USING ERRCODE = 'restrict_violation', HINT = 'Collect it first.';
    END IF;
    RETURN OLD;
END
$$;

CREATE FUNCTION memoledger.refuse_artifact_rewrite() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    step CONSTANT text := OLD.state || ' ' || NEW.state;
BEGIN
    IF (step IN ('writing kept', 'kept kept', 'writing dropped', 'kept dropped', 'dropped collected')
        AND (NEW.tenant_id, NEW.store_id, NEW.artifact_id, NEW.document_id, NEW.recorded_at, NEW.bytes, NEW.created_by)
            IS NOT DISTINCT FROM
            (OLD.tenant_id, OLD.store_id, OLD.artifact_id, OLD.document_id, OLD.recorded_at, OLD.bytes, OLD.created_by)
        AND (NEW.state = 'collected' OR (NEW.hash, NEW.media_type) IS NOT DISTINCT FROM (OLD.hash, OLD.media_type))) IS NOT TRUE
    THEN
        RAISE EXCEPTION 'an artifact is written once, and kept as long as its document'
            USING ERRCODE = 'restrict_violation', HINT = 'Write another; erase its document to be rid of it.';
    END IF;
    NEW.changed_at := clock_timestamp();
    RETURN NEW;
END
$$;

CREATE FUNCTION memoledger.refuse_audit_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'audit records are append-only: % is refused for every role', TG_OP
        USING ERRCODE = 'insufficient_privilege',
              HINT = 'An erasure removes what a record commits to, never the record.';
END
$$;

CREATE FUNCTION memoledger.refuse_chunk_erasure() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF EXISTS (SELECT FROM new_rows AS n JOIN memoledger.documents AS d USING (tenant_id, store_id, document_id)
               WHERE n.erased_at IS NOT NULL AND d.erased_at IS NULL) THEN
        RAISE EXCEPTION 'a chunk is erased with its document' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
END
$$;

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

CREATE FUNCTION memoledger.refuse_document_delete() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'the rows of % are never deleted', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', HINT = 'Forget the document, or erase it (forget_document with hard=True).';
END
$$;

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

CREATE FUNCTION memoledger.refuse_memory_delete() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'the rows of memories are never deleted'
        USING ERRCODE = 'restrict_violation', HINT = 'Forget the memory, or erase it (forget with hard=True).';
END
$$;

CREATE FUNCTION memoledger.refuse_memory_gap() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM FROM memoledger.memories AS m
    WHERE m.tenant_id = NEW.tenant_id AND m.store_id = NEW.store_id AND m.memory_id = NEW.memory_id
      AND m.version = NEW.version - 1 AND m.superseded_at = NEW.recorded_at AND m.created_by = NEW.created_by;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'version % of a memory does not follow the one before it', NEW.version
            USING ERRCODE = 'restrict_violation', HINT = 'Supersede the current version in the same statement.';
    END IF;
    RETURN NEW;
END
$$;

CREATE FUNCTION memoledger.refuse_memory_rewrite() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
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
            OLD.superseded_at IS NULL AND OLD.deleted_at IS NULL
            AND (NEW.deleted_at BETWEEN earliest AND latest
                 OR NEW.deleted_at = OLD.expires_at AND OLD.expires_at <= now())
        ELSE false END;
    allowed := allowed
        AND (erased -- a constraint of the table says that all of these are empty then
             OR (NEW.content, NEW.title, NEW.summary, NEW.source, NEW.external_id, NEW.tags, NEW.subject_refs,
                 NEW.metadata, NEW.content_hash, NEW.salt)
                IS NOT DISTINCT FROM
                (OLD.content, OLD.title, OLD.summary, OLD.source, OLD.external_id, OLD.tags, OLD.subject_refs,
                 OLD.metadata, OLD.content_hash, OLD.salt))
        AND (NEW.tenant_id, NEW.store_id, NEW.memory_id, NEW.version, NEW.recorded_at, NEW.expires_at, NEW.occurred_at,
             NEW.valid_from, NEW.valid_to, NEW.importance, NEW.type, NEW.privacy, NEW.created_by, NEW.updated_by)
            IS NOT DISTINCT FROM
            (OLD.tenant_id, OLD.store_id, OLD.memory_id, OLD.version, OLD.recorded_at, OLD.expires_at, OLD.occurred_at,
             OLD.valid_from, OLD.valid_to, OLD.importance, OLD.type, OLD.privacy, OLD.created_by, OLD.updated_by);
    IF allowed IS NOT TRUE THEN
        RAISE EXCEPTION 'a memory''s version is written once'
            USING ERRCODE = 'restrict_violation', HINT = 'Write the next version instead.';
    END IF;
    RETURN NEW;
END
$$;

CREATE FUNCTION memoledger.refuse_receipt_change() RETURNS trigger
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

CREATE FUNCTION memoledger.refuse_truncate() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION '% is never truncated: the audit would not know of it', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', HINT = 'Delete its rows.';
END
$$;

CREATE FUNCTION memoledger.retry_tenant_queue(owner_ids uuid[]) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    managed CONSTANT text := memoledger.managed_tenant();
    again   bigint;
BEGIN
    UPDATE memoledger.embedding_schedule AS s
    SET poisoned_at = NULL, attempts = 0, due_at = now()
    WHERE s.tenant_id = managed AND s.claimed_by IS NULL AND (s.poisoned_at IS NOT NULL OR s.last_error IS NOT NULL)
      AND (owner_ids IS NULL OR s.owner_id = ANY (owner_ids));
    GET DIAGNOSTICS again = ROW_COUNT;
    IF again > 0 THEN
        PERFORM memoledger.wake_workers();
    END IF;
    RETURN again;
END
$$;

CREATE FUNCTION memoledger.schedule_index() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    INSERT INTO memoledger.index_schedule (tenant_id, store_id)
    SELECT DISTINCT n.tenant_id, n.store_id FROM new_rows AS n
    WHERE NOT EXISTS (SELECT FROM memoledger.index_schedule AS x
                      WHERE x.tenant_id = n.tenant_id AND x.store_id = n.store_id)
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;

CREATE FUNCTION memoledger.settle_schedule(of_claim uuid, of_store uuid, of_embedding_version integer, owner_ids uuid[], versions integer[]) RETURNS TABLE(family text, owner_id uuid, version integer, embedding_version integer)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    DELETE FROM memoledger.embedding_schedule AS s
    USING unnest(owner_ids, versions) AS d (owner_id, version)
    WHERE s.tenant_id = memoledger.current_tenant() AND s.store_id = of_store AND s.claimed_by = of_claim
      AND s.embedding_version = of_embedding_version AND s.owner_id = d.owner_id AND s.version = d.version
    RETURNING s.family, s.owner_id, s.version, s.embedding_version;
END
$$;

CREATE FUNCTION memoledger.strike(of_tenant text, of_store uuid, erased uuid[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    UPDATE memoledger.receipts AS r
    SET query = NULL, query_hash = NULL, filters = NULL, struck_at = clock_timestamp(),
        scores = ARRAY(SELECT CASE WHEN h.memory_id = ANY (erased) THEN NULL ELSE h.score END
                       FROM unnest(r.memory_ids, r.scores) WITH ORDINALITY AS h (memory_id, score, place)
                       ORDER BY h.place)
    WHERE r.memory_ids && erased AND r.tenant_id = of_tenant AND r.store_id = of_store;
END
$$;

CREATE FUNCTION memoledger.strike_late_chunks() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
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

CREATE FUNCTION memoledger.strike_receipts() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    gone record;
BEGIN
    FOR gone IN
        SELECT n.tenant_id, n.store_id, array_agg(DISTINCT n.memory_id) AS memory_ids
        FROM new_rows AS n WHERE n.erased_at IS NOT NULL
        GROUP BY n.tenant_id, n.store_id ORDER BY n.tenant_id, n.store_id
    LOOP
        PERFORM pg_advisory_xact_lock(memoledger.receipts_lock(gone.tenant_id, gone.store_id));
        DELETE FROM memoledger.memory_access AS a
        WHERE a.tenant_id = gone.tenant_id AND a.store_id = gone.store_id AND a.memory_id = ANY (gone.memory_ids);
        PERFORM memoledger.strike(gone.tenant_id, gone.store_id, gone.memory_ids);
    END LOOP;
    RETURN NULL;
END
$$;

CREATE FUNCTION memoledger.sweep_expired() RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    batch  CONSTANT integer := 1000;
    caller CONSTANT text := current_setting('app.current_user', true);
    swept  integer;
BEGIN
    -- The ledger acts here, not the caller, who is one again afterwards.
    PERFORM set_config('app.current_user', '', true);
    WITH due AS (
        SELECT m.tenant_id, m.store_id, m.memory_id, m.version
        FROM memoledger.memories AS m
        WHERE m.expires_at <= now() AND m.superseded_at IS NULL AND m.deleted_at IS NULL
        ORDER BY m.expires_at
        LIMIT batch
        FOR UPDATE SKIP LOCKED
    ), closed AS (
        UPDATE memoledger.memories AS m SET deleted_at = m.expires_at
        FROM due AS d
        WHERE (m.tenant_id, m.store_id, m.memory_id, m.version) = (d.tenant_id, d.store_id, d.memory_id, d.version)
        RETURNING m.tenant_id, m.store_id, m.memory_id, m.version, m.deleted_at
    ), closed_embeddings AS (
        UPDATE memoledger.embeddings AS e SET superseded_at = c.deleted_at
        FROM closed AS c
        WHERE e.tenant_id = c.tenant_id AND e.store_id = c.store_id AND e.family = 'memory'
          AND e.owner_id = c.memory_id AND e.version = c.version
    ), closed_terms AS (
        UPDATE memoledger.term_vectors AS t SET superseded_at = c.deleted_at
        FROM closed AS c
        WHERE t.tenant_id = c.tenant_id AND t.store_id = c.store_id AND t.family = 'memory'
          AND t.owner_id = c.memory_id AND t.version = c.version AND t.superseded_at IS NULL
    )
    SELECT count(*) INTO swept FROM closed;
    PERFORM set_config('app.current_user', coalesce(caller, ''), true);
    RETURN swept = batch;
END
$$;

CREATE FUNCTION memoledger.sweep_idempotency_keys() RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    batch CONSTANT integer := 1000;
    swept integer;
BEGIN
    WITH due AS (
        SELECT i.tenant_id, i.user_id, i.key_hash FROM memoledger.idempotency_keys AS i
        WHERE i.kept_until <= now()
        ORDER BY i.kept_until
        LIMIT batch
        FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM memoledger.idempotency_keys AS i USING due AS d
        WHERE (i.tenant_id, i.user_id, i.key_hash) = (d.tenant_id, d.user_id, d.key_hash)
        RETURNING 1
    )
    SELECT count(*) INTO swept FROM gone;
    RETURN swept = batch;
END
$$;

CREATE FUNCTION memoledger.tenant_queue(only_poisoned boolean, at_most integer) RETURNS TABLE(store_id uuid, store_owner text, store_name text, embedding_version integer, family text, owner_id uuid, version integer, reason text, urgency integer, scheduled_at timestamp with time zone, due_at timestamp with time zone, attempts integer, last_error text, claimed_until timestamp with time zone, poisoned_at timestamp with time zone)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
DECLARE
    managed CONSTANT text := memoledger.managed_tenant();
BEGIN
    RETURN QUERY
    SELECT s.store_id, t.owner_id, t.name, s.embedding_version, s.family, s.owner_id, s.version, s.reason, s.urgency,
           s.scheduled_at, s.due_at, s.attempts, split_part(s.last_error, ':', 1), s.claimed_until, s.poisoned_at
    FROM memoledger.embedding_schedule AS s
    JOIN memoledger.stores AS t ON t.tenant_id = s.tenant_id AND t.store_id = s.store_id
    WHERE s.tenant_id = managed AND (NOT only_poisoned OR s.poisoned_at IS NOT NULL)
    ORDER BY s.poisoned_at IS NULL, s.scheduled_at, s.owner_id, s.version, s.embedding_version
    LIMIT at_most;
END
$$;

CREATE FUNCTION memoledger.tenant_queue_depth(OUT waiting bigint, OUT claimed bigint, OUT poisoned bigint, OUT failed bigint, OUT age_s double precision) RETURNS record
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    managed CONSTANT text := memoledger.managed_tenant();
BEGIN
    SELECT count(*) FILTER (WHERE s.poisoned_at IS NULL AND (s.claimed_by IS NULL OR s.claimed_until <= now())),
           count(*) FILTER (WHERE s.poisoned_at IS NULL AND s.claimed_until > now()),
           count(*) FILTER (WHERE s.poisoned_at IS NOT NULL),
           count(*) FILTER (WHERE s.poisoned_at IS NULL AND s.last_error IS NOT NULL),
           coalesce(max(extract(epoch FROM now() - s.scheduled_at)) FILTER (WHERE s.poisoned_at IS NULL), 0)
    INTO waiting, claimed, poisoned, failed, age_s
    FROM memoledger.embedding_schedule AS s WHERE s.tenant_id = managed;
END
$$;

CREATE FUNCTION memoledger.tend_receipts() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    PERFORM memoledger_system.tend_receipts_at(now());
END
$$;

CREATE FUNCTION memoledger.thread_of(metadata jsonb) RETURNS uuid
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (metadata ?| '{conversation_id,conversation,thread_id,thread,chat_id,session_id,session,document_id,order,turn,turn_index,position}'::text[]) THEN (md5(((COALESCE((metadata ->> 'conversation_id'::text), (metadata ->> 'conversation'::text), (metadata ->> 'thread_id'::text), (metadata ->> 'thread'::text), (metadata ->> 'chat_id'::text), (metadata ->> 'document_id'::text), ''::text) || '
'::text) || COALESCE((metadata ->> 'session_id'::text), (metadata ->> 'session'::text), ''::text))))::uuid ELSE NULL::uuid END;

CREATE FUNCTION memoledger.unschedule_erased() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    erased CONSTANT jsonb := to_jsonb(NEW);
BEGIN
    DELETE FROM memoledger.embedding_schedule AS s
    WHERE s.tenant_id = NEW.tenant_id AND s.store_id = NEW.store_id AND s.family = TG_ARGV[0]
      AND s.owner_id = (erased ->> TG_ARGV[1])::uuid AND s.version = (erased ->> TG_ARGV[2])::integer
      AND s.embedding_version IN (SELECT v.embedding_version FROM memoledger_system.embedding_versions AS v);
    RETURN NULL;
END
$$;

CREATE FUNCTION memoledger.wake_workers() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'memoledger_jobs', 'pg_temp'
    AS $$
DECLARE
    queue CONSTANT text := (SELECT q.name FROM memoledger_system.job_queue AS q);
BEGIN
    INSERT INTO memoledger_jobs.procrastinate_jobs (queue_name, task_name) VALUES (queue, 'embed');
    PERFORM pg_notify('procrastinate_queue_v1#' || queue, '{"type": "job_inserted", "job_id": 0}');
END
$$;

CREATE FUNCTION memoledger.writable_store_ids() RETURNS uuid[]
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    scope text := current_setting('app.current_store_id', true);
BEGIN
    IF scope <> '' THEN
        RETURN ARRAY(SELECT s.store_id FROM memoledger.stores AS s
                     WHERE s.store_id = scope::uuid
                       AND (s.owner_id = current_setting('app.current_user', true)
                            OR s.store_id = ANY ((SELECT memoledger.granted_store_ids('write'))::uuid[])));
    END IF;
    RETURN ARRAY(SELECT s.store_id FROM memoledger.stores AS s
                 WHERE s.owner_id = current_setting('app.current_user', true))
           || memoledger.granted_store_ids('write');
END
$$;

CREATE FUNCTION memoledger_system.adopt_embedding_version(id integer) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
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

CREATE FUNCTION memoledger_system.declare_embedding_version(version_name text, version_model text, version_dimensions integer, version_settings jsonb) RETURNS integer
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

CREATE FUNCTION memoledger_system.drop_store_index(of_tenant text, of_store uuid, of_build integer) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
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

CREATE FUNCTION memoledger_system.erase_from_build(of_tenant text, of_store uuid, of_build integer, memory_ids uuid[], terms integer[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
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
$_$;

CREATE FUNCTION memoledger_system.erase_from_indexes(of_tenant text, of_store uuid, memory_ids uuid[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
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

CREATE FUNCTION memoledger_system.least_id_from(instant timestamp without time zone) RETURNS uuid
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((lpad(to_hex(((EXTRACT(epoch FROM instant) * (1000)::numeric))::bigint), 12, '0'::text) || '00000000000000000000'::text))::uuid;

CREATE FUNCTION memoledger_system.make_store_vectors(of_build integer, dimensions integer) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
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

CREATE FUNCTION memoledger_system.serve_embedding_version(id integer, left_as text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
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

CREATE FUNCTION memoledger_system.take_no_samples(of_table regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    can_be_told CONSTANT boolean := current_setting('server_version_num')::integer >= 180000;
    told        CONSTANT jsonb := '{"tenant_id":    {"null_frac": 0,   "n_distinct": 1},
                                    "private_to":   {"null_frac": 0.9, "n_distinct": 10},
                                    "external_id":  {"null_frac": 0.5, "n_distinct": -0.5},
                                    "content_hash": {"null_frac": 0,   "n_distinct": -1}}';
    of_store    CONSTANT boolean := EXISTS (SELECT FROM pg_attribute WHERE attrelid = of_table AND attname = 'private_to');
    found       record;
BEGIN
    FOR found IN
        SELECT a.attname::text AS name, told -> a.attname AS facts, c.relname::text AS table_name,
               n.nspname::text AS schema_name, c.relkind = 'p' AS has_partitions
        FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE a.attrelid = of_table AND a.attnum > 0 AND NOT a.attisdropped
          AND format_type(a.atttypid, NULL) ~ '^(text|text\[\]|jsonb|bytea|.*halfvec|.*sparsevec)$'
          AND a.attname NOT IN ('family', 'view', 'privacy', 'visibility', 'access', 'act', 'table_name')
    LOOP
        CONTINUE WHEN found.facts IS NOT NULL AND NOT can_be_told;
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS 0', of_table, found.name);
        CONTINUE WHEN found.facts IS NULL OR NOT of_store;
        EXECUTE 'SELECT pg_restore_attribute_stats(''schemaname'', $1, ''relname'', $2, ''attname'', $3,
                        ''inherited'', $4, ''null_frac'', $5, ''avg_width'', 16, ''n_distinct'', $6)'
        USING found.schema_name, found.table_name, found.name, found.has_partitions,
              (found.facts ->> 'null_frac')::real, (found.facts ->> 'n_distinct')::real;
    END LOOP;
END
$_$;

CREATE FUNCTION memoledger_system.tend_receipts_at(instant timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    present CONSTANT timestamp := instant AT TIME ZONE 'UTC';
    month   timestamp;
    part    text;
    kept    integer;
BEGIN
    FOR month IN SELECT date_trunc('month', present) + n * interval '1 month' FROM generate_series(0, 1) AS n LOOP
        part := 'receipts_' || to_char(month, 'YYYY_MM');
        CONTINUE WHEN EXISTS (SELECT FROM pg_class WHERE relname = part AND relnamespace = 'memoledger'::regnamespace);
        PERFORM pg_advisory_xact_lock(hashtext('memoledger'), hashtext('receipts'));
        -- Another may have made it while this one waited.
        CONTINUE WHEN EXISTS (SELECT FROM pg_class WHERE relname = part AND relnamespace = 'memoledger'::regnamespace);
        -- Attached rather than created in place: ATTACH lets reads and writes go on.
        EXECUTE format('CREATE TABLE memoledger.%I (LIKE memoledger.receipts INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part);
        EXECUTE format('ALTER TABLE memoledger.receipts ATTACH PARTITION memoledger.%I FOR VALUES FROM (%L) TO (%L)', part,
                       memoledger_system.least_id_from(month), memoledger_system.least_id_from(month + interval '1 month'));
        PERFORM memoledger_system.take_no_samples(format('memoledger.%I', part)::regclass);
        EXECUTE format('ALTER TABLE memoledger.%I ALTER COLUMN memory_ids SET STATISTICS 0, '
                       'ALTER COLUMN versions SET STATISTICS 0, ALTER COLUMN scores SET STATISTICS 0', part);
        -- Reached only through the parent, whose policies apply; directly, the partition shows nothing.
        EXECUTE format('ALTER TABLE memoledger.%I ENABLE ROW LEVEL SECURITY', part);
        EXECUTE format('ALTER TABLE memoledger.%I FORCE ROW LEVEL SECURITY', part);
        EXECUTE format('CREATE POLICY maintenance ON memoledger.%I TO memoledger_owner USING (true) WITH CHECK (true)', part);
    END LOOP;
    SELECT r.days INTO kept FROM memoledger_system.receipt_retention AS r;
    FOR part IN
        SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE kept > 0 AND i.inhparent = 'memoledger.receipts'::regclass
          AND to_date(substr(c.relname, length('receipts_') + 1), 'YYYY_MM')::timestamp
              + interval '1 month' + kept * interval '1 day' <= present
    LOOP
        -- Writers of receipts wait meanwhile; whoever reads long is not waited for: there is a next time.
        BEGIN
            PERFORM set_config('lock_timeout', '1s', true);
            EXECUTE format('DROP TABLE memoledger.%I', part);
        EXCEPTION WHEN lock_not_available THEN
            NULL;
        END;
    END LOOP;
END
$$;

CREATE TABLE memoledger.api_key_uses (
    tenant_id text NOT NULL COLLATE pg_catalog."C",
    user_id text NOT NULL COLLATE pg_catalog."C",
    key_id uuid NOT NULL,
    last_used_at timestamp with time zone NOT NULL
)
WITH (fillfactor='70');
ALTER TABLE ONLY memoledger.api_key_uses ALTER COLUMN tenant_id SET STATISTICS 0;
ALTER TABLE ONLY memoledger.api_key_uses ALTER COLUMN user_id SET STATISTICS 0;

ALTER TABLE ONLY memoledger.api_key_uses FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE memoledger.api_key_uses IS 'When each key was last used, to the minute.';

CREATE TABLE memoledger.api_keys (
    tenant_id text NOT NULL COLLATE pg_catalog."C",
    user_id text NOT NULL COLLATE pg_catalog."C",
    key_id uuid NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    scopes text[] NOT NULL,
    digest bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by text NOT NULL COLLATE pg_catalog."C",
    created_with uuid,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    revoked_by text COLLATE pg_catalog."C",
    CONSTRAINT key_digest_is_a_sha256 CHECK ((octet_length(digest) = 32)),
    CONSTRAINT key_is_revoked_by_somebody CHECK (((revoked_at IS NULL) = (revoked_by IS NULL))),
    CONSTRAINT key_name_is_a_name CHECK (((octet_length(name) >= 1) AND (octet_length(name) <= 200))),
    CONSTRAINT key_scopes_are_known CHECK (((cardinality(scopes) >= 1) AND (cardinality(scopes) <= 3) AND (scopes <@ '{read,write,admin}'::text[])))
);
ALTER TABLE ONLY memoledger.api_keys ALTER COLUMN tenant_id SET STATISTICS 0;
ALTER TABLE ONLY memoledger.api_keys ALTER COLUMN user_id SET STATISTICS 0;
ALTER TABLE ONLY memoledger.api_keys ALTER COLUMN name SET STATISTICS 0;
ALTER TABLE ONLY memoledger.api_keys ALTER COLUMN scopes SET STATISTICS 0;
ALTER TABLE ONLY memoledger.api_keys ALTER COLUMN digest SET STATISTICS 0;
ALTER TABLE ONLY memoledger.api_keys ALTER COLUMN created_by SET STATISTICS 0;
ALTER TABLE ONLY memoledger.api_keys ALTER COLUMN revoked_by SET STATISTICS 0;

ALTER TABLE ONLY memoledger.api_keys FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE memoledger.api_keys IS 'What lets a program act as a user; revoked ones stay, so that it is known that they were.';

COMMENT ON COLUMN memoledger.api_keys.digest IS 'SHA-256 of the key''s text, which is shown once and kept nowhere.';

COMMENT ON COLUMN memoledger.api_keys.created_with IS 'The key its maker used; null where it was none. After a leak it tells what else to revoke.';

CREATE TABLE memoledger.artifacts (
    tenant_id text NOT NULL COLLATE pg_catalog."C",
    store_id uuid NOT NULL,
    artifact_id uuid NOT NULL,
    document_id uuid NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    changed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    bytes bigint NOT NULL,
    state text DEFAULT 'writing'::text NOT NULL COLLATE pg_catalog."C",
    created_by text NOT NULL COLLATE pg_catalog."C",
    hash bytea,
    media_type text COLLATE pg_catalog."C",
    key text GENERATED ALWAYS AS (((((((('workspaces/'::text || (store_id)::text) || '/knowledge/'::text) || (document_id)::text) || '/'::text) || encode(hash, 'hex'::text)) || '/'::text) || (artifact_id)::text)) STORED COLLATE pg_catalog."C",
    CONSTRAINT artifact_has_bytes CHECK ((bytes >= 0)),
    CONSTRAINT artifact_hash_is_a_sha256_until_collected CHECK (
CASE state
    WHEN 'collected'::text THEN ((hash IS NULL) AND (media_type IS NULL))
    ELSE ((hash IS NOT NULL) AND (octet_length(hash) = 32))
END),
    CONSTRAINT artifact_media_type_is_short CHECK (((octet_length(media_type) >= 1) AND (octet_length(media_type) <= 200))),
    CONSTRAINT artifact_state_is_known CHECK ((state = ANY (ARRAY['writing'::text, 'kept'::text, 'dropped'::text, 'collected'::text])))
);
ALTER TABLE ONLY memoledger.artifacts ALTER COLUMN tenant_id SET STATISTICS 0;
ALTER TABLE ONLY memoledger.artifacts ALTER COLUMN state SET STATISTICS 0;
ALTER TABLE ONLY memoledger.artifacts ALTER COLUMN created_by SET STATISTICS 0;
ALTER TABLE ONLY memoledger.artifacts ALTER COLUMN hash SET STATISTICS 0;
ALTER TABLE ONLY memoledger.artifacts ALTER COLUMN media_type SET STATISTICS 0;
ALTER TABLE ONLY memoledger.artifacts ALTER COLUMN key SET STATISTICS 0;

ALTER TABLE ONLY memoledger.artifacts FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE memoledger.artifacts IS 'Raw sources in the object store: where each is, its hash, and whether a document keeps it.';

COMMENT ON COLUMN memoledger.artifacts.hash IS 'SHA-256 of the bytes; null once they are gone, for it would tell whoever can guess them.';

COMMENT ON COLUMN memoledger.artifacts.key IS 'Where the object is; null once it is gone.';

CREATE TABLE memoledger.audit_records (
    tenant_id text NOT NULL COLLATE pg_catalog."C",
    audit_id bigint NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    transaction_id xid8 DEFAULT pg_current_xact_id() NOT NULL,
    actor text NOT NULL COLLATE pg_catalog."C",
    act text NOT NULL COLLATE pg_catalog."C",
    table_name text NOT NULL COLLATE pg_catalog."C",
    store_id uuid,
    row_key jsonb NOT NULL,
    before jsonb,
    after jsonb
);
ALTER TABLE ONLY memoledger.audit_records ALTER COLUMN tenant_id SET STATISTICS 0;
ALTER TABLE ONLY memoledger.audit_records ALTER COLUMN actor SET STATISTICS 0;
ALTER TABLE ONLY memoledger.audit_records ALTER COLUMN row_key SET STATISTICS 0;
ALTER TABLE ONLY memoledger.audit_records ALTER COLUMN before SET STATISTICS 0;
ALTER TABLE ONLY memoledger.audit_records ALTER COLUMN after SET STATISTICS 0;

ALTER TABLE ONLY memoledger.audit_records FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE memoledger.audit_records IS 'One act each, with before and after; append-only for every role.';

COMMENT ON COLUMN memoledger.audit_records.actor IS 'The user; "system" when the ledger itself acted, for example to sweep what expired.';

ALTER TABLE memoledger.audit_records ALTER COLUMN audit_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME memoledger.audit_records_audit_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE memoledger.document_chunks (
    tenant_id text NOT NULL COLLATE pg_catalog."C",
    store_id uuid NOT NULL,
    document_id uuid NOT NULL,
    version integer NOT NULL,
    place integer NOT NULL,
    chunk_id uuid NOT NULL,
    start_offset integer NOT NULL,
    end_offset integer NOT NULL,
    CONSTRAINT document_chunk_has_a_span CHECK (((start_offset >= 0) AND (end_offset > start_offset))),
    CONSTRAINT document_chunk_place_counts_from_zero CHECK ((place >= 0))
);
ALTER TABLE ONLY memoledger.document_chunks ALTER COLUMN tenant_id SET STATISTICS 0;
ALTER TABLE ONLY memoledger.document_chunks ALTER COLUMN store_id SET STATISTICS 0;

ALTER TABLE ONLY memoledger.document_chunks FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE memoledger.document_chunks IS 'Which chunks a document''s version has, in which order and where in its text (characters, half-open).';

CREATE TABLE memoledger.document_memories (
    tenant_id text NOT NULL COLLATE pg_catalog."C",
    store_id uuid NOT NULL,
    document_id uuid NOT NULL,
    version integer NOT NULL,
    memory_id uuid NOT NULL,
    memory_version integer NOT NULL,
    made boolean NOT NULL,
    private_to text COLLATE pg_catalog."C"
);
ALTER TABLE ONLY memoledger.document_memories ALTER COLUMN tenant_id SET STATISTICS 0;
ALTER TABLE ONLY memoledger.document_memories ALTER COLUMN store_id SET STATISTICS 0;
ALTER TABLE ONLY memoledger.document_memories ALTER COLUMN private_to SET STATISTICS 0;

ALTER TABLE ONLY memoledger.document_memories FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE memoledger.document_memories IS 'Observations: which memories a document''s version yielded.';

COMMENT ON COLUMN memoledger.document_memories.made IS 'Whether the memory was made by it; false where it was there before.';

COMMENT ON COLUMN memoledger.document_memories.private_to IS 'The one user who may read the memory, where its privacy narrows it to its creator.';

CREATE TABLE memoledger.embedding_schedule (
    tenant_id text NOT NULL COLLATE pg_catalog."C",
    store_id uuid NOT NULL,
    family text NOT NULL COLLATE pg_catalog."C",
    owner_id uuid NOT NULL,
    version integer NOT NULL,
    embedding_version integer NOT NULL,
    private_to text COLLATE pg_catalog."C",
    reason text NOT NULL COLLATE pg_catalog."C",
    urgency integer NOT NULL,
    scheduled_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    due_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    claimed_by uuid,
    claimed_until timestamp with time zone,
    last_error text,
    poisoned_at timestamp with time zone,
    CONSTRAINT schedule_claim_has_an_end CHECK (((claimed_by IS NULL) = (claimed_until IS NULL))),
    CONSTRAINT schedule_family_is_known CHECK ((family = ANY (ARRAY['chunk'::text, 'memory'::text, 'summary'::text, 'profile'::text]))),
    CONSTRAINT schedule_poisoned_is_not_claimed CHECK (((poisoned_at IS NULL) OR (claimed_by IS NULL))),
    CONSTRAINT schedule_reason_is_known CHECK ((reason = ANY (ARRAY['written'::text, 'backfill'::text, 'refresh'::text]))),
    CONSTRAINT schedule_urgency_is_known CHECK (((urgency >= 0) AND (urgency <= 2)))
)
WITH (fillfactor='70');
ALTER TABLE ONLY memoledger.embedding_schedule ALTER COLUMN tenant_id SET STATISTICS 0;
ALTER TABLE ONLY memoledger.embedding_schedule ALTER COLUMN private_to SET STATISTICS 0;
ALTER TABLE ONLY memoledger.embedding_schedule ALTER COLUMN reason SET STATISTICS 0;
ALTER TABLE ONLY memoledger.embedding_schedule ALTER COLUMN last_error SET STATISTICS 0;

ALTER TABLE ONLY memoledger.embedding_schedule FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE memoledger.embedding_schedule IS 'What waits to be embedded: ids, and how often and why it failed; no content.';

COMMENT ON COLUMN memoledger.embedding_schedule.private_to IS 'The one user who may read what is to be embedded; as whom a worker does it. Else it is the store''s owner.';

COMMENT ON COLUMN memoledger.embedding_schedule.urgency IS '0: somebody waits for it; 1: one of many; 2: when there is nothing else.';

COMMENT ON COLUMN memoledger.embedding_schedule.due_at IS 'Not to be claimed before; while it is claimed, when the claim ends.';

COMMENT ON COLUMN memoledger.embedding_schedule.claimed_by IS 'Who is at it, once for each batch; shown to nobody, since whoever knows it may settle the batch.';

CREATE TABLE memoledger.embeddings (
    tenant_id text NOT NULL COLLATE pg_catalog."C",
    store_id uuid NOT NULL,
    embedding_version integer NOT NULL,
    family text NOT NULL COLLATE pg_catalog."C",
    owner_id uuid NOT NULL,
    version integer NOT NULL,
    view text NOT NULL COLLATE pg_catalog."C",
    recorded_at timestamp with time zone NOT NULL,
    superseded_at timestamp with time zone,
    expires_at timestamp with time zone,
    private_to text COLLATE pg_catalog."C",
    embedding public.halfvec NOT NULL,
    written_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT embedding_family_is_known CHECK ((family = ANY (ARRAY['chunk'::text, 'memory'::text, 'summary'::text, 'profile'::text]))),
    CONSTRAINT embedding_view_is_known CHECK ((view = ANY (ARRAY['body'::text, 'title'::text, 'summary'::text])))
)
PARTITION BY LIST (embedding_version);
ALTER TABLE ONLY memoledger.embeddings ALTER COLUMN tenant_id SET STATISTICS 0;
ALTER TABLE ONLY memoledger.embeddings ALTER COLUMN private_to SET STATISTICS 0;
ALTER TABLE ONLY memoledger.embeddings ALTER COLUMN embedding SET STATISTICS 0;

ALTER TABLE ONLY memoledger.embeddings FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE memoledger.embeddings IS 'Unit vectors, one for each view; retiring a model drops its partition.';

CREATE TABLE memoledger.grants (
    tenant_id text NOT NULL COLLATE pg_catalog."C",
    store_id uuid NOT NULL,
    grantee_id text NOT NULL COLLATE pg_catalog."C",
    access text NOT NULL COLLATE pg_catalog."C",
    granted_at timestamp with time zone DEFAULT now() NOT NULL,
    granted_by text NOT NULL COLLATE pg_catalog."C",
    CONSTRAINT grant_access_is_known CHECK ((access = ANY (ARRAY['read'::text, 'write'::text])))
);
ALTER TABLE ONLY memoledger.grants ALTER COLUMN tenant_id SET STATISTICS 0;
ALTER TABLE ONLY memoledger.grants ALTER COLUMN grantee_id SET STATISTICS 0;
ALTER TABLE ONLY memoledger.grants ALTER COLUMN granted_by SET STATISTICS 0;

ALTER TABLE ONLY memoledger.grants FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE memoledger.grants IS 'The right of a user to read, or read and write, a store of another user.';

CREATE TABLE memoledger.idempotency_keys (
    tenant_id text NOT NULL COLLATE pg_catalog."C",
    user_id text NOT NULL COLLATE pg_catalog."C",
    key_hash bytea NOT NULL,
    request_hash bytea NOT NULL,
    claim_id uuid NOT NULL,
    state text DEFAULT 'claimed'::text NOT NULL COLLATE pg_catalog."C",
    claimed_until timestamp with time zone NOT NULL,
    kept_until timestamp with time zone NOT NULL,
    status integer,
    answer jsonb,
    CONSTRAINT idempotency_answer_is_small CHECK ((pg_column_size(answer) <= 65536)),
    CONSTRAINT idempotency_finished_has_an_answer CHECK ((((state = 'finished'::text) = (status IS NOT NULL)) AND ((state = 'finished'::text) = (answer IS NOT NULL)))),
    CONSTRAINT idempotency_hashes_are_sha256 CHECK (((octet_length(key_hash) = 32) AND (octet_length(request_hash) = 32))),
    CONSTRAINT idempotency_state_is_known CHECK ((state = ANY (ARRAY['claimed'::text, 'finished'::text])))
);
ALTER TABLE ONLY memoledger.idempotency_keys ALTER COLUMN tenant_id SET STATISTICS 0;
ALTER TABLE ONLY memoledger.idempotency_keys ALTER COLUMN user_id SET STATISTICS 0;
ALTER TABLE ONLY memoledger.idempotency_keys ALTER COLUMN key_hash SET STATISTICS 0;
ALTER TABLE ONLY memoledger.idempotency_keys ALTER COLUMN request_hash SET STATISTICS 0;
ALTER TABLE ONLY memoledger.idempotency_keys ALTER COLUMN state SET STATISTICS 0;
ALTER TABLE ONLY memoledger.idempotency_keys ALTER COLUMN answer SET STATISTICS 0;

ALTER TABLE ONLY memoledger.idempotency_keys FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE memoledger.idempotency_keys IS 'Writes that are under way or were answered in the last 24 hours, by the key their sender gave them; no content.';

COMMENT ON COLUMN memoledger.idempotency_keys.claim_id IS 'Who is at it; whoever takes over after claimed_until puts their own.';

CREATE TABLE memoledger.index_schedule (
    tenant_id text NOT NULL COLLATE pg_catalog."C",
    store_id uuid NOT NULL,
    scheduled_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
ALTER TABLE ONLY memoledger.index_schedule ALTER COLUMN tenant_id SET STATISTICS 0;

ALTER TABLE ONLY memoledger.index_schedule FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE memoledger.index_schedule IS 'Stores written to since somebody looked whether they need an index, or theirs to be brought up to date.';

CREATE TABLE memoledger.memory_access (
    tenant_id text NOT NULL COLLATE pg_catalog."C",
    store_id uuid NOT NULL,
    memory_id uuid NOT NULL,
    last_accessed timestamp with time zone NOT NULL,
    count bigint NOT NULL,
    private_to text COLLATE pg_catalog."C",
    CONSTRAINT memory_access_counts_from_one CHECK ((count >= 1))
)
WITH (fillfactor='70');
ALTER TABLE ONLY memoledger.memory_access ALTER COLUMN tenant_id SET STATISTICS 0;
ALTER TABLE ONLY memoledger.memory_access ALTER COLUMN private_to SET STATISTICS 0;

ALTER TABLE ONLY memoledger.memory_access FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE memoledger.memory_access IS 'How often each memory was returned by a recall, and when last; counted from the receipts as they are written.';

CREATE TABLE memoledger.outbox (
    tenant_id text NOT NULL COLLATE pg_catalog."C",
    outbox_id bigint NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    store_id uuid NOT NULL,
    family text NOT NULL COLLATE pg_catalog."C",
    owner_id uuid NOT NULL,
    version integer NOT NULL,
    act text NOT NULL COLLATE pg_catalog."C"
);
ALTER TABLE ONLY memoledger.outbox ALTER COLUMN tenant_id SET STATISTICS 0;

ALTER TABLE ONLY memoledger.outbox FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE memoledger.outbox IS 'Ids of rows written, for projections to follow; no content. Trimmed once old: a projection that fell behind is rebuilt.';

ALTER TABLE memoledger.outbox ALTER COLUMN outbox_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME memoledger.outbox_outbox_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE memoledger.receipt_salts (
    tenant_id text NOT NULL COLLATE pg_catalog."C",
    user_id text NOT NULL COLLATE pg_catalog."C",
    salt bytea DEFAULT uuid_send(gen_random_uuid()) NOT NULL
);
ALTER TABLE ONLY memoledger.receipt_salts ALTER COLUMN tenant_id SET STATISTICS 0;
ALTER TABLE ONLY memoledger.receipt_salts ALTER COLUMN user_id SET STATISTICS 0;
ALTER TABLE ONLY memoledger.receipt_salts ALTER COLUMN salt SET STATISTICS 0;

ALTER TABLE ONLY memoledger.receipt_salts FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE memoledger.receipt_salts IS 'Salts of hashed questions, one a user, whom alone it is shown to; without it the hashes mean nothing.';

CREATE TABLE memoledger.receipts (
    tenant_id text NOT NULL COLLATE pg_catalog."C",
    receipt_id uuid NOT NULL,
    user_id text NOT NULL COLLATE pg_catalog."C",
    store_id uuid NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    struck_at timestamp with time zone,
    embedding_version integer,
    at_most integer NOT NULL,
    pending integer NOT NULL,
    complete boolean NOT NULL,
    unproven boolean NOT NULL,
    mode text NOT NULL COLLATE pg_catalog."C",
    searched_by text NOT NULL COLLATE pg_catalog."C",
    private_to text COLLATE pg_catalog."C",
    query text,
    query_hash bytea,
    filters jsonb,
    memory_ids uuid[] NOT NULL,
    versions integer[] NOT NULL,
    scores double precision[] NOT NULL,
    timings_ms jsonb NOT NULL,
    families text[] COLLATE pg_catalog."C",
    CONSTRAINT receipt_families_are_of_its_hits CHECK (((families IS NULL) OR ((cardinality(families) = cardinality(memory_ids)) AND (families <@ '{memory,chunk}'::text[])))),
    CONSTRAINT receipt_has_a_question_or_its_hash CHECK (((query IS NULL) OR (query_hash IS NULL))),
    CONSTRAINT receipt_hits_are_of_one_length CHECK (((cardinality(memory_ids) = cardinality(versions)) AND (cardinality(memory_ids) = cardinality(scores)))),
    CONSTRAINT receipt_is_private_to_its_asker CHECK ((private_to = user_id)),
    CONSTRAINT receipt_mode_is_known CHECK ((mode = ANY (ARRAY['hybrid'::text, 'dense'::text, 'lexical'::text]))),
    CONSTRAINT receipt_struck_says_nothing CHECK (((struck_at IS NULL) OR ((query IS NULL) AND (query_hash IS NULL) AND (filters IS NULL))))
)
PARTITION BY RANGE (receipt_id);
ALTER TABLE ONLY memoledger.receipts ALTER COLUMN tenant_id SET STATISTICS 0;
ALTER TABLE ONLY memoledger.receipts ALTER COLUMN user_id SET STATISTICS 0;
ALTER TABLE ONLY memoledger.receipts ALTER COLUMN mode SET STATISTICS 0;
ALTER TABLE ONLY memoledger.receipts ALTER COLUMN searched_by SET STATISTICS 0;
ALTER TABLE ONLY memoledger.receipts ALTER COLUMN private_to SET STATISTICS 0;
ALTER TABLE ONLY memoledger.receipts ALTER COLUMN query SET STATISTICS 0;
ALTER TABLE ONLY memoledger.receipts ALTER COLUMN query_hash SET STATISTICS 0;
ALTER TABLE ONLY memoledger.receipts ALTER COLUMN filters SET STATISTICS 0;
ALTER TABLE ONLY memoledger.receipts ALTER COLUMN memory_ids SET STATISTICS 0;
ALTER TABLE ONLY memoledger.receipts ALTER COLUMN versions SET STATISTICS 0;
ALTER TABLE ONLY memoledger.receipts ALTER COLUMN scores SET STATISTICS 0;
ALTER TABLE ONLY memoledger.receipts ALTER COLUMN timings_ms SET STATISTICS 0;
ALTER TABLE ONLY memoledger.receipts ALTER COLUMN families SET STATISTICS 0;

ALTER TABLE ONLY memoledger.receipts FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE memoledger.receipts IS 'One recall each; written once, struck by erasures, dropped by the month once old.';

COMMENT ON COLUMN memoledger.receipts.unproven IS 'The asker could no longer read the store when it was written: kept, and shown to the asker alone.';

COMMENT ON COLUMN memoledger.receipts.private_to IS 'The asker, where the answer holds what they keep private: then the store''s owner does not see it.';

COMMENT ON COLUMN memoledger.receipts.memory_ids IS 'The ids of what was returned, memories and chunks, best first.';

COMMENT ON COLUMN memoledger.receipts.families IS 'Of each of memory_ids, whether it is a memory or a chunk; null where all are memories.';

CREATE TABLE memoledger.store_indexes (
    tenant_id text NOT NULL COLLATE pg_catalog."C",
    store_id uuid NOT NULL,
    build integer NOT NULL,
    embedding_version integer NOT NULL,
    state text DEFAULT 'building'::text NOT NULL COLLATE pg_catalog."C",
    progress double precision DEFAULT 0 NOT NULL,
    covers_until timestamp with time zone,
    texts bigint DEFAULT 0 NOT NULL,
    vectors bigint DEFAULT 0 NOT NULL,
    segments integer DEFAULT 0 NOT NULL,
    ef_search integer,
    recall double precision,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    built_at timestamp with time zone,
    retired_at timestamp with time zone,
    families text[] DEFAULT '{memory}'::text[] NOT NULL COLLATE pg_catalog."C",
    CONSTRAINT store_index_progress_is_a_fraction CHECK (((progress >= (0)::double precision) AND (progress <= (1)::double precision))),
    CONSTRAINT store_index_state_is_known CHECK ((state = ANY (ARRAY['building'::text, 'ready'::text, 'retired'::text])))
);
ALTER TABLE ONLY memoledger.store_indexes ALTER COLUMN tenant_id SET STATISTICS 0;
ALTER TABLE ONLY memoledger.store_indexes ALTER COLUMN state SET STATISTICS 0;
ALTER TABLE ONLY memoledger.store_indexes ALTER COLUMN families SET STATISTICS 0;

ALTER TABLE ONLY memoledger.store_indexes FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE memoledger.store_indexes IS 'The indexes of stores that outgrew exact search: what they cover, how far they are, how well they find.';

COMMENT ON COLUMN memoledger.store_indexes.covers_until IS 'What was written before this instant is in it; later rows are searched exactly.';

COMMENT ON COLUMN memoledger.store_indexes.ef_search IS 'How widely the graph is searched to find what an exact search finds; null where no width does, and vectors are searched exactly.';

COMMENT ON COLUMN memoledger.store_indexes.recall IS 'Of the ten nearest of vectors that were not in it, the part it found, when it was made.';

COMMENT ON COLUMN memoledger.store_indexes.families IS 'Of which families texts and vectors are in it.';

ALTER TABLE memoledger.store_indexes ALTER COLUMN build ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME memoledger.store_indexes_build_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE memoledger.store_postings (
    tenant_id text NOT NULL COLLATE pg_catalog."C",
    store_id uuid NOT NULL,
    build integer NOT NULL,
    term integer NOT NULL,
    private_to text NOT NULL COLLATE pg_catalog."C",
    segment integer NOT NULL,
    block integer NOT NULL,
    texts bigint NOT NULL,
    lengths bigint NOT NULL,
    postings integer NOT NULL,
    best real NOT NULL,
    owner_ids uuid[] NOT NULL,
    impacts real[] NOT NULL
);
ALTER TABLE ONLY memoledger.store_postings ALTER COLUMN tenant_id SET STATISTICS 0;
ALTER TABLE ONLY memoledger.store_postings ALTER COLUMN term SET STATISTICS 0;
ALTER TABLE ONLY memoledger.store_postings ALTER COLUMN private_to SET STATISTICS 0;
ALTER TABLE ONLY memoledger.store_postings ALTER COLUMN best SET STATISTICS 0;
ALTER TABLE ONLY memoledger.store_postings ALTER COLUMN owner_ids SET STATISTICS 0;
ALTER TABLE ONLY memoledger.store_postings ALTER COLUMN owner_ids SET STORAGE MAIN;
ALTER TABLE ONLY memoledger.store_postings ALTER COLUMN impacts SET STATISTICS 0;
ALTER TABLE ONLY memoledger.store_postings ALTER COLUMN impacts SET STORAGE MAIN;

ALTER TABLE ONLY memoledger.store_postings FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE memoledger.store_postings IS 'Which memories and chunks of a large store have a term, in blocks; private ones in blocks of their own.';

COMMENT ON COLUMN memoledger.store_postings.private_to IS 'The one user who may read these memories; empty for all who may read the store.';

COMMENT ON COLUMN memoledger.store_postings.texts IS 'In the first block of a segment: how many memories of it have the term; otherwise 0.';

COMMENT ON COLUMN memoledger.store_postings.best IS 'The largest of the impacts; no later block of the segment has a larger one.';

COMMENT ON COLUMN memoledger.store_postings.impacts IS 'The term''s weight times the text''s length factor at the mean length when the segment was made.';

CREATE TABLE memoledger.stores (
    tenant_id text NOT NULL COLLATE pg_catalog."C",
    store_id uuid NOT NULL,
    owner_id text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    visibility text DEFAULT 'private'::text NOT NULL COLLATE pg_catalog."C",
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by text NOT NULL COLLATE pg_catalog."C",
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_by text NOT NULL COLLATE pg_catalog."C",
    CONSTRAINT store_name_is_a_name CHECK (((octet_length(name) >= 1) AND (octet_length(name) <= 200))),
    CONSTRAINT store_visibility_is_known CHECK ((visibility = ANY (ARRAY['private'::text, 'tenant'::text])))
);
ALTER TABLE ONLY memoledger.stores ALTER COLUMN tenant_id SET STATISTICS 0;
ALTER TABLE ONLY memoledger.stores ALTER COLUMN owner_id SET STATISTICS 0;
ALTER TABLE ONLY memoledger.stores ALTER COLUMN name SET STATISTICS 0;
ALTER TABLE ONLY memoledger.stores ALTER COLUMN created_by SET STATISTICS 0;
ALTER TABLE ONLY memoledger.stores ALTER COLUMN updated_by SET STATISTICS 0;

ALTER TABLE ONLY memoledger.stores FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE memoledger.stores IS 'Named collections of memories; the unit of sharing and of search.';

COMMENT ON COLUMN memoledger.stores.visibility IS 'private: owner and grants only; tenant: every user of the tenant may read.';

CREATE TABLE memoledger.tenants (
    tenant_id text NOT NULL COLLATE pg_catalog."C",
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by text NOT NULL COLLATE pg_catalog."C",
    CONSTRAINT tenant_id_is_a_name CHECK (((octet_length(tenant_id) >= 1) AND (octet_length(tenant_id) <= 200)))
);
ALTER TABLE ONLY memoledger.tenants ALTER COLUMN tenant_id SET STATISTICS 0;
ALTER TABLE ONLY memoledger.tenants ALTER COLUMN created_by SET STATISTICS 0;

ALTER TABLE ONLY memoledger.tenants FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE memoledger.tenants IS 'The organisations; the hard wall between all data.';

CREATE TABLE memoledger.term_vectors (
    tenant_id text NOT NULL COLLATE pg_catalog."C",
    store_id uuid NOT NULL,
    family text NOT NULL COLLATE pg_catalog."C",
    owner_id uuid NOT NULL,
    version integer NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    superseded_at timestamp with time zone,
    expires_at timestamp with time zone,
    private_to text COLLATE pg_catalog."C",
    length integer NOT NULL,
    weights public.sparsevec NOT NULL,
    written_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT term_vector_family_is_known CHECK ((family = ANY (ARRAY['chunk'::text, 'memory'::text, 'summary'::text, 'profile'::text])))
);
ALTER TABLE ONLY memoledger.term_vectors ALTER COLUMN tenant_id SET STATISTICS 0;
ALTER TABLE ONLY memoledger.term_vectors ALTER COLUMN private_to SET STATISTICS 0;
ALTER TABLE ONLY memoledger.term_vectors ALTER COLUMN weights SET STATISTICS 0;
ALTER TABLE ONLY memoledger.term_vectors ALTER COLUMN weights SET STORAGE MAIN;

ALTER TABLE ONLY memoledger.term_vectors FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE memoledger.term_vectors IS 'BM25 weights of a text: saturated term frequencies at hashed term ids, and its length in terms.';

CREATE TABLE memoledger.users (
    tenant_id text NOT NULL COLLATE pg_catalog."C",
    user_id text NOT NULL COLLATE pg_catalog."C",
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by text NOT NULL COLLATE pg_catalog."C",
    CONSTRAINT user_id_is_a_name CHECK (((octet_length(user_id) >= 1) AND (octet_length(user_id) <= 200))),
    CONSTRAINT user_id_is_not_the_ledgers CHECK ((user_id <> 'system'::text))
);
ALTER TABLE ONLY memoledger.users ALTER COLUMN tenant_id SET STATISTICS 0;
ALTER TABLE ONLY memoledger.users ALTER COLUMN user_id SET STATISTICS 0;
ALTER TABLE ONLY memoledger.users ALTER COLUMN created_by SET STATISTICS 0;

ALTER TABLE ONLY memoledger.users FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE memoledger.users IS 'Who acts inside a tenant: people and agents.';

COMMENT ON CONSTRAINT user_id_is_not_the_ledgers ON memoledger.users IS 'In the audit "system" is the ledger itself.';

CREATE TABLE memoledger_system.embedding_versions (
    embedding_version integer NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    model text NOT NULL,
    dimensions integer NOT NULL,
    settings jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    state text DEFAULT 'filling'::text NOT NULL COLLATE pg_catalog."C",
    opening jsonb,
    filled_at timestamp with time zone,
    served_at timestamp with time zone,
    replaced_at timestamp with time zone,
    retired_at timestamp with time zone,
    CONSTRAINT embedding_version_retired_once CHECK (((state = 'retired'::text) = (retired_at IS NOT NULL))),
    CONSTRAINT embedding_version_served_since_it_serves CHECK (((state <> 'serving'::text) OR (served_at IS NOT NULL))),
    CONSTRAINT embedding_version_state_is_known CHECK ((state = ANY (ARRAY['filling'::text, 'ready'::text, 'serving'::text, 'previous'::text, 'retired'::text]))),
    CONSTRAINT embedding_versions_dimensions_check CHECK (((dimensions >= 1) AND (dimensions <= 3900)))
);

ALTER TABLE ONLY memoledger_system.embedding_versions FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE memoledger_system.embedding_versions IS 'Model + dimensions + settings: one namespace of vectors, one partition.';

COMMENT ON COLUMN memoledger_system.embedding_versions.state IS 'filling: lacks vectors of what was there before it; ready: complete, could serve; serving: is searched; previous: served before and is kept up to date; retired: its vectors are gone.';

COMMENT ON COLUMN memoledger_system.embedding_versions.opening IS 'With which words its embedder is opened (never a key); null where that was an object of a program''s own.';

ALTER TABLE memoledger_system.embedding_versions ALTER COLUMN embedding_version ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME memoledger_system.embedding_versions_embedding_version_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE memoledger_system.job_migrations (
    name text NOT NULL COLLATE pg_catalog."C",
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE ONLY memoledger_system.job_migrations FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE memoledger_system.job_migrations IS 'Which migrations of the job queue''s library were applied, by the names of their files.';

CREATE TABLE memoledger_system.job_queue (
    one boolean DEFAULT true NOT NULL,
    name text DEFAULT ('embed-'::text || "left"(translate((gen_random_uuid())::text, '-'::text, ''::text), 24)) NOT NULL COLLATE pg_catalog."C",
    CONSTRAINT job_queue_one_check CHECK (one)
);

ALTER TABLE ONLY memoledger_system.job_queue FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE memoledger_system.job_queue IS 'The name of the queue of wake-ups; shown to nobody but the workers.';

CREATE TABLE memoledger_system.migrations (
    name text NOT NULL COLLATE pg_catalog."C",
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE ONLY memoledger_system.migrations FORCE ROW LEVEL SECURITY;

CREATE TABLE memoledger_system.receipt_retention (
    one boolean DEFAULT true NOT NULL,
    days integer NOT NULL,
    CONSTRAINT receipt_retention_days_check CHECK (((days >= 0) AND (days <= 36500))),
    CONSTRAINT receipt_retention_one_check CHECK (one)
);

ALTER TABLE ONLY memoledger_system.receipt_retention FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE memoledger_system.receipt_retention IS 'Days that receipts are kept, 0 for ever; set by whoever may migrate.';

ALTER TABLE ONLY memoledger.api_key_uses
    ADD CONSTRAINT api_key_uses_pkey PRIMARY KEY (tenant_id, user_id, key_id);

ALTER TABLE ONLY memoledger.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (tenant_id, user_id, key_id);

ALTER TABLE ONLY memoledger.artifacts
    ADD CONSTRAINT artifacts_pkey PRIMARY KEY (tenant_id, store_id, artifact_id);

ALTER TABLE ONLY memoledger.audit_records
    ADD CONSTRAINT audit_records_pkey PRIMARY KEY (tenant_id, audit_id);

ALTER TABLE ONLY memoledger.chunks
    ADD CONSTRAINT chunks_pkey PRIMARY KEY (tenant_id, store_id, chunk_id);

ALTER TABLE ONLY memoledger.document_chunks
    ADD CONSTRAINT document_chunks_pkey PRIMARY KEY (tenant_id, store_id, document_id, version, place);

ALTER TABLE ONLY memoledger.document_memories
    ADD CONSTRAINT document_memories_pkey PRIMARY KEY (tenant_id, store_id, document_id, version, memory_id);

ALTER TABLE ONLY memoledger.documents
    ADD CONSTRAINT documents_pkey PRIMARY KEY (tenant_id, store_id, document_id, version);

ALTER TABLE ONLY memoledger.embedding_schedule
    ADD CONSTRAINT embedding_schedule_pkey PRIMARY KEY (tenant_id, store_id, embedding_version, family, owner_id, version);

ALTER TABLE ONLY memoledger.embeddings
    ADD CONSTRAINT embeddings_pkey PRIMARY KEY (tenant_id, store_id, family, owner_id, version, view, embedding_version);

ALTER TABLE ONLY memoledger.grants
    ADD CONSTRAINT grants_pkey PRIMARY KEY (tenant_id, store_id, grantee_id);

ALTER TABLE ONLY memoledger.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (tenant_id, user_id, key_hash);

ALTER TABLE ONLY memoledger.index_schedule
    ADD CONSTRAINT index_schedule_pkey PRIMARY KEY (tenant_id, store_id);

ALTER TABLE ONLY memoledger.memories
    ADD CONSTRAINT memories_pkey PRIMARY KEY (tenant_id, store_id, memory_id, version);

ALTER TABLE ONLY memoledger.memory_access
    ADD CONSTRAINT memory_access_pkey PRIMARY KEY (tenant_id, store_id, memory_id);

ALTER TABLE ONLY memoledger.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (tenant_id, outbox_id);

ALTER TABLE ONLY memoledger.receipt_salts
    ADD CONSTRAINT receipt_salts_pkey PRIMARY KEY (tenant_id, user_id);

ALTER TABLE ONLY memoledger.receipts
    ADD CONSTRAINT receipts_pkey PRIMARY KEY (tenant_id, user_id, receipt_id);

ALTER TABLE ONLY memoledger.store_indexes
    ADD CONSTRAINT store_indexes_pkey PRIMARY KEY (tenant_id, store_id, build);

ALTER TABLE ONLY memoledger.store_postings
    ADD CONSTRAINT store_postings_pkey PRIMARY KEY (tenant_id, store_id, build, term, private_to, segment, block);

ALTER TABLE ONLY memoledger.stores
    ADD CONSTRAINT stores_pkey PRIMARY KEY (tenant_id, store_id);

ALTER TABLE ONLY memoledger.stores
    ADD CONSTRAINT stores_tenant_id_owner_id_name_key UNIQUE (tenant_id, owner_id, name);

ALTER TABLE ONLY memoledger.tenants
    ADD CONSTRAINT tenants_pkey PRIMARY KEY (tenant_id);

ALTER TABLE ONLY memoledger.term_vectors
    ADD CONSTRAINT term_vectors_pkey PRIMARY KEY (tenant_id, store_id, family, owner_id, version);

ALTER TABLE ONLY memoledger.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (tenant_id, user_id);

ALTER TABLE ONLY memoledger_system.embedding_versions
    ADD CONSTRAINT embedding_versions_name_key UNIQUE (name);

ALTER TABLE ONLY memoledger_system.embedding_versions
    ADD CONSTRAINT embedding_versions_pkey PRIMARY KEY (embedding_version);

ALTER TABLE ONLY memoledger_system.job_migrations
    ADD CONSTRAINT job_migrations_pkey PRIMARY KEY (name);

ALTER TABLE ONLY memoledger_system.job_queue
    ADD CONSTRAINT job_queue_pkey PRIMARY KEY (one);

ALTER TABLE ONLY memoledger_system.migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY (name);

ALTER TABLE ONLY memoledger_system.receipt_retention
    ADD CONSTRAINT receipt_retention_pkey PRIMARY KEY (one);

CREATE INDEX api_keys_by_id ON memoledger.api_keys USING btree (key_id);

CREATE INDEX artifacts_by_document ON memoledger.artifacts USING btree (tenant_id, store_id, document_id);

CREATE INDEX artifacts_by_id ON memoledger.artifacts USING btree (artifact_id);

CREATE INDEX artifacts_due ON memoledger.artifacts USING btree (changed_at) WHERE (state <> 'kept'::text);

CREATE INDEX chunks_by_document ON memoledger.chunks USING btree (tenant_id, store_id, document_id) WHERE (document_id IS NOT NULL);

CREATE UNIQUE INDEX document_chunks_by_chunk ON memoledger.document_chunks USING btree (tenant_id, store_id, chunk_id, version) WHERE (chunk_id IS NOT NULL);

CREATE INDEX document_memories_by_memory ON memoledger.document_memories USING btree (tenant_id, store_id, memory_id);

CREATE UNIQUE INDEX documents_by_source ON memoledger.documents USING btree (tenant_id, store_id, source, source_id) WHERE ((superseded_at IS NULL) AND (deleted_at IS NULL) AND (source_id IS NOT NULL));

CREATE INDEX embedding_schedule_due ON memoledger.embedding_schedule USING btree (urgency, due_at) WHERE (poisoned_at IS NULL);

CREATE INDEX embeddings_current ON ONLY memoledger.embeddings USING btree (tenant_id, store_id, family, written_at) WHERE (superseded_at IS NULL);

CREATE INDEX embeddings_private ON ONLY memoledger.embeddings USING btree (tenant_id, store_id, family, private_to) WHERE ((superseded_at IS NULL) AND (private_to IS NOT NULL));

CREATE INDEX grants_by_grantee ON memoledger.grants USING btree (tenant_id, grantee_id);

CREATE INDEX idempotency_keys_by_end ON memoledger.idempotency_keys USING btree (kept_until);

CREATE UNIQUE INDEX memories_by_content ON memoledger.memories USING btree (tenant_id, store_id, content_hash, private_to) NULLS NOT DISTINCT WHERE ((external_id IS NULL) AND (superseded_at IS NULL) AND (deleted_at IS NULL));

CREATE UNIQUE INDEX memories_by_external_id ON memoledger.memories USING btree (tenant_id, store_id, external_id, private_to) NULLS NOT DISTINCT WHERE ((external_id IS NOT NULL) AND (superseded_at IS NULL) AND (deleted_at IS NULL));

CREATE INDEX memories_by_thread ON memoledger.memories USING btree (tenant_id, store_id, thread, place, memory_id) WHERE (thread IS NOT NULL);

CREATE INDEX memories_expiring ON memoledger.memories USING btree (expires_at) WHERE ((expires_at IS NOT NULL) AND (superseded_at IS NULL) AND (deleted_at IS NULL));

CREATE INDEX receipts_by_memory ON ONLY memoledger.receipts USING gin (memory_ids);

CREATE INDEX receipts_by_store ON ONLY memoledger.receipts USING btree (tenant_id, store_id, receipt_id) WHERE ((private_to IS NULL) AND (NOT unproven));

CREATE INDEX store_indexes_by_build ON memoledger.store_indexes USING btree (build);

CREATE INDEX stores_open_to_tenant ON memoledger.stores USING btree (tenant_id, store_id) WHERE (visibility = 'tenant'::text);

CREATE INDEX term_vectors_recent ON memoledger.term_vectors USING btree (tenant_id, store_id, family, written_at) WHERE ((superseded_at IS NULL) AND (written_at > '-infinity'::timestamp with time zone));

CREATE UNIQUE INDEX embedding_versions_serving ON memoledger_system.embedding_versions USING btree (state) WHERE (state = 'serving'::text);

CREATE TRIGGER artifacts_are_written_once BEFORE UPDATE ON memoledger.artifacts FOR EACH ROW EXECUTE FUNCTION memoledger.refuse_artifact_rewrite();

CREATE TRIGGER artifacts_stay_until_collected BEFORE DELETE ON memoledger.artifacts FOR EACH ROW EXECUTE FUNCTION memoledger.refuse_artifact_delete();

CREATE TRIGGER audit_delete AFTER DELETE ON memoledger.grants REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.audit_delete('store_id', 'grantee_id');

CREATE TRIGGER audit_delete AFTER DELETE ON memoledger.stores REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.audit_delete('store_id');

CREATE TRIGGER audit_delete AFTER DELETE ON memoledger.tenants REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.audit_delete('tenant_id');

CREATE TRIGGER audit_delete AFTER DELETE ON memoledger.users REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.audit_delete('user_id');

CREATE TRIGGER audit_insert AFTER INSERT ON memoledger.chunks REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.record_chunks_written();

CREATE TRIGGER audit_insert AFTER INSERT ON memoledger.documents REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.record_documents_written();

CREATE TRIGGER audit_insert AFTER INSERT ON memoledger.grants REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.audit_insert('store_id', 'grantee_id');

CREATE TRIGGER audit_insert AFTER INSERT ON memoledger.memories REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.record_memories_written();

CREATE TRIGGER audit_insert AFTER INSERT ON memoledger.stores REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.audit_insert('store_id');

CREATE TRIGGER audit_insert AFTER INSERT ON memoledger.tenants REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.audit_insert('tenant_id');

CREATE TRIGGER audit_insert AFTER INSERT ON memoledger.users REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.audit_insert('user_id');

CREATE TRIGGER audit_is_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON memoledger.audit_records FOR EACH STATEMENT EXECUTE FUNCTION memoledger.refuse_audit_change();

ALTER TABLE memoledger.audit_records ENABLE ALWAYS TRIGGER audit_is_append_only;

CREATE TRIGGER audit_keys AFTER INSERT OR DELETE OR UPDATE ON memoledger.api_keys FOR EACH ROW EXECUTE FUNCTION memoledger.audit_api_keys();

CREATE TRIGGER audit_update AFTER UPDATE ON memoledger.artifacts REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.record_artifacts_changed();

CREATE TRIGGER audit_update AFTER UPDATE ON memoledger.chunks REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.record_chunks_closed();

CREATE TRIGGER audit_update AFTER UPDATE ON memoledger.documents REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.record_documents_closed();

CREATE TRIGGER audit_update AFTER UPDATE ON memoledger.grants REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.audit_update('store_id', 'grantee_id');

CREATE TRIGGER audit_update AFTER UPDATE ON memoledger.memories REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.record_memories_closed();

CREATE TRIGGER audit_update AFTER UPDATE ON memoledger.stores REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.audit_update('store_id');

CREATE TRIGGER audit_update AFTER UPDATE ON memoledger.tenants REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.audit_update('tenant_id');

CREATE TRIGGER audit_update AFTER UPDATE ON memoledger.users REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.audit_update('user_id');

CREATE TRIGGER chunks_are_append_only BEFORE UPDATE ON memoledger.chunks FOR EACH ROW EXECUTE FUNCTION memoledger.refuse_chunk_rewrite();

CREATE TRIGGER chunks_are_kept BEFORE DELETE OR TRUNCATE ON memoledger.chunks FOR EACH STATEMENT EXECUTE FUNCTION memoledger.refuse_document_delete();

ALTER TABLE memoledger.chunks ENABLE ALWAYS TRIGGER chunks_are_kept;

CREATE TRIGGER chunks_come_with_their_version AFTER INSERT ON memoledger.chunks REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.refuse_late_chunks();

CREATE TRIGGER close_late_vectors AFTER UPDATE ON memoledger.chunks REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.close_late_chunk_vectors();

CREATE TRIGGER close_late_vectors AFTER UPDATE ON memoledger.memories REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.close_late_memory_vectors();

CREATE TRIGGER count_accesses AFTER INSERT ON memoledger.receipts REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.count_accesses();

CREATE TRIGGER document_versions_follow BEFORE INSERT ON memoledger.documents FOR EACH ROW WHEN ((new.version > 1)) EXECUTE FUNCTION memoledger.refuse_document_gap();

CREATE TRIGGER documents_are_append_only BEFORE UPDATE ON memoledger.documents FOR EACH ROW EXECUTE FUNCTION memoledger.refuse_document_rewrite();

CREATE TRIGGER documents_are_kept BEFORE DELETE OR TRUNCATE ON memoledger.documents FOR EACH STATEMENT EXECUTE FUNCTION memoledger.refuse_document_delete();

ALTER TABLE memoledger.documents ENABLE ALWAYS TRIGGER documents_are_kept;

CREATE TRIGGER drop_artifacts AFTER UPDATE ON memoledger.documents REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.drop_artifacts();

CREATE TRIGGER erase_completely AFTER UPDATE ON memoledger.documents REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.complete_document_erasure();

CREATE TRIGGER erase_completely AFTER UPDATE ON memoledger.memories REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.complete_erasure();

CREATE TRIGGER erased_with_their_document AFTER UPDATE ON memoledger.chunks REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.refuse_chunk_erasure();

CREATE TRIGGER keep_artifacts AFTER INSERT ON memoledger.documents REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.keep_artifacts();

CREATE TRIGGER memories_are_append_only BEFORE UPDATE ON memoledger.memories FOR EACH ROW EXECUTE FUNCTION memoledger.refuse_memory_rewrite();

CREATE TRIGGER memories_are_kept BEFORE DELETE OR TRUNCATE ON memoledger.memories FOR EACH STATEMENT EXECUTE FUNCTION memoledger.refuse_memory_delete();

ALTER TABLE memoledger.memories ENABLE ALWAYS TRIGGER memories_are_kept;

CREATE TRIGGER memory_derives_columns BEFORE INSERT OR UPDATE ON memoledger.memories FOR EACH ROW EXECUTE FUNCTION memoledger.derive_columns();

CREATE TRIGGER memory_versions_follow BEFORE INSERT ON memoledger.memories FOR EACH ROW WHEN ((new.version > 1)) EXECUTE FUNCTION memoledger.refuse_memory_gap();

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON memoledger.api_keys FOR EACH STATEMENT EXECUTE FUNCTION memoledger.refuse_truncate();

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON memoledger.artifacts FOR EACH STATEMENT EXECUTE FUNCTION memoledger.refuse_truncate();

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON memoledger.grants FOR EACH STATEMENT EXECUTE FUNCTION memoledger.refuse_truncate();

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON memoledger.stores FOR EACH STATEMENT EXECUTE FUNCTION memoledger.refuse_truncate();

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON memoledger.tenants FOR EACH STATEMENT EXECUTE FUNCTION memoledger.refuse_truncate();

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON memoledger.users FOR EACH STATEMENT EXECUTE FUNCTION memoledger.refuse_truncate();

CREATE TRIGGER observations_are_kept BEFORE DELETE OR UPDATE OR TRUNCATE ON memoledger.document_memories FOR EACH STATEMENT EXECUTE FUNCTION memoledger.refuse_document_delete();

ALTER TABLE memoledger.document_memories ENABLE ALWAYS TRIGGER observations_are_kept;

CREATE TRIGGER observations_come_with_their_version BEFORE INSERT ON memoledger.document_memories FOR EACH ROW EXECUTE FUNCTION memoledger.derive_link_privacy();

CREATE TRIGGER places_are_kept BEFORE DELETE OR UPDATE OR TRUNCATE ON memoledger.document_chunks FOR EACH STATEMENT EXECUTE FUNCTION memoledger.refuse_document_delete();

ALTER TABLE memoledger.document_chunks ENABLE ALWAYS TRIGGER places_are_kept;

CREATE TRIGGER places_come_with_their_version AFTER INSERT ON memoledger.document_chunks REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.refuse_late_places();

CREATE TRIGGER receipts_are_append_only BEFORE DELETE OR UPDATE ON memoledger.receipts FOR EACH ROW EXECUTE FUNCTION memoledger.refuse_receipt_change();

CREATE TRIGGER receipts_are_kept BEFORE TRUNCATE ON memoledger.receipts FOR EACH STATEMENT EXECUTE FUNCTION memoledger.refuse_receipt_change();

CREATE TRIGGER schedule_index AFTER INSERT ON memoledger.chunks REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.schedule_index();

CREATE TRIGGER schedule_index AFTER INSERT ON memoledger.memories REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.schedule_index();

CREATE TRIGGER strike_late_chunks AFTER INSERT ON memoledger.receipts REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.strike_late_chunks();

CREATE TRIGGER strike_receipts AFTER UPDATE ON memoledger.memories REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.strike_receipts();

CREATE TRIGGER unschedule_erased AFTER UPDATE OF erased_at ON memoledger.chunks FOR EACH ROW WHEN ((new.erased_at IS NOT NULL)) EXECUTE FUNCTION memoledger.unschedule_erased('chunk', 'chunk_id', 'first_version');

CREATE TRIGGER unschedule_erased AFTER UPDATE OF erased_at ON memoledger.memories FOR EACH ROW WHEN ((new.erased_at IS NOT NULL)) EXECUTE FUNCTION memoledger.unschedule_erased('memory', 'memory_id', 'version');

ALTER TABLE ONLY memoledger.api_key_uses
    ADD CONSTRAINT api_key_uses_tenant_id_user_id_key_id_fkey FOREIGN KEY (tenant_id, user_id, key_id) REFERENCES memoledger.api_keys(tenant_id, user_id, key_id);

ALTER TABLE ONLY memoledger.api_keys
    ADD CONSTRAINT api_keys_tenant_id_created_by_fkey FOREIGN KEY (tenant_id, created_by) REFERENCES memoledger.users(tenant_id, user_id);

ALTER TABLE ONLY memoledger.api_keys
    ADD CONSTRAINT api_keys_tenant_id_user_id_fkey FOREIGN KEY (tenant_id, user_id) REFERENCES memoledger.users(tenant_id, user_id);

ALTER TABLE ONLY memoledger.artifacts
    ADD CONSTRAINT artifacts_tenant_id_store_id_fkey FOREIGN KEY (tenant_id, store_id) REFERENCES memoledger.stores(tenant_id, store_id);

ALTER TABLE ONLY memoledger.chunks
    ADD CONSTRAINT chunks_tenant_id_store_id_document_id_first_version_fkey FOREIGN KEY (tenant_id, store_id, document_id, first_version) REFERENCES memoledger.documents(tenant_id, store_id, document_id, version);

ALTER TABLE ONLY memoledger.document_memories
    ADD CONSTRAINT document_memories_tenant_id_store_id_document_id_version_fkey FOREIGN KEY (tenant_id, store_id, document_id, version) REFERENCES memoledger.documents(tenant_id, store_id, document_id, version);

ALTER TABLE ONLY memoledger.document_memories
    ADD CONSTRAINT document_memories_tenant_id_store_id_memory_id_memory_vers_fkey FOREIGN KEY (tenant_id, store_id, memory_id, memory_version) REFERENCES memoledger.memories(tenant_id, store_id, memory_id, version);

ALTER TABLE ONLY memoledger.documents
    ADD CONSTRAINT documents_tenant_id_store_id_fkey FOREIGN KEY (tenant_id, store_id) REFERENCES memoledger.stores(tenant_id, store_id);

ALTER TABLE ONLY memoledger.embedding_schedule
    ADD CONSTRAINT embedding_schedule_tenant_id_store_id_fkey FOREIGN KEY (tenant_id, store_id) REFERENCES memoledger.stores(tenant_id, store_id);

ALTER TABLE ONLY memoledger.grants
    ADD CONSTRAINT grants_tenant_id_grantee_id_fkey FOREIGN KEY (tenant_id, grantee_id) REFERENCES memoledger.users(tenant_id, user_id);

ALTER TABLE ONLY memoledger.grants
    ADD CONSTRAINT grants_tenant_id_store_id_fkey FOREIGN KEY (tenant_id, store_id) REFERENCES memoledger.stores(tenant_id, store_id);

ALTER TABLE ONLY memoledger.idempotency_keys
    ADD CONSTRAINT idempotency_keys_tenant_id_user_id_fkey FOREIGN KEY (tenant_id, user_id) REFERENCES memoledger.users(tenant_id, user_id);

ALTER TABLE ONLY memoledger.index_schedule
    ADD CONSTRAINT index_schedule_tenant_id_store_id_fkey FOREIGN KEY (tenant_id, store_id) REFERENCES memoledger.stores(tenant_id, store_id);

ALTER TABLE ONLY memoledger.memories
    ADD CONSTRAINT memories_tenant_id_store_id_fkey FOREIGN KEY (tenant_id, store_id) REFERENCES memoledger.stores(tenant_id, store_id);

ALTER TABLE ONLY memoledger.receipt_salts
    ADD CONSTRAINT receipt_salts_tenant_id_user_id_fkey FOREIGN KEY (tenant_id, user_id) REFERENCES memoledger.users(tenant_id, user_id);

ALTER TABLE ONLY memoledger.stores
    ADD CONSTRAINT stores_tenant_id_owner_id_fkey FOREIGN KEY (tenant_id, owner_id) REFERENCES memoledger.users(tenant_id, user_id);

ALTER TABLE ONLY memoledger.users
    ADD CONSTRAINT users_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES memoledger.tenants(tenant_id);

ALTER TABLE memoledger.api_key_uses ENABLE ROW LEVEL SECURITY;

ALTER TABLE memoledger.api_keys ENABLE ROW LEVEL SECURITY;

ALTER TABLE memoledger.artifacts ENABLE ROW LEVEL SECURITY;

ALTER TABLE memoledger.audit_records ENABLE ROW LEVEL SECURITY;

CREATE POLICY by_granter ON memoledger.grants FOR UPDATE TO memoledger_app USING (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (granted_by = ( SELECT current_setting('app.current_user'::text, true) AS current_setting))));

CREATE POLICY by_owner ON memoledger.grants FOR INSERT TO memoledger_app WITH CHECK (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (granted_by = ( SELECT current_setting('app.current_user'::text, true) AS current_setting)) AND (EXISTS ( SELECT
   FROM memoledger.stores s
  WHERE ((s.tenant_id = grants.tenant_id) AND (s.store_id = grants.store_id) AND (s.owner_id = ( SELECT current_setting('app.current_user'::text, true) AS current_setting)))))));

ALTER TABLE memoledger.chunks ENABLE ROW LEVEL SECURITY;

ALTER TABLE memoledger.document_chunks ENABLE ROW LEVEL SECURITY;

ALTER TABLE memoledger.document_memories ENABLE ROW LEVEL SECURITY;

ALTER TABLE memoledger.documents ENABLE ROW LEVEL SECURITY;

ALTER TABLE memoledger.embedding_schedule ENABLE ROW LEVEL SECURITY;

ALTER TABLE memoledger.embeddings ENABLE ROW LEVEL SECURITY;

ALTER TABLE memoledger.grants ENABLE ROW LEVEL SECURITY;

ALTER TABLE memoledger.idempotency_keys ENABLE ROW LEVEL SECURITY;

ALTER TABLE memoledger.index_schedule ENABLE ROW LEVEL SECURITY;

CREATE POLICY introduced ON memoledger.tenants FOR INSERT TO memoledger_app WITH CHECK (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (created_by = ( SELECT current_setting('app.current_user'::text, true) AS current_setting))));

CREATE POLICY introduced ON memoledger.users FOR INSERT TO memoledger_app WITH CHECK (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (created_by = ( SELECT current_setting('app.current_user'::text, true) AS current_setting))));

CREATE POLICY made ON memoledger.api_keys FOR INSERT TO memoledger_app WITH CHECK (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (created_by = ( SELECT current_setting('app.current_user'::text, true) AS current_setting)) AND (user_id >= ( SELECT memoledger.first_managed_user() AS first_managed_user)) AND (user_id <= ( SELECT memoledger.last_managed_user() AS last_managed_user)) AND (scopes <@ ( SELECT memoledger.current_scopes() AS current_scopes)) AND (revoked_at IS NULL)));

CREATE POLICY maintenance ON memoledger.api_key_uses TO memoledger_owner USING (true) WITH CHECK (true);

CREATE POLICY maintenance ON memoledger.api_keys TO memoledger_owner USING (true) WITH CHECK (true);

CREATE POLICY maintenance ON memoledger.artifacts TO memoledger_owner USING (true) WITH CHECK (true);

CREATE POLICY maintenance ON memoledger.audit_records TO memoledger_owner USING (true) WITH CHECK (true);

CREATE POLICY maintenance ON memoledger.chunks TO memoledger_owner USING (true) WITH CHECK (true);

CREATE POLICY maintenance ON memoledger.document_chunks TO memoledger_owner USING (true) WITH CHECK (true);

CREATE POLICY maintenance ON memoledger.document_memories TO memoledger_owner USING (true) WITH CHECK (true);

CREATE POLICY maintenance ON memoledger.documents TO memoledger_owner USING (true) WITH CHECK (true);

CREATE POLICY maintenance ON memoledger.embedding_schedule TO memoledger_owner USING (true) WITH CHECK (true);

CREATE POLICY maintenance ON memoledger.embeddings TO memoledger_owner USING (true) WITH CHECK (true);

CREATE POLICY maintenance ON memoledger.grants TO memoledger_owner USING (true) WITH CHECK (true);

CREATE POLICY maintenance ON memoledger.idempotency_keys TO memoledger_owner USING (true) WITH CHECK (true);

CREATE POLICY maintenance ON memoledger.index_schedule TO memoledger_owner USING (true) WITH CHECK (true);

CREATE POLICY maintenance ON memoledger.memories TO memoledger_owner USING (true) WITH CHECK (true);

CREATE POLICY maintenance ON memoledger.memory_access TO memoledger_owner USING (true) WITH CHECK (true);

CREATE POLICY maintenance ON memoledger.outbox TO memoledger_owner USING (true) WITH CHECK (true);

CREATE POLICY maintenance ON memoledger.receipt_salts TO memoledger_owner USING (true) WITH CHECK (true);

CREATE POLICY maintenance ON memoledger.receipts TO memoledger_owner USING (true) WITH CHECK (true);

CREATE POLICY maintenance ON memoledger.store_indexes TO memoledger_owner USING (true) WITH CHECK (true);

CREATE POLICY maintenance ON memoledger.store_postings TO memoledger_owner USING (true) WITH CHECK (true);

CREATE POLICY maintenance ON memoledger.stores TO memoledger_owner USING (true) WITH CHECK (true);

CREATE POLICY maintenance ON memoledger.tenants TO memoledger_owner USING (true) WITH CHECK (true);

CREATE POLICY maintenance ON memoledger.term_vectors TO memoledger_owner USING (true) WITH CHECK (true);

CREATE POLICY maintenance ON memoledger.users TO memoledger_owner USING (true) WITH CHECK (true);

CREATE POLICY managed ON memoledger.api_key_uses FOR SELECT TO memoledger_app USING (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (user_id >= ( SELECT memoledger.first_managed_user() AS first_managed_user)) AND (user_id <= ( SELECT memoledger.last_managed_user() AS last_managed_user))));

CREATE POLICY managed ON memoledger.api_keys FOR SELECT TO memoledger_app USING (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (user_id >= ( SELECT memoledger.first_managed_user() AS first_managed_user)) AND (user_id <= ( SELECT memoledger.last_managed_user() AS last_managed_user))));

ALTER TABLE memoledger.memories ENABLE ROW LEVEL SECURITY;

ALTER TABLE memoledger.memory_access ENABLE ROW LEVEL SECURITY;

CREATE POLICY mine ON memoledger.grants FOR SELECT TO memoledger_app USING (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND ((( SELECT current_setting('app.current_user'::text, true) AS current_setting) = grantee_id) OR (( SELECT current_setting('app.current_user'::text, true) AS current_setting) = granted_by))));

ALTER TABLE memoledger.outbox ENABLE ROW LEVEL SECURITY;

CREATE POLICY own ON memoledger.idempotency_keys TO memoledger_app USING (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (user_id = ( SELECT current_setting('app.current_user'::text, true) AS current_setting)))) WITH CHECK (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (user_id = ( SELECT current_setting('app.current_user'::text, true) AS current_setting))));

CREATE POLICY own ON memoledger.receipt_salts FOR SELECT TO memoledger_app USING (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (user_id = ( SELECT current_setting('app.current_user'::text, true) AS current_setting))));

CREATE POLICY own_acts ON memoledger.audit_records FOR SELECT TO memoledger_app USING (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND ((actor = ( SELECT current_setting('app.current_user'::text, true) AS current_setting)) OR ((EXISTS ( SELECT
   FROM memoledger.stores s
  WHERE ((s.tenant_id = audit_records.tenant_id) AND (s.store_id = audit_records.store_id) AND (s.owner_id = ( SELECT current_setting('app.current_user'::text, true) AS current_setting))))) AND (((COALESCE(after, before) ->> 'privacy'::text) IS DISTINCT FROM 'creator'::text) OR ((COALESCE(after, before) ->> 'created_by'::text) = ( SELECT current_setting('app.current_user'::text, true) AS current_setting)))))));

CREATE POLICY own_insert ON memoledger.receipt_salts FOR INSERT TO memoledger_app WITH CHECK (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (user_id = ( SELECT current_setting('app.current_user'::text, true) AS current_setting))));

CREATE POLICY own_insert ON memoledger.receipts FOR INSERT TO memoledger_app WITH CHECK (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (user_id = ( SELECT current_setting('app.current_user'::text, true) AS current_setting)) AND (unproven OR (store_id = ANY (( SELECT memoledger.readable_store_ids() AS readable_store_ids)::uuid[])))));

CREATE POLICY own_insert ON memoledger.stores FOR INSERT TO memoledger_app WITH CHECK (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (owner_id = ( SELECT current_setting('app.current_user'::text, true) AS current_setting)) AND (created_by = ( SELECT current_setting('app.current_user'::text, true) AS current_setting)) AND (updated_by = ( SELECT current_setting('app.current_user'::text, true) AS current_setting))));

CREATE POLICY own_recalls ON memoledger.receipts FOR SELECT TO memoledger_app USING (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND ((user_id = ( SELECT current_setting('app.current_user'::text, true) AS current_setting)) OR ((store_id = ANY (( SELECT memoledger.owned_store_ids() AS owned_store_ids)::uuid[])) AND (private_to IS NULL) AND (NOT unproven)))));

CREATE POLICY own_tenant ON memoledger.tenants FOR SELECT TO memoledger_app USING ((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)));

CREATE POLICY own_tenant ON memoledger.users FOR SELECT TO memoledger_app USING ((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)));

CREATE POLICY own_update ON memoledger.stores FOR UPDATE TO memoledger_app USING (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (owner_id = ( SELECT current_setting('app.current_user'::text, true) AS current_setting)))) WITH CHECK (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (owner_id = ( SELECT current_setting('app.current_user'::text, true) AS current_setting)) AND (updated_by = ( SELECT current_setting('app.current_user'::text, true) AS current_setting))));

CREATE POLICY readable ON memoledger.artifacts FOR SELECT TO memoledger_app USING (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (store_id = ANY (( SELECT memoledger.readable_store_ids() AS readable_store_ids)::uuid[]))));

CREATE POLICY readable ON memoledger.chunks FOR SELECT TO memoledger_app USING (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (store_id = ANY (( SELECT memoledger.readable_store_ids() AS readable_store_ids)::uuid[]))));

CREATE POLICY readable ON memoledger.document_chunks FOR SELECT TO memoledger_app USING (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (store_id = ANY (( SELECT memoledger.readable_store_ids() AS readable_store_ids)::uuid[]))));

CREATE POLICY readable ON memoledger.document_memories FOR SELECT TO memoledger_app USING (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (store_id = ANY (( SELECT memoledger.readable_store_ids() AS readable_store_ids)::uuid[])) AND ((private_to IS NULL) OR (private_to = ( SELECT current_setting('app.current_user'::text, true) AS current_setting)))));

CREATE POLICY readable ON memoledger.documents FOR SELECT TO memoledger_app USING (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (store_id = ANY (( SELECT memoledger.readable_store_ids() AS readable_store_ids)::uuid[]))));

CREATE POLICY readable ON memoledger.embedding_schedule FOR SELECT TO memoledger_app USING (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (store_id = ANY (( SELECT memoledger.readable_store_ids() AS readable_store_ids)::uuid[])) AND ((private_to IS NULL) OR (private_to = ( SELECT current_setting('app.current_user'::text, true) AS current_setting)))));

CREATE POLICY readable ON memoledger.embeddings FOR SELECT TO memoledger_app USING (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (store_id = ANY (( SELECT memoledger.readable_store_ids() AS readable_store_ids)::uuid[])) AND ((private_to IS NULL) OR (private_to = ( SELECT current_setting('app.current_user'::text, true) AS current_setting)))));

CREATE POLICY readable ON memoledger.memories FOR SELECT TO memoledger_app USING (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (store_id = ANY (( SELECT memoledger.readable_store_ids() AS readable_store_ids)::uuid[])) AND ((private_to IS NULL) OR (private_to = ( SELECT current_setting('app.current_user'::text, true) AS current_setting)))));

CREATE POLICY readable ON memoledger.memory_access FOR SELECT TO memoledger_app USING (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (store_id = ANY (( SELECT memoledger.readable_store_ids() AS readable_store_ids)::uuid[])) AND ((private_to IS NULL) OR (private_to = ( SELECT current_setting('app.current_user'::text, true) AS current_setting)))));

CREATE POLICY readable ON memoledger.store_indexes FOR SELECT TO memoledger_app USING (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (store_id = ANY (( SELECT memoledger.readable_store_ids() AS readable_store_ids)::uuid[]))));

CREATE POLICY readable ON memoledger.store_postings FOR SELECT TO memoledger_app USING (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (store_id = ANY (( SELECT memoledger.readable_store_ids() AS readable_store_ids)::uuid[])) AND (private_to = ANY (ARRAY[''::text, ( SELECT current_setting('app.current_user'::text, true) AS current_setting)]))));

CREATE POLICY readable ON memoledger.stores FOR SELECT TO memoledger_app USING (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND ((owner_id = ( SELECT current_setting('app.current_user'::text, true) AS current_setting)) OR (visibility = 'tenant'::text) OR (store_id = ANY (( SELECT memoledger.granted_store_ids('read'::text) AS granted_store_ids)::uuid[])))));

CREATE POLICY readable ON memoledger.term_vectors FOR SELECT TO memoledger_app USING (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (store_id = ANY (( SELECT memoledger.readable_store_ids() AS readable_store_ids)::uuid[])) AND ((private_to IS NULL) OR (private_to = ( SELECT current_setting('app.current_user'::text, true) AS current_setting)))));

ALTER TABLE memoledger.receipt_salts ENABLE ROW LEVEL SECURITY;

ALTER TABLE memoledger.receipts ENABLE ROW LEVEL SECURITY;

CREATE POLICY revoked ON memoledger.api_keys FOR UPDATE TO memoledger_app USING (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (user_id >= ( SELECT memoledger.first_managed_user() AS first_managed_user)) AND (user_id <= ( SELECT memoledger.last_managed_user() AS last_managed_user)))) WITH CHECK (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (revoked_at IS NOT NULL) AND (revoked_by = ( SELECT current_setting('app.current_user'::text, true) AS current_setting))));

CREATE POLICY revoked_by_granter ON memoledger.grants FOR DELETE TO memoledger_app USING (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (granted_by = ( SELECT current_setting('app.current_user'::text, true) AS current_setting))));

ALTER TABLE memoledger.store_indexes ENABLE ROW LEVEL SECURITY;

ALTER TABLE memoledger.store_postings ENABLE ROW LEVEL SECURITY;

ALTER TABLE memoledger.stores ENABLE ROW LEVEL SECURITY;

ALTER TABLE memoledger.tenants ENABLE ROW LEVEL SECURITY;

ALTER TABLE memoledger.term_vectors ENABLE ROW LEVEL SECURITY;

ALTER TABLE memoledger.users ENABLE ROW LEVEL SECURITY;

CREATE POLICY writable_insert ON memoledger.artifacts FOR INSERT TO memoledger_app WITH CHECK (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (store_id = ANY (( SELECT memoledger.writable_store_ids() AS writable_store_ids)::uuid[])) AND (created_by = ( SELECT current_setting('app.current_user'::text, true) AS current_setting)) AND (state = 'writing'::text)));

CREATE POLICY writable_insert ON memoledger.chunks FOR INSERT TO memoledger_app WITH CHECK (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (store_id = ANY (( SELECT memoledger.writable_store_ids() AS writable_store_ids)::uuid[])) AND (superseded_at IS NULL) AND (erased_at IS NULL)));

CREATE POLICY writable_insert ON memoledger.document_chunks FOR INSERT TO memoledger_app WITH CHECK (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (store_id = ANY (( SELECT memoledger.writable_store_ids() AS writable_store_ids)::uuid[]))));

CREATE POLICY writable_insert ON memoledger.document_memories FOR INSERT TO memoledger_app WITH CHECK (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (store_id = ANY (( SELECT memoledger.writable_store_ids() AS writable_store_ids)::uuid[]))));

CREATE POLICY writable_insert ON memoledger.documents FOR INSERT TO memoledger_app WITH CHECK (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (store_id = ANY (( SELECT memoledger.writable_store_ids() AS writable_store_ids)::uuid[])) AND (updated_by = ( SELECT current_setting('app.current_user'::text, true) AS current_setting)) AND (superseded_at IS NULL) AND (deleted_at IS NULL) AND (erased_at IS NULL) AND ((version > 1) OR ((created_by = ( SELECT current_setting('app.current_user'::text, true) AS current_setting)) AND ((recorded_at >= (now() - '00:01:00'::interval)) AND (recorded_at <= clock_timestamp()))))));

CREATE POLICY writable_insert ON memoledger.embedding_schedule FOR INSERT TO memoledger_app WITH CHECK (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (store_id = ANY (( SELECT memoledger.writable_store_ids() AS writable_store_ids)::uuid[])) AND ((private_to IS NULL) OR (private_to = ( SELECT current_setting('app.current_user'::text, true) AS current_setting)))));

CREATE POLICY writable_insert ON memoledger.embeddings FOR INSERT TO memoledger_app WITH CHECK (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (store_id = ANY (( SELECT memoledger.writable_store_ids() AS writable_store_ids)::uuid[]))));

CREATE POLICY writable_insert ON memoledger.memories FOR INSERT TO memoledger_app WITH CHECK (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (store_id = ANY (( SELECT memoledger.writable_store_ids() AS writable_store_ids)::uuid[])) AND (updated_by = ( SELECT current_setting('app.current_user'::text, true) AS current_setting)) AND (superseded_at IS NULL) AND (deleted_at IS NULL) AND (erased_at IS NULL) AND ((version > 1) OR ((created_by = ( SELECT current_setting('app.current_user'::text, true) AS current_setting)) AND ((recorded_at >= (now() - '00:01:00'::interval)) AND (recorded_at <= clock_timestamp()))))));

CREATE POLICY writable_insert ON memoledger.term_vectors FOR INSERT TO memoledger_app WITH CHECK (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (store_id = ANY (( SELECT memoledger.writable_store_ids() AS writable_store_ids)::uuid[]))));

CREATE POLICY writable_update ON memoledger.artifacts FOR UPDATE TO memoledger_app USING (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (store_id = ANY (( SELECT memoledger.writable_store_ids() AS writable_store_ids)::uuid[])) AND (state = ANY (ARRAY['writing'::text, 'dropped'::text])))) WITH CHECK (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (state = ANY (ARRAY['dropped'::text, 'collected'::text]))));

CREATE POLICY writable_update ON memoledger.chunks FOR UPDATE TO memoledger_app USING (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (store_id = ANY (( SELECT memoledger.writable_store_ids() AS writable_store_ids)::uuid[]))));

CREATE POLICY writable_update ON memoledger.documents FOR UPDATE TO memoledger_app USING (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (store_id = ANY (( SELECT memoledger.writable_store_ids() AS writable_store_ids)::uuid[]))));

CREATE POLICY writable_update ON memoledger.embeddings FOR UPDATE TO memoledger_app USING (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (store_id = ANY (( SELECT memoledger.writable_store_ids() AS writable_store_ids)::uuid[])) AND ((private_to IS NULL) OR (private_to = ( SELECT current_setting('app.current_user'::text, true) AS current_setting)))));

CREATE POLICY writable_update ON memoledger.memories FOR UPDATE TO memoledger_app USING (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (store_id = ANY (( SELECT memoledger.writable_store_ids() AS writable_store_ids)::uuid[])) AND ((private_to IS NULL) OR (private_to = ( SELECT current_setting('app.current_user'::text, true) AS current_setting)))));

CREATE POLICY writable_update ON memoledger.term_vectors FOR UPDATE TO memoledger_app USING (((tenant_id = ( SELECT memoledger.current_tenant() AS current_tenant)) AND (store_id = ANY (( SELECT memoledger.writable_store_ids() AS writable_store_ids)::uuid[])) AND ((private_to IS NULL) OR (private_to = ( SELECT current_setting('app.current_user'::text, true) AS current_setting)))));

ALTER TABLE memoledger_system.embedding_versions ENABLE ROW LEVEL SECURITY;

ALTER TABLE memoledger_system.job_migrations ENABLE ROW LEVEL SECURITY;

ALTER TABLE memoledger_system.job_queue ENABLE ROW LEVEL SECURITY;

CREATE POLICY maintenance ON memoledger_system.embedding_versions TO memoledger_owner USING (true) WITH CHECK (true);

CREATE POLICY maintenance ON memoledger_system.job_migrations TO memoledger_owner USING (true) WITH CHECK (true);

CREATE POLICY maintenance ON memoledger_system.job_queue TO memoledger_owner USING (true) WITH CHECK (true);

CREATE POLICY maintenance ON memoledger_system.migrations TO memoledger_owner USING (true) WITH CHECK (true);

CREATE POLICY maintenance ON memoledger_system.receipt_retention TO memoledger_owner USING (true) WITH CHECK (true);

ALTER TABLE memoledger_system.migrations ENABLE ROW LEVEL SECURITY;

CREATE POLICY readable ON memoledger_system.embedding_versions FOR SELECT TO memoledger_app USING (true);

CREATE POLICY readable ON memoledger_system.job_migrations FOR SELECT TO memoledger_app USING (true);

CREATE POLICY readable ON memoledger_system.migrations FOR SELECT TO memoledger_app USING (true);

CREATE POLICY readable ON memoledger_system.receipt_retention FOR SELECT TO memoledger_app USING (true);

ALTER TABLE memoledger_system.receipt_retention ENABLE ROW LEVEL SECURITY;

GRANT USAGE ON SCHEMA memoledger TO memoledger_app;

GRANT USAGE ON SCHEMA memoledger_system TO memoledger_app;

REVOKE ALL ON FUNCTION memoledger.asking_share(content text) FROM PUBLIC;
GRANT ALL ON FUNCTION memoledger.asking_share(content text) TO memoledger_app;

REVOKE ALL ON FUNCTION memoledger.audit_api_keys() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.audit_delete() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.audit_insert() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.audit_update() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.being_learned_since(of_tenant text, of_store uuid, of_document uuid, of_version integer) FROM PUBLIC;
GRANT ALL ON FUNCTION memoledger.being_learned_since(of_tenant text, of_store uuid, of_document uuid, of_version integer) TO memoledger_app;

GRANT SELECT,INSERT ON TABLE memoledger.chunks TO memoledger_app;

GRANT UPDATE(superseded_at) ON TABLE memoledger.chunks TO memoledger_app;

REVOKE ALL ON FUNCTION memoledger.chunk_commitment(c memoledger.chunks) FROM PUBLIC;
GRANT ALL ON FUNCTION memoledger.chunk_commitment(c memoledger.chunks) TO memoledger_app;

REVOKE ALL ON FUNCTION memoledger.chunk_facts(c memoledger.chunks) FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.close_late_chunk_vectors() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.close_late_memory_vectors() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.complete_document_erasure() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.complete_erasure() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.count_accesses() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.current_actor() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.current_scopes() FROM PUBLIC;
GRANT ALL ON FUNCTION memoledger.current_scopes() TO memoledger_app;

REVOKE ALL ON FUNCTION memoledger.current_tenant() FROM PUBLIC;
GRANT ALL ON FUNCTION memoledger.current_tenant() TO memoledger_app;

REVOKE ALL ON FUNCTION memoledger.derive_columns() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.derive_link_privacy() FROM PUBLIC;

GRANT SELECT,INSERT ON TABLE memoledger.documents TO memoledger_app;

GRANT UPDATE(superseded_at) ON TABLE memoledger.documents TO memoledger_app;

GRANT UPDATE(deleted_at) ON TABLE memoledger.documents TO memoledger_app;

GRANT UPDATE(erased_at) ON TABLE memoledger.documents TO memoledger_app;

GRANT UPDATE(source) ON TABLE memoledger.documents TO memoledger_app;

GRANT UPDATE(source_id) ON TABLE memoledger.documents TO memoledger_app;

GRANT UPDATE(state) ON TABLE memoledger.documents TO memoledger_app;

GRANT UPDATE(title) ON TABLE memoledger.documents TO memoledger_app;

GRANT UPDATE(summary) ON TABLE memoledger.documents TO memoledger_app;

GRANT UPDATE(media_type) ON TABLE memoledger.documents TO memoledger_app;

GRANT UPDATE(author) ON TABLE memoledger.documents TO memoledger_app;

GRANT UPDATE(tags) ON TABLE memoledger.documents TO memoledger_app;

GRANT UPDATE(metadata) ON TABLE memoledger.documents TO memoledger_app;

GRANT UPDATE(lineage) ON TABLE memoledger.documents TO memoledger_app;

GRANT UPDATE(artifact_key) ON TABLE memoledger.documents TO memoledger_app;

GRANT UPDATE(artifact_hash) ON TABLE memoledger.documents TO memoledger_app;

GRANT UPDATE(content_hash) ON TABLE memoledger.documents TO memoledger_app;

GRANT UPDATE(salt) ON TABLE memoledger.documents TO memoledger_app;

REVOKE ALL ON FUNCTION memoledger.document_commitment(d memoledger.documents) FROM PUBLIC;
GRANT ALL ON FUNCTION memoledger.document_commitment(d memoledger.documents) TO memoledger_app;

REVOKE ALL ON FUNCTION memoledger.document_facts(d memoledger.documents) FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.drop_artifacts() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.drop_tenant_queue(owner_ids uuid[]) FROM PUBLIC;
GRANT ALL ON FUNCTION memoledger.drop_tenant_queue(owner_ids uuid[]) TO memoledger_app;

REVOKE ALL ON FUNCTION memoledger.first_managed_user() FROM PUBLIC;
GRANT ALL ON FUNCTION memoledger.first_managed_user() TO memoledger_app;

REVOKE ALL ON FUNCTION memoledger.good_keys(key_ids uuid[], digests bytea[], used_ago_s double precision[]) FROM PUBLIC;
GRANT ALL ON FUNCTION memoledger.good_keys(key_ids uuid[], digests bytea[], used_ago_s double precision[]) TO memoledger_app;

REVOKE ALL ON FUNCTION memoledger.granted_store_ids(least_access text) FROM PUBLIC;
GRANT ALL ON FUNCTION memoledger.granted_store_ids(least_access text) TO memoledger_app;

REVOKE ALL ON FUNCTION memoledger.keep_artifacts() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.last_managed_user() FROM PUBLIC;
GRANT ALL ON FUNCTION memoledger.last_managed_user() TO memoledger_app;

REVOKE ALL ON FUNCTION memoledger.managed_tenant() FROM PUBLIC;
GRANT ALL ON FUNCTION memoledger.managed_tenant() TO memoledger_app;

GRANT SELECT,INSERT ON TABLE memoledger.memories TO memoledger_app;

GRANT UPDATE(superseded_at) ON TABLE memoledger.memories TO memoledger_app;

GRANT UPDATE(deleted_at) ON TABLE memoledger.memories TO memoledger_app;

GRANT UPDATE(erased_at) ON TABLE memoledger.memories TO memoledger_app;

GRANT UPDATE(external_id) ON TABLE memoledger.memories TO memoledger_app;

GRANT UPDATE(source) ON TABLE memoledger.memories TO memoledger_app;

GRANT UPDATE(content) ON TABLE memoledger.memories TO memoledger_app;

GRANT UPDATE(title) ON TABLE memoledger.memories TO memoledger_app;

GRANT UPDATE(summary) ON TABLE memoledger.memories TO memoledger_app;

GRANT UPDATE(tags) ON TABLE memoledger.memories TO memoledger_app;

GRANT UPDATE(subject_refs) ON TABLE memoledger.memories TO memoledger_app;

GRANT UPDATE(metadata) ON TABLE memoledger.memories TO memoledger_app;

GRANT UPDATE(content_hash) ON TABLE memoledger.memories TO memoledger_app;

GRANT UPDATE(salt) ON TABLE memoledger.memories TO memoledger_app;

REVOKE ALL ON FUNCTION memoledger.memory_commitment(m memoledger.memories) FROM PUBLIC;
GRANT ALL ON FUNCTION memoledger.memory_commitment(m memoledger.memories) TO memoledger_app;

REVOKE ALL ON FUNCTION memoledger.memory_facts(m memoledger.memories) FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.owned_store_ids() FROM PUBLIC;
GRANT ALL ON FUNCTION memoledger.owned_store_ids() TO memoledger_app;

REVOKE ALL ON FUNCTION memoledger.place_of(metadata jsonb, occurred_at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION memoledger.place_of(metadata jsonb, occurred_at timestamp with time zone) TO memoledger_app;

REVOKE ALL ON FUNCTION memoledger.readable_store_ids() FROM PUBLIC;
GRANT ALL ON FUNCTION memoledger.readable_store_ids() TO memoledger_app;

REVOKE ALL ON FUNCTION memoledger.receipts_lock(of_tenant text, of_store uuid) FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.record_artifacts_changed() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.record_chunks_closed() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.record_chunks_written() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.record_documents_closed() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.record_documents_written() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.record_memories_closed() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.record_memories_written() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.refresh_statistics() FROM PUBLIC;
GRANT ALL ON FUNCTION memoledger.refresh_statistics() TO memoledger_app;

REVOKE ALL ON FUNCTION memoledger.refuse_artifact_delete() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.refuse_artifact_rewrite() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.refuse_audit_change() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.refuse_chunk_erasure() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.refuse_chunk_rewrite() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.refuse_document_delete() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.refuse_document_gap() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.refuse_document_rewrite() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.refuse_late_chunks() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.refuse_late_places() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.refuse_memory_delete() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.refuse_memory_gap() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.refuse_memory_rewrite() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.refuse_receipt_change() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.refuse_truncate() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.retry_tenant_queue(owner_ids uuid[]) FROM PUBLIC;
GRANT ALL ON FUNCTION memoledger.retry_tenant_queue(owner_ids uuid[]) TO memoledger_app;

REVOKE ALL ON FUNCTION memoledger.schedule_index() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.settle_schedule(of_claim uuid, of_store uuid, of_embedding_version integer, owner_ids uuid[], versions integer[]) FROM PUBLIC;
GRANT ALL ON FUNCTION memoledger.settle_schedule(of_claim uuid, of_store uuid, of_embedding_version integer, owner_ids uuid[], versions integer[]) TO memoledger_app;

REVOKE ALL ON FUNCTION memoledger.strike(of_tenant text, of_store uuid, erased uuid[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.strike_late_chunks() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.strike_receipts() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.sweep_expired() FROM PUBLIC;
GRANT ALL ON FUNCTION memoledger.sweep_expired() TO memoledger_app;

REVOKE ALL ON FUNCTION memoledger.sweep_idempotency_keys() FROM PUBLIC;
GRANT ALL ON FUNCTION memoledger.sweep_idempotency_keys() TO memoledger_app;

REVOKE ALL ON FUNCTION memoledger.tenant_queue(only_poisoned boolean, at_most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION memoledger.tenant_queue(only_poisoned boolean, at_most integer) TO memoledger_app;

REVOKE ALL ON FUNCTION memoledger.tenant_queue_depth(OUT waiting bigint, OUT claimed bigint, OUT poisoned bigint, OUT failed bigint, OUT age_s double precision) FROM PUBLIC;
GRANT ALL ON FUNCTION memoledger.tenant_queue_depth(OUT waiting bigint, OUT claimed bigint, OUT poisoned bigint, OUT failed bigint, OUT age_s double precision) TO memoledger_app;

REVOKE ALL ON FUNCTION memoledger.tend_receipts() FROM PUBLIC;
GRANT ALL ON FUNCTION memoledger.tend_receipts() TO memoledger_app;

REVOKE ALL ON FUNCTION memoledger.thread_of(metadata jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION memoledger.thread_of(metadata jsonb) TO memoledger_app;

REVOKE ALL ON FUNCTION memoledger.unschedule_erased() FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger.wake_workers() FROM PUBLIC;
GRANT ALL ON FUNCTION memoledger.wake_workers() TO memoledger_app;

REVOKE ALL ON FUNCTION memoledger.writable_store_ids() FROM PUBLIC;
GRANT ALL ON FUNCTION memoledger.writable_store_ids() TO memoledger_app;

REVOKE ALL ON FUNCTION memoledger_system.adopt_embedding_version(id integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger_system.declare_embedding_version(version_name text, version_model text, version_dimensions integer, version_settings jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger_system.drop_store_index(of_tenant text, of_store uuid, of_build integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger_system.erase_from_build(of_tenant text, of_store uuid, of_build integer, memory_ids uuid[], terms integer[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger_system.erase_from_indexes(of_tenant text, of_store uuid, memory_ids uuid[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger_system.least_id_from(instant timestamp without time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger_system.make_store_vectors(of_build integer, dimensions integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger_system.serve_embedding_version(id integer, left_as text) FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger_system.take_no_samples(of_table regclass) FROM PUBLIC;

REVOKE ALL ON FUNCTION memoledger_system.tend_receipts_at(instant timestamp with time zone) FROM PUBLIC;

GRANT SELECT ON TABLE memoledger.api_key_uses TO memoledger_app;

GRANT SELECT(tenant_id),INSERT(tenant_id) ON TABLE memoledger.api_keys TO memoledger_app;

GRANT SELECT(user_id),INSERT(user_id) ON TABLE memoledger.api_keys TO memoledger_app;

GRANT SELECT(key_id),INSERT(key_id) ON TABLE memoledger.api_keys TO memoledger_app;

GRANT SELECT(name),INSERT(name) ON TABLE memoledger.api_keys TO memoledger_app;

GRANT SELECT(scopes),INSERT(scopes) ON TABLE memoledger.api_keys TO memoledger_app;

GRANT INSERT(digest) ON TABLE memoledger.api_keys TO memoledger_app;

GRANT SELECT(created_at) ON TABLE memoledger.api_keys TO memoledger_app;

GRANT SELECT(created_by),INSERT(created_by) ON TABLE memoledger.api_keys TO memoledger_app;

GRANT SELECT(created_with),INSERT(created_with) ON TABLE memoledger.api_keys TO memoledger_app;

GRANT SELECT(expires_at),INSERT(expires_at) ON TABLE memoledger.api_keys TO memoledger_app;

GRANT SELECT(revoked_at),UPDATE(revoked_at) ON TABLE memoledger.api_keys TO memoledger_app;

GRANT SELECT(revoked_by),UPDATE(revoked_by) ON TABLE memoledger.api_keys TO memoledger_app;

GRANT SELECT ON TABLE memoledger.artifacts TO memoledger_app;

GRANT INSERT(tenant_id) ON TABLE memoledger.artifacts TO memoledger_app;

GRANT INSERT(store_id) ON TABLE memoledger.artifacts TO memoledger_app;

GRANT INSERT(artifact_id) ON TABLE memoledger.artifacts TO memoledger_app;

GRANT INSERT(document_id) ON TABLE memoledger.artifacts TO memoledger_app;

GRANT INSERT(bytes) ON TABLE memoledger.artifacts TO memoledger_app;

GRANT UPDATE(state) ON TABLE memoledger.artifacts TO memoledger_app;

GRANT INSERT(created_by) ON TABLE memoledger.artifacts TO memoledger_app;

GRANT INSERT(hash),UPDATE(hash) ON TABLE memoledger.artifacts TO memoledger_app;

GRANT INSERT(media_type),UPDATE(media_type) ON TABLE memoledger.artifacts TO memoledger_app;

GRANT SELECT ON TABLE memoledger.audit_records TO memoledger_app;

GRANT SELECT,INSERT ON TABLE memoledger.document_chunks TO memoledger_app;

GRANT SELECT,INSERT ON TABLE memoledger.document_memories TO memoledger_app;

GRANT SELECT(tenant_id),INSERT(tenant_id) ON TABLE memoledger.embedding_schedule TO memoledger_app;

GRANT SELECT(store_id),INSERT(store_id) ON TABLE memoledger.embedding_schedule TO memoledger_app;

GRANT SELECT(family),INSERT(family) ON TABLE memoledger.embedding_schedule TO memoledger_app;

GRANT SELECT(owner_id),INSERT(owner_id) ON TABLE memoledger.embedding_schedule TO memoledger_app;

GRANT SELECT(version),INSERT(version) ON TABLE memoledger.embedding_schedule TO memoledger_app;

GRANT SELECT(embedding_version),INSERT(embedding_version) ON TABLE memoledger.embedding_schedule TO memoledger_app;

GRANT SELECT(private_to),INSERT(private_to) ON TABLE memoledger.embedding_schedule TO memoledger_app;

GRANT SELECT(reason),INSERT(reason) ON TABLE memoledger.embedding_schedule TO memoledger_app;

GRANT SELECT(urgency),INSERT(urgency) ON TABLE memoledger.embedding_schedule TO memoledger_app;

GRANT SELECT(scheduled_at) ON TABLE memoledger.embedding_schedule TO memoledger_app;

GRANT SELECT(due_at) ON TABLE memoledger.embedding_schedule TO memoledger_app;

GRANT SELECT(attempts) ON TABLE memoledger.embedding_schedule TO memoledger_app;

GRANT SELECT(last_error) ON TABLE memoledger.embedding_schedule TO memoledger_app;

GRANT SELECT(poisoned_at) ON TABLE memoledger.embedding_schedule TO memoledger_app;

GRANT SELECT,INSERT ON TABLE memoledger.embeddings TO memoledger_app;

GRANT UPDATE(superseded_at) ON TABLE memoledger.embeddings TO memoledger_app;

GRANT SELECT,DELETE ON TABLE memoledger.grants TO memoledger_app;

GRANT INSERT(tenant_id) ON TABLE memoledger.grants TO memoledger_app;

GRANT INSERT(store_id) ON TABLE memoledger.grants TO memoledger_app;

GRANT INSERT(grantee_id) ON TABLE memoledger.grants TO memoledger_app;

GRANT INSERT(access),UPDATE(access) ON TABLE memoledger.grants TO memoledger_app;

GRANT UPDATE(granted_at) ON TABLE memoledger.grants TO memoledger_app;

GRANT INSERT(granted_by) ON TABLE memoledger.grants TO memoledger_app;

GRANT SELECT,INSERT ON TABLE memoledger.idempotency_keys TO memoledger_app;

GRANT UPDATE(request_hash) ON TABLE memoledger.idempotency_keys TO memoledger_app;

GRANT UPDATE(claim_id) ON TABLE memoledger.idempotency_keys TO memoledger_app;

GRANT UPDATE(state) ON TABLE memoledger.idempotency_keys TO memoledger_app;

GRANT UPDATE(claimed_until) ON TABLE memoledger.idempotency_keys TO memoledger_app;

GRANT UPDATE(kept_until) ON TABLE memoledger.idempotency_keys TO memoledger_app;

GRANT UPDATE(status) ON TABLE memoledger.idempotency_keys TO memoledger_app;

GRANT UPDATE(answer) ON TABLE memoledger.idempotency_keys TO memoledger_app;

GRANT SELECT ON TABLE memoledger.memory_access TO memoledger_app;

GRANT SELECT ON TABLE memoledger.receipt_salts TO memoledger_app;

GRANT INSERT(tenant_id) ON TABLE memoledger.receipt_salts TO memoledger_app;

GRANT INSERT(user_id) ON TABLE memoledger.receipt_salts TO memoledger_app;

GRANT SELECT ON TABLE memoledger.receipts TO memoledger_app;

GRANT INSERT(tenant_id) ON TABLE memoledger.receipts TO memoledger_app;

GRANT INSERT(receipt_id) ON TABLE memoledger.receipts TO memoledger_app;

GRANT INSERT(user_id) ON TABLE memoledger.receipts TO memoledger_app;

GRANT INSERT(store_id) ON TABLE memoledger.receipts TO memoledger_app;

GRANT INSERT(embedding_version) ON TABLE memoledger.receipts TO memoledger_app;

GRANT INSERT(at_most) ON TABLE memoledger.receipts TO memoledger_app;

GRANT INSERT(pending) ON TABLE memoledger.receipts TO memoledger_app;

GRANT INSERT(complete) ON TABLE memoledger.receipts TO memoledger_app;

GRANT INSERT(unproven) ON TABLE memoledger.receipts TO memoledger_app;

GRANT INSERT(mode) ON TABLE memoledger.receipts TO memoledger_app;

GRANT INSERT(searched_by) ON TABLE memoledger.receipts TO memoledger_app;

GRANT INSERT(private_to) ON TABLE memoledger.receipts TO memoledger_app;

GRANT INSERT(query) ON TABLE memoledger.receipts TO memoledger_app;

GRANT INSERT(query_hash) ON TABLE memoledger.receipts TO memoledger_app;

GRANT INSERT(filters) ON TABLE memoledger.receipts TO memoledger_app;

GRANT INSERT(memory_ids) ON TABLE memoledger.receipts TO memoledger_app;

GRANT INSERT(versions) ON TABLE memoledger.receipts TO memoledger_app;

GRANT INSERT(scores) ON TABLE memoledger.receipts TO memoledger_app;

GRANT INSERT(timings_ms) ON TABLE memoledger.receipts TO memoledger_app;

GRANT INSERT(families) ON TABLE memoledger.receipts TO memoledger_app;

GRANT SELECT ON TABLE memoledger.store_indexes TO memoledger_app;

GRANT SELECT ON TABLE memoledger.store_postings TO memoledger_app;

GRANT SELECT ON TABLE memoledger.stores TO memoledger_app;

GRANT INSERT(tenant_id) ON TABLE memoledger.stores TO memoledger_app;

GRANT INSERT(store_id) ON TABLE memoledger.stores TO memoledger_app;

GRANT INSERT(owner_id) ON TABLE memoledger.stores TO memoledger_app;

GRANT INSERT(name),UPDATE(name) ON TABLE memoledger.stores TO memoledger_app;

GRANT INSERT(visibility),UPDATE(visibility) ON TABLE memoledger.stores TO memoledger_app;

GRANT INSERT(created_by) ON TABLE memoledger.stores TO memoledger_app;

GRANT UPDATE(updated_at) ON TABLE memoledger.stores TO memoledger_app;

GRANT INSERT(updated_by),UPDATE(updated_by) ON TABLE memoledger.stores TO memoledger_app;

GRANT SELECT ON TABLE memoledger.tenants TO memoledger_app;

GRANT INSERT(tenant_id) ON TABLE memoledger.tenants TO memoledger_app;

GRANT INSERT(created_by) ON TABLE memoledger.tenants TO memoledger_app;

GRANT SELECT,INSERT ON TABLE memoledger.term_vectors TO memoledger_app;

GRANT UPDATE(superseded_at) ON TABLE memoledger.term_vectors TO memoledger_app;

GRANT SELECT ON TABLE memoledger.users TO memoledger_app;

GRANT INSERT(tenant_id) ON TABLE memoledger.users TO memoledger_app;

GRANT INSERT(user_id) ON TABLE memoledger.users TO memoledger_app;

GRANT INSERT(created_by) ON TABLE memoledger.users TO memoledger_app;

GRANT SELECT ON TABLE memoledger_system.embedding_versions TO memoledger_app;

GRANT SELECT ON TABLE memoledger_system.job_migrations TO memoledger_app;

GRANT SELECT ON TABLE memoledger_system.migrations TO memoledger_app;

GRANT SELECT ON TABLE memoledger_system.receipt_retention TO memoledger_app;

ALTER DEFAULT PRIVILEGES FOR ROLE memoledger_owner REVOKE ALL ON FUNCTIONS FROM PUBLIC;
