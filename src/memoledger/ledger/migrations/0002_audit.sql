-- The audit: who did what to which row, before and after, in the transaction that did it.
--
-- Records are appended by triggers that run with the owner's rights; the application role can read
-- its own part and write nothing. Nobody can change or delete a record: triggers refuse it for every
-- role. Therefore a record never holds the words of a memory, which must stay erasable: it holds a
-- salted SHA-256 commitment to them. The words are in the memory's version rows, beside their salt.

CREATE TABLE memoledger.audit_records (
    tenant_id      text COLLATE "C" NOT NULL,
    audit_id       bigint GENERATED ALWAYS AS IDENTITY (CACHE 1),
    recorded_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    actor          text COLLATE "C" NOT NULL,
    act            text COLLATE "C" NOT NULL,
    table_name     text COLLATE "C" NOT NULL,
    store_id       uuid,
    row_key        jsonb NOT NULL,
    before         jsonb,
    after          jsonb,
    PRIMARY KEY (tenant_id, audit_id)
);
SELECT memoledger_system.take_no_samples('memoledger.audit_records');
COMMENT ON TABLE memoledger.audit_records IS 'One act each, with before and after; append-only for every role.';
COMMENT ON COLUMN memoledger.audit_records.actor IS 'The user; "system" when the ledger itself acted, for example to sweep what expired.';

CREATE FUNCTION memoledger.refuse_audit_change() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION 'audit records are append-only: % is refused for every role', TG_OP
        USING ERRCODE = 'insufficient_privilege',
              HINT = 'An erasure removes what a record commits to, never the record.';
END
$$;
CREATE TRIGGER audit_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON memoledger.audit_records
    FOR EACH STATEMENT EXECUTE FUNCTION memoledger.refuse_audit_change();
-- Always: a session that calls itself a replica is refused too.
ALTER TABLE memoledger.audit_records ENABLE ALWAYS TRIGGER audit_is_append_only;

ALTER TABLE memoledger.audit_records ENABLE ROW LEVEL SECURITY;
ALTER TABLE memoledger.audit_records FORCE ROW LEVEL SECURITY;
CREATE POLICY maintenance ON memoledger.audit_records TO memoledger_owner USING (true) WITH CHECK (true);
-- A user sees the own acts, and on the own stores every act except those on what another keeps private.
CREATE POLICY own_acts ON memoledger.audit_records FOR SELECT TO memoledger_app
    USING (tenant_id = (SELECT memoledger.current_tenant())
           AND (actor = (SELECT current_setting('app.current_user', true))
                OR EXISTS (SELECT FROM memoledger.stores AS s
                           WHERE s.tenant_id = audit_records.tenant_id AND s.store_id = audit_records.store_id
                             AND s.owner_id = (SELECT current_setting('app.current_user', true)))
                   AND (coalesce(after, before) ->> 'privacy' IS DISTINCT FROM 'creator'
                        OR coalesce(after, before) ->> 'created_by' = (SELECT current_setting('app.current_user', true)))));
GRANT SELECT ON memoledger.audit_records TO memoledger_app;

-- Who acts: the transaction's user, or the ledger itself where maintenance set none.
CREATE FUNCTION memoledger.current_actor() RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce(nullif(current_setting('app.current_user', true), ''), 'system');

-- Appends one record for each changed row of a table whose values may be kept as they are.
-- Arguments: the columns that with tenant_id make up the row's key. Transition tables: old_rows, new_rows.
CREATE FUNCTION memoledger.audit_insert() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO memoledger.audit_records (tenant_id, actor, act, table_name, store_id, row_key, after)
    SELECT n.r ->> 'tenant_id', memoledger.current_actor(), 'insert', TG_TABLE_NAME, (n.r ->> 'store_id')::uuid,
           (SELECT jsonb_object_agg(k, n.r -> k) FROM unnest(TG_ARGV) AS k), n.r
    FROM (SELECT to_jsonb(r) AS r FROM new_rows AS r) AS n;
    RETURN NULL;
END
$$;

-- Before and after are paired by their key, tenant included: one statement of maintenance may change
-- rows of several tenants that are called the same.
CREATE FUNCTION memoledger.audit_update() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
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

CREATE FUNCTION memoledger.audit_delete() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO memoledger.audit_records (tenant_id, actor, act, table_name, store_id, row_key, before)
    SELECT o.r ->> 'tenant_id', memoledger.current_actor(), 'delete', TG_TABLE_NAME, (o.r ->> 'store_id')::uuid,
           (SELECT jsonb_object_agg(k, o.r -> k) FROM unnest(TG_ARGV) AS k), o.r
    FROM (SELECT to_jsonb(r) AS r FROM old_rows AS r) AS o;
    RETURN NULL;
END
$$;

-- What a record could not tell row by row is not done.
CREATE FUNCTION memoledger.refuse_truncate() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION '% is never truncated: the audit would not know of it', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', HINT = 'Delete its rows.';
END
$$;

CREATE TRIGGER audit_insert AFTER INSERT ON memoledger.tenants
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.audit_insert('tenant_id');
CREATE TRIGGER audit_update AFTER UPDATE ON memoledger.tenants
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT
    EXECUTE FUNCTION memoledger.audit_update('tenant_id');
CREATE TRIGGER audit_delete AFTER DELETE ON memoledger.tenants
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.audit_delete('tenant_id');
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON memoledger.tenants
    FOR EACH STATEMENT EXECUTE FUNCTION memoledger.refuse_truncate();

CREATE TRIGGER audit_insert AFTER INSERT ON memoledger.users
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.audit_insert('user_id');
CREATE TRIGGER audit_update AFTER UPDATE ON memoledger.users
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT
    EXECUTE FUNCTION memoledger.audit_update('user_id');
CREATE TRIGGER audit_delete AFTER DELETE ON memoledger.users
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.audit_delete('user_id');
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON memoledger.users
    FOR EACH STATEMENT EXECUTE FUNCTION memoledger.refuse_truncate();

CREATE TRIGGER audit_insert AFTER INSERT ON memoledger.stores
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.audit_insert('store_id');
CREATE TRIGGER audit_update AFTER UPDATE ON memoledger.stores
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT
    EXECUTE FUNCTION memoledger.audit_update('store_id');
CREATE TRIGGER audit_delete AFTER DELETE ON memoledger.stores
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.audit_delete('store_id');
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON memoledger.stores
    FOR EACH STATEMENT EXECUTE FUNCTION memoledger.refuse_truncate();

CREATE TRIGGER audit_insert AFTER INSERT ON memoledger.grants
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT
    EXECUTE FUNCTION memoledger.audit_insert('store_id', 'grantee_id');
CREATE TRIGGER audit_update AFTER UPDATE ON memoledger.grants
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT
    EXECUTE FUNCTION memoledger.audit_update('store_id', 'grantee_id');
CREATE TRIGGER audit_delete AFTER DELETE ON memoledger.grants
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT
    EXECUTE FUNCTION memoledger.audit_delete('store_id', 'grantee_id');
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON memoledger.grants
    FOR EACH STATEMENT EXECUTE FUNCTION memoledger.refuse_truncate();
