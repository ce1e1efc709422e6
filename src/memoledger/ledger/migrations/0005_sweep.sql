-- Sweeping what expired. It runs with the owner's rights over every tenant, can do nothing else, and
-- tells its caller only whether there may be more. How much it does at a time is fixed: a caller that
-- could choose would learn how many memories of others have expired.

CREATE FUNCTION memoledger.sweep_expired() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
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
GRANT EXECUTE ON FUNCTION memoledger.sweep_expired TO memoledger_app;
