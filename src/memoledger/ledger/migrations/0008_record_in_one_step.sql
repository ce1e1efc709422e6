-- A write takes a millisecond, of which a tenth went into running the audit's and the outbox's
-- statement one after the other.

-- One audit record and one outbox row for each version written, in the writer's transaction.
CREATE OR REPLACE FUNCTION memoledger.record_memories_written() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
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
