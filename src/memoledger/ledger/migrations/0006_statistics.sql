-- Statistics right after a bulk write. Autovacuum looks once a minute; until it has, the planner takes a
-- new store of 100,000 memories for one of a single row, and reads all of it to look up one external id.

CREATE FUNCTION memoledger.refresh_statistics() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    grown regclass;
BEGIN
    FOR grown IN
        SELECT c.oid FROM pg_class AS c
        WHERE c.relnamespace = 'memoledger'::regnamespace AND c.relkind = 'r'
          AND (c.relname IN ('memories', 'term_vectors') OR c.relname LIKE 'embeddings\_%')
          -- More than doubled since: over a table's whole growth that is a few dozen samples.
          AND pg_relation_size(c.oid) / current_setting('block_size')::integer > 2 * c.relpages + 50
    LOOP
        -- Autovacuum may be at it already; then there is nothing to wait for.
        EXECUTE format('ANALYZE (SKIP_LOCKED) %s', grown);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION memoledger.refresh_statistics FROM PUBLIC;
GRANT EXECUTE ON FUNCTION memoledger.refresh_statistics TO memoledger_app;
