-- Tenants, users, stores and grants: who there is, what they own, and what they let others see.
--
-- Isolation rests on two transaction-local settings, app.current_tenant_id and app.current_user.
-- Where either is unset (or reset to '' by a pooled connection) no row matches.
-- A third, app.current_store_id, may narrow a transaction to one store; it never widens anything.

-- Functions are for those they are granted to; PostgreSQL would let everybody call them, and anybody
-- with a temporary table could then hang the audit's triggers on it and write records at will.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- ANALYZE keeps samples of every column outside its table, where an erasure does not reach, and the
-- estimates of EXPLAIN tell everybody, policy or not, whether a name is among them and which words lie
-- between two others. So no sample is taken of anything a person wrote or is called. Every statement
-- finds its rows by tenant and store; of these the planner is told how many rows to expect:
-- that a store's rows are all of one tenant, that few are private, and that identities are unique.
-- (PostgreSQL before 18 cannot be told; there the four columns that the planner needs are sampled.)
CREATE FUNCTION memoledger_system.take_no_samples(of_table regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
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
$$;

CREATE TABLE memoledger.tenants (
    tenant_id  text COLLATE "C" PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text COLLATE "C" NOT NULL,
    CONSTRAINT tenant_id_is_a_name CHECK (octet_length(tenant_id) BETWEEN 1 AND 200)
);
COMMENT ON TABLE memoledger.tenants IS 'The organisations; the hard wall between all data.';
SELECT memoledger_system.take_no_samples('memoledger.tenants');

CREATE TABLE memoledger.users (
    tenant_id  text COLLATE "C" NOT NULL REFERENCES memoledger.tenants,
    user_id    text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, user_id),
    CONSTRAINT user_id_is_a_name CHECK (octet_length(user_id) BETWEEN 1 AND 200),
    CONSTRAINT user_id_is_not_the_ledgers CHECK (user_id <> 'system')
);
COMMENT ON TABLE memoledger.users IS 'Who acts inside a tenant: people and agents.';
SELECT memoledger_system.take_no_samples('memoledger.users');
COMMENT ON CONSTRAINT user_id_is_not_the_ledgers ON memoledger.users IS 'In the audit "system" is the ledger itself.';

CREATE TABLE memoledger.stores (
    tenant_id  text COLLATE "C" NOT NULL,
    store_id   uuid NOT NULL,
    owner_id   text COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    visibility text COLLATE "C" NOT NULL DEFAULT 'private',
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text COLLATE "C" NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    updated_by text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, store_id),
    UNIQUE (tenant_id, owner_id, name),
    FOREIGN KEY (tenant_id, owner_id) REFERENCES memoledger.users (tenant_id, user_id),
    CONSTRAINT store_name_is_a_name CHECK (octet_length(name) BETWEEN 1 AND 200),
    CONSTRAINT store_visibility_is_known CHECK (visibility IN ('private', 'tenant'))
);
CREATE INDEX stores_open_to_tenant ON memoledger.stores (tenant_id, store_id) WHERE visibility = 'tenant';
COMMENT ON TABLE memoledger.stores IS 'Named collections of memories; the unit of sharing and of search.';
SELECT memoledger_system.take_no_samples('memoledger.stores');
COMMENT ON COLUMN memoledger.stores.visibility IS 'private: owner and grants only; tenant: every user of the tenant may read.';

CREATE TABLE memoledger.grants (
    tenant_id  text COLLATE "C" NOT NULL,
    store_id   uuid NOT NULL,
    grantee_id text COLLATE "C" NOT NULL,
    access     text COLLATE "C" NOT NULL,
    granted_at timestamptz NOT NULL DEFAULT now(),
    granted_by text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, store_id, grantee_id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES memoledger.stores (tenant_id, store_id),
    FOREIGN KEY (tenant_id, grantee_id) REFERENCES memoledger.users (tenant_id, user_id),
    CONSTRAINT grant_access_is_known CHECK (access IN ('read', 'write'))
);
CREATE INDEX grants_by_grantee ON memoledger.grants (tenant_id, grantee_id);
COMMENT ON TABLE memoledger.grants IS 'The right of a user to read, or read and write, a store of another user.';
SELECT memoledger_system.take_no_samples('memoledger.grants');

-- Who may what -------------------------------------------------------------------------------------

-- The tenant of the principal; none without a user, so that half a principal sees nothing, and none
-- for a user that calls itself what the audit calls the ledger. A single expression: PostgreSQL puts
-- it in the place of the call, which then costs nothing.
CREATE FUNCTION memoledger.current_tenant() RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN current_setting('app.current_user', true) NOT IN ('', 'system')
            THEN current_setting('app.current_tenant_id', true) END;
GRANT EXECUTE ON FUNCTION memoledger.current_tenant TO memoledger_app;

-- The functions below answer which stores, as an array that a statement asks for once. They are in
-- PL/pgSQL because it keeps its plans for the session; a SQL function would be planned in every
-- statement. They run with the caller's rights, so every policy holds inside them too, and their
-- search path is fixed, so that no operator of the caller's makes can change an answer.

-- Stores granted to the current user. Grants have a policy of their own that never looks at stores,
-- so that the two tables' policies do not chase each other.
CREATE FUNCTION memoledger.granted_store_ids(least_access text) RETURNS uuid[]
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN ARRAY(SELECT g.store_id FROM memoledger.grants AS g
                 WHERE g.grantee_id = current_setting('app.current_user', true)
                   AND (g.access = 'write' OR least_access = 'read'));
END
$$;
GRANT EXECUTE ON FUNCTION memoledger.granted_store_ids TO memoledger_app;

-- Stores the current user may read: what the policy of stores lets through, narrowed to
-- app.current_store_id where a transaction is about one store. The narrowing keeps a query's cost
-- independent of how many stores a user has.
CREATE FUNCTION memoledger.readable_store_ids() RETURNS uuid[]
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
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
GRANT EXECUTE ON FUNCTION memoledger.readable_store_ids TO memoledger_app;

-- Stores the current user may write: the own ones and those granted for writing, narrowed likewise.
CREATE FUNCTION memoledger.writable_store_ids() RETURNS uuid[]
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
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
GRANT EXECUTE ON FUNCTION memoledger.writable_store_ids TO memoledger_app;

ALTER TABLE memoledger.tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE memoledger.tenants FORCE ROW LEVEL SECURITY;
CREATE POLICY maintenance ON memoledger.tenants TO memoledger_owner USING (true) WITH CHECK (true);
CREATE POLICY own_tenant ON memoledger.tenants FOR SELECT TO memoledger_app
    USING (tenant_id = (SELECT memoledger.current_tenant()));
CREATE POLICY introduced ON memoledger.tenants FOR INSERT TO memoledger_app
    WITH CHECK (tenant_id = (SELECT memoledger.current_tenant())
                AND created_by = (SELECT current_setting('app.current_user', true)));
GRANT SELECT, INSERT (tenant_id, created_by) ON memoledger.tenants TO memoledger_app;

ALTER TABLE memoledger.users ENABLE ROW LEVEL SECURITY;
ALTER TABLE memoledger.users FORCE ROW LEVEL SECURITY;
CREATE POLICY maintenance ON memoledger.users TO memoledger_owner USING (true) WITH CHECK (true);
CREATE POLICY own_tenant ON memoledger.users FOR SELECT TO memoledger_app
    USING (tenant_id = (SELECT memoledger.current_tenant()));
CREATE POLICY introduced ON memoledger.users FOR INSERT TO memoledger_app
    WITH CHECK (tenant_id = (SELECT memoledger.current_tenant())
                AND created_by = (SELECT current_setting('app.current_user', true)));
GRANT SELECT, INSERT (tenant_id, user_id, created_by) ON memoledger.users TO memoledger_app;

ALTER TABLE memoledger.grants ENABLE ROW LEVEL SECURITY;
ALTER TABLE memoledger.grants FORCE ROW LEVEL SECURITY;
CREATE POLICY maintenance ON memoledger.grants TO memoledger_owner USING (true) WITH CHECK (true);
CREATE POLICY mine ON memoledger.grants FOR SELECT TO memoledger_app
    USING (tenant_id = (SELECT memoledger.current_tenant())
           AND (SELECT current_setting('app.current_user', true)) IN (grantee_id, granted_by));
CREATE POLICY by_owner ON memoledger.grants FOR INSERT TO memoledger_app
    WITH CHECK (tenant_id = (SELECT memoledger.current_tenant())
                AND granted_by = (SELECT current_setting('app.current_user', true))
                AND EXISTS (SELECT FROM memoledger.stores AS s
                            WHERE s.tenant_id = grants.tenant_id AND s.store_id = grants.store_id
                              AND s.owner_id = (SELECT current_setting('app.current_user', true))));
CREATE POLICY by_granter ON memoledger.grants FOR UPDATE TO memoledger_app
    USING (tenant_id = (SELECT memoledger.current_tenant())
           AND granted_by = (SELECT current_setting('app.current_user', true)));
CREATE POLICY revoked_by_granter ON memoledger.grants FOR DELETE TO memoledger_app
    USING (tenant_id = (SELECT memoledger.current_tenant())
           AND granted_by = (SELECT current_setting('app.current_user', true)));
GRANT SELECT, INSERT (tenant_id, store_id, grantee_id, access, granted_by), UPDATE (access, granted_at), DELETE
    ON memoledger.grants TO memoledger_app;

ALTER TABLE memoledger.stores ENABLE ROW LEVEL SECURITY;
ALTER TABLE memoledger.stores FORCE ROW LEVEL SECURITY;
CREATE POLICY maintenance ON memoledger.stores TO memoledger_owner USING (true) WITH CHECK (true);
CREATE POLICY readable ON memoledger.stores FOR SELECT TO memoledger_app
    USING (tenant_id = (SELECT memoledger.current_tenant())
           AND (owner_id = (SELECT current_setting('app.current_user', true))
                OR visibility = 'tenant'
                OR store_id = ANY ((SELECT memoledger.granted_store_ids('read'))::uuid[])));
CREATE POLICY own_insert ON memoledger.stores FOR INSERT TO memoledger_app
    WITH CHECK (tenant_id = (SELECT memoledger.current_tenant())
                AND owner_id = (SELECT current_setting('app.current_user', true))
                AND created_by = (SELECT current_setting('app.current_user', true))
                AND updated_by = (SELECT current_setting('app.current_user', true)));
CREATE POLICY own_update ON memoledger.stores FOR UPDATE TO memoledger_app
    USING (tenant_id = (SELECT memoledger.current_tenant())
           AND owner_id = (SELECT current_setting('app.current_user', true)))
    WITH CHECK (tenant_id = (SELECT memoledger.current_tenant())
                AND owner_id = (SELECT current_setting('app.current_user', true))
                AND updated_by = (SELECT current_setting('app.current_user', true)));
GRANT SELECT, INSERT (tenant_id, store_id, owner_id, name, visibility, created_by, updated_by),
      UPDATE (name, visibility, updated_at, updated_by)
    ON memoledger.stores TO memoledger_app;
