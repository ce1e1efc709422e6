#!/bin/sh
# Run once, in an empty data folder: the extension, and the login that services and PgBouncer use.
# It owns nothing and cannot bypass row-level security; every transaction becomes memoledger_app.
set -eu
psql -v ON_ERROR_STOP=1 -v password="${SERVICE_PASSWORD:?}" \
    --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
CREATE EXTENSION IF NOT EXISTS vector;
CREATE ROLE memoledger_app NOLOGIN NOSUPERUSER NOBYPASSRLS;
CREATE ROLE memory_service LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'password';
GRANT memoledger_app TO memory_service;
SQL
