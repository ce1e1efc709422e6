-- Memories: an identity with versions. Rows are written once; an update closes a version and adds
-- the next, so that reading as of an instant is a filter.

-- What is to be told to the projections outside PostgreSQL, in the order of recording.
CREATE TABLE memoledger.outbox (
    tenant_id   text COLLATE "C" NOT NULL,
    outbox_id   bigint GENERATED ALWAYS AS IDENTITY (CACHE 1),
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    store_id    uuid NOT NULL,
    family      text COLLATE "C" NOT NULL,
    owner_id    uuid NOT NULL,
    version     integer NOT NULL,
    act         text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, outbox_id)
);
SELECT memoledger_system.take_no_samples('memoledger.outbox');
COMMENT ON TABLE memoledger.outbox IS 'Ids of rows written, for projections to follow; no content. Trimmed once old: a projection that fell behind is rebuilt.';
ALTER TABLE memoledger.outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE memoledger.outbox FORCE ROW LEVEL SECURITY;
CREATE POLICY maintenance ON memoledger.outbox TO memoledger_owner USING (true) WITH CHECK (true);

CREATE TABLE memoledger.memories (
    tenant_id     text COLLATE "C" NOT NULL,
    store_id      uuid NOT NULL,
    memory_id     uuid NOT NULL,
    version       integer NOT NULL,
    recorded_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    superseded_at timestamptz,
    deleted_at    timestamptz,
    erased_at     timestamptz,
    expires_at    timestamptz,
    occurred_at   timestamptz,
    valid_from    timestamptz,
    valid_to      timestamptz,
    importance    double precision NOT NULL,
    type          text COLLATE "C" NOT NULL,
    privacy       text COLLATE "C" NOT NULL,
    created_by    text COLLATE "C" NOT NULL,
    updated_by    text COLLATE "C" NOT NULL,
    private_to    text COLLATE "C" GENERATED ALWAYS AS (CASE WHEN privacy = 'creator' THEN created_by END) STORED,
    external_id   text COLLATE "C",
    source        text,
    content       text,
    title         text,
    summary       text,
    tags          text[] NOT NULL DEFAULT '{}',
    subject_refs  text[] NOT NULL DEFAULT '{}',
    metadata      jsonb NOT NULL DEFAULT '{}',
    content_hash  bytea,
    salt          bytea DEFAULT uuid_send(gen_random_uuid()),
    PRIMARY KEY (tenant_id, store_id, memory_id, version),
    FOREIGN KEY (tenant_id, store_id) REFERENCES memoledger.stores (tenant_id, store_id),
    CONSTRAINT memory_version_counts_from_one CHECK (version >= 1),
    CONSTRAINT memory_is_superseded_later CHECK (superseded_at > recorded_at),
    CONSTRAINT memory_type_is_a_word CHECK (char_length(type) BETWEEN 1 AND 50),
    CONSTRAINT memory_importance_is_a_fraction CHECK (importance BETWEEN 0 AND 1),
    CONSTRAINT memory_privacy_is_known CHECK (privacy IN ('store', 'creator')),
    CONSTRAINT memory_has_content_until_erased
        CHECK (erased_at IS NOT NULL OR (content <> '' AND octet_length(content_hash) = 32 AND octet_length(salt) = 16)),
    CONSTRAINT memory_erased_is_empty
        CHECK (erased_at IS NULL
               OR (content IS NULL AND title IS NULL AND summary IS NULL AND source IS NULL AND external_id IS NULL
                   AND content_hash IS NULL AND salt IS NULL
                   AND tags = '{}' AND subject_refs = '{}' AND metadata = '{}'))
);
SELECT memoledger_system.take_no_samples('memoledger.memories');
COMMENT ON TABLE memoledger.memories IS 'Every version of every memory. Current = not superseded, not deleted, not expired.';
COMMENT ON COLUMN memoledger.memories.private_to IS 'The one user who may read it, where privacy narrows it to its creator.';
COMMENT ON COLUMN memoledger.memories.salt IS 'Makes the audit''s commitment unguessable; erasing it makes the commitment meaningless.';

-- Identity of what is current: the external id, or else the content. A private memory has an identity
-- of its own, so that nobody can find out by a collision what another keeps private in a shared store.
CREATE UNIQUE INDEX memories_by_external_id ON memoledger.memories
    (tenant_id, store_id, external_id, private_to) NULLS NOT DISTINCT
    WHERE external_id IS NOT NULL AND superseded_at IS NULL AND deleted_at IS NULL;
CREATE UNIQUE INDEX memories_by_content ON memoledger.memories
    (tenant_id, store_id, content_hash, private_to) NULLS NOT DISTINCT
    WHERE external_id IS NULL AND superseded_at IS NULL AND deleted_at IS NULL;
-- For the sweep, which goes by time over all tenants and must find what is due without the rest.
CREATE INDEX memories_expiring ON memoledger.memories (expires_at)
    WHERE expires_at IS NOT NULL AND superseded_at IS NULL AND deleted_at IS NULL;

-- A version is written once. What may still happen to it is that it is superseded, deleted or erased,
-- each once, and each now: a past moment cannot be made to have been another. "Now" is from the
-- transaction's beginning, less a minute for a clock that is set back meanwhile; a clock that lies
-- behind the version itself still lets it be closed, right after its own instant.
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
CREATE TRIGGER memories_are_append_only BEFORE UPDATE ON memoledger.memories
    FOR EACH ROW EXECUTE FUNCTION memoledger.refuse_memory_rewrite();

-- A later version begins at the instant at which the one before it was superseded, and keeps its
-- creator. The writer has to see that one: nobody continues what another keeps private.
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
CREATE TRIGGER memory_versions_follow BEFORE INSERT ON memoledger.memories
    FOR EACH ROW WHEN (NEW.version > 1) EXECUTE FUNCTION memoledger.refuse_memory_gap();

-- What the audit keeps of a memory: the plain facts, and one commitment to everything in words.
CREATE FUNCTION memoledger.memory_commitment(m memoledger.memories) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN encode(sha256(m.salt || convert_to(jsonb_build_array(
    m.content, m.title, m.summary, m.source, m.external_id, m.tags, m.subject_refs, m.metadata)::text, 'UTF8')), 'hex');
GRANT EXECUTE ON FUNCTION memoledger.memory_commitment TO memoledger_app;

CREATE FUNCTION memoledger.memory_facts(m memoledger.memories) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
RETURN jsonb_build_object(
    'commitment', memoledger.memory_commitment(m), 'type', m.type, 'importance', m.importance, 'privacy', m.privacy,
    'created_by', m.created_by, 'occurred_at', m.occurred_at, 'valid_from', m.valid_from, 'valid_to', m.valid_to,
    'expires_at', m.expires_at, 'recorded_at', m.recorded_at, 'superseded_at', m.superseded_at,
    'deleted_at', m.deleted_at, 'erased_at', m.erased_at);

-- One audit record and one outbox row for each version written, in the writer's transaction.
CREATE FUNCTION memoledger.record_memories_written() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO memoledger.audit_records (tenant_id, actor, act, table_name, store_id, row_key, after)
    SELECT n.tenant_id, memoledger.current_actor(), CASE n.version WHEN 1 THEN 'remember' ELSE 'update' END, 'memories',
           n.store_id, jsonb_build_object('memory_id', n.memory_id, 'version', n.version), memoledger.memory_facts(n)
    FROM new_rows AS n;
    INSERT INTO memoledger.outbox (tenant_id, store_id, family, owner_id, version, act)
    SELECT n.tenant_id, n.store_id, 'memory', n.memory_id, n.version, 'remember' FROM new_rows AS n;
    RETURN NULL;
END
$$;
CREATE TRIGGER audit_insert AFTER INSERT ON memoledger.memories
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.record_memories_written();

CREATE FUNCTION memoledger.record_memories_closed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
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
CREATE TRIGGER audit_update AFTER UPDATE ON memoledger.memories
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT
    EXECUTE FUNCTION memoledger.record_memories_closed();

-- A memory's rows are never deleted, only emptied by an erasure.
CREATE FUNCTION memoledger.refuse_memory_delete() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION 'the rows of memories are never deleted'
        USING ERRCODE = 'restrict_violation', HINT = 'Forget the memory, or erase it (forget with hard=True).';
END
$$;
CREATE TRIGGER memories_are_kept BEFORE DELETE OR TRUNCATE ON memoledger.memories
    FOR EACH STATEMENT EXECUTE FUNCTION memoledger.refuse_memory_delete();
ALTER TABLE memoledger.memories ENABLE ALWAYS TRIGGER memories_are_kept;

ALTER TABLE memoledger.memories ENABLE ROW LEVEL SECURITY;
ALTER TABLE memoledger.memories FORCE ROW LEVEL SECURITY;
CREATE POLICY maintenance ON memoledger.memories TO memoledger_owner USING (true) WITH CHECK (true);
CREATE POLICY readable ON memoledger.memories FOR SELECT TO memoledger_app
    USING (tenant_id = (SELECT memoledger.current_tenant())
           AND store_id = ANY ((SELECT memoledger.readable_store_ids())::uuid[])
           AND (private_to IS NULL OR private_to = (SELECT current_setting('app.current_user', true))));
CREATE POLICY writable_insert ON memoledger.memories FOR INSERT TO memoledger_app
    WITH CHECK (tenant_id = (SELECT memoledger.current_tenant())
                AND store_id = ANY ((SELECT memoledger.writable_store_ids())::uuid[])
                AND updated_by = (SELECT current_setting('app.current_user', true))
                AND superseded_at IS NULL AND deleted_at IS NULL AND erased_at IS NULL
                -- A later version's instant and creator are those that its trigger demands.
                AND (version > 1
                     OR created_by = (SELECT current_setting('app.current_user', true))
                        AND recorded_at BETWEEN now() - interval '1 minute' AND clock_timestamp()));
CREATE POLICY writable_update ON memoledger.memories FOR UPDATE TO memoledger_app
    USING (tenant_id = (SELECT memoledger.current_tenant())
           AND store_id = ANY ((SELECT memoledger.writable_store_ids())::uuid[])
           AND (private_to IS NULL OR private_to = (SELECT current_setting('app.current_user', true))));
GRANT SELECT, INSERT,
      UPDATE (superseded_at, deleted_at, erased_at, content, title, summary, source, external_id, tags, subject_refs,
              metadata, content_hash, salt)
    ON memoledger.memories TO memoledger_app;
