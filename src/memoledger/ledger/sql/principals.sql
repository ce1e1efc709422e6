-- name: become
-- Makes the transaction some principal's, until it ends. The role comes first: whoever logged in,
-- from here on every policy applies. The last setting says whether statements are planned once, or
-- for each set of parameters where PostgreSQL expects a better plan from that.
SELECT set_config('role', 'memoledger_app', true),
       set_config('app.current_tenant_id', %(tenant)s, true),
       set_config('app.current_user', %(user)s, true),
       set_config('app.current_store_id', %(store)s, true),
       set_config('statement_timeout', %(timeout)s, true),
       set_config('plan_cache_mode', %(plans)s, true)

-- name: become_owner
-- Makes the transaction the ledger's own, for maintenance and migrations.
SELECT set_config('role', 'memoledger_owner', true),
       set_config('app.current_tenant_id', '', true),
       set_config('app.current_user', '', true),
       set_config('app.current_store_id', '', true)

-- name: introduce_tenant
-- Notes the tenant at its first use.
INSERT INTO memoledger.tenants (tenant_id, created_by) VALUES (%(tenant)s, %(user)s)
ON CONFLICT DO NOTHING

-- name: introduce_user
-- Notes a user at their first use, or when somebody shares with them.
INSERT INTO memoledger.users (tenant_id, user_id, created_by) VALUES (%(tenant)s, %(introduced)s, %(user)s)
ON CONFLICT DO NOTHING
