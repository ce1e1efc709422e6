-- name: create_owner_role
-- The role that owns the schema and migrates it. Roles belong to the whole server, so another
-- database's migration may be making it at the same moment. Where an administrator made it, the login
-- need not be able to.
DO $$
BEGIN
    IF to_regrole('memoledger_owner') IS NULL THEN
        CREATE ROLE memoledger_owner NOLOGIN NOSUPERUSER NOBYPASSRLS;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END
$$

-- name: create_app_role
-- The role every request runs as: subject to every policy, owner of nothing.
DO $$
BEGIN
    IF to_regrole('memoledger_app') IS NULL THEN
        CREATE ROLE memoledger_app NOLOGIN NOSUPERUSER NOBYPASSRLS;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END
$$

-- name: become_able_to_act
-- PostgreSQL 16 gives whoever creates a role the right to grant it, not to become it. A superuser may
-- become anything, and a login that did not create the roles was granted them by who did.
DO $$
BEGIN
    IF NOT pg_has_role(current_user, 'memoledger_owner', 'SET') THEN
        GRANT memoledger_owner TO CURRENT_USER WITH INHERIT FALSE, SET TRUE;
    END IF;
    IF NOT pg_has_role(current_user, 'memoledger_app', 'SET') THEN
        GRANT memoledger_app TO CURRENT_USER WITH INHERIT TRUE, SET TRUE;
    END IF;
END
$$

-- name: let_roles_log_in
-- In the embedded server requests connect as the application role itself, so that there is no more
-- powerful role behind it to fall back to. Its socket lies in the data folder, which is its lock.
ALTER ROLE memoledger_app LOGIN

-- name: forbid_temporary_tables
-- In the embedded server's database nobody but an administrator makes temporary tables and functions:
-- requests need none, and an attacker has one tool less.
DO $$
BEGIN
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
END
$$

-- name: create_vector_extension
-- pgvector. Most servers let only a superuser install it; many hosted ones have it at hand.
CREATE EXTENSION IF NOT EXISTS vector

-- name: create_schemas
-- The tenants' schema, the installation's own, and that of the job queue, all the owner's. Into the last
-- the application's role does not see.
DO $$
BEGIN
    CREATE SCHEMA IF NOT EXISTS memoledger AUTHORIZATION memoledger_owner;
    CREATE SCHEMA IF NOT EXISTS memoledger_system AUTHORIZATION memoledger_owner;
    CREATE SCHEMA IF NOT EXISTS memoledger_jobs AUTHORIZATION memoledger_owner;
    -- Only the owner can grant, and the login need not have inherited the owner's rights.
    SET LOCAL ROLE memoledger_owner;
    GRANT USAGE ON SCHEMA memoledger, memoledger_system TO memoledger_app;
    SET LOCAL ROLE NONE;
END
$$
