-- name: versions
-- What the server is: its version and that of pgvector, NULL where the extension is not installed.
SELECT current_setting('server_version'), (SELECT extversion FROM pg_extension WHERE extname = 'vector'),
       current_database()

-- name: tables_and_their_protection
-- Every table of the ledger: whether row-level security is enabled, forced even on the owner, and
-- whether there is a policy at all.
SELECT n.nspname || '.' || c.relname, c.relrowsecurity, c.relforcerowsecurity,
       EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = c.oid)
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname IN ('memoledger', 'memoledger_system') AND c.relkind IN ('r', 'p')
ORDER BY 1

-- name: count_visible_memories
-- How many rows of memories there are for the current user, whichever stores they are in: the query
-- has no condition of its own, so what it leaves out is left out by the policies.
SELECT count(*) FROM memoledger.memories
