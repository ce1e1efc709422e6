-- API keys: what lets a program act as a user of a tenant, and with which scopes.
--
-- Of a key's secret only its SHA-256 is kept, and that is shown to no role but the owner: the application
-- may write it, and ask of a key id and a digest whether they belong together. The rest of a key is
-- visible to its user and, with the scope admin in app.current_scopes, to the admins of the tenant.
-- Scopes that are not set are none.

CREATE TABLE memoledger.api_keys (
    tenant_id    text COLLATE "C" NOT NULL,
    user_id      text COLLATE "C" NOT NULL,
    key_id       uuid NOT NULL,
    name         text COLLATE "C" NOT NULL,
    scopes       text[] NOT NULL,
    digest       bytea NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    created_by   text COLLATE "C" NOT NULL,
    created_with uuid,
    expires_at   timestamptz,
    revoked_at   timestamptz,
    revoked_by   text COLLATE "C",
    PRIMARY KEY (tenant_id, user_id, key_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES memoledger.users (tenant_id, user_id),
    FOREIGN KEY (tenant_id, created_by) REFERENCES memoledger.users (tenant_id, user_id),
    CONSTRAINT key_name_is_a_name CHECK (octet_length(name) BETWEEN 1 AND 200),
    CONSTRAINT key_scopes_are_known CHECK (cardinality(scopes) >= 1 AND cardinality(scopes) <= 3 AND scopes <@ '{read,write,admin}'::text[]),
    CONSTRAINT key_digest_is_a_sha256 CHECK (octet_length(digest) = 32),
    CONSTRAINT key_is_revoked_by_somebody CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
);
-- For the one question that is asked before it is known whose key it is.
CREATE INDEX api_keys_by_id ON memoledger.api_keys (key_id);
SELECT memoledger_system.take_no_samples('memoledger.api_keys');
COMMENT ON TABLE memoledger.api_keys IS 'What lets a program act as a user; revoked ones stay, so that it is known that they were.';
COMMENT ON COLUMN memoledger.api_keys.digest IS 'SHA-256 of the key''s text, which is shown once and kept nowhere.';
COMMENT ON COLUMN memoledger.api_keys.created_with IS 'The key its maker used; null where it was none. After a leak it tells what else to revoke.';

-- Apart from the keys: a use is no act on a key, and the audit records every act on one.
CREATE TABLE memoledger.api_key_uses (
    tenant_id    text COLLATE "C" NOT NULL,
    user_id      text COLLATE "C" NOT NULL,
    key_id       uuid NOT NULL,
    last_used_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, user_id, key_id),
    FOREIGN KEY (tenant_id, user_id, key_id) REFERENCES memoledger.api_keys (tenant_id, user_id, key_id)
) WITH (fillfactor = 70); -- room for a row's next state on its own page, where no index need hear of it
SELECT memoledger_system.take_no_samples('memoledger.api_key_uses');
COMMENT ON TABLE memoledger.api_key_uses IS 'When each key was last used, to the minute.';

-- The scopes of the transaction; none where they are not set.
CREATE FUNCTION memoledger.current_scopes() RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE
RETURN string_to_array(coalesce(current_setting('app.current_scopes', true), ''), ' ');

-- Whose keys the current user manages: the own ones; with the scope admin those of the whole tenant. As
-- the ends of a range, because that is a condition of the primary key: no plan counts a hidden row. (No
-- name begins with the last character there is.)
CREATE FUNCTION memoledger.first_managed_user() RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN 'admin' = ANY (memoledger.current_scopes()) THEN '' ELSE current_setting('app.current_user', true) END;
CREATE FUNCTION memoledger.last_managed_user() RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN 'admin' = ANY (memoledger.current_scopes()) THEN chr(1114111) ELSE current_setting('app.current_user', true) END;
GRANT EXECUTE ON FUNCTION memoledger.current_scopes, memoledger.first_managed_user, memoledger.last_managed_user
    TO memoledger_app;

ALTER TABLE memoledger.api_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE memoledger.api_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY maintenance ON memoledger.api_keys TO memoledger_owner USING (true) WITH CHECK (true);
CREATE POLICY managed ON memoledger.api_keys FOR SELECT TO memoledger_app
    USING (tenant_id = (SELECT memoledger.current_tenant())
           AND user_id >= (SELECT memoledger.first_managed_user())
           AND user_id <= (SELECT memoledger.last_managed_user()));
-- Nobody makes a key that may do more than they may.
CREATE POLICY made ON memoledger.api_keys FOR INSERT TO memoledger_app
    WITH CHECK (tenant_id = (SELECT memoledger.current_tenant())
                AND created_by = (SELECT current_setting('app.current_user', true))
                AND user_id >= (SELECT memoledger.first_managed_user())
                AND user_id <= (SELECT memoledger.last_managed_user())
                AND scopes <@ (SELECT memoledger.current_scopes())
                AND revoked_at IS NULL);
-- A key can be revoked, and that is all: nothing else of it changes, and nothing brings it back.
CREATE POLICY revoked ON memoledger.api_keys FOR UPDATE TO memoledger_app
    USING (tenant_id = (SELECT memoledger.current_tenant())
           AND user_id >= (SELECT memoledger.first_managed_user())
           AND user_id <= (SELECT memoledger.last_managed_user()))
    WITH CHECK (tenant_id = (SELECT memoledger.current_tenant())
                AND revoked_at IS NOT NULL
                AND revoked_by = (SELECT current_setting('app.current_user', true)));
GRANT SELECT (tenant_id, user_id, key_id, name, scopes, created_at, created_by, created_with, expires_at, revoked_at, revoked_by),
      INSERT (tenant_id, user_id, key_id, name, scopes, digest, created_by, created_with, expires_at),
      UPDATE (revoked_at, revoked_by)
    ON memoledger.api_keys TO memoledger_app;

ALTER TABLE memoledger.api_key_uses ENABLE ROW LEVEL SECURITY;
ALTER TABLE memoledger.api_key_uses FORCE ROW LEVEL SECURITY;
CREATE POLICY maintenance ON memoledger.api_key_uses TO memoledger_owner USING (true) WITH CHECK (true);
CREATE POLICY managed ON memoledger.api_key_uses FOR SELECT TO memoledger_app
    USING (tenant_id = (SELECT memoledger.current_tenant())
           AND user_id >= (SELECT memoledger.first_managed_user())
           AND user_id <= (SELECT memoledger.last_managed_user()));
GRANT SELECT ON memoledger.api_key_uses TO memoledger_app;

-- The audit of keys: who made which for whom, and who revoked it. Neither digest nor name: the one is
-- nobody's business, the other is somebody's words.
CREATE FUNCTION memoledger.audit_api_keys() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
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
CREATE TRIGGER audit_keys AFTER INSERT OR UPDATE OR DELETE ON memoledger.api_keys
    FOR EACH ROW EXECUTE FUNCTION memoledger.audit_api_keys();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON memoledger.api_keys
    FOR EACH STATEMENT EXECUTE FUNCTION memoledger.refuse_truncate();

-- Which of some keys are good: known, neither revoked nor expired, and with that digest. It is asked
-- before the principal is known, and answers only to whoever has the digest, that is, the key itself:
-- whether an id is anybody's it does not tell. Digests are compared by their hash with a fresh nonce, so that
-- how long that takes tells nothing of them either. Uses are noted to the minute.
CREATE FUNCTION memoledger.good_keys(key_ids uuid[], digests bytea[], used_ago_s double precision[])
RETURNS TABLE (key_id uuid, digest bytea, tenant_id text, user_id text, name text, scopes text[], created_at timestamptz,
               created_by text, created_with uuid, expires_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
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
GRANT EXECUTE ON FUNCTION memoledger.good_keys TO memoledger_app;
