-- Artifacts: what the object store holds, and for which document. The bytes are there, their hash is here.
--
-- A row is written before its object and kept by the row of the document that refers to it, in that row's
-- transaction. What is never kept, or belongs to a document that is erased, is collected: the object
-- is deleted first, then what the row still tells of its content.
--
--      (none) --> writing --a document refers to it--> kept --its document is erased--> dropped --> collected --> (none)
--                    \--given up, or nobody came for it in time---------------------->/

CREATE TABLE memoledger.artifacts (
    tenant_id    text COLLATE "C" NOT NULL,
    store_id     uuid NOT NULL,
    artifact_id  uuid NOT NULL,
    document_id  uuid NOT NULL,
    recorded_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    bytes        bigint NOT NULL,
    state        text COLLATE "C" NOT NULL DEFAULT 'writing',
    created_by   text COLLATE "C" NOT NULL,
    hash         bytea,
    media_type   text COLLATE "C",
    -- Made of columns, so that no row leads to another tenant's object. The policies see to store_id.
    key          text COLLATE "C" GENERATED ALWAYS AS
        ('workspaces/' || store_id::text || '/knowledge/' || document_id::text || '/' || encode(hash, 'hex') || '/'
         || artifact_id::text) STORED,
    PRIMARY KEY (tenant_id, store_id, artifact_id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES memoledger.stores (tenant_id, store_id),
    CONSTRAINT artifact_has_bytes CHECK (bytes >= 0),
    CONSTRAINT artifact_state_is_known CHECK (state IN ('writing', 'kept', 'dropped', 'collected')),
    CONSTRAINT artifact_hash_is_a_sha256_until_collected
        CHECK (CASE state WHEN 'collected' THEN hash IS NULL AND media_type IS NULL
                          ELSE hash IS NOT NULL AND octet_length(hash) = 32 END),
    CONSTRAINT artifact_media_type_is_short CHECK (octet_length(media_type) BETWEEN 1 AND 200)
);
CREATE INDEX artifacts_by_document ON memoledger.artifacts (tenant_id, store_id, document_id);
-- For the collection, which goes over all tenants and finds what is due without the rest.
CREATE INDEX artifacts_due ON memoledger.artifacts (changed_at) WHERE state <> 'kept';
-- For whoever finds an object and asks whose it is.
CREATE INDEX artifacts_by_id ON memoledger.artifacts (artifact_id);
SELECT memoledger_system.take_no_samples('memoledger.artifacts');
COMMENT ON TABLE memoledger.artifacts IS 'Raw sources in the object store: where each is, its hash, and whether a document keeps it.';
COMMENT ON COLUMN memoledger.artifacts.key IS 'Where the object is; null once it is gone.';
COMMENT ON COLUMN memoledger.artifacts.hash IS 'SHA-256 of the bytes; null once they are gone, for it would tell whoever can guess them.';

-- An artifact is written once; what changes is its state, in the order above. That it is kept, and kept no
-- more, is for the rows of documents to say.
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
CREATE TRIGGER artifacts_are_written_once BEFORE UPDATE ON memoledger.artifacts
    FOR EACH ROW EXECUTE FUNCTION memoledger.refuse_artifact_rewrite();

-- Only what tells of nothing any more is removed.
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
CREATE TRIGGER artifacts_stay_until_collected BEFORE DELETE ON memoledger.artifacts
    FOR EACH ROW EXECUTE FUNCTION memoledger.refuse_artifact_delete();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON memoledger.artifacts
    FOR EACH STATEMENT EXECUTE FUNCTION memoledger.refuse_truncate();

-- The audit: that it was kept, dropped, collected. Neither hash nor key: an erasure has to reach both.
CREATE FUNCTION memoledger.record_artifacts_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
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
CREATE TRIGGER audit_update AFTER UPDATE ON memoledger.artifacts
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT
    EXECUTE FUNCTION memoledger.record_artifacts_changed();

-- A document's row keeps the artifact it refers to; one that was given up meanwhile can be kept no more.
CREATE FUNCTION memoledger.keep_artifacts() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
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
CREATE TRIGGER keep_artifacts AFTER INSERT ON memoledger.documents
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.keep_artifacts();

-- The erasure of a document, in all its versions as ever, lets go of all its artifacts.
CREATE FUNCTION memoledger.drop_artifacts() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE memoledger.artifacts AS a SET state = 'dropped'
    FROM (SELECT DISTINCT n.tenant_id, n.store_id, n.document_id FROM new_rows AS n WHERE n.erased_at IS NOT NULL) AS e
    WHERE a.tenant_id = e.tenant_id AND a.store_id = e.store_id AND a.document_id = e.document_id
      AND a.state IN ('writing', 'kept');
    RETURN NULL;
END
$$;
CREATE TRIGGER drop_artifacts AFTER UPDATE ON memoledger.documents
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.drop_artifacts();

-- A principal writes artifacts, gives up those that nothing keeps, and says of dropped ones that they are gone.
ALTER TABLE memoledger.artifacts ENABLE ROW LEVEL SECURITY;
ALTER TABLE memoledger.artifacts FORCE ROW LEVEL SECURITY;
CREATE POLICY maintenance ON memoledger.artifacts TO memoledger_owner USING (true) WITH CHECK (true);
CREATE POLICY readable ON memoledger.artifacts FOR SELECT TO memoledger_app
    USING (tenant_id = (SELECT memoledger.current_tenant())
           AND store_id = ANY ((SELECT memoledger.readable_store_ids())::uuid[]));
CREATE POLICY writable_insert ON memoledger.artifacts FOR INSERT TO memoledger_app
    WITH CHECK (tenant_id = (SELECT memoledger.current_tenant())
                AND store_id = ANY ((SELECT memoledger.writable_store_ids())::uuid[])
                AND created_by = (SELECT current_setting('app.current_user', true))
                AND state = 'writing');
CREATE POLICY writable_update ON memoledger.artifacts FOR UPDATE TO memoledger_app
    USING (tenant_id = (SELECT memoledger.current_tenant())
           AND store_id = ANY ((SELECT memoledger.writable_store_ids())::uuid[])
           AND state IN ('writing', 'dropped'))
    WITH CHECK (tenant_id = (SELECT memoledger.current_tenant()) AND state IN ('dropped', 'collected'));
GRANT SELECT,
      INSERT (tenant_id, store_id, artifact_id, document_id, bytes, created_by, hash, media_type),
      UPDATE (state, hash, media_type)
    ON memoledger.artifacts TO memoledger_app;
