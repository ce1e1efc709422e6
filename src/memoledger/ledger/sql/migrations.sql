-- name: lock_migrations
-- One migrator at a time in this database; the others wait and then find nothing to do.
SELECT pg_advisory_xact_lock(hashtext('memoledger'), hashtext('migrations'))

-- name: create_migrations_table
-- What has been applied, with the checksum of the text that was.
CREATE TABLE IF NOT EXISTS memoledger_system.migrations (
    name       text COLLATE "C" PRIMARY KEY,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)

-- name: protect_migrations_table
-- Readable for the application role, so that it can tell whether it fits; writable for the owner only.
DO $$
BEGIN
    ALTER TABLE memoledger_system.migrations ENABLE ROW LEVEL SECURITY;
    ALTER TABLE memoledger_system.migrations FORCE ROW LEVEL SECURITY;
    CREATE POLICY maintenance ON memoledger_system.migrations TO memoledger_owner USING (true) WITH CHECK (true);
    CREATE POLICY readable ON memoledger_system.migrations FOR SELECT TO memoledger_app USING (true);
    GRANT SELECT ON memoledger_system.migrations TO memoledger_app;
EXCEPTION WHEN duplicate_object THEN
    NULL;
END
$$

-- name: migrations_table_exists
-- Whether anything was ever applied here.
SELECT to_regclass('memoledger_system.migrations') IS NOT NULL

-- name: applied_migrations
-- Names and checksums of what was applied, in order.
SELECT name, checksum FROM memoledger_system.migrations ORDER BY name

-- name: record_migration
-- Notes a migration as applied, in the transaction that applied it.
INSERT INTO memoledger_system.migrations (name, checksum) VALUES (%(name)s, %(checksum)s)
